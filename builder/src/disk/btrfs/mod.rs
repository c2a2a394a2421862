//! btrfs, written straight into the disk file.
//!
//! mkfs.btrfs of the tools tree's release can fill a filesystem from a folder, but in the order in which the folder is
//! read, with UUIDs drawn at random, without device numbers, and with whatever lies below mount points; so the format
//! is written here, from the structures of `btrfs_tree.h`. `btrfs check` and the kernel are its witnesses.
//!
//! ```text
//! device = 1 MiB | system chunk, twice | metadata chunk, twice | data chunks … | unallocated
//! ```
//! Every tree is built once, bottom up, from its sorted items (`tree`); all blocks have generation 1. The extent
//! tree lists every block, its own too, so its size is found by trying. Features are mkfs.btrfs's defaults that the
//! kernel and GRUB of release 12 read: skinny metadata, no holes, extended references, free space tree.

mod chunks;
mod files;
mod forest;
mod item;
mod size;
mod superblock;
mod tree;
mod write;

use std::fs::File;

use crate::plan::FilesystemPlan;
use crate::rootfs::tar_stream::TreeScan;

use super::Extent;

pub(super) use size::need;
pub use write::write;

/// Longest label in bytes; one more is the zero at its end.
pub(crate) const LABEL_LENGTH: usize = 255;

/// One filesystem to be made.
#[derive(Debug)]
pub struct Job<'a> {
    /// The disk file; the extent must read as zeroes.
    pub disk: &'a File,
    /// Where on the disk.
    pub extent: Extent,
    /// UUID, label and subvolumes.
    pub filesystem: &'a FilesystemPlan,
    /// What goes in: one for each subvolume in their order, or one for a filesystem without; none for empty ones.
    pub scans: &'a [Option<TreeScan>],
    /// The only time that appears beside those of files, seconds since 1970.
    pub epoch: i64,
}
