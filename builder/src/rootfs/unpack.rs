//! Decompresses packages, each once and several at a time, into a staging folder beside the tree.
//!
//! Staging writes the content of regular files with their owner, mode and time, and remembers everything else as
//! data. Nothing of it depends on other packages, so it may run in any order and while scripts of packages
//! that are already in the tree run. Putting a staged package into the tree ([`super::place`]) is then a matter
//! of renames, done in dpkg's order.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, Permissions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, fchown};
use std::path::{Component, Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, Scope};
use std::time::{Duration, SystemTime};

use crate::deb::{BoundedNames, Deb, DebError};
use crate::store::Sha256Digest;
use crate::verify::VerifiedPackage;

use super::control::Control;
use super::data_archives::DataArchives;
use super::error::{BootstrapError, Result};

/// Decoders at a time: each may hold a dictionary of up to 64 MiB.
const WORKER_LIMIT: usize = 16;

/// A package whose control archive was read.
#[derive(Debug)]
pub struct Opened {
    /// The .deb.
    pub path: PathBuf,
    /// Its digest.
    pub sha256: Sha256Digest,
    /// The container and the control files.
    pub deb: Deb,
    /// What the control files say.
    pub control: Control,
}

impl Opened {
    fn open(package: &VerifiedPackage) -> Result<Self> {
        let error = |source| BootstrapError::Package {
            package: package.package.name.clone(),
            path: package.path.clone(),
            source,
        };
        let deb = Deb::open(&package.path).map_err(error)?;
        let control = Control::parse(&deb.control).map_err(error)?;
        let locked = &package.package;
        if (&control.name, &control.version, &control.architecture)
            != (&locked.name, &locked.version, &locked.architecture)
        {
            let found = format!("{} {} {}", control.name, control.version, control.architecture);
            return Err(error(DebError::Format(format!("it holds {found}, which is not what was locked"))));
        }
        Ok(Self { path: package.path.clone(), sha256: locked.sha256, deb, control })
    }

    fn error(&self, source: DebError) -> BootstrapError {
        BootstrapError::Package { package: self.control.name.clone(), path: self.path.clone(), source }
    }
}

/// Something that a package puts into the tree.
#[derive(Debug)]
pub struct Entry {
    /// Path without leading slash; empty for the root.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Who owns it.
    pub owner: Owner,
    /// When it was modified.
    pub modified: SystemTime,
}

impl Entry {
    /// Returns whether it is a regular file, by whichever of its names.
    pub fn is_file(&self) -> bool {
        matches!(self.kind, Kind::File(_) | Kind::HardLink(_))
    }
}

/// Kinds of entries. Devices and pipes are refused.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A regular file; its content is in the staging folder.
    File(PathBuf),
    /// A further name of a file of the same package.
    HardLink(PathBuf),
    /// A symbolic link and its target as archived.
    Symlink(PathBuf),
}

/// Owner of an entry. dpkg lets names win over numbers where the image knows the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Numeric user.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// User name, if archived.
    pub user: Option<String>,
    /// Group name, if archived.
    pub group: Option<String>,
}

/// A package, decompressed.
#[derive(Debug)]
pub struct Staged {
    /// Everything in its data archive, in its order.
    pub entries: Vec<Entry>,
    folder: PathBuf,
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Only what was not placed is left; the caller removes the staging folder as a whole, too.
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::debug!("removing '{}': {error}", self.folder.display());
        }
    }
}

/// Returns how many workers there are for `jobs` jobs.
fn worker_count(jobs: usize) -> usize {
    thread::available_parallelism().map_or(2, usize::from).min(WORKER_LIMIT).min(jobs.max(1))
}

/// Opens every package, several at a time.
///
/// # Errors
/// The first package in order that cannot be read, or is not what was locked.
pub fn open_all(packages: &[VerifiedPackage]) -> Result<Vec<Opened>> {
    let chunk = packages.len().div_ceil(worker_count(packages.len())).max(1);
    thread::scope(|scope| {
        let open = |part: &[VerifiedPackage]| part.iter().map(Opened::open).collect::<Result<Vec<_>>>();
        let workers: Vec<_> = packages.chunks(chunk).map(|part| scope.spawn(move || open(part))).collect();
        let mut opened = Vec::with_capacity(packages.len());
        for worker in workers {
            opened.extend(worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(opened)
    })
}

/// Workers that stage packages, and the results that nobody asked for yet.
#[derive(Debug)]
pub struct Staging {
    results: Receiver<(usize, Result<Staged>)>,
    waiting: HashMap<usize, Result<Staged>>,
}

/// The jobs of [`Staging`]; outlives its workers.
#[derive(Debug)]
pub struct Jobs<'a> {
    packages: &'a [Opened],
    archives: DataArchives<'a>,
    folder: PathBuf,
    queue: Mutex<Vec<usize>>,
    cancelled: AtomicBool,
}

impl<'a> Jobs<'a> {
    /// Plans to stage `packages` below `folder`: those numbered in `first` before all others, and the biggest first.
    pub fn new(packages: &'a [Opened], archives: DataArchives<'a>, first: &[usize], folder: &Path) -> Self {
        let mut queue: Vec<usize> = (0..packages.len()).collect();
        queue.sort_by_key(|index| (first.contains(index), packages[*index].deb.data_size()));
        Self {
            packages,
            archives,
            folder: folder.to_owned(),
            queue: Mutex::new(queue),
            cancelled: AtomicBool::new(false),
        }
    }

    /// Makes workers end after the file in hand.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Starts the workers.
    pub fn start<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) -> Staging {
        let (sender, results) = channel();
        for _ in 0..worker_count(self.packages.len()) {
            let sender = sender.clone();
            scope.spawn(move || self.work(&sender));
        }
        Staging { results, waiting: HashMap::new() }
    }

    fn next(&self) -> Option<usize> {
        self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop()
    }

    fn work(&self, results: &Sender<(usize, Result<Staged>)>) {
        while let Some(index) = self.next() {
            let package = &self.packages[index];
            let staged = stage(package, self.archives, &self.folder.join(index.to_string()), &self.cancelled);
            // A closed channel means that nobody waits any more.
            if self.cancelled.load(Ordering::Relaxed) || results.send((index, staged)).is_err() {
                return;
            }
        }
    }
}

impl Staging {
    /// Waits until package number `index` is staged and hands it out.
    ///
    /// # Errors
    /// What went wrong with this package.
    pub fn take(&mut self, index: usize) -> Result<Staged> {
        loop {
            if let Some(result) = self.waiting.remove(&index) {
                return result;
            }
            let (done, result) = self.results.recv().expect("workers send one result for every package");
            self.waiting.insert(done, result);
        }
    }
}

/// Decompresses one package into `folder`.
fn stage(
    package: &Opened,
    archives: DataArchives<'_>,
    folder: &Path,
    cancelled: &AtomicBool,
) -> Result<Staged> {
    fs::create_dir_all(folder).map_err(BootstrapError::file("creating", folder))?;
    let data = archives.open(package).map_err(|e| package.error(e))?;
    let mut staged = Staged { entries: Vec::new(), folder: folder.to_owned() };
    let read = |e| package.error(DebError::Read("the data archive", e));
    let mut archive = tar::Archive::new(BoundedNames::new(data));
    for entry in archive.entries().map_err(read)? {
        if cancelled.load(Ordering::Relaxed) {
            break;
        }
        let mut entry = entry.map_err(read)?;
        let file = folder.join(staged.entries.len().to_string());
        let entry = stage_entry(package, &mut entry, file)?;
        staged.entries.push(entry);
    }
    if !cancelled.load(Ordering::Relaxed) {
        archive.into_inner().into_inner().finish().map_err(|e| package.error(e))?;
    }
    Ok(staged)
}

fn stage_entry(package: &Opened, entry: &mut tar::Entry<'_, impl Read>, file: PathBuf) -> Result<Entry> {
    let mut described = describe(entry).map_err(|e| package.error(e))?;
    if described.kind == Kind::File(PathBuf::new()) {
        write_file(entry, &file, &described).map_err(|source| BootstrapError::File {
            action: "unpacking to",
            path: file.clone(),
            source,
        })?;
        described.kind = Kind::File(file);
    }
    Ok(described)
}

/// Reads an entry's header, long names and link targets included.
fn describe(entry: &mut tar::Entry<'_, impl Read>) -> std::result::Result<Entry, DebError> {
    let read = |e| DebError::Read("the data archive", e);
    let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    if entry.pax_extensions().map_err(read)?.is_some() {
        return Err(DebError::Unsupported(format!("'{name}' has a pax header, which dpkg refuses as well")));
    }
    let path = safe_path(&entry.path_bytes())?;
    let kind = match entry.header().entry_type() {
        tar::EntryType::Directory => Kind::Folder,
        tar::EntryType::Regular | tar::EntryType::Continuous => Kind::File(PathBuf::new()),
        kind @ (tar::EntryType::Link | tar::EntryType::Symlink) => {
            let target = entry.link_name_bytes().filter(|target| !target.is_empty());
            let target = target.ok_or_else(|| DebError::Format(format!("link '{name}' has no target")))?;
            match kind {
                tar::EntryType::Link => Kind::HardLink(safe_path(&target)?),
                _ => Kind::Symlink(PathBuf::from(OsStr::from_bytes(&target))),
            }
        }
        kind => return Err(DebError::Unsupported(format!("'{name}' is of type {kind:?}"))),
    };
    if path.as_os_str().is_empty() && kind != Kind::Folder {
        return Err(DebError::Format("the root folder is something else".into()));
    }
    let header = entry.header();
    let text =
        |name: Option<&[u8]>| name.map(|n| String::from_utf8_lossy(n).into_owned()).filter(|n| !n.is_empty());
    let id = |id: u64| {
        u32::try_from(id).map_err(|_| DebError::Format(format!("owner of '{name}' is out of range")))
    };
    let owner = Owner {
        uid: id(header.uid().map_err(read)?)?,
        gid: id(header.gid().map_err(read)?)?,
        user: text(header.username_bytes()),
        group: text(header.groupname_bytes()),
    };
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(header.mtime().map_err(read)?);
    Ok(Entry { path, kind, mode: header.mode().map_err(read)? & 0o7777, owner, modified })
}

/// Turns an archived name into a path relative to the root.
fn safe_path(name: &[u8]) -> std::result::Result<PathBuf, DebError> {
    let path = Path::new(OsStr::from_bytes(name));
    let mut safe = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => safe.push(part),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(DebError::Format(format!("'{}' leads out of the tree", path.display())));
            }
        }
    }
    if name.contains(&0) || name.contains(&b'\n') {
        return Err(DebError::Format(format!("'{}' has a control character", path.display())));
    }
    Ok(safe)
}

fn write_file(content: &mut impl Read, path: &Path, entry: &Entry) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    io::copy(content, &mut file)?;
    // The mode comes last: a change of owner takes setuid bits away.
    fchown(&file, Some(entry.owner.uid), Some(entry.owner.gid))?;
    file.set_permissions(Permissions::from_mode(entry.mode))?;
    file.set_times(FileTimes::new().set_modified(entry.modified))
}
