//! The tree of a subvolume: inodes, names, attributes, and where content is.

use std::collections::BTreeMap;

use super::chunks::DATA_SIZE;
use super::item::{FIRST, GENERATION, InodeItem, Item, Key, item, kind, name_hash, named};
use super::tree::LARGEST;
use crate::disk::DiskError;
use crate::disk::inodes::{Inode, Inodes, ROOT};
use crate::rootfs::tar_stream::EntryKind;

/// Unit of content on disk.
pub(super) const SECTOR: u64 = 4096;
/// Longest content that is kept in the tree itself; the kernel's default of `max_inline`.
const LARGEST_INSIDE: u64 = 2048;
/// Longest extent of content; the kernel's.
const LARGEST_EXTENT: u64 = 128 << 20;
/// Longest target of a symbolic link.
const LONGEST_TARGET: usize = 4095;

/// Types in folders.
pub(super) const TYPE_FOLDER: u8 = 2;
const TYPE_ATTRIBUTE: u8 = 8;

/// A tree of files.
#[derive(Debug)]
pub(super) struct Files<'a> {
    /// Number of the tree.
    pub(super) tree: u64,
    /// What is in it.
    pub(super) inodes: Inodes<'a>,
}

/// A piece of content: where it is, and whose.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) address: u64,
    /// Bytes on disk, a multiple of [`SECTOR`].
    pub(super) length: u64,
    pub(super) tree: u64,
    /// Place in the list of inodes.
    pub(super) place: usize,
    /// Offset in the file.
    pub(super) offset: u64,
}

/// Where the next content goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor {
    /// Address of the first byte of all content.
    pub(super) start: u64,
    /// Bytes that are taken.
    pub(super) used: u64,
}

impl Cursor {
    /// Takes the next piece of at most `wanted` bytes: its address and length. A piece ends with its chunk.
    fn take(&mut self, wanted: u64) -> (u64, u64) {
        let length = wanted.min(LARGEST_EXTENT).min(DATA_SIZE - self.used % DATA_SIZE);
        let address = self.start + self.used;
        self.used += length;
        (address, length)
    }
}

impl Files<'_> {
    /// Returns the tree's items in order, content inside the tree read by `read`; adds the extents of other content.
    pub(super) fn items(
        &self,
        cursor: &mut Cursor,
        extents: &mut Vec<Extent>,
        epoch: i64,
        read: &dyn Fn(&Inode<'_>) -> Result<Vec<u8>, DiskError>,
    ) -> Result<Vec<Item>, DiskError> {
        let mut items = Vec::new();
        for (place, inode) in self.inodes.list.iter().enumerate() {
            self.push_inode(&mut items, (place, inode), cursor, extents, epoch, read)?;
            push_attributes(&mut items, number(place), inode)?;
            self.push_back_names(&mut items, place, inode)?;
            self.push_names(&mut items, place, inode);
        }
        items.sort_by_key(|item| item.key);
        Ok(items)
    }

    fn push_inode(
        &self,
        items: &mut Vec<Item>,
        (place, inode): (usize, &Inode<'_>),
        cursor: &mut Cursor,
        extents: &mut Vec<Extent>,
        epoch: i64,
        read: &dyn Fn(&Inode<'_>) -> Result<Vec<u8>, DiskError>,
    ) -> Result<(), DiskError> {
        let own = number(place);
        let mut said = InodeItem::of(inode, epoch);
        match inode.kind() {
            EntryKind::Folder => {
                // Each name counts twice: it is found by hash and by index.
                said.size = inode.children.iter().map(|(name, _)| 2 * name.len() as u64).sum();
            }
            EntryKind::Symlink(target) if target.len() > LONGEST_TARGET => {
                let why = format!("its target has more than {LONGEST_TARGET} bytes; shorten it");
                return Err(DiskError::unfit(inode.shown(), format!("btrfs cannot hold it: {why}")));
            }
            EntryKind::Symlink(target) => {
                said.size = target.len() as u64;
                said.bytes = said.size;
                items.push(inside(own, target));
            }
            EntryKind::CharDevice(major, minor) | EntryKind::BlockDevice(major, minor) => {
                said.device = major << 20 | minor;
            }
            EntryKind::File(0) | EntryKind::HardLink(_) | EntryKind::Fifo => {}
            EntryKind::File(size) if *size <= LARGEST_INSIDE => {
                said.size = *size;
                said.bytes = *size;
                items.push(inside(own, &read(inode)?));
            }
            EntryKind::File(size) => {
                said.size = *size;
                said.bytes = size.next_multiple_of(SECTOR);
                let mut offset = 0;
                while offset < said.bytes {
                    let (address, length) = cursor.take(said.bytes - offset);
                    items.push(outside(own, offset, address, length));
                    extents.push(Extent { address, length, tree: self.tree, place, offset });
                    offset += length;
                }
            }
        }
        items.push(item(Key(own, kind::INODE, 0), said.bytes()));
        Ok(())
    }

    /// Adds the names by which an inode knows the folders that lead to it.
    fn push_back_names(
        &self,
        items: &mut Vec<Item>,
        place: usize,
        inode: &Inode<'_>,
    ) -> Result<(), DiskError> {
        if place == ROOT {
            items.push(item(Key(FIRST, kind::INODE_REFERENCE, FIRST), back_name(0, b"..")));
            return Ok(());
        }
        let mut folders: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
        for name in &inode.names {
            let index = self.index(name.folder, name.name);
            folders.entry(name.folder).or_default().extend(back_name(index, name.name));
        }
        for (folder, names) in folders {
            if names.len() > LARGEST {
                let why = "btrfs cannot hold so many hard links of one file in one folder; remove some";
                return Err(DiskError::unfit(inode.shown(), why));
            }
            items.push(item(Key(number(place), kind::INODE_REFERENCE, number(folder)), names));
        }
        Ok(())
    }

    /// Returns the index of a name in its folder; the first is 2.
    fn index(&self, folder: usize, name: &[u8]) -> u64 {
        let children = &self.inodes.list[folder].children;
        // Names come in the order of the scan, which is that of their bytes.
        children.binary_search_by(|(known, _)| (*known).cmp(name)).unwrap_or_default() as u64 + 2
    }

    /// Adds a folder's names, by hash and by index.
    fn push_names(&self, items: &mut Vec<Item>, place: usize, inode: &Inode<'_>) {
        let names = (2..).zip(&inode.children).map(|(index, (name, child))| {
            let location = Key(number(*child), kind::INODE, 0);
            (index, *name, named(location, type_of(self.inodes.list[*child].kind()), name, b""))
        });
        push_folder_items(items, number(place), names);
    }
}

/// Adds names to the folder `folder`: their index, the name, and what it leads to. Names of one hash share an item.
pub(super) fn push_folder_items<'a>(
    items: &mut Vec<Item>,
    folder: u64,
    names: impl Iterator<Item = (u64, &'a [u8], Vec<u8>)>,
) {
    let mut by_hash: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    for (index, name, data) in names {
        by_hash.entry(name_hash(name)).or_default().extend(&data);
        items.push(item(Key(folder, kind::DIRECTORY_INDEX, index), data));
    }
    items.extend(by_hash.into_iter().map(|(hash, data)| item(Key(folder, kind::DIRECTORY_NAME, hash), data)));
}

/// Returns a name as the inode has it that it belongs to.
pub(super) fn back_name(index: u64, name: &[u8]) -> Vec<u8> {
    [&index.to_le_bytes()[..], &(name.len() as u16).to_le_bytes(), name].concat()
}

fn push_attributes(items: &mut Vec<Item>, own: u64, inode: &Inode<'_>) -> Result<(), DiskError> {
    let mut by_hash: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    for (name, value) in inode.xattrs() {
        let data = named(Key(0, 0, 0), TYPE_ATTRIBUTE, name, value);
        by_hash.entry(name_hash(name)).or_default().extend(data);
    }
    for (hash, data) in by_hash {
        if data.len() > LARGEST {
            let why = "btrfs cannot hold an extended attribute of more than 16000 bytes; remove it";
            return Err(DiskError::unfit(inode.shown(), why));
        }
        items.push(item(Key(own, kind::ATTRIBUTE, hash), data));
    }
    Ok(())
}

/// Returns the number of the inode at a place of the list.
fn number(place: usize) -> u64 {
    FIRST + place as u64
}

/// Content inside the tree.
fn inside(own: u64, content: &[u8]) -> Item {
    let mut data = extent_head(content.len() as u64, 0);
    data.extend(content);
    item(Key(own, kind::FILE_EXTENT, 0), data)
}

/// Content elsewhere, all of an extent.
fn outside(own: u64, offset: u64, address: u64, length: u64) -> Item {
    let mut data = extent_head(length, 1);
    for number in [address, length, 0, length] {
        data.extend(number.to_le_bytes());
    }
    item(Key(own, kind::FILE_EXTENT, offset), data)
}

/// Generation, length, no compression, no encryption, no other encoding, and whether it is elsewhere.
fn extent_head(length: u64, form: u8) -> Vec<u8> {
    let mut data = GENERATION.to_le_bytes().to_vec();
    data.extend(length.to_le_bytes());
    data.extend([0, 0, 0, 0, form]);
    data
}

fn type_of(kind: &EntryKind) -> u8 {
    match kind {
        EntryKind::File(_) | EntryKind::HardLink(_) => 1,
        EntryKind::Folder => TYPE_FOLDER,
        EntryKind::CharDevice(..) => 3,
        EntryKind::BlockDevice(..) => 4,
        EntryKind::Fifo => 5,
        EntryKind::Symlink(_) => 7,
    }
}
