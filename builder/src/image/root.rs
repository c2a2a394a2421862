//! The root of an image, mounted with everything that its table of mounts names, for programs to run in.
//!
//! Unless it is opened for writing, what programs change goes to memory (an overlay) and is gone afterwards.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use host::beneath::Root;
use host::loop_device::LoopDevice;
use host::mount::{self, Mount};

use super::Image;
use super::files::{self, NodeKind};
use super::filesystem::Kind;
use super::kernel::{Kernel, Range, mount_for_writing, mount_read_only};
use super::subvolumes::{self, Subvolume};
use super::system::{Part, System};

/// Longest file of a system partition.
const FAT_FILE_LIMIT: u64 = 1 << 30;

/// A mounted image. [`MountedImage::close`] takes everything away in order.
#[derive(Debug)]
pub struct MountedImage {
    root: PathBuf,
    mounts: Vec<Mount>,
    /// Each with the range that it stands for: subvolumes of one filesystem share theirs.
    devices: Vec<(Range, LoopDevice)>,
    /// What could not be shown, in sentences.
    pub notes: Vec<String>,
}

/// A filesystem and where it belongs.
#[derive(Debug)]
struct Place {
    mount: String,
    kind: Kind,
    range: Range,
    /// The subvolume of btrfs that is mounted instead of the whole.
    subvolume: Option<String>,
    /// A folder that holds a copy of its files, where the kernel cannot mount it.
    copy: Option<PathBuf>,
}

impl MountedImage {
    /// Mounts `image`; `writable` is its own file, opened for writing, if changes are to reach it.
    ///
    /// # Errors
    /// When it has no root filesystem, or the kernel refuses.
    pub fn open(kernel: &Kernel, image: &Image, writable: Option<&File>) -> Result<Self> {
        let places = places(kernel, image)?;
        let mut mounted =
            Self { root: kernel.folder("root")?, mounts: Vec::new(), devices: Vec::new(), notes: Vec::new() };
        for place in places {
            mounted
                .add(kernel, image, &place, writable)
                .with_context(|| format!("mounting '{}' of '{}'", place.mount, image.path().display()))?;
        }
        Ok(mounted)
    }

    /// Returns the folder that is the image's `/`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Takes all mounts and devices away, the last ones first; what was written is stored then.
    ///
    /// # Errors
    /// When the kernel refuses; all the rest is taken away all the same.
    pub fn close(mut self) -> Result<()> {
        let mut outcome = Ok(());
        while let Some(mount) = self.mounts.pop() {
            let path = mount.path().to_owned();
            outcome = outcome.and(mount.finish().with_context(|| format!("unmounting '{}'", path.display())));
        }
        while let Some((_, device)) = self.devices.pop() {
            outcome = outcome.and(device.close().context("storing what was written"));
        }
        outcome
    }

    fn add(&mut self, kernel: &Kernel, image: &Image, place: &Place, writable: Option<&File>) -> Result<()> {
        let Some(at) = Root::open(&self.root)?.resolve_folder(&place.mount)? else {
            self.notes
                .push(format!("'{}' is no folder of the image, so nothing is mounted there", place.mount));
            return Ok(());
        };
        if let Some(copy) = &place.copy {
            self.notes.push(format!("'{}' is a copy: this kernel has no {}", place.mount, place.kind.name()));
            self.mounts.push(mount::bind(copy, &at)?);
            return Ok(());
        }
        if !self.devices.iter().any(|(range, _)| *range == place.range) {
            self.devices.push((place.range, kernel.device(image, place.range, writable)?));
        }
        let Some((_, device)) = self.devices.iter().find(|(range, _)| *range == place.range) else {
            bail!("the partition's device is gone");
        };
        let subvolume = place.subvolume.as_deref();
        if writable.is_some() && !matches!(place.kind, Kind::Squashfs | Kind::Erofs) {
            self.mounts.push(mount_for_writing(device, place.kind, subvolume, &at)?);
        } else if place.kind == Kind::Vfat {
            // It cannot lie below an overlay: its names are the same in upper and lower case.
            self.mounts.push(mount_read_only(device, place.kind, None, &at)?);
        } else {
            let lower = kernel.folder("lower")?;
            let changes = kernel.folder("changes")?;
            let (upper, work) = (changes.join("upper"), changes.join("work"));
            fs::create_dir(&upper)
                .and_then(|()| fs::create_dir(&work))
                .context("making folders for changes")?;
            self.mounts.push(mount_read_only(device, place.kind, subvolume, &lower)?);
            self.mounts.push(mount::overlay(&lower, &upper, &work, &at)?);
        }
        Ok(())
    }
}

/// Looks for the root and what else is to be mounted, outer mount points first.
fn places(kernel: &Kernel, image: &Image) -> Result<Vec<Place>> {
    let whole = System::read(image, Some(kernel))?;
    if !whole.has_root {
        let damage = whole.parts.iter().find_map(|part| part.filesystem.damage.as_deref());
        let why = damage.map_or_else(|| "no filesystem has /etc and /usr".to_owned(), str::to_owned);
        bail!("'{}' has no root filesystem that can be opened: {why}", image.path().display());
    }
    let mut places = Vec::new();
    for (index, part) in whole.parts.iter().enumerate() {
        let Some(mount) = part.mount.clone().filter(|_| part.files.is_some()) else { continue };
        let kind = part.filesystem.kind;
        let copy = if mount::knows(kind.name()) { None } else { Some(copy(kernel, &whole, index)?) };
        let place = Place { mount, kind, range: place_range(image, part), subvolume: None, copy };
        let subvolumes = subvolumes_of(&whole, part);
        if subvolumes.is_empty() {
            places.push(place);
        }
        places.extend(subvolumes.into_iter().map(|one| Place {
            mount: one.mount,
            kind,
            range: place_range(image, part),
            subvolume: Some(one.name),
            copy: None,
        }));
    }
    places.sort_by_key(|place| place.mount.trim_end_matches('/').len());
    if places.first().is_some_and(|place| place.copy.is_some()) {
        bail!("this kernel has no {}, the format of the image's root", places[0].kind.name());
    }
    Ok(places)
}

/// Returns the subvolumes that the image mounts of a btrfs part; none of one that is mounted whole.
fn subvolumes_of(whole: &System<'_>, part: &Part<'_>) -> Vec<Subvolume> {
    let fstab = if part.filesystem.kind == Kind::Btrfs { whole.text("/etc/fstab") } else { None };
    subvolumes::of_fstab(&fstab.unwrap_or_default(), part.filesystem.uuid.as_deref().unwrap_or_default())
}

fn place_range(image: &Image, part: &Part<'_>) -> Range {
    match &part.entry {
        Some(entry) => Range { start: entry.start, length: entry.length },
        None => Range { start: 0, length: image.size() },
    }
}

/// Copies the files of a FAT filesystem to memory, read-only for programs by their modes only.
fn copy(kernel: &Kernel, whole: &System<'_>, part: usize) -> Result<PathBuf> {
    let folder = kernel.folder("copy")?;
    let Some(source) = whole.parts[part].files.as_deref() else { return Ok(folder) };
    for (_, inside, node) in whole.files_of(part) {
        let relative = Path::new(std::ffi::OsStr::from_bytes(inside.strip_prefix(b"/").unwrap_or(inside)));
        let to = folder.join(relative);
        match node.kind {
            NodeKind::Folder => fs::create_dir_all(&to),
            NodeKind::File => {
                let bytes = files::read(source, inside, node, FAT_FILE_LIMIT).map_err(anyhow::Error::msg)?;
                fs::write(&to, bytes)
            }
            _ => Ok(()),
        }
        .with_context(|| format!("copying '{}'", relative.display()))?;
    }
    Ok(folder)
}
