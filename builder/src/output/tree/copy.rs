//! From a scan to files, folders and links with the same owners, modes, attributes and times.

use std::ffi::{CString, OsStr};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::Path;
use std::thread;

use host::node::{self, Special};

use crate::output::OutputError;
use crate::parallel;
use crate::rootfs::tar_stream::{Entry, EntryKind, TreeScan, TreeStreamError};

/// Entries that one thread copies at a time: several of most folders.
const SHARE: usize = 64;

/// Copies all of `scan` to the empty folder `to`, on all processors. Times end at `epoch`.
pub(super) fn copy(scan: &TreeScan, epoch: i64, to: &Path) -> Result<(), OutputError> {
    let copy = |entry: &Entry| {
        let path = target(to, entry);
        make(scan, entry, to, &path)?;
        settle(entry, &path, epoch).map_err(|source| told(entry, &path, source))
    };
    let of = |wanted: fn(&EntryKind) -> bool| scan.entries().iter().filter(move |entry| wanted(&entry.kind));
    let folders: Vec<&Entry> = of(|kind| matches!(kind, EntryKind::Folder)).collect();
    let links = of(|kind| matches!(kind, EntryKind::HardLink(_)));
    let others: Vec<&Entry> =
        of(|kind| !matches!(kind, EntryKind::Folder | EntryKind::HardLink(_))).collect();
    folders.iter().try_for_each(|entry| copy(entry))?;
    let shares: Vec<&[&Entry]> = others.chunks(SHARE).collect();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let copied = parallel::map(&shares, threads, Result::is_err, |share| {
        share.iter().try_for_each(|entry| copy(entry))
    });
    copied.into_iter().flatten().collect::<Result<(), _>>()?;
    // The first of several names is there by now.
    links.into_iter().try_for_each(copy)?;
    // What is made in a folder changes its time.
    folders.iter().rev().try_for_each(|entry| {
        let path = target(to, entry);
        node::set_time(&path, entry.mtime.min(epoch))
            .map_err(|source| OutputError::io("setting the time of", &path, source))
    })
}

fn target(to: &Path, entry: &Entry) -> std::path::PathBuf {
    // Joining an empty path would add a slash, which a rename or a link does not take.
    if entry.path.as_os_str().is_empty() { to.to_owned() } else { to.join(&entry.path) }
}

fn make(scan: &TreeScan, entry: &Entry, to: &Path, path: &Path) -> Result<(), OutputError> {
    let made = match &entry.kind {
        EntryKind::Folder if entry.path.as_os_str().is_empty() => Ok(()),
        EntryKind::Folder => fs::create_dir(path),
        EntryKind::File(size) => return copy_file(scan, entry, *size, path),
        EntryKind::HardLink(first) => fs::hard_link(to.join(first), path),
        EntryKind::Symlink(link) => symlink(OsStr::from_bytes(link), path),
        EntryKind::CharDevice(major, minor) => node::make_special(path, Special::CharDevice(*major, *minor)),
        EntryKind::BlockDevice(major, minor) => {
            node::make_special(path, Special::BlockDevice(*major, *minor))
        }
        EntryKind::Fifo => node::make_special(path, Special::Fifo),
    };
    made.map_err(|source| told(entry, path, source))
}

/// Copies the content; holes stay holes.
fn copy_file(scan: &TreeScan, entry: &Entry, size: u64, path: &Path) -> Result<(), OutputError> {
    let from = scan.open(entry, size)?;
    let failed = |source| OutputError::io("writing", path, source);
    let to = File::create_new(path).map_err(failed)?;
    to.set_len(size).map_err(failed)?;
    for range in host::sparse::data_ranges(&from, size).map_err(failed)? {
        host::sparse::copy_range(&from, range.start, &to, range.start, range.end - range.start).map_err(
            |source| match source.kind() {
                io::ErrorKind::UnexpectedEof => TreeStreamError::Changed { path: path.to_owned() }.into(),
                _ => failed(source),
            },
        )?;
    }
    Ok(())
}

/// Owner first, since a change of owner takes set-id bits and capabilities away.
fn settle(entry: &Entry, path: &Path, epoch: i64) -> io::Result<()> {
    if matches!(entry.kind, EntryKind::HardLink(_)) {
        return Ok(());
    }
    lchown(path, Some(entry.uid), Some(entry.gid))?;
    if !matches!(entry.kind, EntryKind::Symlink(_)) {
        fs::set_permissions(path, Permissions::from_mode(entry.mode))?;
    }
    for (name, value) in &entry.xattrs {
        host::xattr::set(path, &CString::new(name.as_slice())?, value)?;
    }
    node::set_time(path, entry.mtime.min(epoch))
}

/// Adds what to do to errors that have a known cause.
fn told(entry: &Entry, path: &Path, source: io::Error) -> OutputError {
    let device = matches!(entry.kind, EntryKind::CharDevice(..) | EntryKind::BlockDevice(..));
    let hint = match source.kind() {
        io::ErrorKind::PermissionDenied if device => {
            "only root makes device nodes; use `outputs: [tar]`, or remove it in a `run` step"
        }
        io::ErrorKind::Unsupported if !entry.xattrs.is_empty() => {
            "its filesystem has no extended attributes; choose another --output, or use `outputs: [tar]`"
        }
        _ => return OutputError::io("making", path, source),
    };
    OutputError::io("making", path, io::Error::new(source.kind(), format!("{source}: {hint}")))
}
