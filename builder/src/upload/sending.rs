//! The image as the body of a request: read once, hashed and sent at the same time.
//!
//! A thread reads and hashes; what it has read waits in a short queue for the connection. So disk, processor and
//! network work at once, and memory stays flat.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use sha2::{Digest, Sha256, Sha512};

use super::source::{changed, each_chunk, hexadecimal, unreadable};
use super::{Digests, Interrupt, SourceImage, UploadError};

/// Chunks that wait for the connection.
const QUEUE: usize = 4;

/// Gives the image to `send` as a stream and returns what that returned, with the digests of what was read.
///
/// `cut` is raised by the connection when the server has hung up: from then on the rest is zeroes that go nowhere.
///
/// # Errors
/// What `send` returns; and when the image changed meanwhile.
pub(super) fn stream<T>(
    image: &SourceImage,
    interrupt: &Interrupt,
    cut: &AtomicBool,
    told: &dyn Fn(u64),
    send: impl FnOnce(&mut dyn Read) -> Result<T, UploadError>,
) -> Result<(T, Digests), UploadError> {
    thread::scope(|scope| {
        let (queue, chunks) = sync_channel(QUEUE);
        let reader = scope.spawn(move || read(image, &queue));
        let mut body = Body { chunks, current: Vec::new(), at: 0, interrupt, cut, told };
        let sent = send(&mut body);
        drop(body);
        let digests = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let sent = sent?;
        image.check_unchanged()?;
        // A service that says yes before it has all bytes is not believed.
        digests.map(|digests| (sent, digests)).ok_or_else(|| changed(&image.path))
    })
}

/// Reads and hashes until the end or until nobody takes it any more; only a whole image has digests.
fn read(image: &SourceImage, queue: &SyncSender<io::Result<Vec<u8>>>) -> Option<Digests> {
    let (mut sha256, mut sha512) = (Sha256::new(), Sha512::new());
    let whole = each_chunk(&image.file, image.stamp.size, |chunk| {
        sha256.update(&chunk);
        sha512.update(&chunk);
        queue.send(Ok(chunk)).is_ok()
    });
    match whole {
        Ok(true) => Some(Digests {
            sha256: hexadecimal(&sha256.finalize()),
            sha512: Some(hexadecimal(&sha512.finalize())),
        }),
        Ok(false) => None,
        Err(error) => {
            let error = match error.kind() {
                io::ErrorKind::UnexpectedEof => changed(&image.path),
                _ => unreadable(&image.path, &error),
            };
            // Nobody listens any more when the request failed first.
            let _ = queue.send(Err(io::Error::other(error)));
            None
        }
    }
}

/// The reading end.
struct Body<'a> {
    chunks: Receiver<io::Result<Vec<u8>>>,
    current: Vec<u8>,
    at: usize,
    interrupt: &'a Interrupt,
    cut: &'a AtomicBool,
    told: &'a dyn Fn(u64),
}

impl Read for Body<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.interrupt.check().map_err(io::Error::other)?;
        if self.cut.load(Ordering::Relaxed) {
            out.fill(0);
            return Ok(out.len());
        }
        if self.at == self.current.len() {
            match self.chunks.recv() {
                Ok(chunk) => (self.current, self.at) = (chunk?, 0),
                Err(_) => return Ok(0),
            }
        }
        let count = out.len().min(self.current.len() - self.at);
        out[..count].copy_from_slice(&self.current[self.at..self.at + count]);
        self.at += count;
        (self.told)(count as u64);
        Ok(count)
    }
}

/// Takes the digests of all that `reader` gives.
///
/// # Errors
/// When reading fails.
pub(super) fn digests_of(mut reader: impl Read, interrupt: &Interrupt) -> Result<Digests, io::Error> {
    let (mut sha256, mut sha512) = (Sha256::new(), Sha512::new());
    let mut buffer = vec![0; super::source::CHUNK];
    loop {
        interrupt.check().map_err(io::Error::other)?;
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            let (sha256, sha512) = (hexadecimal(&sha256.finalize()), Some(hexadecimal(&sha512.finalize())));
            return Ok(Digests { sha256, sha512 });
        }
        sha256.update(&buffer[..count]);
        sha512.update(&buffer[..count]);
    }
}
