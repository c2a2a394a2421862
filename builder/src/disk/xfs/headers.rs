//! The superblock and the headers of the allocation groups, and the empty log.

use super::geometry::{
    BLOCK, BLOCK_LOG, BNO_ROOT, CHUNK_BLOCKS, CHUNK_INODES, CNT_ROOT, FINO_ROOT, FREE_LIST, Geometry,
    HEADER_BLOCKS, INO_ROOT, INODE, INODES_PER_BLOCK_LOG, Place, REFCOUNT_ROOT, SECTOR,
};
use super::space::Run;
use super::tree::as_u32;
use crate::disk::block::{big, crc32c, put};

const SECTOR_BYTES: usize = SECTOR as usize;
/// Stands for no block and no inode.
const NONE: u32 = u32::MAX;

/// Version 5 with attributes, link counts, aligned inodes, log version 2, unwritten extents, directories of
/// version 2, and more bits below.
const VERSION: u16 = 0x8000 | 0x2000 | 0x1000 | 0x0400 | 0x0080 | 0x0020 | 0x0010 | 5;
/// Lazy counters, flexible attribute forks, 32-bit project ids, checksums.
const FEATURES_2: u32 = 0x0002 | 0x0008 | 0x0080 | 0x0100;
/// Free inode tree, reference counts (reflink), counted inode trees. Not the reverse map: older defaults lack it.
const READ_ONLY_COMPATIBLE: u32 = 0x1 | 0x4 | 0x8;
/// File types in folders, sparse inode chunks, times after 2038. Not those that GRUB 2.06 or the kernel of
/// release 12 cannot read: large extent counters, exchange-range, parent pointers.
const INCOMPATIBLE: u32 = 0x1 | 0x2 | 0x8;
/// Share of the blocks that inodes may take as it grows, in per cent; mkfs.xfs's.
const INODE_PERCENT: u8 = 25;

/// Counts of the whole filesystem.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Totals {
    /// Inodes in chunks.
    pub(super) inodes: u64,
    /// Those that are not used.
    pub(super) free_inodes: u64,
    /// Blocks that are not used.
    pub(super) free_blocks: u64,
}

/// What is told of one group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) number: u64,
    pub(super) free: Vec<Run>,
    pub(super) free_list: u64,
    pub(super) inodes: u64,
    pub(super) free_inodes: u64,
    /// Height of the inode tree, and its blocks.
    pub(super) inode_tree: (u32, u64),
    /// First inode of the last chunk, by its number in the group.
    pub(super) newest: Option<u64>,
}

/// Returns the sector of the superblock.
pub(super) fn superblock(geometry: &Geometry, root: u64, totals: Totals) -> Vec<u8> {
    let mut sector = vec![0; SECTOR_BYTES];
    let log = Place { group: geometry.log_group(), block: HEADER_BLOCKS };
    put(&mut sector, 0, b"XFSB");
    big::u32(&mut sector, 4, BLOCK as u32);
    big::u64(&mut sector, 8, geometry.blocks);
    put(&mut sector, 32, geometry.uuid.as_bytes());
    big::u64(&mut sector, 48, geometry.number(log));
    // The root folder, then the bitmap and the summary of a realtime part that does not exist.
    for index in 0..3_u64 {
        big::u64(&mut sector, 56 + 8 * index as usize, root + index);
    }
    big::u32(&mut sector, 80, 1);
    big::u32(&mut sector, 84, as_u32(geometry.group_blocks));
    big::u32(&mut sector, 88, as_u32(geometry.groups));
    big::u32(&mut sector, 96, as_u32(geometry.log_blocks));
    big::u16(&mut sector, 100, VERSION);
    big::u16(&mut sector, 102, SECTOR as u16);
    big::u16(&mut sector, 104, INODE as u16);
    big::u16(&mut sector, 106, 1 << INODES_PER_BLOCK_LOG);
    put(&mut sector, 108, geometry.label.as_bytes());
    let logarithms = [BLOCK_LOG, SECTOR.trailing_zeros(), INODE.trailing_zeros(), INODES_PER_BLOCK_LOG];
    put(&mut sector, 120, logarithms.map(|log| log as u8));
    sector[124] = geometry.group_log() as u8;
    sector[127] = INODE_PERCENT;
    big::u64(&mut sector, 128, totals.inodes);
    big::u64(&mut sector, 136, totals.free_inodes);
    big::u64(&mut sector, 144, totals.free_blocks);
    big::u32(&mut sector, 180, CHUNK_BLOCKS as u32);
    big::u32(&mut sector, 196, 1);
    // The second is where old kernels looked for it.
    big::u32(&mut sector, 200, FEATURES_2);
    big::u32(&mut sector, 204, FEATURES_2);
    big::u32(&mut sector, 212, READ_ONLY_COMPATIBLE);
    big::u32(&mut sector, 216, INCOMPATIBLE);
    // A sparse chunk may begin at half a chunk.
    big::u32(&mut sector, 228, (CHUNK_BLOCKS / 2) as u32);
    seal(sector, 224)
}

/// Returns the sector that tells of a group's free space.
pub(super) fn free_space(geometry: &Geometry, group: &Group) -> Vec<u8> {
    let mut sector = start(geometry, group, b"XAGF");
    let free: u64 = group.free.iter().map(|run| run.blocks).sum();
    let longest = group.free.iter().map(|run| run.blocks).max().unwrap_or(0);
    big::u32(&mut sector, 16, BNO_ROOT as u32);
    big::u32(&mut sector, 20, CNT_ROOT as u32);
    big::u32(&mut sector, 28, 1);
    big::u32(&mut sector, 32, 1);
    // The free list: first and last entry, and how many.
    big::u32(&mut sector, 44, FREE_LIST as u32 - 1);
    big::u32(&mut sector, 48, FREE_LIST as u32);
    big::u32(&mut sector, 52, as_u32(free));
    big::u32(&mut sector, 56, as_u32(longest));
    put(&mut sector, 64, geometry.uuid.as_bytes());
    big::u32(&mut sector, 84, 1);
    big::u32(&mut sector, 88, REFCOUNT_ROOT as u32);
    big::u32(&mut sector, 92, 1);
    seal(sector, 216)
}

/// Returns the sector that tells of a group's inodes.
pub(super) fn inodes(geometry: &Geometry, group: &Group) -> Vec<u8> {
    let mut sector = start(geometry, group, b"XAGI");
    big::u32(&mut sector, 16, as_u32(group.inodes));
    big::u32(&mut sector, 20, INO_ROOT as u32);
    big::u32(&mut sector, 24, group.inode_tree.0);
    big::u32(&mut sector, 28, as_u32(group.free_inodes));
    big::u32(&mut sector, 32, group.newest.map_or(NONE, as_u32));
    // No folder was the last one, and no inode waits to be removed.
    sector[36..40 + 64 * 4].fill(0xff);
    put(&mut sector, 296, geometry.uuid.as_bytes());
    big::u32(&mut sector, 328, FINO_ROOT as u32);
    big::u32(&mut sector, 332, 1);
    big::u32(&mut sector, 336, as_u32(group.inode_tree.1));
    big::u32(&mut sector, 340, 1);
    seal(sector, 312)
}

/// Returns the sector with a group's free list.
pub(super) fn free_list(geometry: &Geometry, group: &Group) -> Vec<u8> {
    const ENTRIES: usize = 36;
    let mut sector = vec![0; SECTOR_BYTES];
    put(&mut sector, 0, b"XAFL");
    big::u32(&mut sector, 4, as_u32(group.number));
    put(&mut sector, 8, geometry.uuid.as_bytes());
    sector[ENTRIES..].fill(0xff);
    for index in 0..FREE_LIST {
        big::u32(&mut sector, ENTRIES + 4 * index as usize, as_u32(group.free_list + index));
    }
    seal(sector, 32)
}

fn start(geometry: &Geometry, group: &Group, magic: &[u8; 4]) -> Vec<u8> {
    let mut sector = vec![0; SECTOR_BYTES];
    put(&mut sector, 0, magic);
    big::u32(&mut sector, 4, 1);
    big::u32(&mut sector, 8, as_u32(group.number));
    big::u32(&mut sector, 12, as_u32(geometry.length_of(group.number)));
    sector
}

fn seal(mut sector: Vec<u8>, at: usize) -> Vec<u8> {
    let checksum = crc32c(&sector);
    put(&mut sector, at, checksum.to_le_bytes());
    sector
}

/// Returns the first two sectors of a log that was left clean: one record that says "unmounted". The rest of the
/// log is zero.
pub(super) fn log(geometry: &Geometry) -> Vec<u8> {
    const CYCLE: u32 = 1;
    /// The transaction that mkfs.xfs and the kernel use for it.
    const TRANSACTION: u32 = 0xb0c0_d0d0;
    let mut sectors = vec![0; 2 * SECTOR_BYTES];
    big::u32(&mut sectors, 0, 0xfeed_babe);
    big::u32(&mut sectors, 4, CYCLE);
    big::u32(&mut sectors, 8, 2);
    big::u32(&mut sectors, 12, SECTOR as u32);
    // This record's place and the log's tail: cycle, block 0.
    big::u32(&mut sectors, 16, CYCLE);
    big::u32(&mut sectors, 24, CYCLE);
    big::u32(&mut sectors, 36, u32::MAX);
    big::u32(&mut sectors, 40, 1);
    // What the cycle number displaces in the next sector.
    big::u32(&mut sectors, 44, TRANSACTION);
    big::u32(&mut sectors, 300, 1);
    put(&mut sectors, 304, geometry.uuid.as_bytes());
    big::u32(&mut sectors, 320, 32768);
    big::u32(&mut sectors, SECTOR_BYTES, CYCLE);
    big::u32(&mut sectors, SECTOR_BYTES + 4, 8);
    // From the log itself, the end of a mount; then the mark of that.
    put(&mut sectors, SECTOR_BYTES + 8, [0xaa, 0x20, 0, 0, b'n', b'U']);
    sectors
}

/// Inodes of a chunk as the mask of a record has them: those from `used` on are free.
pub(super) fn free_mask(used: u64) -> u64 {
    if used >= CHUNK_INODES { 0 } else { u64::MAX << used }
}
