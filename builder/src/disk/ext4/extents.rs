//! Where a file's content is: extents, in the inode or in a tree below it.
//!
//! After the kernel's `Documentation/filesystems/ext4` (ifork, extent tree).

use super::checksum::Checksums;
use super::{BLOCK, DiskError};
use crate::disk::block::{little, put};

/// Bytes of an inode that hold the root of the tree, and bytes of its header and of each entry.
pub(super) const ROOT: usize = 60;
const ENTRY: usize = 12;
/// Entries in the inode, and in a block, whose last four bytes are a checksum.
const IN_INODE: usize = ROOT / ENTRY - 1;
const IN_BLOCK: usize = BLOCK as usize / ENTRY - 1;
const CHECKSUM: usize = ENTRY * (IN_BLOCK + 1);
const MAGIC: u16 = 0xf30a;
/// Longest extent that is not marked as unwritten.
const LONGEST: u64 = 32768;

/// Consecutive blocks of a file in consecutive blocks of the filesystem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// First block of the file.
    pub(super) first: u64,
    /// Where that is.
    pub(super) start: u64,
    /// How many.
    pub(super) blocks: u64,
}

/// Adds blocks to a file, to the last extent where they follow it.
pub(super) fn add(extents: &mut Vec<Extent>, first: u64, start: u64, blocks: u64) {
    let (mut first, mut start, mut left) = (first, start, blocks);
    while left > 0 {
        let room = extents.last_mut().filter(|last| {
            last.first + last.blocks == first && last.start + last.blocks == start && last.blocks < LONGEST
        });
        let part = match room {
            Some(last) => {
                let part = left.min(LONGEST - last.blocks);
                last.blocks += part;
                part
            }
            None => {
                let part = left.min(LONGEST);
                extents.push(Extent { first, start, blocks: part });
                part
            }
        };
        (first, start, left) = (first + part, start + part, left - part);
    }
}

/// A tree that is written but for its root.
#[derive(Debug)]
pub(super) struct Tree {
    /// What the inode holds.
    pub(super) root: [u8; ROOT],
    /// How many blocks there are below.
    pub(super) blocks: u64,
}

/// Builds the tree of a file; `keep` puts a block somewhere and returns where.
pub(super) fn tree(
    extents: &[Extent],
    checksums: Checksums,
    keep: &mut dyn FnMut(Vec<u8>) -> Result<u64, DiskError>,
) -> Result<Tree, DiskError> {
    let mut entries: Vec<[u8; ENTRY]> = extents.iter().map(leaf_entry).collect();
    let mut depth = 0;
    let mut blocks = 0;
    while entries.len() > IN_INODE {
        let mut above = Vec::with_capacity(entries.len().div_ceil(IN_BLOCK));
        for part in entries.chunks(IN_BLOCK) {
            let mut block = vec![0; BLOCK as usize];
            fill(&mut block, part, IN_BLOCK, depth);
            let checksum = checksums.of_parts(&[&block[..CHECKSUM]]);
            little::u32(&mut block, CHECKSUM, checksum);
            above.push(index_entry(&part[0], keep(block)?));
            blocks += 1;
        }
        entries = above;
        depth += 1;
    }
    let mut root = [0; ROOT];
    fill(&mut root, &entries, IN_INODE, depth);
    Ok(Tree { root, blocks })
}

/// Fills a node: its header, then its entries.
fn fill(node: &mut [u8], entries: &[[u8; ENTRY]], most: usize, depth: u16) {
    for (at, number) in [MAGIC, entries.len() as u16, most as u16, depth].into_iter().enumerate() {
        little::u16(node, at * 2, number);
    }
    for (number, entry) in entries.iter().enumerate() {
        put(node, ENTRY * (number + 1), entry);
    }
}

fn leaf_entry(extent: &Extent) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    little::u32(&mut entry, 0, extent.first as u32);
    little::u16(&mut entry, 4, extent.blocks as u16);
    little::u16(&mut entry, 6, (extent.start >> 32) as u16);
    little::u32(&mut entry, 8, extent.start as u32);
    entry
}

/// Returns the entry that leads to a node whose first entry is `first`; both kinds begin with a block of the file.
fn index_entry(first: &[u8; ENTRY], at: u64) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    put(&mut entry, 0, &first[..4]);
    little::u32(&mut entry, 4, at as u32);
    little::u16(&mut entry, 8, (at >> 32) as u16);
    entry
}
