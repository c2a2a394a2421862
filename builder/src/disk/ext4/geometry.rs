//! Where everything is on an ext4 filesystem: block groups, their superblocks' copies, bitmaps and inode tables.
//!
//! After the kernel's `Documentation/filesystems/ext4` (block groups, flexible block groups), with the numbers that
//! mke2fs comes to, so that resize2fs and the kernel find what they know.

use super::{BLOCK, INODE_SIZE};

/// Bytes of a group's descriptor with the feature 64bit.
pub(super) const DESCRIPTOR: usize = 64;
const DESCRIPTORS_IN_BLOCK: u64 = BLOCK / DESCRIPTOR as u64;
/// Groups whose bitmaps and tables lie together (flex_bg), and log2 of it; mke2fs's default.
pub(super) const FLEX_LOG: u8 = 4;
const FLEX: u64 = 1 << FLEX_LOG;
/// What one block of a bitmap tells.
const IN_BITMAP: u64 = BLOCK * 8;
const INODES_IN_BLOCK: u64 = BLOCK / INODE_SIZE;
/// A filesystem may grow so many times with the descriptors' blocks that are reserved for it.
const GROWTH: u64 = 1024;
/// Blocks that the resize inode leads to: what one block of numbers holds.
const MOST_RESERVED: u64 = BLOCK / 4;
/// Blocks that the last group must have beyond its own structures; below that it is left out.
const LEAST_IN_LAST: u64 = 50;
/// Blocks are numbered by 32 bits wherever the resize inode is concerned.
pub(super) const MOST_BLOCKS: u64 = u32::MAX as u64;

/// Consecutive blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: u64,
    pub(super) blocks: u64,
}

impl Run {
    pub(super) fn end(self) -> u64 {
        self.start + self.blocks
    }
}

/// Where a group has its own structures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tables {
    pub(super) block_bitmap: u64,
    pub(super) inode_bitmap: u64,
    pub(super) inodes: u64,
}

/// The dimensions of a filesystem.
#[derive(Debug)]
pub(super) struct Geometry {
    /// Blocks of the whole.
    pub(super) blocks: u64,
    /// Blocks of each group but the last, which has what is left.
    pub(super) group_blocks: u64,
    /// Number of groups.
    pub(super) groups: u64,
    /// Inodes of each group.
    pub(super) group_inodes: u64,
    /// Blocks of the descriptors of all groups.
    pub(super) descriptor_blocks: u64,
    /// Blocks kept behind them for more groups.
    pub(super) reserved: u64,
    /// Each group's.
    pub(super) tables: Vec<Tables>,
}

impl Geometry {
    /// Dimensions a filesystem of `length` bytes that has at least so many inodes; none if that cannot be.
    pub(super) fn new(length: u64, inodes: u64) -> Option<Self> {
        let given = length / BLOCK;
        let (mut blocks, mut group_blocks) = (given, IN_BITMAP);
        let mut geometry = loop {
            let geometry = Self::of(blocks, group_blocks, inodes);
            if geometry.group_inodes > IN_BITMAP && group_blocks >= 256 {
                // A group has one bitmap of inodes, so many inodes make smaller groups.
                (blocks, group_blocks) = (given, group_blocks - 8);
                continue;
            }
            let last = geometry.groups - 1;
            let length = geometry.length_of(last);
            let own = geometry.head(last) + 2 + geometry.table_blocks();
            if length == group_blocks || length >= own + LEAST_IN_LAST {
                break geometry;
            }
            // A last group without room for more than its own structures is left out.
            blocks -= length;
            if blocks == 0 {
                return None;
            }
        };
        let largest = geometry.head(0) + 2 + geometry.table_blocks();
        let sound = geometry.blocks <= MOST_BLOCKS && geometry.group_inodes <= IN_BITMAP;
        (sound && largest <= group_blocks && geometry.place_tables()).then_some(geometry)
    }

    fn of(blocks: u64, group_blocks: u64, inodes: u64) -> Self {
        let groups = blocks.div_ceil(group_blocks).max(1);
        let descriptor_blocks = groups.div_ceil(DESCRIPTORS_IN_BLOCK);
        let grown = (blocks * GROWTH).min(MOST_BLOCKS).div_ceil(group_blocks).div_ceil(DESCRIPTORS_IN_BLOCK);
        Self {
            blocks,
            group_blocks,
            groups,
            // Tables are filled up to whole blocks.
            group_inodes: inodes.div_ceil(groups).next_multiple_of(INODES_IN_BLOCK),
            descriptor_blocks,
            reserved: grown.saturating_sub(descriptor_blocks).min(MOST_RESERVED),
            tables: Vec::new(),
        }
    }

    /// Returns the number of all inodes.
    pub(super) fn inodes(&self) -> u64 {
        self.groups * self.group_inodes
    }

    /// Returns the blocks of a group's table of inodes.
    pub(super) fn table_blocks(&self) -> u64 {
        self.group_inodes / INODES_IN_BLOCK
    }

    /// Returns the first block of a group.
    pub(super) fn start_of(&self, group: u64) -> u64 {
        group * self.group_blocks
    }

    /// Returns the blocks of a group.
    pub(super) fn length_of(&self, group: u64) -> u64 {
        self.group_blocks.min(self.blocks - self.start_of(group))
    }

    /// Returns the blocks at the start of a group that hold a copy of the superblock and of all descriptors.
    pub(super) fn head(&self, group: u64) -> u64 {
        if has_copy(group) { 1 + self.descriptor_blocks + self.reserved } else { 0 }
    }

    /// Returns the groups that hold a copy of the superblock, not the first.
    pub(super) fn copies(&self) -> impl Iterator<Item = u64> {
        (1..self.groups).filter(|group| has_copy(*group))
    }

    /// Returns the blocks that heads, bitmaps and tables take.
    pub(super) fn own_blocks(&self) -> u64 {
        let heads = (0..self.groups).map(|group| self.head(group)).sum::<u64>();
        heads + self.groups * (2 + self.table_blocks())
    }

    /// Finds places for the bitmaps and tables: those of some groups together at the start of the first of them, around
    /// the heads of those behind. Tells whether there is room.
    fn place_tables(&mut self) -> bool {
        let mut tables = vec![Tables::default(); usize::try_from(self.groups).unwrap_or(0)];
        let mut next = 0;
        for (flex, together) in (0..).step_by(FLEX as usize).zip(tables.chunks_mut(FLEX as usize)) {
            next = self.start_of(flex).max(next);
            for table in &mut *together {
                table.block_bitmap = self.place(&mut next, 1);
            }
            for table in &mut *together {
                table.inode_bitmap = self.place(&mut next, 1);
            }
            for table in together {
                table.inodes = self.place(&mut next, self.table_blocks());
            }
        }
        self.tables = tables;
        next <= self.blocks
    }

    /// Returns the first place from `next` on where so many blocks meet no group's head, and goes behind it.
    fn place(&self, next: &mut u64, blocks: u64) -> u64 {
        let mut start = *next;
        let mut group = start / self.group_blocks;
        while self.start_of(group) < start + blocks {
            let head = self.start_of(group) + self.head(group);
            if head > start {
                start = head;
            }
            group += 1;
        }
        *next = start + blocks;
        start
    }

    /// Returns what is free when nothing but the filesystem's own structures is there, in order.
    pub(super) fn free(&self) -> Vec<Run> {
        let heads =
            (0..self.groups).map(|group| Run { start: self.start_of(group), blocks: self.head(group) });
        let tables = self.tables.iter().flat_map(|tables| {
            let inodes = Run { start: tables.inodes, blocks: self.table_blocks() };
            [
                Run { start: tables.block_bitmap, blocks: 1 },
                Run { start: tables.inode_bitmap, blocks: 1 },
                inodes,
            ]
        });
        let mut taken: Vec<Run> = heads.chain(tables).filter(|run| run.blocks > 0).collect();
        taken.sort_by_key(|run| run.start);
        let mut free = Vec::new();
        let mut from = 0;
        for run in taken.into_iter().chain([Run { start: self.blocks, blocks: 0 }]) {
            if run.start > from {
                free.push(Run { start: from, blocks: run.start - from });
            }
            from = from.max(run.end());
        }
        free
    }
}

/// Tells whether a group holds a copy of the superblock (sparse_super): the first two, and powers of 3, 5 and 7.
pub(super) fn has_copy(group: u64) -> bool {
    let power_of = |base: u64| {
        let mut power = base;
        while power < group {
            power *= base;
        }
        power == group
    };
    group <= 1 || power_of(3) || power_of(5) || power_of(7)
}
