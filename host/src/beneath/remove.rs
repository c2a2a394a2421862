//! What is below a root, removed.

use std::io;
use std::os::fd::OwnedFd;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::{Root, is_absent};

impl Root {
    /// Removes a file or symlink, if it is there.
    ///
    /// # Errors
    ///
    /// As `unlink(2)`.
    pub fn remove_if_exists(&self, path: &str) -> io::Result<()> {
        match self.parent(path) {
            Ok((parent, name)) => remove(&parent, name),
            Err(error) if is_absent(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes everything inside a folder; the folder stays. A symlink to a folder is left alone.
    ///
    /// # Errors
    ///
    /// As `unlink(2)` and `readdir(3)`.
    pub fn empty_folder_if_exists(&self, path: &str) -> io::Result<()> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
        match self.open_with(path, flags) {
            Ok(folder) => empty(&folder, Folders::Removed),
            Err(error) if is_absent(&error) || error.raw_os_error() == Some(libc::ELOOP) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes every file and symlink inside a folder and the folders below it; all folders stay.
    ///
    /// # Errors
    ///
    /// As `unlink(2)` and `readdir(3)`.
    pub fn remove_files_below_if_exists(&self, path: &str) -> io::Result<()> {
        match self.open_with(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW) {
            Ok(folder) => empty(&folder, Folders::Kept),
            Err(error) if is_absent(&error) || error.raw_os_error() == Some(libc::ELOOP) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Removes one name, if it is there.
pub(super) fn remove(parent: &OwnedFd, name: &str) -> io::Result<()> {
    match unlinkat(parent, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// What becomes of folders when a folder is emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Folders {
    Removed,
    Kept,
}

fn empty(folder: &OwnedFd, folders: Folders) -> io::Result<()> {
    // A second descriptor, because `Dir` closes the one that it reads.
    let readable = nix::fcntl::openat(
        folder,
        ".",
        OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?;
    let mut names = Vec::new();
    for entry in Dir::from_fd(readable)?.iter() {
        let name = entry?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    for name in names {
        match unlinkat(folder, name.as_c_str(), UnlinkatFlags::NoRemoveDir) {
            Ok(()) => {}
            Err(Errno::EISDIR) => {
                let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                empty(&nix::fcntl::openat(folder, name.as_c_str(), flags, Mode::empty())?, folders)?;
                if folders == Folders::Removed {
                    unlinkat(folder, name.as_c_str(), UnlinkatFlags::RemoveDir)?;
                }
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}
