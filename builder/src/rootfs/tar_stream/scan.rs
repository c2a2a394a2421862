//! One look at every inode of a tree, in the order of the stream.

use std::collections::{HashMap, HashSet};
use std::ffi::CStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::TreeStreamError;

/// Attribute that holds file capabilities.
const CAPABILITY: &CStr = c"security.capability";

/// What the kernel appends to capabilities (version 3) that were set inside a user namespace: the namespace's root.
const CAPABILITY_ROOT_ID: usize = 4;

/// Length of version 2 capabilities: magic, then two pairs of permitted and inheritable.
const CAPABILITY_V2_LENGTH: usize = 20;

/// Everything in a tree, parents before children, names of a folder in the order of their bytes.
#[derive(Debug)]
pub struct TreeScan {
    pub(super) root: PathBuf,
    entries: Vec<Entry>,
}

/// One path of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path below the root, without a leading slash; empty for the root itself.
    pub path: PathBuf,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits, set-id and sticky bits included.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time, seconds since 1970.
    pub mtime: i64,
    /// Attributes that go into the image, sorted by name.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) inode: (u64, u64),
}

/// What a path of a tree is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A folder.
    Folder,
    /// A regular file of so many bytes.
    File(u64),
    /// Another name of an earlier path.
    HardLink(PathBuf),
    /// A symbolic link to this text.
    Symlink(Vec<u8>),
    /// A character device, major and minor.
    CharDevice(u64, u64),
    /// A block device, major and minor.
    BlockDevice(u64, u64),
    /// A named pipe.
    Fifo,
}

impl TreeScan {
    /// Scans the tree below `root`. What lies in the folders `without` (absolute paths of the image) is left out, the
    /// folders themselves stay: they are mount points of other filesystems.
    ///
    /// Sockets are left out: they mean nothing without the process that made them.
    pub fn read(root: &Path, without: &[&str]) -> Result<Self, TreeStreamError> {
        let without = without.iter().map(|path| PathBuf::from(path.trim_matches('/'))).collect();
        let mut walk = Walk { root, without, first_names: HashMap::new(), entries: Vec::new() };
        let metadata = fs::symlink_metadata(root).map_err(|source| read_error(root, source))?;
        walk.visit(PathBuf::new(), &metadata)?;
        Ok(Self { root: root.to_owned(), entries: walk.entries })
    }

    /// Returns the folder that was scanned.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns what was found, in the order of the stream.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

struct Walk<'a> {
    root: &'a Path,
    without: HashSet<PathBuf>,
    first_names: HashMap<(u64, u64), PathBuf>,
    entries: Vec<Entry>,
}

impl Walk<'_> {
    fn visit(&mut self, path: PathBuf, metadata: &Metadata) -> Result<(), TreeStreamError> {
        let host_path = self.root.join(&path);
        let Some(kind) = self.kind_of(&path, &host_path, metadata)? else { return Ok(()) };
        let xattrs = match kind {
            EntryKind::HardLink(_) => Vec::new(),
            _ => read_xattrs(&host_path).map_err(|source| read_error(&host_path, source))?,
        };
        let descend = kind == EntryKind::Folder && !self.without.contains(&path);
        self.entries.push(Entry {
            kind,
            mode: metadata.mode() & 0o7777,
            uid: metadata.uid(),
            gid: metadata.gid(),
            mtime: metadata.mtime(),
            xattrs,
            inode: (metadata.dev(), metadata.ino()),
            path: path.clone(),
        });
        if descend { self.descend(&path, &host_path) } else { Ok(()) }
    }

    fn descend(&mut self, path: &Path, host_path: &Path) -> Result<(), TreeStreamError> {
        let listing = fs::read_dir(host_path).map_err(|source| read_error(host_path, source))?;
        let mut names = listing
            .map(|entry| Ok(entry?.file_name()))
            .collect::<Result<Vec<_>, std::io::Error>>()
            .map_err(|source| read_error(host_path, source))?;
        names.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        for name in names {
            let child = path.join(name);
            let child_on_host = self.root.join(&child);
            let metadata =
                fs::symlink_metadata(&child_on_host).map_err(|source| read_error(&child_on_host, source))?;
            self.visit(child, &metadata)?;
        }
        Ok(())
    }

    fn kind_of(
        &mut self,
        path: &Path,
        host_path: &Path,
        metadata: &Metadata,
    ) -> Result<Option<EntryKind>, TreeStreamError> {
        let file_type = metadata.file_type();
        if file_type.is_dir() {
            return Ok(Some(EntryKind::Folder));
        }
        if file_type.is_socket() {
            return Ok(None);
        }
        if metadata.nlink() > 1 {
            let first =
                self.first_names.entry((metadata.dev(), metadata.ino())).or_insert_with(|| path.to_owned());
            if first != path {
                return Ok(Some(EntryKind::HardLink(first.clone())));
            }
        }
        Ok(Some(if file_type.is_file() {
            EntryKind::File(metadata.len())
        } else if file_type.is_symlink() {
            let target = fs::read_link(host_path).map_err(|source| read_error(host_path, source))?;
            EntryKind::Symlink(target.into_os_string().into_vec())
        } else if file_type.is_fifo() {
            EntryKind::Fifo
        } else {
            let (major, minor) = device_numbers(metadata.rdev());
            if file_type.is_char_device() {
                EntryKind::CharDevice(major, minor)
            } else {
                EntryKind::BlockDevice(major, minor)
            }
        }))
    }
}

fn read_error(path: &Path, source: std::io::Error) -> TreeStreamError {
    TreeStreamError::Read { path: path.to_owned(), source }
}

/// Splits Linux's 64-bit device number: 12 + 20 bits of major, 8 + 24 bits of minor, interleaved.
fn device_numbers(device: u64) -> (u64, u64) {
    let major = (device >> 8 & 0xfff) | (device >> 32 & 0xffff_f000);
    let minor = (device & 0xff) | (device >> 12 & 0xffff_ff00);
    (major, minor)
}

/// Reads the attributes that belong to the image: capabilities, access lists and the user's own. Others (security
/// labels, the kernel's `trusted.`) belong to this machine.
fn read_xattrs(path: &Path) -> std::io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut found = Vec::new();
    for name in host::xattr::list(path)? {
        let bytes = name.to_bytes();
        if !bytes.starts_with(b"user.")
            && !bytes.starts_with(b"system.posix_acl_")
            && name.as_c_str() != CAPABILITY
        {
            continue;
        }
        let mut value = host::xattr::get(path, &name)?;
        if name.as_c_str() == CAPABILITY {
            value = portable_capability(value);
        }
        found.push((bytes.to_vec(), value));
    }
    Ok(found)
}

/// Turns capabilities of version 3, bound to the root of a user namespace, into version 2, which hold anywhere.
pub(super) fn portable_capability(mut value: Vec<u8>) -> Vec<u8> {
    const VERSION_2: u8 = 2;
    const VERSION_3: u8 = 3;
    if value.len() == CAPABILITY_V2_LENGTH + CAPABILITY_ROOT_ID && value[3] == VERSION_3 {
        value.truncate(CAPABILITY_V2_LENGTH);
        value[3] = VERSION_2;
    }
    value
}
