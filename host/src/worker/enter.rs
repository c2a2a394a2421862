//! The worker's side: into the namespaces, then the body.

use std::fs::File;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Pid, Uid, getppid, setgroups, sethostname, setresgid, setresuid};

use super::Isolation;
use crate::{descendants, mount, sys};

/// The exit code of a body that panicked, as the standard library has it for programs.
const PANICKED: i32 = 101;

/// What the worker says on its way: one of these bytes, then the stage and the error number where it failed.
pub(super) const ENTERED: u8 = 1;
pub(super) const READY: u8 = 2;
pub(super) const FAILED: u8 = 3;

/// The worker's ends of its conversation with the parent.
pub(super) struct Channel {
    pub(super) to_parent: File,
    pub(super) from_parent: File,
}

/// Where on the way the kernel refused; the number crosses the pipe.
pub(super) const STAGES: [&str; 4] =
    ["unshare", "taking on root's ids", "making mounts private", "setting a host name"];

/// Runs the body in its namespaces and ends the process.
pub(super) fn run(
    isolation: Isolation,
    parent: Pid,
    mut channel: Channel,
    body: impl FnOnce(Isolation) -> i32,
) -> ! {
    tie_to(parent);
    if let Err((stage, errno)) = enter(isolation, parent, &mut channel) {
        let errno = u8::try_from(errno as i32).unwrap_or(0);
        // A parent that is gone need not know.
        let _ = channel.to_parent.write_all(&[FAILED, stage, errno]);
        sys::exit_now(1);
    }
    // What a build makes does not depend on how its user sets new files' modes.
    umask(Mode::from_bits_truncate(0o022));
    let told = channel.to_parent.write_all(&[READY]);
    drop(channel);
    if told.is_err() {
        sys::exit_now(1);
    }
    // A panic that unwound further would run the parent's code a second time, here.
    let code = catch_unwind(AssertUnwindSafe(|| body(isolation))).unwrap_or(PANICKED);
    std::process::exit(code)
}

fn enter(isolation: Isolation, parent: Pid, channel: &mut Channel) -> Result<(), (u8, Errno)> {
    let flags = match isolation {
        Isolation::Chroot => {
            // What a killed supervisor of a sandbox leaves is this process's to end.
            descendants::adopt_orphans();
            return Ok(());
        }
        Isolation::Root => CloneFlags::CLONE_NEWNS,
        Isolation::UserNamespace => {
            CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS
        }
    };
    unshare(flags).map_err(|errno| (0, errno))?;
    if isolation == Isolation::UserNamespace {
        let mut answer = [0];
        let asked = channel
            .to_parent
            .write_all(&[ENTERED])
            .and_then(|()| channel.from_parent.read_exact(&mut answer));
        if asked.is_err() {
            // The parent is gone, or could not map the ids and says so itself.
            sys::exit_now(1);
        }
        become_root().map_err(|errno| (1, errno))?;
        // A change of identity clears the tie.
        tie_to(parent);
        // Some containers let everybody have namespaces, but filter the calls that make use of them.
        sethostname("localhost").map_err(|errno| (3, errno))?;
    }
    mount::make_all_private().map_err(|error| (2, Errno::from_raw(error.raw_os_error().unwrap_or(0))))
}

fn become_root() -> Result<(), Errno> {
    let (user, group) = (Uid::from_raw(0), Gid::from_raw(0));
    setresgid(group, group, group)?;
    setgroups(&[])?;
    setresuid(user, user, user)
}

/// Asks for SIGKILL when the parent ends, and ends at once if it has ended already.
fn tie_to(parent: Pid) {
    sys::die_with_parent();
    if getppid() != parent {
        sys::exit_now(1);
    }
}
