//! A scanned tree as a filesystem sees it: inodes, and the names by which folders lead to them.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::rootfs::tar_stream::{Entry, EntryKind, TreeScan};

/// The root's place in [`Inodes::list`]. It is its own parent.
pub(super) const ROOT: usize = 0;

/// Everything that goes into one filesystem.
#[derive(Debug)]
pub(super) struct Inodes<'a> {
    /// Folders before what they hold; the root first.
    pub(super) list: Vec<Inode<'a>>,
}

/// One inode.
#[derive(Debug)]
pub(super) struct Inode<'a> {
    /// What was scanned; none for the root of an empty filesystem.
    pub(super) entry: Option<&'a Entry>,
    /// Every name it has, in the order of the scan; none for the root.
    pub(super) names: Vec<Name<'a>>,
    /// What a folder holds, in the order of the scan: name, and place in the list.
    pub(super) children: Vec<(&'a [u8], usize)>,
}

/// A name of an inode.
#[derive(Debug)]
pub(super) struct Name<'a> {
    /// The folder that holds it, by its place in the list.
    pub(super) folder: usize,
    /// The name.
    pub(super) name: &'a [u8],
}

impl<'a> Inodes<'a> {
    /// Sorts out a scan; none gives the root of an empty filesystem.
    pub(super) fn of(scan: Option<&'a TreeScan>) -> Self {
        let mut list = Vec::new();
        let mut places: HashMap<&Path, usize> = HashMap::new();
        for entry in scan.map_or(&[][..], TreeScan::entries) {
            let linked = match &entry.kind {
                EntryKind::HardLink(first) => places.get(first.as_path()).copied(),
                _ => None,
            };
            let place = linked.unwrap_or_else(|| {
                list.push(Inode { entry: Some(entry), names: Vec::new(), children: Vec::new() });
                list.len() - 1
            });
            if linked.is_none() {
                places.insert(&entry.path, place);
            }
            let parent = entry.path.parent().and_then(|parent| places.get(parent).copied());
            if let (Some(folder), Some(name)) = (parent, entry.path.file_name()) {
                let name = name.as_bytes();
                list[place].names.push(Name { folder, name });
                list[folder].children.push((name, place));
            }
        }
        if list.is_empty() {
            list.push(Inode { entry: None, names: Vec::new(), children: Vec::new() });
        }
        Self { list }
    }
}

impl Inode<'_> {
    /// Returns what it is; a folder if nothing was scanned.
    pub(super) fn kind(&self) -> &EntryKind {
        self.entry.map_or(&EntryKind::Folder, |entry| &entry.kind)
    }

    /// Returns permission bits, owner and group.
    pub(super) fn access(&self) -> (u32, u32, u32) {
        self.entry.map_or((0o755, 0, 0), |entry| (entry.mode, entry.uid, entry.gid))
    }

    /// Returns type and permission bits as `stat` gives them.
    pub(super) fn stat_mode(&self) -> u32 {
        let kind = match self.kind() {
            EntryKind::Fifo => 0o010_000,
            EntryKind::CharDevice(..) => 0o020_000,
            EntryKind::Folder => 0o040_000,
            EntryKind::BlockDevice(..) => 0o060_000,
            EntryKind::File(_) | EntryKind::HardLink(_) => 0o100_000,
            EntryKind::Symlink(_) => 0o120_000,
        };
        kind | self.access().0
    }

    /// Returns the time of its content, no later than `epoch`.
    pub(super) fn mtime(&self, epoch: i64) -> i64 {
        self.entry.map_or(epoch, |entry| entry.mtime.min(epoch))
    }

    /// Returns its attributes, sorted by name.
    pub(super) fn xattrs(&self) -> &[(Vec<u8>, Vec<u8>)] {
        self.entry.map_or(&[], |entry| &entry.xattrs)
    }

    /// Returns its bytes: a file's content, else nothing.
    pub(super) fn file_size(&self) -> u64 {
        if let EntryKind::File(size) = self.kind() { *size } else { 0 }
    }

    /// Returns how it is named in messages.
    pub(super) fn shown(&self) -> String {
        format!("'/{}'", self.entry.map_or(Path::new(""), |entry| &entry.path).display())
    }
}
