//! The output of a child process: kept, bounded where only its end matters, and copied to a log.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How many lines of output an error shows.
pub const TAIL_LINES: usize = 40;
const TAIL_BYTES: usize = 64 * 1024;

/// A file that several children write whole lines to.
#[derive(Debug, Clone)]
pub struct Log(Arc<Mutex<File>>);

impl Log {
    /// A log in `file`.
    pub fn new(file: File) -> Self {
        Self(Arc::new(Mutex::new(file)))
    }

    /// Adds to the log. A log that cannot be written is no reason for a build to fail.
    pub fn write(&self, bytes: &[u8]) {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(bytes) {
            tracing::debug!("writing the log: {error}");
        }
    }
}

/// The end of a stream.
#[derive(Debug, Default)]
pub struct Tail(VecDeque<u8>);

impl Tail {
    /// Adds to the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        let bytes = bytes.get(bytes.len().saturating_sub(TAIL_BYTES)..).unwrap_or_default();
        let excess = (self.0.len() + bytes.len()).saturating_sub(TAIL_BYTES);
        self.0.drain(..excess);
        self.0.extend(bytes);
    }

    /// The last lines, without a line end after the last one.
    pub fn lines(&self, count: usize) -> String {
        let bytes: Vec<u8> = self.0.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n")
    }
}

/// What a child wrote.
#[derive(Debug, Default)]
pub struct Captured {
    /// Standard output, whole.
    pub stdout: Vec<u8>,
    /// The end of standard error.
    pub stderr: Tail,
    /// The end of both, in the order in which it was read.
    pub both: Tail,
}

/// Reads both streams until both have ended.
///
/// # Errors
/// When a pipe cannot be read.
pub fn capture(stdout: Option<OwnedFd>, stderr: Option<OwnedFd>, log: Option<&Log>) -> io::Result<Captured> {
    let mut streams = [Stream::new(stdout), Stream::new(stderr)];
    let mut captured = Captured::default();
    let mut buffer = vec![0; 64 * 1024];
    while wait_for(&mut streams)? {
        for (index, stream) in streams.iter_mut().enumerate() {
            let Some(bytes) = stream.read(&mut buffer)? else { continue };
            captured.both.push(bytes);
            if index == 0 {
                captured.stdout.extend_from_slice(bytes);
            } else {
                captured.stderr.push(bytes);
            }
            if let Some(log) = log {
                stream.log_lines(bytes, log);
            }
        }
    }
    if let Some(log) = log {
        streams.iter_mut().for_each(|stream| stream.log_rest(log));
    }
    Ok(captured)
}

struct Stream {
    pipe: Option<File>,
    ready: bool,
    partial: Vec<u8>,
}

impl Stream {
    fn new(pipe: Option<OwnedFd>) -> Self {
        Self { pipe: pipe.map(File::from), ready: false, partial: Vec::new() }
    }

    /// What the stream has now; `None` when it has nothing or has ended.
    fn read<'b>(&mut self, buffer: &'b mut [u8]) -> io::Result<Option<&'b [u8]>> {
        let Some(pipe) = self.pipe.as_mut().filter(|_| self.ready) else { return Ok(None) };
        self.ready = false;
        let count = pipe.read(buffer)?;
        if count == 0 {
            self.pipe = None;
            return Ok(None);
        }
        Ok(buffer.get(..count))
    }

    fn log_lines(&mut self, bytes: &[u8], log: &Log) {
        self.partial.extend_from_slice(bytes);
        if let Some(end) = self.partial.iter().rposition(|byte| *byte == b'\n') {
            let rest = self.partial.split_off(end + 1);
            log.write(&std::mem::replace(&mut self.partial, rest));
        }
    }

    fn log_rest(&mut self, log: &Log) {
        if !self.partial.is_empty() {
            self.partial.push(b'\n');
            log.write(&self.partial);
        }
    }
}

/// Waits until a stream has something, and marks it; false when all have ended.
fn wait_for(streams: &mut [Stream; 2]) -> io::Result<bool> {
    let ready: Vec<bool> = {
        let open = streams.iter().filter_map(|stream| stream.pipe.as_ref());
        let mut fds: Vec<PollFd<'_>> =
            open.map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)).collect();
        if fds.is_empty() {
            return Ok(false);
        }
        while let Err(errno) = poll(&mut fds, PollTimeout::NONE) {
            if errno != Errno::EINTR {
                return Err(errno.into());
            }
        }
        fds.iter().map(|fd| fd.any().unwrap_or(true)).collect()
    };
    let open = streams.iter_mut().filter(|stream| stream.pipe.is_some());
    open.zip(ready).for_each(|(stream, ready)| stream.ready = ready);
    Ok(true)
}
