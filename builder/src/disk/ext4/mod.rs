//! ext4, written straight into the disk file; and ext3 and ext2, which are the same with fewer features, by mke2fs.
//!
//! mke2fs of the tools tree's release can fill an ext4 from our tar stream, but takes three times as long as reading and
//! writing the files does, drops access lists and users' attributes, and leaves large folders without an index; so the
//! format is written here, after the kernel's `Documentation/filesystems/ext4`. e2fsck and the kernel are its witnesses.
//!
//! ```text
//! first of 16 groups = superblock | descriptors | room for more | bitmaps of all 16 | inode tables of all 16 | content …
//! content = resize inode, lost+found, orphan file | journal | folders, long targets, attributes | files …
//! ```
//! Everything is known before content but where it goes; so inodes get numbers first (`write`), content takes the free
//! blocks in the order in which it comes (`flow`), and tables and bitmaps come last. What is not written reads as
//! zeroes and is marked so; the clone's kernel then has no tables to clear either. Features are named one by one for the
//! release that will mount it ([`Release`]).

mod attributes;
mod checksum;
mod debugfs;
mod extents;
mod features;
mod flow;
mod folder;
mod geometry;
mod groups;
mod hash;
mod inode;
mod mke2fs;
mod own;
mod size;
mod superblock;
mod tools;
mod write;

#[cfg(test)]
mod tests;

use std::fs::File;

use uuid::Uuid;

use crate::plan::{FilesystemKind, FilesystemPlan};
use crate::rootfs::tar_stream::TreeScan;

use features::Features;
pub use features::Release;
pub(super) use size::{MARGIN, need};

use super::toolbox::Toolbox;
use super::{DiskError, Extent};

pub(super) const BLOCK: u64 = 4096;
pub(super) const INODE_SIZE: u64 = 256;

/// Share of the blocks that only root may use; ext4's usual one, so that a full disk can still be logged in to.
const RESERVED_PERCENT: u64 = 5;

const LABEL_LENGTH: usize = 16;

/// One filesystem to be made.
#[derive(Debug)]
pub struct Job<'a> {
    /// The disk file; the extent must read as zeroes.
    pub disk: &'a File,
    /// Where on the disk.
    pub extent: Extent,
    /// UUID, label, quotas.
    pub filesystem: &'a FilesystemPlan,
    /// What goes in; none for an empty filesystem.
    pub scan: Option<&'a TreeScan>,
    /// The release that will mount it.
    pub release: Release,
    /// The only time that appears beside those of files, seconds since 1970.
    pub epoch: i64,
}

/// Makes the filesystem, then quotas, which count what is there.
pub fn write(job: &Job<'_>, toolbox: &dyn Toolbox) -> Result<(), DiskError> {
    let kind = job.filesystem.kind;
    if job.filesystem.label.len() > LABEL_LENGTH {
        return Err(DiskError::unfit(
            format!("{} label '{}'", kind.name(), job.filesystem.label),
            format!("at most {LABEL_LENGTH} bytes fit; choose a shorter one"),
        ));
    }
    let features = Features::of(kind, job.release, &job.filesystem.quota);
    if kind == FilesystemKind::Ext4 {
        write::write(job, &features)?;
    } else {
        mke2fs::make(job, &features, toolbox)?;
        debugfs::write(job, toolbox)?;
    }
    tools::enable_quotas(job, toolbox)
}

/// Returns the seed of the hash by which folders are sorted. It is no secret of a clone's, so it may be known.
fn hash_seed(job: &Job<'_>) -> Uuid {
    Uuid::new_v5(&job.filesystem.uuid, b"ext4 directory hash seed")
}

fn full(job: &Job<'_>) -> DiskError {
    let what = format!("the ext4 filesystem '{}'", job.filesystem.mount.as_deref().unwrap_or("-"));
    DiskError::unfit(what, "its blocks do not suffice for what goes in; make the partition larger")
}
