//! Blocks on their way to the disk: taken from the free space in order, collected, and written by a second thread.
//!
//! Small files follow each other in large writes, and reading one part goes on while another is written. Where a block
//! goes depends on what came before it alone, so the bytes of the disk do not depend on the threads.

use std::io;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Scope, ScopedJoinHandle};

use super::extents::{self, Extent};
use super::geometry::{Geometry, Run};
use super::{BLOCK, Job};
use crate::disk::DiskError;
use crate::disk::content::read_part;
use crate::rootfs::tar_stream::Entry;

const BYTES: usize = BLOCK as usize;
/// Bytes that are collected before they are written, and how many such buffers there are.
const PART: usize = 2 << 20;
const BUFFERS: usize = 4;

/// What the other thread is given: bytes, how many of them count, and where they go.
type Part = (Vec<u8>, usize, u64);

/// The way to the disk.
#[derive(Debug)]
pub(super) struct Flow<'a> {
    job: &'a Job<'a>,
    /// Free space that was not begun, the last run first.
    free: Vec<Run>,
    /// What is left of the run that was begun; its first block is the next that is taken.
    run: Run,
    /// Blocks before [`Flow::run`], not yet written.
    buffer: Vec<u8>,
    filled: usize,
    full: Sender<Part>,
    empty: Receiver<Vec<u8>>,
    writer: Option<ScopedJoinHandle<'a, io::Result<()>>>,
}

impl<'a> Flow<'a> {
    /// Starts the other thread, which ends with the value.
    pub(super) fn start<'env: 'a>(
        scope: &'a Scope<'a, 'env>,
        job: &'env Job<'env>,
        geometry: &Geometry,
    ) -> Self {
        let (full, parts) = channel::<Part>();
        let (done, empty) = channel();
        let disk = job.disk;
        for _ in 1..BUFFERS {
            // The receiver is here, so it takes them.
            let _ = done.send(vec![0; PART]);
        }
        let writer = scope.spawn(move || {
            for (part, filled, offset) in parts {
                disk.write_all_at(&part[..filled], offset)?;
                // Nobody waits for a buffer after the last part.
                let _ = done.send(part);
            }
            Ok(())
        });
        let mut free = geometry.free();
        free.reverse();
        let run = free.pop().unwrap_or(Run { start: geometry.blocks, blocks: 0 });
        Self { job, free, run, buffer: vec![0; PART], filled: 0, full, empty, writer: Some(writer) }
    }

    /// Takes the next block for what `make` makes, which is told where it goes.
    pub(super) fn put(&mut self, make: impl FnOnce(u64) -> Vec<u8>) -> Result<u64, DiskError> {
        self.make_room()?;
        let at = self.run.start;
        self.buffer[self.filled..self.filled + BYTES].copy_from_slice(&make(at));
        self.keep(1);
        Ok(at)
    }

    /// Takes the next blocks for `blocks`, the whole content of something.
    pub(super) fn put_all(&mut self, blocks: &[u8]) -> Result<Vec<Extent>, DiskError> {
        let mut extents = Vec::new();
        for (number, block) in (0..).zip(blocks.chunks(BYTES)) {
            let at = self.put(|_| block.to_vec())?;
            extents::add(&mut extents, number, at, 1);
        }
        Ok(extents)
    }

    /// Takes the next blocks for what reads as zeroes.
    pub(super) fn leave(&mut self, blocks: u64) -> Result<Vec<Extent>, DiskError> {
        self.flush()?;
        let mut extents = Vec::new();
        let mut first = 0;
        while first < blocks {
            self.make_room()?;
            let part = self.run.blocks.min(blocks - first);
            extents::add(&mut extents, first, self.run.start, part);
            self.run = Run { start: self.run.start + part, blocks: self.run.blocks - part };
            first += part;
        }
        Ok(extents)
    }

    /// Copies a scanned file. Blocks of zeroes are not stored: whether the tree's own file has holes there depends on how
    /// it was made.
    pub(super) fn copy(&mut self, entry: &Entry, size: u64) -> Result<Vec<Extent>, DiskError> {
        let mut extents = Vec::new();
        let Some(scan) = self.job.scan.filter(|_| size > 0) else { return Ok(extents) };
        let mut file = scan.open(entry, size)?;
        let (mut first, mut left) = (0, size);
        while left > 0 {
            self.make_room()?;
            let room = (PART - self.filled) as u64;
            let wanted = left.min(room).min(self.run.blocks * BLOCK) as usize;
            let part = &mut self.buffer[self.filled..];
            read_part(&mut file, &mut part[..wanted], || scan.root().join(&entry.path))?;
            let whole = wanted.next_multiple_of(BYTES);
            part[wanted..whole].fill(0);
            self.keep_content(whole / BYTES, first, &mut extents);
            first += (whole / BYTES) as u64;
            left -= wanted as u64;
        }
        Ok(extents)
    }

    /// Takes blocks for those `count` behind what is collected that are not all zero, and moves them together.
    fn keep_content(&mut self, count: usize, first: u64, extents: &mut Vec<Extent>) {
        const ZEROES: [u8; BYTES] = [0; BYTES];
        let from = self.filled;
        for (block, number) in (from..).step_by(BYTES).zip(first..first + count as u64) {
            if self.buffer[block..block + BYTES] == ZEROES {
                continue;
            }
            if block != self.filled {
                self.buffer.copy_within(block..block + BYTES, self.filled);
            }
            extents::add(extents, number, self.run.start, 1);
            self.keep(1);
        }
    }

    /// Counts blocks that are in the buffer as taken.
    fn keep(&mut self, blocks: u64) {
        self.filled += blocks as usize * BYTES;
        self.run = Run { start: self.run.start + blocks, blocks: self.run.blocks - blocks };
    }

    /// Makes sure that there is a block to take and room for it.
    fn make_room(&mut self) -> Result<(), DiskError> {
        if self.run.blocks == 0 {
            self.flush()?;
            self.run = self.free.pop().ok_or_else(|| super::full(self.job))?;
        } else if self.filled == PART {
            self.flush()?;
        }
        Ok(())
    }

    /// Hands over what is collected.
    fn flush(&mut self) -> Result<(), DiskError> {
        if self.filled == 0 {
            return Ok(());
        }
        let offset = self.job.extent.start + self.run.start * BLOCK - self.filled as u64;
        let Ok(next) = self.empty.recv() else { return self.join() };
        let part = std::mem::replace(&mut self.buffer, next);
        let sent = self.full.send((part, self.filled, offset));
        self.filled = 0;
        if sent.is_ok() { Ok(()) } else { self.join() }
    }

    /// Waits for the other thread, and tells why it ended.
    fn join(&mut self) -> Result<(), DiskError> {
        let ended = self.writer.take().map_or(Ok(Ok(())), ScopedJoinHandle::join);
        let written = ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        written.map_err(|source| DiskError::io("writing ext4", source))
    }

    /// Writes what is left, and returns the space that nobody took, in order.
    pub(super) fn close(mut self) -> Result<Vec<Run>, DiskError> {
        self.flush()?;
        // It ends when nothing can come any more.
        self.full = channel().0;
        self.join()?;
        let Self { run, free, .. } = self;
        Ok(std::iter::once(run).filter(|run| run.blocks > 0).chain(free.into_iter().rev()).collect())
    }
}
