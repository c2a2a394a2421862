//! The one process that does all work, in namespaces of its own where it may have some.
//!
//! [`run`] forks. The parent only waits, passes signals on and gives the exit code; the child, the worker, enters
//! a private mount namespace (as root) or a user and mount namespace with subordinate ids (as an ordinary user).
//! What the worker mounts and makes there goes with it, and it goes with its parent, by whatever signal. A container's root
//! who may have neither works without namespaces; then parent and worker end what is left to them.
//!
//! ```text
//! parent ── fork ──▶ worker: tied to the parent, unshare, ids (written by the parent), private mounts, body
//!    └ waits, passes signals on, waits for what the worker left, returns the body's exit code
//! ```

mod enter;
mod error;
mod id_map;
#[cfg(test)]
mod tests;
mod wait;

use std::os::fd::OwnedFd;

use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{ForkResult, Pid, Uid, fork, getpid, pipe2};

pub use error::Error;
pub use id_map::IdMapError;

use enter::Channel;
use id_map::IdMaps;
use wait::Signals;

use crate::descendants;

/// Which namespaces the worker has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// A mount namespace of the host's root.
    Root,
    /// A user namespace with subordinate ids, and a mount namespace in it.
    UserNamespace,
    /// No namespace at all: root of a container without `CAP_SYS_ADMIN`.
    Chroot,
}

/// Which namespaces are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// For root the first that the kernel allows of [`Isolation::Root`], [`Isolation::UserNamespace`] and
    /// [`Isolation::Chroot`]; [`Isolation::UserNamespace`] for others.
    Auto,
    /// Only [`Isolation::Root`].
    Root,
    /// Only [`Isolation::UserNamespace`]; for root too, whose ids then stand for themselves.
    User,
    /// Only [`Isolation::Chroot`].
    Chroot,
}

impl Request {
    /// Returns what is tried, the best first.
    fn levels(self, is_root: bool) -> Result<&'static [Isolation], Error> {
        match (self, is_root) {
            (Self::Auto, true) => Ok(&[Isolation::Root, Isolation::UserNamespace, Isolation::Chroot]),
            (Self::Root, true) => Ok(&[Isolation::Root]),
            (Self::Chroot, true) => Ok(&[Isolation::Chroot]),
            (Self::Auto, false) | (Self::User, _) => Ok(&[Isolation::UserNamespace]),
            (Self::Root, false) => Err(Error::NotRoot("root")),
            (Self::Chroot, false) => Err(Error::NotRoot("chroot")),
        }
    }
}

/// Tells whether the caller is root, of this machine or of its own user namespace.
pub fn is_root() -> bool {
    Uid::effective().is_root()
}

/// Runs `body` in a worker and returns its exit code; 128 + n when signal n ended it.
///
/// Returns when the worker and all that it started are gone. The body has the parent's terminal and network, and 022
/// as its umask.
///
/// # Errors
///
/// When the process has several threads already, and when the namespaces asked for cannot be had, before `body` runs.
pub fn run(request: Request, body: impl FnOnce(Isolation) -> i32) -> Result<i32, Error> {
    if std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() > 1) {
        return Err(Error::Threads);
    }
    let mut refused = None;
    for &isolation in request.levels(Uid::effective().is_root())? {
        let done = match start(isolation) {
            Ok(Side::Worker(parent, channel)) => enter::run(isolation, parent, channel, body),
            Ok(Side::Parent(child)) => child.see_through(isolation),
            Err(error) => Err(error),
        };
        match done {
            // The body has not begun, so another level may be tried; the first refusal is the one to tell.
            Err(error @ (Error::Namespaces { .. } | Error::Ids(_))) => drop(refused.get_or_insert(error)),
            done => return done,
        }
    }
    Err(refused.unwrap_or(Error::NotRoot("root")))
}

/// Who one is after [`start`].
enum Side {
    Worker(Pid, Channel),
    Parent(Box<Started>),
}

/// The parent's view of a worker that is on its way.
struct Started {
    child: Pid,
    maps: Option<IdMaps>,
    signals: Signals,
    from_worker: OwnedFd,
    to_worker: OwnedFd,
    /// Children that this process had before; they are nobody's to end.
    before: Vec<i32>,
}

fn start(isolation: Isolation) -> Result<Side, Error> {
    let maps = match isolation {
        Isolation::Root | Isolation::Chroot => None,
        Isolation::UserNamespace => Some(IdMaps::of_caller()?),
    };
    let (from_worker, to_parent) = pipe()?;
    let (from_parent, to_worker) = pipe()?;
    let signals = Signals::hold()?;
    let parent = getpid();
    descendants::adopt_orphans();
    let before = descendants::children();
    // SAFETY: the process has one thread, so the child may do what it likes.
    match unsafe { fork() }.map_err(Error::process)? {
        ForkResult::Child => {
            drop((from_worker, to_worker));
            if signals.release().is_err() {
                crate::sys::exit_now(1);
            }
            let channel = Channel { to_parent: to_parent.into(), from_parent: from_parent.into() };
            Ok(Side::Worker(parent, channel))
        }
        ForkResult::Parent { child } => {
            Ok(Side::Parent(Box::new(Started { child, maps, signals, from_worker, to_worker, before })))
        }
    }
}

impl Started {
    /// Helps the worker on its way and waits for its end.
    fn see_through(self, isolation: Isolation) -> Result<i32, Error> {
        let Self { child, maps, signals, from_worker, to_worker, before } = self;
        let introduced = wait::introduce(child, maps.as_ref(), from_worker.into(), to_worker.into());
        if introduced.is_err() {
            let _ = kill(child, Signal::SIGKILL); // it may have ended by itself
        }
        let code = wait::wait_for(child, &signals);
        if isolation == Isolation::Chroot {
            descendants::end_all_but(&|pid| before.contains(&pid), wait::ORPHANS_DEADLINE);
        }
        wait::reap_orphans();
        signals.release()?;
        introduced.and(code)
    }
}

fn pipe() -> Result<(OwnedFd, OwnedFd), Error> {
    pipe2(OFlag::O_CLOEXEC).map_err(Error::process)
}
