//! Making and timing files of every kind, exchanging folders: what a copy of a whole tree needs beside `std::fs`.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::sys::stat::{Mode, SFlag, UtimensatFlags, makedev, mknod, utimensat};
use nix::sys::time::TimeSpec;

/// What a special file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    /// A named pipe.
    Fifo,
    /// A character device, major and minor.
    CharDevice(u64, u64),
    /// A block device, major and minor.
    BlockDevice(u64, u64),
}

/// Makes a special file that only its owner may use.
///
/// # Errors
/// As `mknod(2)`; an ordinary user, in a user namespace too, may not make devices.
pub fn make_special(path: &Path, kind: Special) -> io::Result<()> {
    let (flag, device) = match kind {
        Special::Fifo => (SFlag::S_IFIFO, 0),
        Special::CharDevice(major, minor) => (SFlag::S_IFCHR, makedev(major, minor)),
        Special::BlockDevice(major, minor) => (SFlag::S_IFBLK, makedev(major, minor)),
    };
    Ok(mknod(path, flag, Mode::S_IRUSR | Mode::S_IWUSR, device)?)
}

/// Sets the access and modification times of `path` to `time`, seconds since 1970; a symbolic link's own.
///
/// # Errors
/// As `utimensat(2)`.
pub fn set_time(path: &Path, time: i64) -> io::Result<()> {
    let time = TimeSpec::new(time, 0);
    Ok(utimensat(AT_FDCWD, path, &time, &time, UtimensatFlags::NoFollowSymlink)?)
}

/// Puts the folder `new` at `place`. What was at `place` is at `new` afterwards; tells whether something was.
///
/// # Errors
/// As `renameat2(2)`.
pub fn put_folder(new: &Path, place: &Path) -> io::Result<bool> {
    let rename = |flags| renameat2(AT_FDCWD, new, AT_FDCWD, place, flags);
    match rename(RenameFlags::RENAME_NOREPLACE) {
        Ok(()) => return Ok(false),
        Err(Errno::EEXIST) => {}
        // Filesystems without the flags; a plain rename never replaces a folder that holds anything.
        Err(Errno::EINVAL) => return Ok(rename(RenameFlags::empty()).map(|()| false)?),
        Err(error) => return Err(error.into()),
    }
    Ok(rename(RenameFlags::RENAME_EXCHANGE).map(|()| true)?)
}

/// Writes back everything of the filesystem that holds `file`.
///
/// # Errors
/// As `syncfs(2)`.
pub fn sync_filesystem(file: &File) -> io::Result<()> {
    Ok(nix::unistd::syncfs(file)?)
}

/// Writes back everything of all filesystems, as `sync(2)`.
pub fn sync_filesystems() {
    nix::unistd::sync();
}

/// Locks an open file or folder for as long as it is open; false when another process holds it.
///
/// # Errors
/// As `flock(2)`.
pub fn try_lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};

    use super::*;

    #[test]
    fn pipes_times_and_exchanges() {
        let folder = std::env::temp_dir().join(format!("host-node-{}", std::process::id()));
        fs::create_dir_all(folder.join("one")).expect("a folder");
        make_special(&folder.join("pipe"), Special::Fifo).expect("a pipe");
        assert!(fs::metadata(folder.join("pipe")).expect("there").file_type().is_fifo());
        symlink("nowhere", folder.join("link")).expect("a link");
        set_time(&folder.join("link"), 1_000_000).expect("set");
        assert_eq!(fs::symlink_metadata(folder.join("link")).expect("there").mtime(), 1_000_000);
        assert!(!put_folder(&folder.join("one"), &folder.join("place")).expect("put"));
        fs::create_dir(folder.join("two")).expect("a folder");
        fs::write(folder.join("two/file"), "x").expect("a file");
        fs::write(folder.join("place/old"), "x").expect("a file");
        assert!(put_folder(&folder.join("two"), &folder.join("place")).expect("put"));
        assert!(folder.join("place/file").exists() && folder.join("two/old").exists());
        let (first, second) = (File::open(&folder).expect("opened"), File::open(&folder).expect("opened"));
        assert!(try_lock(&first).expect("locked") && !try_lock(&second).expect("asked"));
        fs::remove_dir_all(folder).expect("removed");
    }
}
