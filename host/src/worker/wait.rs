//! The parent's side: ids for the worker, then waiting and passing signals on.

use std::fs::File;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::Error;
use super::enter::{ENTERED, FAILED, READY, STAGES};
use super::id_map::IdMaps;

/// How long the parent waits for what the worker leaves behind; it takes milliseconds.
pub(super) const ORPHANS_DEADLINE: Duration = Duration::from_secs(5);

/// Signals that are held back in the parent, so that it can wait for them as for the worker's end.
pub(super) struct Signals {
    waited: SigSet,
    before: SigSet,
}

impl Signals {
    pub(super) fn hold() -> Result<Self, Error> {
        let waited: SigSet =
            [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGCHLD].into_iter().collect();
        let before = waited.thread_swap_mask(SigmaskHow::SIG_BLOCK).map_err(Error::process)?;
        Ok(Self { waited, before })
    }

    /// Lets the signals through again, as before.
    pub(super) fn release(self) -> Result<(), Error> {
        self.before.thread_set_mask().map_err(Error::process)
    }
}

/// Helps the worker into its namespaces; returns when it is ready, or gone.
pub(super) fn introduce(
    child: Pid,
    maps: Option<&IdMaps>,
    mut from_worker: File,
    mut to_worker: File,
) -> Result<(), Error> {
    let mut word = [0];
    loop {
        if from_worker.read(&mut word).map_err(Error::Process)? == 0 {
            return Ok(()); // a signal ended it, and its status says so
        }
        match word {
            [ENTERED] => {
                if let Some(maps) = maps {
                    maps.write(child)?;
                }
                to_worker.write_all(&[0]).map_err(Error::Process)?;
            }
            [READY] => return Ok(()),
            [FAILED] => {
                let mut where_and_why = [0; 2];
                from_worker.read_exact(&mut where_and_why).map_err(Error::Process)?;
                let [stage, errno] = where_and_why;
                let what = STAGES.get(usize::from(stage)).copied().unwrap_or("unknown");
                return Err(Error::refused(maps.is_some(), what, Errno::from_raw(i32::from(errno))));
            }
            _ => return Err(Error::Process(io::Error::other("it said something unknown"))),
        }
    }
}

/// Passes signals on until the worker has ended. The second signal cannot be ignored.
pub(super) fn wait_for(child: Pid, signals: &Signals) -> Result<i32, Error> {
    let mut first = true;
    loop {
        match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, code)) => return Ok(code),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(128 + signal as i32),
            Ok(_) => {}
            Err(errno) => return Err(Error::process(errno)),
        }
        match signals.waited.wait() {
            Ok(Signal::SIGCHLD) | Err(_) => {}
            Ok(signal) => {
                // It may have ended meanwhile: then the next turn sees that.
                let _ = kill(child, if first { signal } else { Signal::SIGKILL });
                first = false;
            }
        }
    }
}

/// Sandboxes end a moment after the worker. The wait is bounded, as a process may have had children before.
pub(super) fn reap_orphans() {
    let deadline = Instant::now() + ORPHANS_DEADLINE;
    while Instant::now() < deadline {
        match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => std::thread::sleep(Duration::from_millis(1)),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return, // none is left
        }
    }
}
