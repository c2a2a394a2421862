//! How large an ext4, ext3 or ext2 filesystem must be for a tree, and how its tables are dimensioned.

use std::collections::HashMap;
use std::path::Path;

use crate::disk::layout::{MIB, Need};
use crate::plan::FilesystemKind;
use crate::rootfs::tar_stream::{Entry, EntryKind, TreeScan};

use super::folder::{IN_NODE, LEAF_ROOM, record_size};
use super::geometry::has_copy;
use super::{BLOCK, INODE_SIZE, own};

/// Free space that `size: auto` adds to the content: enough to fetch indexes and replace a kernel with its
/// initramfs before the clone has grown, [`MARGIN`] and a tenth of the content. It costs nothing in the outputs,
/// which are sparse.
pub(in crate::disk) const MARGIN: u64 = 512 * MIB;

/// mke2fs's own ratio: one inode for so many bytes. Growing keeps it.
const BYTES_PER_INODE: u64 = 16384;

/// Blocks in a group: what one bitmap block covers.
const GROUP_BLOCKS: u64 = BLOCK * 8;

/// Inodes that ext4 keeps for itself, with room for `lost+found` and quota files.
const OWN_INODES: u64 = 16;

/// Smallest filesystem that is made; below, a journal has no room.
const SMALLEST: u64 = 16 * MIB;

/// Bytes of a symbolic link's target that fit into its inode.
const FAST_SYMLINK: usize = 59;

/// Bytes of attributes that surely fit into an inode of 256 bytes.
const INODE_ATTRIBUTES: usize = 64;

/// Longest contiguous run of one extent, and how many extents an inode holds.
const EXTENT_BLOCKS: u64 = 32768;
const INODE_EXTENTS: u64 = 4;

/// Tells the need of the filesystem that holds `scan`.
pub(in crate::disk) fn need(kind: FilesystemKind, scan: Option<&TreeScan>) -> Need {
    let (blocks, inodes) =
        scan.map_or((1, 0), |scan| (content_blocks(kind, scan.entries()), scan.entries().len() as u64));
    let content = blocks * BLOCK;
    Need {
        least: enclose(content, inodes),
        auto: Some(enclose(content + MARGIN + content / 10, inodes).next_multiple_of(MIB)),
    }
}

/// Returns the size of the filesystem whose own structures leave `room` bytes.
fn enclose(room: u64, inodes: u64) -> u64 {
    let mut size = room.max(SMALLEST);
    // Tables are a fixed share of the size, so this closes in quickly; each round can only grow.
    loop {
        let next = (room + overhead(size, inodes)).max(SMALLEST).next_multiple_of(BLOCK);
        if next <= size {
            return size;
        }
        size = next;
    }
}

/// Bytes of journal, inode tables, bitmaps and descriptors of a filesystem of `size` bytes, rounded up.
fn overhead(size: u64, inodes: u64) -> u64 {
    let groups = size.div_ceil(BLOCK * GROUP_BLOCKS);
    // Tables are rounded up to whole blocks in each group.
    let tables = inode_count(size, inodes) * INODE_SIZE + groups * 3 * BLOCK;
    // Superblock, descriptors and what is reserved for growing a thousandfold, once for each backup (sparse_super:
    // groups 0, 1 and powers of 3, 5, 7).
    let descriptors = (groups * 64).div_ceil(BLOCK);
    let reserved = (size * 1024 / (BLOCK * GROUP_BLOCKS) * 64).div_ceil(BLOCK).min(1024);
    let backups = (0..groups).filter(|group| has_copy(*group)).count() as u64;
    let orphans = own::orphan_blocks(size / BLOCK);
    journal(size) + tables + (backups * (1 + descriptors + reserved) + orphans + 16) * BLOCK
}

/// Returns the number of inodes: by size as usual, but always a quarter more than the content has.
pub(super) fn inode_count(size: u64, content: u64) -> u64 {
    (size / BYTES_PER_INODE).max(content + content / 4 + OWN_INODES)
}

/// Returns the journal's size in bytes. It does not grow with the clone, so it is what a disk of some GiB gets.
pub(super) fn journal(size: u64) -> u64 {
    match size / MIB {
        0..128 => 4 * MIB,
        128..512 => 16 * MIB,
        _ => 64 * MIB,
    }
}

/// Returns the blocks that a tree occupies as the format stores it.
fn content_blocks(kind: FilesystemKind, entries: &[Entry]) -> u64 {
    let blocks: u64 = entries.iter().map(|entry| own_blocks(kind, entry)).sum();
    blocks + folder_blocks(entries)
}

fn own_blocks(kind: FilesystemKind, entry: &Entry) -> u64 {
    let data = match &entry.kind {
        EntryKind::File(size) => {
            let blocks = size.div_ceil(BLOCK);
            blocks + if kind == FilesystemKind::Ext4 { extent_blocks(blocks) } else { map_blocks(blocks) }
        }
        EntryKind::Symlink(target) if target.len() > FAST_SYMLINK => 1,
        _ => 0,
    };
    let attributes: usize = entry.xattrs.iter().map(|(name, value)| 16 + name.len() + value.len() + 4).sum();
    data + u64::from(attributes > INODE_ATTRIBUTES)
}

/// Returns the blocks that hold the extents of a file of so many blocks.
fn extent_blocks(blocks: u64) -> u64 {
    let extents = blocks.div_ceil(EXTENT_BLOCKS);
    // Fragments at group borders are allowed for: twice the extents of a file in one piece.
    if extents * 2 > INODE_EXTENTS { 1 + extents * 24 / BLOCK } else { 0 }
}

/// Returns the blocks that hold the block numbers of a file of so many blocks, as ext3 and ext2 keep them: twelve
/// in the inode, then blocks of numbers, blocks of those, and once more.
fn map_blocks(blocks: u64) -> u64 {
    const IN_INODE: u64 = 12;
    const IN_BLOCK: u64 = BLOCK / 4;
    let beyond = blocks.saturating_sub(IN_INODE);
    let single = beyond.div_ceil(IN_BLOCK);
    let double = single.saturating_sub(1).div_ceil(IN_BLOCK);
    let triple = u64::from(double > 1);
    single + double + triple
}

/// Adds up the blocks of folders.
fn folder_blocks(entries: &[Entry]) -> u64 {
    // Bytes of records, and the longest, by folder.
    let mut folders: HashMap<&Path, (usize, usize)> = HashMap::new();
    for entry in entries {
        if entry.kind == EntryKind::Folder {
            folders.entry(entry.path.as_path()).or_default();
        }
        if let (Some(parent), Some(name)) = (entry.path.parent(), entry.path.file_name()) {
            let size = record_size(name.len());
            let (bytes, longest) = folders.entry(parent).or_default();
            *bytes += size;
            *longest = size.max(*longest);
        }
    }
    // Four more for lost+found.
    4 + folders.values().map(|(bytes, longest)| most_blocks(*bytes, *longest)).sum::<u64>()
}

/// Returns how many blocks a folder has at most. A record does not cross blocks, so up to a longest one is lost in each;
/// "." and ".." are in the first, or in the root of the index.
fn most_blocks(bytes: usize, longest: usize) -> u64 {
    if bytes + 2 * record_size(2) <= LEAF_ROOM {
        return 1;
    }
    let leaves = bytes.div_ceil(LEAF_ROOM + 4 - longest) as u64;
    1 + leaves + leaves.div_ceil(IN_NODE as u64)
}
