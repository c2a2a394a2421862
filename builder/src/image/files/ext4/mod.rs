//! The files of ext2, ext3 and ext4, read from the image's bytes.
//!
//! After the kernel's `Documentation/filesystems/ext4`. Everything is bounded by what the superblock and the partition
//! allow: no folder is entered twice, no file has more blocks than the filesystem, and all contents together are at
//! most some times its size. The journal is not replayed: after a crash the kernel may know newer names.

mod attributes;
mod folder;
mod inode;
mod map;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Attributes, Files, Listing, MOST_NODES, Node, NodeKind, Sink, join};
use crate::image::Image;
use crate::image::bytes::{u16_le, u32_le};
use inode::Inode;

const SUPERBLOCK: u64 = 1024;
const ROOT: u64 = 2;
const CHUNK: u64 = 1 << 20;

const INCOMPATIBLE_META_BG: u32 = 0x10;
const INCOMPATIBLE_64BIT: u32 = 0x80;
/// What cannot be read: compression, an external journal's device, encryption.
const UNREADABLE: [(u32, &str); 3] = [
    (0x1, "it has compressed files"),
    (0x8, "it is a journal"),
    (0x10, "its group descriptors are spread (meta_bg)"),
];

/// Contents may be read so often over: once for a digest, once for a look, hard links of snapshots.
const READ_OVER: u64 = 8;

/// The geometry, checked against the partition.
#[derive(Debug)]
pub(super) struct Ext4<'a> {
    image: &'a Image,
    start: u64,
    block_size: u64,
    blocks: u64,
    inodes: u64,
    inodes_per_group: u64,
    inode_size: u64,
    descriptors: u64,
    descriptor_size: u64,
    budget: AtomicU64,
}

impl<'a> Ext4<'a> {
    pub(super) fn open(image: &'a Image, start: u64, length: u64) -> Result<Self, String> {
        let block = image.read(start + SUPERBLOCK, 1024)?;
        let incompatible = u32_le(&block, 96).unwrap_or(0);
        if let Some((_, why)) = UNREADABLE.iter().find(|(bit, _)| incompatible & bit != 0) {
            return Err((*why).to_owned());
        }
        debug_assert_eq!(UNREADABLE[2].0, INCOMPATIBLE_META_BG);
        Self::geometry(image, start, length, &block).ok_or_else(|| "its superblock makes no sense".to_owned())
    }

    fn geometry(image: &'a Image, start: u64, length: u64, block: &[u8]) -> Option<Self> {
        let block_size = 1024_u64.checked_shl(u32_le(block, 24)?).filter(|size| *size <= 65536)?;
        let wide = u32_le(block, 96)? & INCOMPATIBLE_64BIT != 0;
        let high = if wide { u64::from(u32_le(block, 0x150)?) << 32 } else { 0 };
        let blocks = high | u64::from(u32_le(block, 4)?);
        let inodes_per_group = u64::from(u32_le(block, 40)?);
        let blocks_per_group = u64::from(u32_le(block, 32)?);
        let first_block = u64::from(u32_le(block, 20)?);
        let inode_size = if u32_le(block, 76)? == 0 { 128 } else { u64::from(u16_le(block, 88)?) };
        let descriptor_size = if wide { u64::from(u16_le(block, 254)?) } else { 32 };
        let sound = blocks.checked_mul(block_size)? <= length
            && inodes_per_group > 0
            && blocks_per_group > 0
            && inode_size.is_power_of_two()
            && (128..=block_size).contains(&inode_size)
            && (32..=block_size).contains(&descriptor_size)
            && first_block < blocks;
        sound.then(|| Self {
            image,
            start,
            block_size,
            blocks,
            inodes: u64::from(u32_le(block, 0).unwrap_or(0)),
            inodes_per_group,
            inode_size,
            descriptors: (first_block + 1) * block_size,
            descriptor_size,
            budget: AtomicU64::new((blocks * block_size).saturating_mul(READ_OVER)),
        })
    }

    /// Reads bytes of the filesystem.
    fn bytes(&self, offset: u64, length: u64) -> Result<Vec<u8>, String> {
        let end = offset.checked_add(length).filter(|end| *end <= self.blocks * self.block_size);
        end.ok_or("it refers to blocks beyond its end")?;
        self.image.read(self.start + offset, length)
    }

    fn block(&self, number: u64) -> Result<Vec<u8>, String> {
        let offset = number.checked_mul(self.block_size).ok_or("it refers to blocks beyond its end")?;
        self.bytes(offset, self.block_size)
    }

    fn inode(&self, number: u64) -> Result<Inode, String> {
        if number == 0 || number > self.inodes {
            return Err(format!("it refers to inode {number}, which it does not have"));
        }
        let (group, index) = ((number - 1) / self.inodes_per_group, (number - 1) % self.inodes_per_group);
        let descriptor = self.bytes(self.descriptors + group * self.descriptor_size, self.descriptor_size)?;
        let low = u64::from(u32_le(&descriptor, 8).unwrap_or(0));
        let high =
            if self.descriptor_size >= 64 { u64::from(u32_le(&descriptor, 40).unwrap_or(0)) } else { 0 };
        let table = (high << 32 | low).checked_mul(self.block_size);
        let offset = table.and_then(|table| table.checked_add(index * self.inode_size));
        let bytes = self.bytes(offset.ok_or("its inode tables are beyond its end")?, self.inode_size)?;
        Inode::parse(number, bytes).ok_or_else(|| format!("its inode {number} makes no sense"))
    }

    /// Gives an inode's content to `sink`.
    fn stream(&self, inode: &Inode, sink: &mut Sink<'_>) -> Result<(), String> {
        if inode.is_inline() {
            return sink(0, &self.inline_content(inode)?);
        }
        for run in map::runs(self, inode)? {
            let mut offset = run.logical * self.block_size;
            let end = ((run.logical + run.count) * self.block_size).min(inode.size);
            let mut physical = run.physical * self.block_size;
            while offset < end {
                let length = CHUNK.min(end - offset);
                self.spend(length)?;
                sink(offset, &self.bytes(physical, length)?)?;
                offset += length;
                physical += length;
            }
        }
        Ok(())
    }

    fn spend(&self, bytes: u64) -> Result<(), String> {
        let spent =
            self.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        spent.map(drop).map_err(|_| "its files claim many times more than it holds".to_owned())
    }

    /// Returns an inode's whole content, of at most `limit` bytes.
    fn whole(&self, inode: &Inode, limit: u64) -> Result<Vec<u8>, String> {
        if inode.size > limit {
            return Err(format!("its inode {} is too long", inode.number));
        }
        let mut bytes = vec![0; usize::try_from(inode.size).map_err(|error| error.to_string())?];
        self.stream(inode, &mut |offset, part| {
            let start = usize::try_from(offset).map_err(|error| error.to_string())?;
            bytes
                .get_mut(start..start + part.len())
                .ok_or("a content is longer than its size")?
                .copy_from_slice(part);
            Ok(())
        })?;
        Ok(bytes)
    }

    fn node(&self, inode: &Inode) -> Result<Node, String> {
        let kind = match inode.mode & 0o170_000 {
            0o100_000 => NodeKind::File,
            0o040_000 => NodeKind::Folder,
            0o120_000 => NodeKind::Symlink { target: self.target(inode)? },
            0o020_000 => {
                let (major, minor) = inode.device();
                NodeKind::Character { major, minor }
            }
            0o060_000 => {
                let (major, minor) = inode.device();
                NodeKind::Block { major, minor }
            }
            0o010_000 => NodeKind::Fifo,
            0o140_000 => NodeKind::Socket,
            other => return Err(format!("its inode {} is of no known kind ({other:o})", inode.number)),
        };
        Ok(Node {
            size: if kind == NodeKind::File { inode.size } else { 0 },
            kind,
            mode: inode.mode & 0o7777,
            uid: inode.uid,
            gid: inode.gid,
            modified: inode.modified,
            inode: inode.number,
            links: inode.links,
        })
    }

    fn target(&self, inode: &Inode) -> Result<Vec<u8>, String> {
        match inode.fast_target() {
            Some(target) => Ok(target.to_vec()),
            None => self.whole(inode, self.block_size),
        }
    }
}

impl Files for Ext4<'_> {
    fn list(&self) -> Result<Listing, String> {
        let mut listing = Listing::new();
        let mut entered = HashSet::from([ROOT]);
        let root = self.inode(ROOT)?;
        let node = self.node(&root)?;
        if node.kind != NodeKind::Folder {
            return Err("its root is no folder".into());
        }
        listing.insert(b"/".to_vec(), node);
        let mut open = vec![(b"/".to_vec(), root)];
        while let Some((path, inode)) = open.pop() {
            for (name, number) in folder::entries(self, &inode)? {
                let path = join(&path, &name);
                let inode = self
                    .inode(number)
                    .map_err(|why| format!("'{}': {why}", String::from_utf8_lossy(&path)))?;
                let node = self.node(&inode)?;
                if node.kind == NodeKind::Folder {
                    if !entered.insert(number) {
                        return Err(format!("its folder '{}' is in itself", String::from_utf8_lossy(&path)));
                    }
                    open.push((path.clone(), inode));
                }
                listing.insert(path, node);
                if listing.len() > MOST_NODES {
                    return Err("it has more files than are looked at".into());
                }
            }
        }
        Ok(listing)
    }

    fn content(&self, _path: &[u8], node: &Node, sink: &mut Sink<'_>) -> Result<(), String> {
        self.stream(&self.inode(node.inode)?, sink)
    }

    fn attributes(&self, _path: &[u8], node: &Node) -> Result<Attributes, String> {
        attributes::read(self, &self.inode(node.inode)?)
    }
}
