//! Child processes that cannot outlive us, and what they inherit.
#![expect(unsafe_code, reason = "what a child does between fork and exec has no safe form")]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// Makes the kernel kill the child when the thread that spawns it ends, however it ends.
///
/// The caller spawns from a thread that lives as long as the child shall; the main thread is one.
pub fn die_with_parent(command: &mut Command) -> &mut Command {
    let parent = std::process::id().cast_signed();
    // SAFETY: between fork and exec only async-signal-safe calls are made (sigprocmask, prctl,
    // getppid), nothing allocates, and sigemptyset fills the set before it is read.
    unsafe {
        command.pre_exec(move || {
            // What the parent holds back, the child shall hear.
            let mut none = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
            if libc::sigemptyset(none.as_mut_ptr()) != 0
                || libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut()) != 0
            {
                return Err(io::Error::last_os_error());
            }
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(io::Error::last_os_error());
            }
            // The parent may have died before the call above; then nobody would send the signal.
            if libc::getppid() != parent {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            Ok(())
        })
    }
}

/// Lets the child see `descriptors` under the numbers that they have here.
///
/// They stay close-on-exec in this process, so no other child gets them.
pub fn inherit(command: &mut Command, descriptors: Vec<OwnedFd>) -> &mut Command {
    // SAFETY: between fork and exec only fcntl is called; the descriptors are owned by the closure.
    unsafe {
        command.pre_exec(move || {
            for descriptor in &descriptors {
                if libc::fcntl(descriptor.as_raw_fd(), libc::F_SETFD, 0) != 0 {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(())
        })
    }
}

/// Returns an unnamed, empty file in memory, close-on-exec.
///
/// # Errors
///
/// When the kernel refuses.
pub fn memory_file(name: &str) -> io::Result<OwnedFd> {
    Ok(memfd_create(name, MFdFlags::MFD_CLOEXEC)?)
}

/// Kills every process of the group that `leader` leads; a group that is gone is not an error.
///
/// # Errors
///
/// When the kernel refuses.
pub fn kill_group(leader: u32) -> io::Result<()> {
    match killpg(Pid::from_raw(leader.cast_signed()), Signal::SIGKILL) {
        Ok(()) | Err(nix::errno::Errno::ESRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::process::Stdio;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_child_ends_with_the_thread_that_spawned_it() {
        let mut child = std::thread::spawn(|| {
            let mut command = Command::new("sleep");
            die_with_parent(command.arg("60")).spawn().expect("sleep starts")
        })
        .join()
        .expect("the thread ends well");
        let started = Instant::now();
        assert!(!child.wait().expect("waiting for sleep").success());
        assert!(started.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_child_reads_an_inherited_descriptor_under_its_number() {
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let number = writer.as_raw_fd();
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("echo hello >&{number}")).stdin(Stdio::null());
        inherit(&mut command, vec![writer.into()]);
        assert!(command.status().expect("sh runs").success());
        drop(command);
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("reading the pipe");
        assert_eq!(text, "hello\n");
    }

    #[test]
    fn a_group_is_killed_whole() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 60 & echo started; wait"]).process_group(0).stdout(Stdio::piped());
        let mut child = command.spawn().expect("sh starts");
        let mut output = child.stdout.take().expect("a pipe");
        let mut first = [0_u8; 8];
        output.read_exact(&mut first).expect("sh says that it started");
        kill_group(child.id()).expect("killing the group");
        // The pipe ends only when the background sleep is gone as well.
        assert_eq!(output.read(&mut first).expect("end of the pipe"), 0);
        assert!(!child.wait().expect("waiting for sh").success());
        kill_group(child.id()).expect("a group that is gone is fine");
    }
}
