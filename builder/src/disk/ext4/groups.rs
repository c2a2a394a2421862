//! Bitmaps and descriptors of the groups.
//!
//! After the kernel's `Documentation/filesystems/ext4` (group descriptors, bitmaps). What a group has not begun to use is
//! marked as such and left unwritten, so it takes no room on the disk.

use super::BLOCK;
use super::checksum::Checksums;
use super::geometry::{DESCRIPTOR, Geometry, Run};
use crate::disk::block::little;

/// Marks of a group: no inode used, no block used, table of inodes reads as zeroes where unused.
const NO_INODES: u16 = 0x1;
const NO_BLOCKS: u16 = 0x2;
const ZEROED: u16 = 0x4;
/// Where the checksum of a descriptor is.
const CHECKSUM: usize = 30;

/// What is used of the whole.
#[derive(Debug)]
pub(super) struct Usage {
    /// Free space, in order.
    pub(super) free: Vec<Run>,
    /// How many inodes are used, from the first on.
    pub(super) inodes: u64,
    /// How many of them are folders, by group.
    pub(super) folders: Vec<u32>,
}

impl Usage {
    /// Returns the number of free blocks.
    pub(super) fn free_blocks(&self) -> u64 {
        self.free.iter().map(|run| run.blocks).sum()
    }
}

/// A group's descriptor and bitmaps; none where they are left unwritten.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) descriptor: [u8; DESCRIPTOR],
    pub(super) blocks: Option<Vec<u8>>,
    pub(super) inodes: Option<Vec<u8>>,
}

/// Makes all groups in order.
pub(super) fn groups(geometry: &Geometry, checksums: Checksums, usage: &Usage) -> Vec<Group> {
    let mut rest = usage.free.as_slice();
    (0..geometry.groups)
        .map(|number| {
            let (start, end) =
                (geometry.start_of(number), geometry.start_of(number) + geometry.length_of(number));
            rest = &rest[rest.iter().take_while(|run| run.end() <= start).count()..];
            let here = rest.iter().take_while(|run| run.start < end).map(|run| {
                let from = run.start.max(start);
                Run { start: from - start, blocks: run.end().min(end) - from }
            });
            group(geometry, checksums, usage, number, &here.collect::<Vec<_>>())
        })
        .collect()
}

/// Makes a group whose free blocks are `free`, counted from its start.
fn group(geometry: &Geometry, checksums: Checksums, usage: &Usage, number: u64, free: &[Run]) -> Group {
    let free_blocks = free.iter().map(|run| run.blocks).sum::<u64>();
    let used_inodes = usage.inodes.saturating_sub(number * geometry.group_inodes).min(geometry.group_inodes);
    let free_inodes = geometry.group_inodes - used_inodes;
    // The last group's bitmap also says where the filesystem ends.
    let begun = number + 1 == geometry.groups || free_blocks < geometry.group_blocks;
    let blocks = begun.then(|| block_bitmap(free));
    let inodes = (used_inodes > 0).then(|| inode_bitmap(used_inodes, geometry.group_inodes));
    let sum = |bitmap: Option<&Vec<u8>>, bits: u64| {
        bitmap.map_or(0, |bitmap| checksums.of_parts(&[&bitmap[..(bits / 8) as usize]]))
    };
    let marks = ZEROED | if begun { 0 } else { NO_BLOCKS } | if used_inodes > 0 { 0 } else { NO_INODES };
    let tables = geometry.tables[number as usize];
    let mut descriptor = [0; DESCRIPTOR];
    for (at, place) in [(0, tables.block_bitmap), (4, tables.inode_bitmap), (8, tables.inodes)] {
        little::u32(&mut descriptor, at, place as u32);
        little::u32(&mut descriptor, 32 + at, (place >> 32) as u32);
    }
    let folders = usage.folders.get(number as usize).copied().unwrap_or(0);
    little::u16(&mut descriptor, 12, free_blocks as u16);
    little::u16(&mut descriptor, 14, free_inodes as u16);
    little::u16(&mut descriptor, 16, folders as u16);
    little::u16(&mut descriptor, 18, marks);
    // Inodes are used from the front, so those never used are the free ones.
    little::u16(&mut descriptor, 28, free_inodes as u16);
    let sums = [
        (24, sum(blocks.as_ref(), geometry.group_blocks)),
        (26, sum(inodes.as_ref(), geometry.group_inodes)),
    ];
    for (at, sum) in sums {
        little::u16(&mut descriptor, at, sum as u16);
        little::u16(&mut descriptor, 32 + at, (sum >> 16) as u16);
    }
    let checksum = checksums.of_parts(&[&(number as u32).to_le_bytes(), &descriptor]);
    little::u16(&mut descriptor, CHECKSUM, checksum as u16);
    Group { descriptor, blocks, inodes }
}

/// Returns a bitmap of blocks: all used, those behind the end too, but those that are free.
fn block_bitmap(free: &[Run]) -> Vec<u8> {
    let mut bitmap = vec![0xff; BLOCK as usize];
    for run in free {
        clear(&mut bitmap, run.start as usize, run.end() as usize);
    }
    bitmap
}

/// Returns a bitmap of inodes: so many used of those that there are, and all behind them.
fn inode_bitmap(used: u64, inodes: u64) -> Vec<u8> {
    let mut bitmap = vec![0xff; BLOCK as usize];
    clear(&mut bitmap, used as usize, inodes as usize);
    bitmap
}

/// Clears the bits from `from` to before `end`.
fn clear(bitmap: &mut [u8], from: usize, end: usize) {
    let mut bit = from;
    while bit < end {
        if bit.is_multiple_of(8) && end - bit >= 8 {
            let bytes = (end - bit) / 8;
            bitmap[bit / 8..bit / 8 + bytes].fill(0);
            bit += bytes * 8;
        } else {
            bitmap[bit / 8] &= !(1 << (bit % 8));
            bit += 1;
        }
    }
}
