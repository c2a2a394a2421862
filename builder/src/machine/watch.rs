//! Notices when KVM gives a guest up.
//!
//! QEMU then pauses the machine and says nothing on the console, so whoever waits for the guest would wait for
//! their whole time limit. The watch ends QEMU instead, which every waiter notices at once.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::json;

use super::qmp::Qmp;

/// How often QEMU is asked.
const PERIOD: Duration = Duration::from_millis(250);

/// A thread that asks QEMU for its run state until it is dropped or the machine ends.
#[derive(Debug)]
pub struct Watch {
    failed: Arc<AtomicBool>,
    /// Closed to end the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Starts to watch.
    pub fn start(monitor: Arc<Mutex<Qmp>>) -> Self {
        let failed = Arc::new(AtomicBool::new(false));
        let (stop, stopped) = channel();
        let told = Arc::clone(&failed);
        let thread = thread::spawn(move || {
            while stopped.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                match look(&monitor, &told) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        tracing::debug!("QEMU's monitor went away: {error}");
                        break;
                    }
                }
            }
        });
        Self { failed, stop: Some(stop), thread: Some(thread) }
    }

    /// Tells whether KVM gave the guest up.
    pub fn failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }
}

/// Looks once; false when QEMU was ended.
fn look(monitor: &Mutex<Qmp>, failed: &AtomicBool) -> io::Result<bool> {
    let mut monitor = monitor.lock().unwrap_or_else(PoisonError::into_inner);
    if monitor.status()? != "internal-error" {
        return Ok(true);
    }
    // Said before QEMU ends: who sees the end asks why.
    failed.store(true, Ordering::Release);
    monitor.execute("quit", json!({}))?;
    Ok(false)
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::debug!("the watch on KVM failed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn an_internal_error_ends_the_machine_and_is_told() {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        let answers = [
            r#"{"QMP": {}}"#,
            r#"{"return": {}}"#,
            r#"{"return": {"status": "running"}}"#,
            r#"{"return": {"status": "internal-error"}}"#,
            r#"{"return": {}}"#,
        ];
        (&theirs).write_all((answers.join("\n") + "\n").as_bytes()).expect("writing answers");
        let watch = Watch::start(Arc::new(Mutex::new(Qmp::negotiate(ours).expect("a greeting"))));
        let asked: Vec<String> =
            BufReader::new(&theirs).lines().take(4).map(|line| line.expect("a command")).collect();
        assert!(asked[3].contains("\"quit\""), "{asked:?}");
        assert!(watch.failed());
    }

    #[test]
    fn a_machine_that_ends_by_itself_did_not_fail() {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        (&theirs).write_all(b"{\"QMP\": {}}\n{\"return\": {}}\n").expect("writing answers");
        let watch = Watch::start(Arc::new(Mutex::new(Qmp::negotiate(ours).expect("a greeting"))));
        drop(theirs);
        thread::sleep(PERIOD * 2);
        assert!(!watch.failed());
    }
}
