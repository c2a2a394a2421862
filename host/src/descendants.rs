//! Ending processes that have been left to this one, where no PID namespace does it.
//!
//! A subreaper becomes the parent of every orphan below it. Killing all children again and again, until there is none,
//! ends whole families: the children of each killed process come next.

use std::fs;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

/// How long to wait between looks at what is left.
const PAUSE: Duration = Duration::from_millis(1);

/// Makes the calling process the parent of orphans below it.
pub fn adopt_orphans() {
    // SAFETY: only numbers are passed.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
}

/// Returns the children of all threads of this process.
pub fn children() -> Vec<i32> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// Kills every child but those that `spare` names, and their descendants, and waits until they are gone or `patience` is over.
pub(crate) fn end_all_but(spare: &dyn Fn(i32) -> bool, patience: Duration) {
    let deadline = Instant::now() + patience;
    loop {
        let mut left: Vec<i32> = children().into_iter().filter(|pid| !spare(*pid)).collect();
        left.retain(|pid| {
            let pid = Pid::from_raw(*pid);
            let _ = kill(pid, Signal::SIGKILL); // one that has ended meanwhile needs no signal
            matches!(waitpid(pid, Some(WaitPidFlag::WNOHANG)), Ok(_) | Err(Errno::EINTR))
        });
        if left.is_empty() || Instant::now() > deadline {
            return;
        }
        std::thread::sleep(PAUSE);
    }
}

/// As [`end_all_but`] without exceptions, for a process of one thread that may neither allocate nor lock. `first` is killed
/// even where the kernel does not list children.
pub(crate) fn end_all_signal_safe(first: libc::pid_t) {
    let _ = kill(Pid::from_raw(first), Signal::SIGKILL);
    loop {
        let mut text = [0_u8; 4096];
        let Some(list) = read_children(&mut text) else { return };
        let mut found = false;
        for word in list.split(|byte| *byte == b' ').filter(|word| !word.is_empty()) {
            found = true;
            let pid = word
                .iter()
                .fold(0, |number, digit| number * 10 + libc::pid_t::from(digit.wrapping_sub(b'0')));
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        if !found {
            return;
        }
        let pause = libc::timespec { tv_sec: 0, tv_nsec: 500_000 };
        // SAFETY: the structure lives through the call; `status` is not asked for.
        unsafe {
            libc::nanosleep(&raw const pause, std::ptr::null_mut());
            while libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) > 0 {}
        }
    }
}

/// Reads the list of this thread's children, whole numbers only.
fn read_children(text: &mut [u8; 4096]) -> Option<&[u8]> {
    let file = open(c"/proc/thread-self/children", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).ok()?;
    let length = nix::unistd::read(&file, text).ok()?;
    let list = text.get(..length)?;
    // Each number is followed by a blank; what was cut off comes in the next round.
    Some(list.iter().rposition(|byte| *byte == b' ').map_or(&[][..], |end| &list[..end]))
}
