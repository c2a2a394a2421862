//! Items of trees, and the structures that they hold (`btrfs_tree.h`).

use crc::{Algorithm, CRC_32_ISCSI, Crc, Table};
use uuid::Uuid;

use crate::disk::block::put;
use crate::disk::inodes::Inode;

/// The only generation there is.
pub(super) const GENERATION: u64 = 1;
/// First number that inodes and subvolumes have.
pub(super) const FIRST: u64 = 256;

/// Types of items.
pub(super) mod kind {
    pub(in crate::disk::btrfs) const INODE: u8 = 1;
    pub(in crate::disk::btrfs) const INODE_REFERENCE: u8 = 12;
    pub(in crate::disk::btrfs) const ATTRIBUTE: u8 = 24;
    pub(in crate::disk::btrfs) const DIRECTORY_NAME: u8 = 84;
    pub(in crate::disk::btrfs) const DIRECTORY_INDEX: u8 = 96;
    pub(in crate::disk::btrfs) const FILE_EXTENT: u8 = 108;
    pub(in crate::disk::btrfs) const CHECKSUMS: u8 = 128;
    pub(in crate::disk::btrfs) const ROOT: u8 = 132;
    pub(in crate::disk::btrfs) const ROOT_BACK: u8 = 144;
    pub(in crate::disk::btrfs) const ROOT_REFERENCE: u8 = 156;
    pub(in crate::disk::btrfs) const EXTENT: u8 = 168;
    pub(in crate::disk::btrfs) const METADATA: u8 = 169;
    pub(in crate::disk::btrfs) const TREE_REFERENCE: u8 = 176;
    pub(in crate::disk::btrfs) const DATA_REFERENCE: u8 = 178;
    pub(in crate::disk::btrfs) const BLOCK_GROUP: u8 = 192;
    pub(in crate::disk::btrfs) const FREE_SPACE: u8 = 198;
    pub(in crate::disk::btrfs) const FREE_EXTENT: u8 = 199;
    pub(in crate::disk::btrfs) const DEVICE_EXTENT: u8 = 204;
    pub(in crate::disk::btrfs) const DEVICE: u8 = 216;
    pub(in crate::disk::btrfs) const CHUNK: u8 = 228;
    pub(in crate::disk::btrfs) const SUBVOLUME_UUID: u8 = 251;
}

/// Where an item stands in its tree: object, type, offset, compared in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(pub(super) u64, pub(super) u8, pub(super) u64);

impl Key {
    /// Returns its 17 bytes.
    pub(super) fn bytes(self) -> [u8; 17] {
        let mut bytes = [0; 17];
        put(&mut bytes, 0, self.0.to_le_bytes());
        bytes[8] = self.1;
        put(&mut bytes, 9, self.2.to_le_bytes());
        bytes
    }
}

/// An item of a tree.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) key: Key,
    pub(super) data: Vec<u8>,
}

/// Makes an item.
pub(super) fn item(key: Key, data: impl Into<Vec<u8>>) -> Item {
    Item { key, data: data.into() }
}

/// Returns the hash by which names and attributes are found: CRC-32C from ~1 on, not inverted at the end.
pub(super) fn name_hash(name: &[u8]) -> u64 {
    const ALGORITHM: Algorithm<u32> =
        Algorithm { init: 0xffff_fffe_u32.reverse_bits(), xorout: 0, ..CRC_32_ISCSI };
    const HASH: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&ALGORITHM);
    u64::from(HASH.checksum(name))
}

/// What an inode item says.
#[derive(Debug, Clone, Copy)]
pub(super) struct InodeItem {
    pub(super) size: u64,
    /// Bytes that its content takes on disk.
    pub(super) bytes: u64,
    pub(super) links: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mode: u32,
    pub(super) device: u64,
    pub(super) flags: u64,
    pub(super) mtime: i64,
    pub(super) epoch: i64,
}

impl InodeItem {
    /// A folder of the filesystem's own.
    pub(super) fn folder(epoch: i64) -> Self {
        Self {
            size: 0,
            bytes: 0,
            links: 1,
            uid: 0,
            gid: 0,
            mode: 0o040_755,
            device: 0,
            flags: 0,
            mtime: epoch,
            epoch,
        }
    }

    /// Describes an inode of the tree, size, bytes and device apart.
    pub(super) fn of(inode: &Inode<'_>, epoch: i64) -> Self {
        let (_, uid, gid) = inode.access();
        let mode = inode.stat_mode();
        // A folder has one link however many folders are in it.
        let links = if mode & 0o170_000 == 0o040_000 { 1 } else { inode.names.len().max(1) };
        let links = u32::try_from(links).unwrap_or(u32::MAX);
        Self { links, uid, gid, mode, mtime: inode.mtime(epoch), ..Self::folder(epoch) }
    }

    /// Returns its 160 bytes.
    pub(super) fn bytes(&self) -> [u8; 160] {
        let mut bytes = [0; 160];
        put(&mut bytes, 0, GENERATION.to_le_bytes());
        put(&mut bytes, 8, GENERATION.to_le_bytes());
        put(&mut bytes, 16, self.size.to_le_bytes());
        put(&mut bytes, 24, self.bytes.to_le_bytes());
        put(&mut bytes, 40, self.links.to_le_bytes());
        put(&mut bytes, 44, self.uid.to_le_bytes());
        put(&mut bytes, 48, self.gid.to_le_bytes());
        put(&mut bytes, 52, self.mode.to_le_bytes());
        put(&mut bytes, 56, self.device.to_le_bytes());
        put(&mut bytes, 64, self.flags.to_le_bytes());
        for (at, time) in [(112, self.epoch), (124, self.epoch), (136, self.mtime), (148, self.epoch)] {
            put(&mut bytes, at, time.to_le_bytes());
        }
        bytes
    }
}

/// Returns one name or attribute: what it leads to, its type, the name, and an attribute's value.
pub(super) fn named(location: Key, kind: u8, name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = location.bytes().to_vec();
    bytes.extend(GENERATION.to_le_bytes());
    bytes.extend((value.len() as u16).to_le_bytes());
    bytes.extend((name.len() as u16).to_le_bytes());
    bytes.push(kind);
    bytes.extend(name);
    bytes.extend(value);
    bytes
}

/// What a root item says.
#[derive(Debug, Clone, Copy)]
pub(super) struct RootItem {
    /// Address and height of the tree's root.
    pub(super) root: (u64, u8),
    /// How many blocks it has.
    pub(super) blocks: u64,
    /// UUID of a subvolume, or nil.
    pub(super) uuid: Uuid,
    /// Whether inodes are in it.
    pub(super) files: bool,
    pub(super) epoch: i64,
}

impl RootItem {
    /// Returns its 439 bytes.
    pub(super) fn bytes(&self, node: u64) -> Vec<u8> {
        /// The inode inside is complete.
        const COMPLETE: u64 = 1 << 31;
        let inode = InodeItem {
            size: 3,
            bytes: node,
            flags: if self.files { COMPLETE } else { 0 },
            ..InodeItem::folder(self.epoch)
        };
        let mut bytes = vec![0; 439];
        put(&mut bytes, 0, inode.bytes());
        put(&mut bytes, 160, GENERATION.to_le_bytes());
        put(&mut bytes, 168, if self.files { FIRST } else { 0 }.to_le_bytes());
        put(&mut bytes, 176, self.root.0.to_le_bytes());
        put(&mut bytes, 192, (self.blocks * node).to_le_bytes());
        put(&mut bytes, 216, 1_u32.to_le_bytes());
        bytes[238] = self.root.1;
        put(&mut bytes, 239, GENERATION.to_le_bytes());
        if !self.uuid.is_nil() {
            put(&mut bytes, 247, self.uuid.as_bytes());
            put(&mut bytes, 295, GENERATION.to_le_bytes());
            put(&mut bytes, 303, GENERATION.to_le_bytes());
            put(&mut bytes, 327, self.epoch.to_le_bytes());
            put(&mut bytes, 339, self.epoch.to_le_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hash_as_every_filesystem_shows() {
        // `btrfs inspect-internal dump-tree` of any filesystem: "(ROOT_TREE_DIR DIR_ITEM 2378154706)", "default".
        assert_eq!(name_hash(b"default"), 2_378_154_706);
    }
}
