//! From a scanned tree to the file.

use std::io::{self, Write};
use std::path::Path;

use crate::ordered::ordered;
use crate::rootfs::tar_stream::{Entry, EntryKind, StreamOptions, TreeScan};

use super::{Frame, HELD, SnapshotError};

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
        |(), (number, group)| {
            let source = Source { scan, group, last: number == last, options };
            if group.filled > HELD { Ok(Made::Later(source)) } else { source.compress().map(Made::Frame) }
        },
        |made| {
            frames.push(match made? {
                Made::Frame((frame, bytes)) => {
                    out.write_all(&bytes).map_err(SnapshotError::file("writing"))?;
                    frame
                }
                Made::Later(source) => source.pass(out)?,
            });
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

/// What becomes a frame.
#[derive(Default)]
struct Group<'a> {
    entries: Vec<&'a Entry>,
    /// Its content in bytes, about.
    filled: u64,
}

impl<'a> Group<'a> {
    fn push(&mut self, entry: &'a Entry) {
        self.filled += MEMBER + if let EntryKind::File(size) = entry.kind { size } else { 0 };
        self.entries.push(entry);
    }
}

/// Divides a tree into frames: the first holds the folders, the last the hard links; files of one frame are neighbours.
fn groups(entries: &[Entry]) -> Vec<Group<'_>> {
    let of = |wanted: fn(&EntryKind) -> bool| {
        let mut group = Group::default();
        entries.iter().filter(|entry| wanted(&entry.kind)).for_each(|entry| group.push(entry));
        group
    };
    let mut groups = vec![of(|kind| *kind == EntryKind::Folder)];
    let mut group = Group::default();
    for entry in entries.iter().filter(|it| !matches!(it.kind, EntryKind::Folder | EntryKind::HardLink(_))) {
        if group.filled >= FRAME {
            groups.push(std::mem::take(&mut group));
        }
        group.push(entry);
    }
    groups.push(group);
    groups.push(of(|kind| matches!(kind, EntryKind::HardLink(_))));
    groups
}

/// A frame that was made, or is too large to be held.
enum Made<'a> {
    Frame((Frame, Vec<u8>)),
    Later(Source<'a>),
}

/// Where a frame comes from.
struct Source<'a> {
    scan: &'a TreeScan,
    group: &'a Group<'a>,
    last: bool,
    options: StreamOptions,
}

impl Source<'_> {
    fn write(&self, out: &mut dyn Write) -> Result<(), SnapshotError> {
        Ok(self.scan.write_members(self.group.entries.iter().copied(), self.last, out, self.options)?)
    }

    fn compress(&self) -> Result<(Frame, Vec<u8>), SnapshotError> {
        let mut plain = Vec::new();
        self.write(&mut plain)?;
        let compress = || {
            let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
            compressor.include_checksum(true)?;
            compressor.compress(&plain)
        };
        let stored = compress().map_err(SnapshotError::file("compressing"))?;
        Ok((Frame { stored: stored.len() as u64, plain: plain.len() as u64 }, stored))
    }

    /// Writes the frame to `out` as it is made.
    fn pass(&self, out: &mut (dyn Write + Send)) -> Result<Frame, SnapshotError> {
        let failed = SnapshotError::file("writing");
        let mut encoder = zstd::Encoder::new(Counted { inner: out, count: 0 }, LEVEL).map_err(&failed)?;
        encoder.include_checksum(true).map_err(&failed)?;
        let mut plain = Counted { inner: &mut encoder, count: 0 };
        self.write(&mut plain)?;
        let plain = plain.count;
        let stored = encoder.finish().map_err(&failed)?.count;
        Ok(Frame { stored, plain })
    }
}

/// Counts the bytes that pass.
struct Counted<W> {
    inner: W,
    count: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.count += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
