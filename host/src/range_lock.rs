//! Locks of single bytes of a file: any number of them without a file for each, so that a kill leaves none.
//!
//! They belong to the open file and not to the process, so threads that open the file on their own exclude each other, and
//! the kernel frees them when the last descriptor is closed.

use std::fs::File;
use std::io;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

/// Locks the byte at `offset`, which need not be there; tells whether it was free.
///
/// # Errors
/// When the filesystem has no locks, or the file was not opened for writing.
pub fn try_lock(file: &File, offset: u64) -> io::Result<bool> {
    match fcntl(file, FcntlArg::F_OFD_SETLK(&byte(offset))) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Waits for the byte at `offset` and locks it.
///
/// # Errors
/// As [`try_lock`].
pub fn lock(file: &File, offset: u64) -> io::Result<()> {
    loop {
        match fcntl(file, FcntlArg::F_OFD_SETLKW(&byte(offset))) {
            Err(Errno::EINTR) => {}
            other => return other.map(drop).map_err(Into::into),
        }
    }
}

fn byte(offset: u64) -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        // Offsets are signed; half of them is enough.
        l_start: (offset >> 1).cast_signed(),
        l_len: 1,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_held_until_its_file_is_closed() {
        let path = std::env::temp_dir().join(format!("host-range-lock-{}", std::process::id()));
        let open = || {
            File::options().read(true).write(true).create(true).truncate(false).open(&path).expect("opened")
        };
        let (first, second) = (open(), open());
        assert!(try_lock(&first, u64::MAX).expect("locks"));
        assert!(!try_lock(&second, u64::MAX).expect("locks"), "of one process, and yet another's");
        assert!(try_lock(&second, 7).expect("locks"), "another byte");
        drop(first);
        lock(&second, u64::MAX).expect("free now");
        std::fs::remove_file(&path).expect("removed");
    }
}
