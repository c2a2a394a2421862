//! From the file to a tree.

use std::ffi::{CString, OsStr};
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use host::node::{self, Special};

use crate::ordered::ordered;

use super::keep::set_time;
use super::{Frame, SnapshotError};

/// What pax calls an extended attribute.
const ATTRIBUTE: &str = "SCHILY.xattr.";
/// Largest frame that is believed, in bytes; a frame holds one file or a few MiB.
const FRAME_LIMIT: u64 = 8 << 30;

/// Puts the tree that `file` holds in `frames` into the empty folder `root`.
///
/// # Errors
/// When the file is damaged, or a path cannot be made; what is in `root` then is of no use.
pub fn restore(file: &File, frames: &[Frame], root: &Path) -> Result<(), SnapshotError> {
    let mut offset = 0;
    let mut placed = Vec::with_capacity(frames.len());
    for frame in frames {
        placed.push((offset, *frame));
        offset += frame.stored;
    }
    let [folders, files @ .., links] = placed.as_slice() else {
        return Err(damaged("it has too few frames"));
    };
    let folders = unpack(&read(file, *folders)?, root)?;
    ordered(
        |submit| files.iter().copied().try_for_each(submit).map_err(SnapshotError::from),
        || (),
        |(), place| read(file, place).and_then(|plain| unpack(&plain, root)),
        |unpacked: Result<_, SnapshotError>| unpacked.map(drop),
    )?;
    unpack(&read(file, *links)?, root)?;
    // What is made in a folder changes its time.
    folders.iter().try_for_each(|(path, time)| set_time(path, *time))
}

fn damaged(reason: &str) -> SnapshotError {
    SnapshotError::File { doing: "reading", source: io::Error::new(io::ErrorKind::InvalidData, reason) }
}

fn read(file: &File, (offset, frame): (u64, Frame)) -> Result<Vec<u8>, SnapshotError> {
    let failed = SnapshotError::file("reading");
    if frame.stored > FRAME_LIMIT || frame.plain > FRAME_LIMIT {
        return Err(damaged("a frame is too large"));
    }
    let length = |bytes: u64| usize::try_from(bytes).map_err(io::Error::other);
    let mut stored = vec![0; length(frame.stored).map_err(&failed)?];
    file.read_exact_at(&mut stored, offset).map_err(&failed)?;
    let plain = zstd::bulk::decompress(&stored, length(frame.plain).map_err(&failed)?).map_err(&failed)?;
    if plain.len() as u64 == frame.plain { Ok(plain) } else { Err(damaged("a frame is too short")) }
}

/// Makes the members of a frame; returns its folders with their times.
fn unpack(plain: &[u8], root: &Path) -> Result<Vec<(PathBuf, i64)>, SnapshotError> {
    let failed = SnapshotError::file("reading");
    let mut archive = tar::Archive::new(plain);
    let mut folders = Vec::new();
    for entry in archive.entries().map_err(&failed)? {
        let mut member = Member::read(entry.map_err(&failed)?, plain).map_err(&failed)?;
        let name = Path::new(OsStr::from_bytes(&member.name));
        let inside = name.strip_prefix("./").unwrap_or(name);
        // Joining an empty path would add a slash.
        let path = if inside.as_os_str().is_empty() { root.to_owned() } else { root.join(inside) };
        member.make(root, &path).map_err(|source| SnapshotError::Path { path: path.clone(), source })?;
        if member.kind == tar::EntryType::Directory {
            folders.push((path, member.time));
        }
    }
    Ok(folders)
}

/// A member of the archive.
struct Member<'a> {
    name: Vec<u8>,
    link: Vec<u8>,
    kind: tar::EntryType,
    mode: u32,
    owner: (u32, u32),
    time: i64,
    device: (u64, u64),
    attributes: Vec<(CString, Vec<u8>)>,
    content: &'a [u8],
}

impl<'a> Member<'a> {
    fn read(mut entry: tar::Entry<'_, &'a [u8]>, plain: &'a [u8]) -> io::Result<Self> {
        let mut attributes = Vec::new();
        for extension in entry.pax_extensions()?.into_iter().flatten() {
            let extension = extension?;
            if let Some(name) = extension.key().ok().and_then(|key| key.strip_prefix(ATTRIBUTE)) {
                attributes.push((CString::new(name)?, extension.value_bytes().to_vec()));
            }
        }
        let number = |number: u64| u32::try_from(number).map_err(io::Error::other);
        let start = usize::try_from(entry.raw_file_position()).map_err(io::Error::other)?;
        let size = usize::try_from(entry.size()).map_err(io::Error::other)?;
        let header = entry.header();
        Ok(Self {
            kind: header.entry_type(),
            mode: header.mode()?,
            owner: (number(header.uid()?)?, number(header.gid()?)?),
            time: i64::try_from(header.mtime()?).map_err(io::Error::other)?,
            device: (
                header.device_major()?.unwrap_or_default().into(),
                header.device_minor()?.unwrap_or_default().into(),
            ),
            attributes,
            content: plain.get(start..start + size).ok_or(io::ErrorKind::UnexpectedEof)?,
            name: entry.path_bytes().into_owned(),
            link: entry.link_name_bytes().map(|link| link.into_owned()).unwrap_or_default(),
        })
    }

    /// Makes the member at `path`. Owner first, since a change of owner takes set-id bits and capabilities away.
    fn make(&mut self, root: &Path, path: &Path) -> io::Result<()> {
        let (major, minor) = self.device;
        match self.kind {
            tar::EntryType::Directory if path == root => {}
            tar::EntryType::Directory => fs::create_dir(path)?,
            tar::EntryType::Regular => File::create_new(path)?.write_all(self.content)?,
            tar::EntryType::Symlink => symlink(OsStr::from_bytes(&self.link), path)?,
            tar::EntryType::Fifo => node::make_special(path, Special::Fifo)?,
            tar::EntryType::Char => node::make_special(path, Special::CharDevice(major, minor))?,
            tar::EntryType::Block => node::make_special(path, Special::BlockDevice(major, minor))?,
            tar::EntryType::Link => {
                let first = Path::new(OsStr::from_bytes(&self.link));
                return fs::hard_link(root.join(first.strip_prefix("./").unwrap_or(first)), path);
            }
            kind => return Err(io::Error::new(io::ErrorKind::InvalidData, format!("its type is {kind:?}"))),
        }
        lchown(path, Some(self.owner.0), Some(self.owner.1))?;
        if self.kind != tar::EntryType::Symlink {
            fs::set_permissions(path, Permissions::from_mode(self.mode))?;
        }
        for (name, value) in self.attributes.drain(..) {
            host::xattr::set(path, &name, &value)?;
        }
        if self.kind == tar::EntryType::Directory { Ok(()) } else { node::set_time(path, self.time) }
    }
}
