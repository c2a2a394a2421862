//! Files below a root folder, never outside of it.
//!
//! A tree that is being built holds symlinks which mean the image's `/`, not the host's. Every path here is
//! resolved by the kernel with `openat2(2)` and `RESOLVE_IN_ROOT`: an absolute symlink and `..` stay inside the
//! root, whatever the tree holds and whoever changes it meanwhile. Linux 5.6 or later.
//! Here paths are resolved and files looked at; `write.rs` puts them there, `remove.rs` takes them away.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2, readlinkat};
use nix::sys::stat::{Mode, SFlag, fstatat};

mod remove;
mod write;

/// A folder that stands for `/`.
#[derive(Debug)]
pub struct Root {
    folder: OwnedFd,
}

impl Root {
    /// Opens `folder` as a root.
    ///
    /// # Errors
    ///
    /// When it is no readable folder.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let file = File::open(folder)?;
        if !file.metadata()?.is_dir() {
            return Err(io::Error::from(io::ErrorKind::NotADirectory));
        }
        Ok(Self { folder: file.into() })
    }

    /// Opens `path` for reading, symlinks followed inside the root.
    ///
    /// # Errors
    ///
    /// As `open(2)`.
    pub fn open_file(&self, path: &str) -> io::Result<File> {
        Ok(File::from(self.open_with(path, OFlag::O_RDONLY)?))
    }

    /// Reads a text file; `None` when there is none.
    ///
    /// # Errors
    ///
    /// As `open(2)` and `read(2)`, and when the text is not UTF-8.
    pub fn read_to_string_if_exists(&self, path: &str) -> io::Result<Option<String>> {
        match self.open_file(path) {
            Ok(mut file) => {
                let mut text = String::new();
                file.read_to_string(&mut text)?;
                Ok(Some(text))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Tells whether `path` leads to something, symlinks followed inside the root.
    ///
    /// # Errors
    ///
    /// As `open(2)`, but for what is not there.
    pub fn exists(&self, path: &str) -> io::Result<bool> {
        match self.open_with(path, OFlag::O_PATH) {
            Ok(_) => Ok(true),
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Tells whether the last component of `path` is itself a symlink.
    ///
    /// # Errors
    ///
    /// As `open(2)`, but for what is not there.
    pub fn is_symlink(&self, path: &str) -> io::Result<bool> {
        match self.parent(path) {
            Ok((parent, name)) => Ok(kind_of(&parent, name)? == Some(SFlag::S_IFLNK)),
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Returns the target of a symlink, as written.
    ///
    /// # Errors
    ///
    /// As `readlink(2)`.
    pub fn read_link(&self, path: &str) -> io::Result<std::ffi::OsString> {
        let (parent, name) = self.parent(path)?;
        Ok(readlinkat(&parent, name)?)
    }

    /// Reads at most `limit` bytes of a file; `None` when there is none.
    ///
    /// # Errors
    ///
    /// As `open(2)` and `read(2)`; [`io::ErrorKind::FileTooLarge`] when it has more.
    pub fn read_bounded(&self, path: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let file = match self.open_with(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK) {
            Ok(fd) => File::from(fd),
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("it has more than {limit} bytes"),
            ));
        }
        Ok(Some(bytes))
    }

    /// Returns the names in a folder, sorted; none of them when there is no such folder. Names that are not UTF-8
    /// are left out.
    ///
    /// # Errors
    ///
    /// As `open(2)` and `readdir(3)`.
    pub fn list_folder(&self, path: &str) -> io::Result<Vec<String>> {
        let folder = match self.open_with(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY) {
            Ok(folder) => folder,
            Err(error) if is_absent(&error) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in Dir::from_fd(folder)?.iter() {
            match entry?.file_name().to_str() {
                Ok("." | "..") | Err(_) => {}
                Ok(name) => names.push(name.to_owned()),
            }
        }
        names.sort();
        Ok(names)
    }

    /// Returns the folder that `path` leads to, symlinks followed inside the root, as a path of this
    /// machine without symlinks; none if there is no such folder.
    ///
    /// # Errors
    ///
    /// As `open(2)`, but for what is not there.
    pub fn resolve_folder(&self, path: &str) -> io::Result<Option<std::path::PathBuf>> {
        match self.open_with(path, OFlag::O_PATH | OFlag::O_DIRECTORY) {
            Ok(folder) => Ok(Some(std::fs::read_link(descriptor_path(&folder))?)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns mode (permission bits), uid and gid of what `path` leads to.
    ///
    /// # Errors
    ///
    /// As `open(2)`.
    pub fn ownership(&self, path: &str) -> io::Result<(u32, u32, u32)> {
        let metadata = File::from(self.open_with(path, OFlag::O_PATH)?).metadata()?;
        Ok((metadata.permissions().mode() & 0o7777, metadata.uid(), metadata.gid()))
    }

    fn open_with(&self, path: &str, flags: OFlag) -> io::Result<OwnedFd> {
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        let path = if path.is_empty() { "." } else { path };
        Ok(openat2(self.folder.as_fd(), path, how)?)
    }

    /// Opens the folder above `path` and gives the last component with it.
    pub(crate) fn parent<'p>(&self, path: &'p str) -> io::Result<(OwnedFd, &'p str)> {
        let trimmed = path.trim_end_matches('/');
        let (parent, name) = trimmed.rsplit_once('/').unwrap_or(("", trimmed));
        if name.is_empty() || name == "." || name == ".." {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("'{path}' names no file below the root"),
            ));
        }
        Ok((self.open_with(parent, OFlag::O_PATH | OFlag::O_DIRECTORY)?, name))
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR))
}

fn kind_of(parent: &OwnedFd, name: &str) -> io::Result<Option<SFlag>> {
    match fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(SFlag::from_bits_truncate(stat.st_mode & libc::S_IFMT))),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Opens a file for reading; a symlink is not followed, and a pipe not waited for.
///
/// # Errors
///
/// As `open(2)`.
pub fn open_plain(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    Ok(File::from(nix::fcntl::open(path, flags, Mode::empty())?))
}

/// Returns the path by which other programs may reach an open file: `/proc/self/fd/N`.
pub fn descriptor_path(file: &impl AsRawFd) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

#[cfg(test)]
#[path = "beneath_tests.rs"]
mod tests;
