//! Filesystems mounted by the kernel, through loop devices, in a mount namespace that only the caller sees.
//!
//! A partition of a raw image is mounted where it lies in the file. One of a qcow2 image is copied to an unnamed file
//! first: that goes with its last user, as do the loop devices and the mounts.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, anyhow, bail};
use host::beneath::Root;
use host::loop_device::LoopDevice;
use host::mount::{self, Device, Mount, Tmpfs};

use super::Image;
use super::files::{Attributes, Files, Folder, Listing, Node, Sink};
use super::filesystem::{Kind, identify};
use super::open::READ_LIMIT;
use super::subvolumes;
use super::system::KernelReader;

/// A place for mounts: a tmpfs on the cache's folder `mount`, which stays empty for everybody else.
#[derive(Debug)]
pub struct Kernel {
    tmpfs: Mount,
    cache: PathBuf,
    count: AtomicU32,
}

/// A byte range of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// First byte.
    pub start: u64,
    /// Length in bytes.
    pub length: u64,
}

impl Kernel {
    /// Mounts the tmpfs. The caller is root and has a private mount namespace.
    ///
    /// # Errors
    /// When the cache's folder cannot be made or mounted on.
    pub fn open(cache: &Path) -> Result<Self> {
        let at = cache.join("mount");
        std::fs::create_dir_all(&at).with_context(|| format!("making the folder '{}'", at.display()))?;
        let tmpfs = mount::tmpfs(&at, &Tmpfs { size: Some("75%".to_owned()) })?;
        Ok(Self { tmpfs, cache: cache.to_owned(), count: AtomicU32::new(0) })
    }

    /// Takes the tmpfs away; everything on it must be gone.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn close(self) -> Result<()> {
        self.tmpfs.close().context("taking the folder for mounts away")
    }

    /// Makes an empty folder on the tmpfs.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let path = self.tmpfs.path().join(format!("{number}-{name}"));
        std::fs::create_dir(&path).with_context(|| format!("making the folder '{}'", path.display()))?;
        Ok(path)
    }

    /// Makes a block device of a range of the image; `writable` is the image's own file, opened for writing.
    pub(super) fn device(&self, image: &Image, range: Range, writable: Option<&File>) -> Result<LoopDevice> {
        let attached = match (writable, image.raw_file()) {
            (Some(file), _) => LoopDevice::attach(file, range.start, range.length, false),
            (None, Some(file)) => LoopDevice::attach(file, range.start, range.length, true),
            (None, None) => LoopDevice::attach(&self.copy(image, range)?, 0, range.length, true),
        };
        attached.context("making a loop device")
    }

    /// Copies a range of an image to an unnamed file, holes left out.
    fn copy(&self, image: &Image, range: Range) -> Result<File> {
        let file = host::sparse::create_unnamed(&self.cache)
            .with_context(|| format!("making a file in '{}'", self.cache.display()))?;
        file.set_len(range.length).context("sizing the copy of a partition")?;
        let end = range.start + range.length;
        let mut at = range.start;
        let read = |why: String| anyhow!("'{}' cannot be read: {why}", image.path().display());
        while let Some(data) = image.next_data(at).map_err(read)?.filter(|data| data.start < end) {
            at = data.start.max(range.start);
            while at < data.end.min(end) {
                let length = READ_LIMIT.min(data.end.min(end) - at);
                let bytes = image.read(at, length).map_err(read)?;
                file.write_all_at(&bytes, at - range.start).context("copying a partition")?;
                at += length;
            }
        }
        Ok(file)
    }
}

/// Mounts a device on `at` for reading. Some kinds want to finish interrupted work first, which needs writing; then they
/// are mounted as they are.
pub(super) fn mount_read_only(
    device: &LoopDevice,
    kind: Kind,
    subvolume: Option<&str>,
    at: &Path,
) -> Result<Mount> {
    let options: &[&str] = match kind {
        // The same filesystem may be mounted from another image too.
        Kind::Xfs => &["nouuid", "nouuid,norecovery"],
        Kind::Btrfs => &["", "rescue=nologreplay"],
        Kind::Ext3 | Kind::Ext4 => &["", "noload"],
        _ => &[""],
    };
    let mut first = None;
    for options in options {
        let options = &with_subvolume(options, subvolume)?;
        let what = Device { device: device.path(), kind: kind.name(), read_only: true, options };
        match mount::device(what, at) {
            Ok(mount) => return Ok(mount),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.map_or_else(|| anyhow!("nothing to mount"), anyhow::Error::from))
}

/// Mounts a device on `at` for writing.
pub(super) fn mount_for_writing(
    device: &LoopDevice,
    kind: Kind,
    subvolume: Option<&str>,
    at: &Path,
) -> Result<Mount> {
    let options = &with_subvolume(if kind == Kind::Xfs { "nouuid" } else { "" }, subvolume)?;
    Ok(mount::device(Device { device: device.path(), kind: kind.name(), read_only: false, options }, at)?)
}

/// Adds the option that mounts a subvolume of btrfs instead of the whole.
fn with_subvolume(options: &str, subvolume: Option<&str>) -> Result<String> {
    let Some(name) = subvolume else { return Ok(options.to_owned()) };
    if name.contains(',') {
        bail!("the subvolume '{name}' has a comma in its name and cannot be named to the kernel");
    }
    let before = if options.is_empty() { String::new() } else { format!("{options},") };
    Ok(format!("{before}subvol={name}"))
}

impl Kernel {
    /// Mounts a filesystem whole; of a btrfs whose root is a subvolume that root, with the other subvolumes where its own
    /// table of mounts has them.
    fn mount_system(
        &self,
        device: &LoopDevice,
        kind: Kind,
        uuid: Option<&str>,
        at: &Path,
    ) -> Result<Vec<Mount>> {
        let whole = mount_read_only(device, kind, None, at)?;
        let root = if kind == Kind::Btrfs { subvolumes::root_below(at)? } else { None };
        let Some(root) = root else { return Ok(vec![whole]) };
        whole.close()?;
        let mut mounts = vec![mount_read_only(device, kind, Some(&root), at)?];
        let fstab = Root::open(at)?.read_to_string_if_exists("/etc/fstab")?.unwrap_or_default();
        for one in subvolumes::of_fstab(&fstab, uuid.unwrap_or_default()) {
            let place = Root::open(at)?.resolve_folder(&one.mount)?;
            if let Some(place) = place.filter(|_| one.mount != "/") {
                mounts.push(mount_read_only(device, kind, Some(&one.name), &place)?);
            }
        }
        Ok(mounts)
    }
}

impl KernelReader for Kernel {
    fn mount(&self, image: &Image, kind: Kind, start: u64, length: u64) -> Result<Box<dyn Files>, String> {
        let mounted = || -> Result<Mounted> {
            let at = self.folder(kind.name())?;
            let device = self.device(image, Range { start, length }, None)?;
            let uuid = identify(image, start, length).uuid;
            let mounts = self.mount_system(&device, kind, uuid.as_deref(), &at)?;
            Ok(Mounted { folder: Folder::new(&at), mounts, device: Some(device) })
        };
        Ok(Box::new(mounted().map_err(|error| format!("{error:#}"))?))
    }
}

/// The files of a filesystem for as long as it is mounted.
#[derive(Debug)]
struct Mounted {
    folder: Folder,
    mounts: Vec<Mount>,
    device: Option<LoopDevice>,
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let mut closed: io::Result<()> = Ok(());
        while let Some(mount) = self.mounts.pop() {
            closed = closed.and(mount.close());
        }
        let closed = closed.and(self.device.take().map_or(Ok(()), LoopDevice::close));
        if let Err(error) = closed {
            tracing::debug!("taking a mount away: {error}");
        }
    }
}

impl Files for Mounted {
    fn list(&self) -> Result<Listing, String> {
        self.folder.list()
    }

    fn content(&self, path: &[u8], node: &Node, sink: &mut Sink<'_>) -> Result<(), String> {
        self.folder.content(path, node, sink)
    }

    fn attributes(&self, path: &[u8], node: &Node) -> Result<Attributes, String> {
        self.folder.attributes(path, node)
    }
}
