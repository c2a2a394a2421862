//! Runs one script with a time limit and keeps what it wrote.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use contract::report::{Captured, Ending, MAXIMUM_OUTPUT, ScriptResult};

/// How long the output may stay open after the script ended: a service that it started may hold it for ever.
const OUTPUT_PATIENCE: Duration = Duration::from_millis(500);

/// Runs the script at `path` by `/bin/sh -e`, as its own process group.
pub fn run(path: &Path, limit: Duration) -> ScriptResult {
    let mut command = Command::new("/bin/sh");
    command.arg("-e").arg(path);
    run_command(command, limit)
}

/// Runs any command like a script: clean environment, no standard input, killed with its group at the limit.
pub fn run_command(mut command: Command, limit: Duration) -> ScriptResult {
    command
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .envs([("HOME", "/root"), ("LC_ALL", "C.UTF-8"), ("TERM", "dumb")])
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let started = Instant::now();
    let (ending, stdout, stderr) = match command.spawn() {
        Ok(child) => watch(child, limit),
        Err(error) => (Ending::NotStarted(error.to_string()), Captured::default(), Captured::default()),
    };
    ScriptResult { ending, seconds: started.elapsed().as_secs_f64(), stdout, stderr }
}

fn watch(mut child: Child, limit: Duration) -> (Ending, Captured, Captured) {
    let group = child.id();
    let stdout = Stream::collect(child.stdout.take());
    let stderr = Stream::collect(child.stderr.take());
    let (send, ended) = channel();
    let waiter = thread::spawn(move || {
        // The receiver is there until this thread is joined.
        let _ = send.send(child.wait());
    });
    let ending = match ended.recv_timeout(limit) {
        Ok(status) => describe(status),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ending::TimedOut(limit.as_secs()),
    };
    // What a script leaves running in its group ends with it, at the limit or before.
    if let Err(error) = host::child::kill_group(group) {
        eprintln!("firstboot: killing process group {group}: {error}");
    }
    if waiter.join().is_err() {
        eprintln!("firstboot: waiting for process {group} failed");
    }
    (ending, stdout.finish(), stderr.finish())
}

fn describe(status: io::Result<ExitStatus>) -> Ending {
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => Ending::Exited(code),
            (None, signal) => Ending::Killed(signal.unwrap_or_default()),
        },
        Err(error) => Ending::NotStarted(error.to_string()),
    }
}

/// The end of what a stream delivered.
#[derive(Debug, Default)]
struct Tail {
    bytes: VecDeque<u8>,
    dropped: u64,
}

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        let excess = self.bytes.len().saturating_sub(MAXIMUM_OUTPUT);
        self.bytes.drain(..excess);
        self.dropped += excess as u64;
    }
}

/// A stream that is read by a thread of its own, so that neither of two can block the script.
struct Stream {
    tail: Arc<Mutex<Tail>>,
    ended: Receiver<()>,
}

impl Stream {
    fn collect(source: Option<impl Read + Send + 'static>) -> Self {
        let tail = Arc::new(Mutex::new(Tail::default()));
        let (send, ended) = channel();
        if let Some(mut source) = source {
            let tail = Arc::clone(&tail);
            thread::spawn(move || {
                let mut buffer = [0; 16384];
                while let Ok(count @ 1..) = source.read(&mut buffer) {
                    tail.lock().unwrap_or_else(PoisonError::into_inner).push(&buffer[..count]);
                }
                drop(send);
            });
        }
        Self { tail, ended }
    }

    /// Returns what came; waits a little for the stream's end, which dropping the sender tells.
    fn finish(self) -> Captured {
        let _ = self.ended.recv_timeout(OUTPUT_PATIENCE);
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(tail.bytes.make_contiguous()).into_owned();
        Captured { text, dropped: tail.dropped }
    }
}
