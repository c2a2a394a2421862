//! The disk as the blocks that go to a snapshot: read once, in order, each with its digest.

use std::io;
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Scope, ScopedJoinHandle};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::BLOCK;
use super::buffers::{Buffer, Buffers};
use super::free::FreeSpace;
use crate::image::Image;
use crate::upload::source::hexadecimal;
use crate::upload::{Format, Interrupt, SourceImage, UploadError};

/// Blocks that wait for the digest of the whole.
const QUEUE: usize = 16;

/// A block that is to be sent.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) index: u32,
    pub(super) data: Bytes,
    pub(super) digest: [u8; 32],
}

/// What the whole disk came to.
#[derive(Debug)]
pub(super) struct Summary {
    /// SHA-256 of the file as it was read.
    pub(super) sha256: String,
    /// SHA-256 of the blocks' digests, one after the other.
    pub(super) linear: [u8; 32],
    /// Blocks that the snapshot gets.
    pub(super) count: u32,
}

/// Reads the disk and hands the blocks that the service has not yet to `give`, which says whether to go on, and nothing
/// for each that need not be sent. Each takes one of `tickets`, so that no more are in memory than may be sent. None
/// when it was told not to go on.
///
/// # Errors
/// When the image cannot be read or changed.
pub(super) fn read(
    image: &SourceImage,
    send_free: bool,
    known: &dyn Fn(u32) -> Option<[u8; 32]>,
    tickets: &Receiver<()>,
    interrupt: &Interrupt,
    give: &dyn Fn(Option<Block>) -> bool,
) -> Result<Option<Summary>, UploadError> {
    let disk = Image::open(&image.path)
        .map_err(|error| UploadError::input("opening the image", error, "name a raw or qcow2 image"))?;
    let free = if send_free { FreeSpace::default() } else { FreeSpace::of(&disk) };
    let zero = Bytes::from(vec![0; BLOCK]);
    let zero_digest: [u8; 32] = Sha256::digest(&zero).into();
    let (mut linear, mut count) = (Sha256::new(), 0);
    let mut data = Data { disk: &disk, image, next: Some(0..0), buffers: Buffers::default() };
    // The digest of the file is taken beside those of the blocks, on a processor of its own.
    let sha256 = thread::scope(|scope| {
        let whole = (image.format == Format::Raw && !image.hashed).then(|| Whole::start(scope));
        for index in 0..u32::try_from(disk.size().div_ceil(BLOCK as u64)).unwrap_or(u32::MAX) {
            interrupt.check()?;
            let start = u64::from(index) * BLOCK as u64;
            let range = start..(start + BLOCK as u64).min(disk.size());
            let bytes = data.read(&range)?.filter(|bytes| bytes.as_ref() != &zero[..]);
            let bytes = bytes.map_or_else(|| zero.clone(), Buffer::share);
            if let Some(whole) = &whole {
                whole.add(bytes.slice(..usize::try_from(range.end - range.start).unwrap_or(BLOCK)));
            }
            let is_zero = bytes.as_ptr() == zero.as_ptr();
            if is_zero && free.covers(&range) {
                if !give(None) {
                    return Ok(None);
                }
                continue;
            }
            let digest = if is_zero { zero_digest } else { Sha256::digest(&bytes).into() };
            linear.update(digest);
            count += 1;
            let spared = known(index) == Some(digest);
            let next = (!spared).then_some(Block { index, data: bytes, digest });
            if !spared && tickets.recv().is_err() || !give(next) {
                return Ok(None);
            }
        }
        Ok(Some(match whole {
            Some(whole) => whole.finish(),
            None if image.hashed => image.sha256.clone(),
            // What the file is, is not what the disk is.
            None => image.digests(interrupt)?.sha256,
        }))
    })?;
    let Some(sha256) = sha256 else { return Ok(None) };
    image.check_unchanged()?;
    Ok(Some(Summary { sha256, linear: linear.finalize().into(), count }))
}

/// The digest of the whole file, taken by a thread of its own.
struct Whole<'scope> {
    queue: SyncSender<Bytes>,
    thread: ScopedJoinHandle<'scope, Sha256>,
}

impl<'scope> Whole<'scope> {
    fn start(scope: &'scope Scope<'scope, '_>) -> Self {
        let (queue, pieces) = sync_channel::<Bytes>(QUEUE);
        let thread = scope.spawn(move || {
            pieces.into_iter().fold(Sha256::new(), |hasher, piece| hasher.chain_update(&piece))
        });
        Self { queue, thread }
    }

    fn add(&self, piece: Bytes) {
        // It listens until the queue is closed.
        let _ = self.queue.send(piece);
    }

    fn finish(self) -> String {
        drop(self.queue);
        let hasher = self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        hexadecimal(&hasher.finalize())
    }
}

/// The disk's bytes, holes left alone.
struct Data<'a> {
    disk: &'a Image,
    image: &'a SourceImage,
    /// What is known of the next range that holds something; none when nothing does any more.
    next: Option<Range<u64>>,
    buffers: Buffers,
}

impl Data<'_> {
    /// Reads a block, zeroes behind its end; none if it is a hole.
    fn read(&mut self, range: &Range<u64>) -> Result<Option<Buffer>, UploadError> {
        let failed =
            |why: String| crate::upload::source::unreadable(&self.image.path, &io::Error::other(why));
        if self.next.as_ref().is_some_and(|next| next.end <= range.start) {
            self.next = self.disk.next_data(range.start).map_err(failed)?;
        }
        if self.next.as_ref().is_none_or(|next| next.start >= range.end) {
            return Ok(None);
        }
        let mut buffer = self.buffers.take();
        let length = usize::try_from(range.end - range.start).unwrap_or(BLOCK);
        let (inside, behind) = buffer.bytes_mut().split_at_mut(length);
        self.disk.read_into(range.start, inside).map_err(failed)?;
        behind.fill(0);
        Ok(Some(buffer))
    }
}
