//! Locks by which QEMU keeps others from a disk image that it has open.

use std::fs::File;
use std::io;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

/// QEMU locks single bytes from here on for what it does and for what it lets others do (`block/file-posix.c`).
const FIRST_BYTE: i64 = 100;
const BYTES: i64 = 200;

/// Takes the image for this process alone, until the file is closed.
///
/// # Errors
/// [`io::ErrorKind::ResourceBusy`] when somebody else has it open and says so, QEMU for one.
pub fn take(file: &File) -> io::Result<()> {
    // SAFETY: `flock` is plain numbers, for which all zeroes are valid.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock.l_start = FIRST_BYTE;
    lock.l_len = BYTES;
    match fcntl(file, FcntlArg::F_OFD_SETLK(&lock)) {
        Ok(_) => Ok(()),
        Err(Errno::EAGAIN | Errno::EACCES) => Err(io::Error::from(io::ErrorKind::ResourceBusy)),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn only_one_has_it() {
        let path = std::env::temp_dir().join(format!("host-image-lock-{}", std::process::id()));
        let open = || File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let (one, other) = (open().expect("a file"), open().expect("the same file"));
        take(&one).expect("free");
        assert_eq!(take(&other).expect_err("taken").kind(), io::ErrorKind::ResourceBusy);
        drop(one);
        // A child that another test starts has what is open here until it executes its program.
        let deadline = Instant::now() + Duration::from_secs(20);
        while take(&other).is_err() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        take(&other).expect("free again");
        std::fs::remove_file(path).expect("removed");
    }
}
