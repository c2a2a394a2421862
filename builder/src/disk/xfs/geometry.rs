//! Where everything is on an XFS filesystem: allocation groups, the log, how blocks and inodes are numbered.

use uuid::Uuid;

/// Bytes of a block.
pub(super) const BLOCK: u64 = 4096;
/// Bytes of an inode.
pub(super) const INODE: usize = 512;
/// Inodes are allocated in chunks of so many, which take so many blocks, aligned to that.
pub(super) const CHUNK_INODES: u64 = 64;
pub(super) const CHUNK_BLOCKS: u64 = CHUNK_INODES * INODE as u64 / BLOCK;
/// log2 of the inodes in a block.
pub(super) const INODES_PER_BLOCK_LOG: u32 = 3;
/// log2 of the bytes of a block.
pub(super) const BLOCK_LOG: u32 = 12;
/// Bytes of a sector, in which "daddr" counts.
pub(super) const SECTOR: u64 = 512;

/// Blocks at the start of each group: the headers (one block), then the roots of five trees.
pub(super) const HEADER_BLOCKS: u64 = 6;
/// Roots of the trees within each group, in mkfs.xfs's order.
pub(super) const BNO_ROOT: u64 = 1;
pub(super) const CNT_ROOT: u64 = 2;
pub(super) const INO_ROOT: u64 = 3;
pub(super) const FINO_ROOT: u64 = 4;
pub(super) const REFCOUNT_ROOT: u64 = 5;
/// Blocks on each group's own free list, from which its trees grow.
pub(super) const FREE_LIST: u64 = 4;
/// First block of the first inode chunk: xfs_repair expects the root inode where mkfs.xfs has it, behind the
/// headers and the free list, aligned to a chunk.
pub(super) const FIRST_CHUNK: u64 = (HEADER_BLOCKS + FREE_LIST).next_multiple_of(CHUNK_BLOCKS);

/// Groups unless one would be too large; what mkfs.xfs makes on one disk.
const GROUPS: u64 = 4;
/// Groups end below 1 TiB.
const LARGEST_GROUP: u64 = (1 << 40) / BLOCK - 1;
/// The log is a 2048th of the filesystem within these limits, as mkfs.xfs has it.
const LOG_SHARE: u64 = 2048;
const SMALLEST_LOG: u64 = (64 << 20) / BLOCK;
const LARGEST_LOG: u64 = (1 << 30) / BLOCK;

/// The dimensions of a filesystem.
#[derive(Debug, Clone)]
pub(super) struct Geometry {
    /// Identifies it; stands in every block.
    pub(super) uuid: Uuid,
    /// Label of at most 12 bytes.
    pub(super) label: String,
    /// Blocks of the whole.
    pub(super) blocks: u64,
    /// Number of allocation groups.
    pub(super) groups: u64,
    /// Blocks of each group but the last, which has what is left.
    pub(super) group_blocks: u64,
    /// Blocks of the log.
    pub(super) log_blocks: u64,
}

impl Geometry {
    /// Dimensions a filesystem of `length` bytes.
    pub(super) fn new(length: u64, uuid: Uuid, label: &str) -> Self {
        let blocks = length / BLOCK;
        let groups = GROUPS.max(blocks.div_ceil(LARGEST_GROUP));
        Self {
            uuid,
            label: label.to_owned(),
            blocks,
            groups,
            group_blocks: blocks.div_ceil(groups),
            log_blocks: (blocks / LOG_SHARE).clamp(SMALLEST_LOG, LARGEST_LOG),
        }
    }

    /// Returns the group that holds the log: the middle one, so that no seek is far.
    pub(super) fn log_group(&self) -> u64 {
        self.groups / 2
    }

    /// Returns the blocks of a group.
    pub(super) fn length_of(&self, group: u64) -> u64 {
        self.group_blocks.min(self.blocks - group * self.group_blocks)
    }

    /// Returns log2 of the blocks of a group, rounded up: how far a group's number is shifted.
    pub(super) fn group_log(&self) -> u32 {
        self.group_blocks.next_power_of_two().trailing_zeros()
    }

    /// Returns a block's number as extents have it.
    pub(super) fn number(&self, at: Place) -> u64 {
        at.group << self.group_log() | at.block
    }

    /// Returns a block's offset in bytes.
    pub(super) fn offset(&self, at: Place) -> u64 {
        (at.group * self.group_blocks + at.block) * BLOCK
    }

    /// Returns a block's address in sectors, as it stands in the block itself.
    pub(super) fn address(&self, at: Place) -> u64 {
        self.offset(at) / SECTOR
    }

    /// Returns the number of the inode at `index` of the chunk at `chunk`.
    pub(super) fn inode(&self, chunk: Place, index: u64) -> u64 {
        (self.number(chunk) << INODES_PER_BLOCK_LOG) + index
    }
}

/// A block, by its group and its number in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) group: u64,
    pub(super) block: u64,
}

impl Place {
    /// Returns the block `count` blocks further.
    pub(super) fn after(self, count: u64) -> Self {
        Self { block: self.block + count, ..self }
    }
}
