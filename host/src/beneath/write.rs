//! Files, folders and symlinks put below a root: each appears whole or not at all.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{FchmodatFlags, Mode, fchmod, fchmodat, mkdirat};
use nix::unistd::{Gid, Uid, fchown, fchownat, symlinkat};

use super::remove::remove;
use super::{Root, kind_of};

impl Root {
    /// Writes a file under a temporary name beside it and renames it into place.
    ///
    /// The parent must exist. A symlink at `path` is replaced, never followed; a folder is an error.
    ///
    /// # Errors
    ///
    /// As `open(2)`, `write(2)`, `fchown(2)` and `rename(2)`.
    pub fn write_file(&self, path: &str, bytes: &[u8], mode: u32, uid: u32, gid: u32) -> io::Result<()> {
        self.replace_file(path, |file| file.write_all(bytes), mode, Some((uid, gid)), Durability::Cached)
    }

    /// Writes a file as [`Self::write_file`], and returns when it is on the disk; without an owner it belongs to
    /// the caller.
    ///
    /// # Errors
    ///
    /// As [`Self::write_file`] and `fsync(2)`.
    pub fn write_durable(
        &self,
        path: &str,
        bytes: &[u8],
        mode: u32,
        owner: Option<(u32, u32)>,
    ) -> io::Result<()> {
        self.replace_file(path, |file| file.write_all(bytes), mode, owner, Durability::OnDisk)
    }

    /// Writes a file as [`Self::write_durable`], its content by `fill`, which gets it empty and open for writing.
    ///
    /// # Errors
    ///
    /// As [`Self::write_durable`], and what `fill` says.
    pub fn fill_durable(
        &self,
        path: &str,
        mode: u32,
        owner: Option<(u32, u32)>,
        fill: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<()> {
        self.replace_file(path, fill, mode, owner, Durability::OnDisk)
    }

    /// Opens what `path` leads to for reading and writing in place, as a disk is.
    ///
    /// # Errors
    ///
    /// As `open(2)`.
    pub fn open_for_writing(&self, path: &str) -> io::Result<File> {
        Ok(File::from(self.open_with(path, OFlag::O_RDWR)?))
    }

    fn replace_file(
        &self,
        path: &str,
        fill: impl FnOnce(&mut File) -> io::Result<()>,
        mode: u32,
        owner: Option<(u32, u32)>,
        durability: Durability,
    ) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        let temporary = format!(".{name}.bootwright-new");
        remove(&parent, &temporary)?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = nix::fcntl::openat(&parent, temporary.as_str(), flags, Mode::from_bits_truncate(0o600))?;
        let mut file = File::from(fd);
        let owner = owner.map(|(uid, gid)| (Uid::from_raw(uid), Gid::from_raw(gid)));
        let written = fill(&mut file)
            .and_then(|()| match owner {
                Some((uid, gid)) => Ok(fchown(&file, Some(uid), Some(gid))?),
                None => Ok(()),
            })
            // After chown, which clears the set-id bits.
            .and_then(|()| Ok(fchmod(&file, Mode::from_bits_truncate(mode))?))
            .and_then(|()| if durability == Durability::OnDisk { file.sync_all() } else { Ok(()) })
            .and_then(|()| Ok(nix::fcntl::renameat(&parent, temporary.as_str(), &parent, name)?));
        if written.is_err() {
            remove(&parent, &temporary)?;
        }
        written?;
        if durability == Durability::OnDisk { sync_folder(&parent) } else { Ok(()) }
    }

    /// Adds to the end of a file, which is made with mode 0600 if it is not there, and returns when it is on the disk.
    ///
    /// # Errors
    ///
    /// As `open(2)`, `write(2)` and `fsync(2)`.
    pub fn append_durable(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        let is_new = kind_of(&parent, name)?.is_none();
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_APPEND | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = nix::fcntl::openat(&parent, name, flags, Mode::from_bits_truncate(0o600))?;
        let mut file = File::from(fd);
        file.write_all(bytes)?;
        file.sync_all()?;
        if is_new { sync_folder(&parent) } else { Ok(()) }
    }

    /// Makes one folder; one that exists, also by a symlink inside the root, stays as it is.
    ///
    /// # Errors
    ///
    /// As `mkdir(2)`; [`io::ErrorKind::NotADirectory`] when something else is there.
    pub fn create_folder(&self, path: &str, mode: u32, uid: u32, gid: u32) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        match mkdirat(&parent, name, Mode::from_bits_truncate(0o700)) {
            Ok(()) => {
                let flags = AtFlags::AT_SYMLINK_NOFOLLOW;
                fchownat(&parent, name, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), flags)?;
                fchmodat(&parent, name, Mode::from_bits_truncate(mode), FchmodatFlags::FollowSymlink)?;
                Ok(())
            }
            Err(Errno::EEXIST) => {
                self.open_with(path, OFlag::O_PATH | OFlag::O_DIRECTORY)?;
                Ok(())
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// Makes one folder as [`Self::create_folder`], but it appears with its mode and owner or not at all: whoever is
    /// interrupted and begins again does not find half of it.
    ///
    /// # Errors
    ///
    /// As [`Self::create_folder`] and `rename(2)`.
    pub fn create_folder_whole(&self, path: &str, mode: u32, uid: u32, gid: u32) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        if kind_of(&parent, name)?.is_some() {
            self.open_with(path, OFlag::O_PATH | OFlag::O_DIRECTORY)?;
            return Ok(());
        }
        let temporary = format!(".{name}.bootwright-new");
        match mkdirat(&parent, temporary.as_str(), Mode::from_bits_truncate(0o700)) {
            // What is left of an interrupted attempt is an empty folder.
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        let flags = AtFlags::AT_SYMLINK_NOFOLLOW;
        fchownat(&parent, temporary.as_str(), Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), flags)?;
        fchmodat(&parent, temporary.as_str(), Mode::from_bits_truncate(mode), FchmodatFlags::FollowSymlink)?;
        nix::fcntl::renameat(&parent, temporary.as_str(), &parent, name)?;
        sync_folder(&parent)
    }

    /// Puts a symlink at `path`; a file or symlink there is replaced, a folder is an error.
    ///
    /// # Errors
    ///
    /// As `symlink(2)` and `unlink(2)`.
    pub fn replace_with_symlink(&self, path: &str, target: &str, uid: u32, gid: u32) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        remove(&parent, name)?;
        symlinkat(target, &parent, name)?;
        let flags = AtFlags::AT_SYMLINK_NOFOLLOW;
        fchownat(&parent, name, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), flags)?;
        Ok(())
    }
}

/// When a written file counts as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Durability {
    /// When the kernel has it.
    Cached,
    /// When a power cut does not take it away.
    OnDisk,
}

/// Writes the names of a folder to the disk; `O_PATH` descriptors cannot be synced.
fn sync_folder(folder: &OwnedFd) -> io::Result<()> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    File::from(nix::fcntl::openat(folder, ".", flags, Mode::empty())?).sync_all()
}
