//! How large a btrfs filesystem must be for a tree.

use super::chunks::Chunks;
use super::files::SECTOR;
use super::forest::Forest;
use crate::disk::DiskError;
use crate::disk::ext4::MARGIN;
use crate::disk::layout::{MIB, Need};
use crate::plan::{FilesystemKind, FilesystemPlan};
use crate::rootfs::tar_stream::TreeScan;

/// Tells the need of the filesystem that holds `scans`.
pub(in crate::disk) fn need(
    filesystem: &FilesystemPlan,
    scans: &[Option<TreeScan>],
) -> Result<Need, DiskError> {
    let forest = Forest::new(filesystem, scans, 0);
    let (chunks, data) = chunks(&forest)?;
    let least = chunks.end.next_multiple_of(MIB).max(FilesystemKind::Btrfs.smallest());
    let margin = MARGIN + data / 10;
    Ok(Need {
        least,
        auto: Some((chunks.end + margin).next_multiple_of(MIB).max(FilesystemKind::Btrfs.smallest())),
    })
}

/// Returns the chunks that hold a forest, and how many bytes of content there are.
pub(super) fn chunks(forest: &Forest<'_>) -> Result<(Chunks, u64), DiskError> {
    let blank = |_: u64, inode: &crate::disk::inodes::Inode<'_>| {
        Ok(vec![0; usize::try_from(inode.file_size()).unwrap_or(0)])
    };
    let (files, extents, data) = forest.content(0, &blank)?;
    let checksums = vec![0; usize::try_from(data / SECTOR).unwrap_or(0)];
    // The number of blocks does not depend on addresses, and hardly on the number of chunks.
    let grown = forest.grow(files, &extents, &checksums, Chunks::new(1, data), 0);
    Ok((Chunks::new(grown.blocks.len() as u64, data), data))
}
