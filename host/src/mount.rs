//! Mounts of the worker's own mount namespace.

use std::io;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// A mount failed.
#[derive(Debug, thiserror::Error)]
#[error("mounting {what} on '{}': {source}", at.display())]
pub struct MountError {
    /// What was to be mounted.
    pub what: String,
    /// Where.
    pub at: PathBuf,
    /// The kernel's answer.
    pub source: io::Error,
}

/// A mount that is taken away by [`Mount::close`], or at the latest when the value is dropped.
#[derive(Debug)]
pub struct Mount {
    at: Option<PathBuf>,
}

impl Mount {
    /// The folder or file that is mounted on.
    pub fn path(&self) -> &Path {
        self.at.as_deref().unwrap_or(Path::new(""))
    }

    /// Leaves the mount to the mount namespace, which ends with its last process.
    pub fn keep(mut self) {
        self.at = None;
    }

    /// Takes the mount away; open files keep working until they are closed.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn close(mut self) -> io::Result<()> {
        self.at.take().map_or(Ok(()), |at| Ok(umount2(&at, MntFlags::MNT_DETACH)?))
    }

    /// Takes the mount away once everything is stored; nothing may be open in it.
    ///
    /// # Errors
    /// When the kernel refuses; the mount is then taken away as by [`Mount::close`].
    pub fn finish(mut self) -> io::Result<()> {
        let Some(at) = self.at.take() else { return Ok(()) };
        umount2(&at, MntFlags::empty()).or_else(|errno| {
            umount2(&at, MntFlags::MNT_DETACH)?;
            Err(io::Error::from(errno))
        })
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if let Some(at) = self.at.take()
            && let Err(error) = umount2(&at, MntFlags::MNT_DETACH)
        {
            tracing::debug!("unmounting '{}': {error}", at.display());
        }
    }
}

fn mounted(what: &str, at: &Path, result: nix::Result<()>) -> Result<Mount, MountError> {
    match result {
        Ok(()) => Ok(Mount { at: Some(at.to_owned()) }),
        Err(errno) => Err(MountError { what: what.to_owned(), at: at.to_owned(), source: errno.into() }),
    }
}

/// Options of a tmpfs.
#[derive(Debug, Clone, Default)]
pub struct Tmpfs {
    /// The most it may hold: bytes, or a share of memory such as `90%`. The kernel's default is half of the memory.
    pub size: Option<String>,
}

/// Mounts a tmpfs, with any number of files, owned by root and searchable by all.
///
/// # Errors
/// When the kernel refuses.
pub fn tmpfs(at: &Path, options: &Tmpfs) -> Result<Mount, MountError> {
    let mut data = "mode=0755,nr_inodes=0".to_owned();
    if let Some(size) = &options.size {
        data.push_str(&format!(",size={size}"));
    }
    mounted(
        "a tmpfs",
        at,
        mount(Some("bootwright"), at, Some("tmpfs"), MsFlags::empty(), Some(data.as_str())),
    )
}

/// Binds `from`, with the mounts below it, over `at`.
///
/// # Errors
/// When the kernel refuses.
pub fn bind(from: &Path, at: &Path) -> Result<Mount, MountError> {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    let result = mount(Some(from), at, None::<&str>, flags, None::<&str>);
    mounted(&format!("'{}'", from.display()), at, result)
}

/// Tells whether this kernel has the filesystem, or a module that it loads now.
pub fn knows(kind: &str) -> bool {
    std::ffi::CString::new(kind).is_ok_and(|kind| crate::sys::knows_filesystem(&kind))
}

/// A filesystem on a block device.
#[derive(Debug, Clone, Copy)]
pub struct Device<'a> {
    /// The device.
    pub device: &'a Path,
    /// The filesystem's type, as mount(8) names it.
    pub kind: &'a str,
    /// Whether nothing may be written.
    pub read_only: bool,
    /// Options of the filesystem, separated by commas.
    pub options: &'a str,
}

/// Mounts a filesystem on `at`; its device nodes are of no effect.
///
/// # Errors
/// When the kernel refuses.
pub fn device(what: Device<'_>, at: &Path) -> Result<Mount, MountError> {
    let write = if what.read_only { MsFlags::MS_RDONLY } else { MsFlags::empty() };
    let options = Some(what.options).filter(|options| !options.is_empty());
    let result = mount(Some(what.device), at, Some(what.kind), write | MsFlags::MS_NODEV, options);
    mounted(&format!("the {} filesystem on '{}'", what.kind, what.device.display()), at, result)
}

/// Mounts `lower` on `at` so that what is changed there goes to the folder `upper`; `work` is an empty folder beside it.
///
/// # Errors
/// When the kernel refuses.
pub fn overlay(lower: &Path, upper: &Path, work: &Path, at: &Path) -> Result<Mount, MountError> {
    // Colons separate layers and commas options.
    let escaped = |path: &Path| {
        let text = path.display().to_string();
        text.replace('\\', "\\\\").replace(':', "\\:").replace(',', "\\,")
    };
    let data = format!("lowerdir={},upperdir={},workdir={}", escaped(lower), escaped(upper), escaped(work));
    let result = mount(Some("bootwright"), at, Some("overlay"), MsFlags::MS_NODEV, Some(data.as_str()));
    mounted("an overlay", at, result)
}

/// Makes every mount of the caller's mount namespace private: nothing reaches other namespaces or comes from them.
///
/// # Errors
/// When the kernel refuses.
pub fn make_all_private() -> io::Result<()> {
    Ok(mount(None::<&str>, "/", None::<&str>, MsFlags::MS_PRIVATE | MsFlags::MS_REC, None::<&str>)?)
}
