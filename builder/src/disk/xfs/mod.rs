//! XFS, version 5, written straight into the disk file.
//!
//! mkfs.xfs of the tools tree's release can fill a filesystem from a prototype file, but that knows no hard links,
//! sticky bits, modification times, access lists or names with white space, and draws inode generations at random;
//! so the format is written here, from the structures of `xfs_format.h` and `xfs_da_format.h` of xfsprogs 6.13.
//! xfs_repair and the kernel are its witnesses.
//!
//! ```text
//! group = headers | roots of trees | (log, in the middle group) | free list | inode chunks | content … | free
//! ```
//! Each inode's form and size is chosen first (`forms`), which also tells how large the filesystem must be; then
//! inodes get numbers, content gets blocks from the front of the groups on (`space`), and what is left of a group
//! is one free piece. Features are named one by one in `headers`: those that the kernel and GRUB of release 12 read.

mod attributes;
mod folder;
mod forms;
mod geometry;
mod headers;
mod inode;
mod size;
mod space;
mod tree;
mod write;

use std::fs::File;

use crate::plan::FilesystemPlan;
use crate::rootfs::tar_stream::TreeScan;

use super::Extent;

pub(super) use size::need;
pub use write::write;

/// Longest label in bytes.
pub(crate) const LABEL_LENGTH: usize = 12;

/// One filesystem to be made.
#[derive(Debug)]
pub struct Job<'a> {
    /// The disk file; the extent must read as zeroes.
    pub disk: &'a File,
    /// Where on the disk.
    pub extent: Extent,
    /// UUID and label.
    pub filesystem: &'a FilesystemPlan,
    /// What goes in; none for an empty filesystem.
    pub scan: Option<&'a TreeScan>,
    /// The only time that appears beside those of files, seconds since 1970.
    pub epoch: i64,
}
