//! From a scanned tree to the file.

use std::io::Write;
use std::path::Path;

use crate::ordered::ordered;
use crate::rootfs::tar_stream::{Entry, EntryKind, StreamOptions, TreeScan};

use super::{Frame, SnapshotError};

/// Content of a frame before compression, in bytes; one file may make it larger.
const FRAME: u64 = 4 << 20;
/// What the content of a member takes beside its bytes, about.
const MEMBER: u64 = 1024;
/// zstd's level, one of its fast ones: a fifth less work than level 1 for an eighth more room, and read faster.
const LEVEL: i32 = -1;

/// Writes `scan` to `out`; times end at `epoch`.
///
/// # Errors
/// When the tree cannot be read, or `out` fails.
pub fn keep(scan: &TreeScan, epoch: i64, out: &mut (dyn Write + Send)) -> Result<Vec<Frame>, SnapshotError> {
    let options = StreamOptions { epoch, inode_times: false };
    let groups = groups(scan.entries());
    let last = groups.len() - 1;
    let mut frames = Vec::with_capacity(groups.len());
    ordered(
        |submit| groups.iter().enumerate().try_for_each(submit).map_err(SnapshotError::from),
        || (),
        |(), (number, group)| frame(scan, group, number == last, options),
        |made| {
            let (frame, bytes) = made?;
            out.write_all(&bytes).map_err(SnapshotError::file("writing"))?;
            frames.push(frame);
            Ok(())
        },
    )?;
    Ok(frames)
}

/// Makes the tree's times what [`keep`] writes.
///
/// # Errors
/// When a time cannot be set.
pub fn settle_times(scan: &TreeScan, epoch: i64) -> Result<(), SnapshotError> {
    for entry in scan.entries().iter().filter(|entry| entry.mtime >= epoch) {
        set_time(&scan.root().join(&entry.path), epoch)?;
    }
    Ok(())
}

pub(super) fn set_time(path: &Path, time: i64) -> Result<(), SnapshotError> {
    host::node::set_time(path, time).map_err(|source| SnapshotError::Path { path: path.to_owned(), source })
}

/// Divides a tree into frames: the first holds the folders, the last the hard links; files of one frame are neighbours.
fn groups(entries: &[Entry]) -> Vec<Vec<&Entry>> {
    let of = |wanted: fn(&EntryKind) -> bool| entries.iter().filter(move |entry| wanted(&entry.kind));
    let mut groups = vec![of(|kind| *kind == EntryKind::Folder).collect::<Vec<_>>()];
    let mut group = Vec::new();
    let mut filled = 0;
    for entry in of(|kind| !matches!(kind, EntryKind::Folder | EntryKind::HardLink(_))) {
        if filled >= FRAME {
            groups.push(std::mem::take(&mut group));
            filled = 0;
        }
        filled += MEMBER + if let EntryKind::File(size) = entry.kind { size } else { 0 };
        group.push(entry);
    }
    groups.push(group);
    groups.push(of(|kind| matches!(kind, EntryKind::HardLink(_))).collect());
    groups
}

fn frame(
    scan: &TreeScan,
    group: &[&Entry],
    last: bool,
    options: StreamOptions,
) -> Result<(Frame, Vec<u8>), SnapshotError> {
    let mut plain = Vec::new();
    scan.write_members(group.iter().copied(), last, &mut plain, options)?;
    let compress = || {
        let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
        compressor.include_checksum(true)?;
        compressor.compress(&plain)
    };
    let stored = compress().map_err(SnapshotError::file("compressing"))?;
    Ok((Frame { stored: stored.len() as u64, plain: plain.len() as u64 }, stored))
}
