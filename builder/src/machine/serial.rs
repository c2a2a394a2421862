//! The serial console's text: collected by a thread, searched by whoever waits for something.

use std::io::{Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// How much text is kept; a console that says more loses its beginning.
const KEPT_BYTES: usize = 4 << 20;

/// Lines that an error shows.
const TAIL_LINES: usize = 30;

/// Takes terminal control sequences out of a byte stream, wherever chunks end.
#[derive(Debug, Default)]
pub struct Stripper {
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum State {
    #[default]
    Text,
    Escape,
    /// `ESC [`, up to a final byte.
    Sequence,
    /// `ESC ]` and the like, up to BEL or `ESC \`.
    String,
    StringEscape,
}

impl Stripper {
    /// Appends the plain text of `bytes` to `text`.
    pub fn feed(&mut self, bytes: &[u8], text: &mut Vec<u8>) {
        for &byte in bytes {
            self.state = match (self.state, byte) {
                (State::Text, 0x1b) => State::Escape,
                (State::Text, b'\n' | b'\t' | 0x20..=0x7e | 0x80..) => {
                    text.push(byte);
                    State::Text
                }
                (State::Text, _) => State::Text,
                (State::Escape, b'[') => State::Sequence,
                (State::Escape, b']' | b'P' | b'X' | b'^' | b'_') => State::String,
                // Intermediate bytes, as in `ESC ( B`: the final one follows.
                (State::Escape, 0x20..=0x2f | 0x1b) => State::Escape,
                (State::Escape, _) => State::Text,
                (State::Sequence, 0x40..=0x7e) => State::Text,
                (State::Sequence, 0x1b) => State::Escape,
                (State::Sequence, _) => State::Sequence,
                (State::String, 0x07) => State::Text,
                (State::String, 0x1b) => State::StringEscape,
                (State::String, _) => State::String,
                (State::StringEscape, b'\\') => State::Text,
                (State::StringEscape, _) => State::String,
            };
        }
    }
}

#[derive(Debug, Default)]
struct Log {
    text: Vec<u8>,
    /// Bytes that were dropped before `text`.
    dropped: usize,
    raw_bytes: u64,
    closed: bool,
}

/// What a console said so far.
#[derive(Debug, Clone, Default)]
pub struct SerialLog {
    shared: Arc<(Mutex<Log>, Condvar)>,
}

/// How a wait for text ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// The text is there.
    Found,
    /// The deadline passed.
    TimedOut,
    /// The machine ended.
    Closed,
}

impl SerialLog {
    /// Collects `source` on a thread of its own and copies it to `mirror`, if any, as it comes.
    pub fn collect(
        mut source: impl Read + Send + 'static,
        mut mirror: Option<Box<dyn Write + Send>>,
    ) -> (Self, JoinHandle<()>) {
        let log = Self::default();
        let ours = log.clone();
        let thread = thread::spawn(move || {
            let mut stripper = Stripper::default();
            let mut buffer = [0; 8192];
            while let Ok(count @ 1..) = source.read(&mut buffer) {
                let gone = mirror.as_mut().is_some_and(|mirror| {
                    mirror.write_all(&buffer[..count]).and_then(|()| mirror.flush()).is_err()
                });
                if gone {
                    mirror = None;
                }
                ours.append(&mut stripper, &buffer[..count]);
            }
            ours.close();
        });
        (log, thread)
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, stripper: &mut Stripper, bytes: &[u8]) {
        let mut log = self.lock();
        log.raw_bytes += bytes.len() as u64;
        stripper.feed(bytes, &mut log.text);
        let excess = log.text.len().saturating_sub(KEPT_BYTES);
        log.text.drain(..excess);
        log.dropped += excess;
        self.shared.1.notify_all();
    }

    fn close(&self) {
        self.lock().closed = true;
        self.shared.1.notify_all();
    }

    /// Returns how many bytes came, control sequences included.
    pub fn raw_bytes(&self) -> u64 {
        self.lock().raw_bytes
    }

    /// Returns the kept text, without control sequences.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock().text).into_owned()
    }

    /// Returns the last lines, each indented.
    pub fn tail(&self) -> String {
        let text = self.text();
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let from = lines.len().saturating_sub(TAIL_LINES);
        let shown: Vec<String> = lines[from..].iter().map(|line| format!("  | {line}")).collect();
        if shown.is_empty() { "  | (nothing was printed)".to_owned() } else { shown.join("\n") }
    }

    /// Waits until the machine ends; never [`Waited::Found`].
    pub fn wait_for_end(&self, deadline: Option<Instant>) -> Waited {
        let mut log = self.lock();
        while !log.closed {
            match self.wait_for_more(log, deadline) {
                Some(more) => log = more,
                None => return Waited::TimedOut,
            }
        }
        Waited::Closed
    }

    /// Returns none when the deadline has passed.
    fn wait_for_more<'a>(
        &'a self,
        log: MutexGuard<'a, Log>,
        deadline: Option<Instant>,
    ) -> Option<MutexGuard<'a, Log>> {
        let Some(deadline) = deadline else {
            return Some(self.shared.1.wait(log).unwrap_or_else(PoisonError::into_inner));
        };
        let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        Some(self.shared.1.wait_timeout(log, left).unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Waits until the text holds `wanted`.
    pub fn wait_for(&self, wanted: &str, deadline: Option<Instant>) -> Waited {
        let needle = wanted.as_bytes();
        let mut log = self.lock();
        // Counted from the console's first byte, so that dropped text does not shift it.
        let mut searched = log.dropped;
        loop {
            let from = searched.saturating_sub(log.dropped).min(log.text.len());
            if needle.is_empty() || log.text[from..].windows(needle.len()).any(|window| window == needle) {
                return Waited::Found;
            }
            searched = log.dropped + (log.text.len() + 1).saturating_sub(needle.len());
            if log.closed {
                return Waited::Closed;
            }
            match self.wait_for_more(log, deadline) {
                Some(more) => log = more,
                None => return Waited::TimedOut,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn strip(chunks: &[&[u8]]) -> String {
        let mut stripper = Stripper::default();
        let mut text = Vec::new();
        for chunk in chunks {
            stripper.feed(chunk, &mut text);
        }
        String::from_utf8(text).expect("UTF-8 in, UTF-8 out")
    }

    #[test]
    fn control_sequences_are_taken_out_wherever_chunks_end() {
        let raw =
            "\x1b[2J\x1b[01;01Hlog\x1b[0min:\x1b(B \r\n\x1b]0;title\x07ü\x1bP1$r\x1b\\x\0\x1b=y".as_bytes();
        let wanted = "login: \nüxy";
        assert_eq!(strip(&[raw]), wanted);
        for split in 0..raw.len() {
            assert_eq!(strip(&[&raw[..split], &raw[split..]]), wanted, "split at {split}");
        }
    }

    #[test]
    fn text_is_found_across_chunks() {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let (log, thread) = SerialLog::collect(reader, None);
        let waiting = log.clone();
        let waiter = thread::spawn(move || waiting.wait_for("debian login:", None));
        for part in ["debian ", "lo\x1b[", "0mgin", ": "] {
            writer.write_all(part.as_bytes()).expect("the reader is there");
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(waiter.join().expect("the waiter ends well"), Waited::Found);
        let soon = Some(Instant::now() + Duration::from_millis(20));
        assert_eq!(log.wait_for("password", soon), Waited::TimedOut);
        drop(writer);
        assert_eq!(log.wait_for("password", None), Waited::Closed);
        assert_eq!(log.wait_for("login", None), Waited::Found);
        thread.join().expect("the collector ends well");
    }

    #[test]
    fn of_a_long_log_the_end_is_kept_and_searched() {
        let mut long = vec![b'a'; KEPT_BYTES + 100];
        long.extend_from_slice(b"\nlast line\n");
        let (log, thread) = SerialLog::collect(std::io::Cursor::new(long), None);
        thread.join().expect("the collector ends well");
        assert_eq!(log.text().len(), KEPT_BYTES);
        assert_eq!(log.wait_for("last line", None), Waited::Found);
        assert!(log.tail().ends_with("  | last line"));
        assert_eq!(SerialLog::default().tail(), "  | (nothing was printed)");
    }
}
