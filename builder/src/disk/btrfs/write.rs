//! The writer: addresses for everything, then the bytes.

use std::io::Read;
use std::os::unix::fs::FileExt;

use super::Job;
use super::chunks::DATA;
use super::files::{Extent, SECTOR};
use super::forest::Forest;
use super::item::FIRST;
use super::superblock::superblocks;
use super::{size, tree};
use crate::disk::DiskError;
use crate::disk::block::crc32c;
use crate::disk::content::copy_file;
use crate::disk::inodes::Inode;
use crate::rootfs::tar_stream::{TreeScan, TreeStreamError};

/// Makes the filesystem.
///
/// # Errors
/// When the tree has something that btrfs cannot hold or does not fit, and when a file cannot be read or written.
pub fn write(job: &Job<'_>) -> Result<(), DiskError> {
    let label = &job.filesystem.label;
    if label.len() > super::LABEL_LENGTH {
        let why = format!("at most {} bytes fit; choose a shorter one", super::LABEL_LENGTH);
        return Err(DiskError::unfit(format!("btrfs label '{label}'"), why));
    }
    let forest = Forest::new(job.filesystem, job.scans, job.epoch);
    let (chunks, _) = size::chunks(&forest)?;
    if chunks.end > job.extent.length {
        let what = format!("the btrfs filesystem '{}'", job.filesystem.mount.as_deref().unwrap_or("-"));
        return Err(DiskError::unfit(what, "its content does not fit; make the partition larger"));
    }
    let read = |tree: u64, inode: &Inode<'_>| read_small(job, tree, inode);
    let (files, extents, _) = forest.content(chunks.start_of(DATA), &read)?;
    let checksums = copy_content(job, &forest, &chunks, &extents)?;
    let grown = forest.grow(files, &extents, &checksums, chunks, job.extent.length);
    for (address, block) in &grown.blocks {
        debug_assert_eq!(block.len() as u64, tree::NODE);
        for at in grown.chunks.on_device(*address) {
            put(job, at, block)?;
        }
    }
    for (at, block) in superblocks(job.filesystem.uuid, label, &grown, job.extent.length) {
        put(job, at, &block)?;
    }
    Ok(())
}

fn put(job: &Job<'_>, at: u64, bytes: &[u8]) -> Result<(), DiskError> {
    let written = job.disk.write_all_at(bytes, job.extent.start + at);
    written.map_err(|source| DiskError::io("writing btrfs", source))
}

/// Returns what was scanned for a tree of files.
fn scan_of<'a>(job: &'a Job<'_>, tree: u64) -> Option<&'a TreeScan> {
    let index = usize::try_from(tree.saturating_sub(FIRST)).ok()?;
    job.scans.get(index).and_then(Option::as_ref)
}

/// Reads content that is kept inside a tree.
fn read_small(job: &Job<'_>, tree: u64, inode: &Inode<'_>) -> Result<Vec<u8>, DiskError> {
    let (Some(scan), Some(entry)) = (scan_of(job, tree), inode.entry) else { return Ok(Vec::new()) };
    let size = inode.file_size();
    let mut content = vec![0; usize::try_from(size).unwrap_or(0)];
    scan.open(entry, size)?
        .read_exact(&mut content)
        .map_err(|source| TreeStreamError::Read { path: scan.root().join(&entry.path), source })?;
    Ok(content)
}

/// Copies all other content to the disk; returns a checksum for each sector.
fn copy_content(
    job: &Job<'_>,
    forest: &Forest<'_>,
    chunks: &super::chunks::Chunks,
    extents: &[Extent],
) -> Result<Vec<u32>, DiskError> {
    let mut checksums = Vec::new();
    for pieces in extents.chunk_by(|one, next| (one.tree, one.place) == (next.tree, next.place)) {
        let (tree, place) = (pieces[0].tree, pieces[0].place);
        let files = forest.files.iter().find(|files| files.tree == tree);
        let Some(inode) = files.and_then(|files| files.inodes.list.get(place)) else { continue };
        let (Some(scan), Some(entry)) = (scan_of(job, tree), inode.entry) else { continue };
        let places = pieces.iter().flat_map(|piece| {
            chunks.on_device(piece.address).into_iter().map(|at| (job.extent.start + at, piece.length))
        });
        copy_file(scan, entry, inode.file_size(), job.disk, places, |part| {
            checksums.extend(part.chunks(SECTOR as usize).map(crc32c));
        })?;
    }
    Ok(checksums)
}
