//! From the file to a tree.

use std::ffi::{CString, OsStr};
use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use host::node::{self, Special};

use crate::ordered::ordered;

use super::keep::set_time;
use super::{Frame, HELD, SnapshotError};

/// What pax calls an extended attribute.
const ATTRIBUTE: &str = "SCHILY.xattr.";
/// What is written at a time of a file that passes, in bytes.
const PIECE: usize = 256 << 10;
/// Why a frame is not believed.
const TOO_SHORT: &str = "a frame is not as long as it was";
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
    let folders = put_back(file, *folders, root)?;
    ordered(
        |submit| files.iter().copied().try_for_each(submit).map_err(SnapshotError::from),
        || (),
        |(), place| put_back(file, place, root),
        |unpacked: Result<_, SnapshotError>| unpacked.map(drop),
    )?;
    put_back(file, *links, root)?;
    // What is made in a folder changes its time.
    folders.iter().try_for_each(|(path, time)| set_time(path, *time))
}

fn damaged(reason: &str) -> SnapshotError {
    SnapshotError::File { doing: "reading", source: io::Error::new(io::ErrorKind::InvalidData, reason) }
}

/// Makes the members of a frame; returns its folders with their times.
fn put_back(file: &File, (offset, frame): (u64, Frame), root: &Path) -> Result<Folders, SnapshotError> {
    if frame.stored > HELD || frame.plain > HELD {
        pass(file, offset, frame, root)
    } else {
        hold(file, offset, frame, root)
    }
}

/// Folders with their times.
type Folders = Vec<(PathBuf, i64)>;

/// Decompresses the frame, and makes its members when all of it is known to be whole.
fn hold(file: &File, offset: u64, frame: Frame, root: &Path) -> Result<Folders, SnapshotError> {
    let failed = SnapshotError::file("reading");
    let length = |bytes: u64| usize::try_from(bytes).map_err(io::Error::other);
    let mut stored = vec![0; length(frame.stored).map_err(&failed)?];
    file.read_exact_at(&mut stored, offset).map_err(&failed)?;
    let plain = zstd::bulk::decompress(&stored, length(frame.plain).map_err(&failed)?).map_err(&failed)?;
    if plain.len() as u64 != frame.plain {
        return Err(damaged(TOO_SHORT));
    }
    unpack(plain.as_slice(), Some(&plain), root)
}

/// Makes the members while they are decompressed.
fn pass(file: &File, offset: u64, frame: Frame, root: &Path) -> Result<Folders, SnapshotError> {
    let failed = SnapshotError::file("reading");
    let stored = Section { file, offset, left: frame.stored };
    let mut plain = zstd::Decoder::new(stored).map_err(&failed)?.take(frame.plain);
    let folders = unpack(&mut plain, None, root)?;
    io::copy(&mut plain, &mut io::sink()).map_err(&failed)?;
    // The checksum is behind the content, and judged when the end is looked for.
    let is_at_end = plain.limit() == 0 && plain.get_mut().read(&mut [0]).map_err(&failed)? == 0;
    if is_at_end { Ok(folders) } else { Err(damaged(TOO_SHORT)) }
}

/// A part of a file.
struct Section<'a> {
    file: &'a File,
    offset: u64,
    left: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read_at(&mut buffer[..wanted], self.offset)?;
        self.offset += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

/// Makes the members of an archive, which is in memory as `held` or only passes.
fn unpack(plain: impl Read, held: Option<&[u8]>, root: &Path) -> Result<Folders, SnapshotError> {
    let failed = SnapshotError::file("reading");
    let mut archive = tar::Archive::new(plain);
    let mut folders = Vec::new();
    for entry in archive.entries().map_err(&failed)? {
        let mut entry = entry.map_err(&failed)?;
        let mut member = Member::read(&mut entry).map_err(&failed)?;
        let name = Path::new(OsStr::from_bytes(&member.name));
        let inside = name.strip_prefix("./").unwrap_or(name);
        // Joining an empty path would add a slash.
        let path = if inside.as_os_str().is_empty() { root.to_owned() } else { root.join(inside) };
        let content = |file: &File| write_content(&mut entry, held, file);
        member
            .make(root, &path, content)
            .map_err(|source| SnapshotError::Path { path: path.clone(), source })?;
        if member.kind == tar::EntryType::Directory {
            folders.push((path, member.time));
        }
    }
    Ok(folders)
}

fn write_content(
    entry: &mut tar::Entry<'_, impl Read>,
    held: Option<&[u8]>,
    mut file: &File,
) -> io::Result<()> {
    let Some(plain) = held else {
        let mut file = BufWriter::with_capacity(PIECE, file);
        io::copy(entry, &mut file)?;
        return file.flush();
    };
    let start = usize::try_from(entry.raw_file_position()).map_err(io::Error::other)?;
    let size = usize::try_from(entry.size()).map_err(io::Error::other)?;
    let content = plain.get(start..).and_then(|rest| rest.get(..size));
    file.write_all(content.ok_or(io::ErrorKind::UnexpectedEof)?)
}

/// A member of the archive.
struct Member {
    name: Vec<u8>,
    link: Vec<u8>,
    kind: tar::EntryType,
    mode: u32,
    owner: (u32, u32),
    time: i64,
    device: (u64, u64),
    attributes: Vec<(CString, Vec<u8>)>,
}

impl Member {
    fn read(entry: &mut tar::Entry<'_, impl Read>) -> io::Result<Self> {
        let mut attributes = Vec::new();
        for extension in entry.pax_extensions()?.into_iter().flatten() {
            let extension = extension?;
            if let Some(name) = extension.key().ok().and_then(|key| key.strip_prefix(ATTRIBUTE)) {
                attributes.push((CString::new(name)?, extension.value_bytes().to_vec()));
            }
        }
        let number = |number: u64| u32::try_from(number).map_err(io::Error::other);
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
            name: entry.path_bytes().into_owned(),
            link: entry.link_name_bytes().map(|link| link.into_owned()).unwrap_or_default(),
        })
    }

    /// Makes the member at `path`. Owner first, since a change of owner takes set-id bits and capabilities away.
    fn make(
        &mut self,
        root: &Path,
        path: &Path,
        content: impl FnOnce(&File) -> io::Result<()>,
    ) -> io::Result<()> {
        let (major, minor) = self.device;
        match self.kind {
            tar::EntryType::Directory if path == root => {}
            tar::EntryType::Directory => fs::create_dir(path)?,
            tar::EntryType::Regular => content(&File::create_new(path)?)?,
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
