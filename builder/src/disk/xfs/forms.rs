//! In which form each inode is kept, and how many blocks that takes: known before anything has a place.

use super::attributes::{self, Stored};
use super::folder::{self, Demand};
use super::geometry::{BLOCK, INODE};
use crate::disk::DiskError;
use crate::disk::inodes::{Inode, Inodes};
use crate::rootfs::tar_stream::EntryKind;

/// Bytes of an inode before its forks.
pub(super) const CORE: usize = 176;
/// Bytes of both forks.
pub(super) const FORKS: usize = INODE - CORE;
/// Bytes of an extent in a fork.
pub(super) const EXTENT: usize = 16;
/// What the attribute fork has at least, for the root of a tree of its own later, and the data fork likewise.
const SMALLEST_ATTRIBUTES: usize = 40;
const SMALLEST_DATA: usize = 56;
/// Longest target of a symbolic link.
const LONGEST_TARGET: usize = 1023;

/// An inode's forms.
#[derive(Debug)]
pub(super) struct Forms {
    pub(super) data: Data,
    pub(super) attributes: Attributes,
    /// Bytes of the data fork.
    pub(super) room: usize,
}

/// What the data fork holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Data {
    /// A device number, or nothing of a named pipe.
    Device,
    /// Names, or the target of a link.
    Inside,
    /// A folder in blocks.
    Folder(Demand),
    /// The target of a link in one block.
    Target,
    /// Content of so many blocks.
    Content(u64),
}

/// What the attribute fork holds.
#[derive(Debug)]
pub(super) enum Attributes {
    None,
    /// Bytes inside the inode.
    Inside(Vec<u8>),
    /// One block.
    Block(Vec<Stored>),
}

impl Forms {
    /// Chooses the forms of an inode.
    pub(super) fn of(inode: &Inode<'_>) -> Result<Self, DiskError> {
        let refuse = |why: String| DiskError::unfit(inode.shown(), format!("XFS cannot hold it: {why}"));
        let (attributes, room) = choose_attributes(inode).map_err(refuse)?;
        let data = match inode.kind() {
            EntryKind::Folder => choose_folder(inode, room),
            EntryKind::Symlink(target) if target.len() <= room => Data::Inside,
            EntryKind::Symlink(target) if target.len() <= LONGEST_TARGET => Data::Target,
            EntryKind::Symlink(_) => {
                return Err(refuse(format!("its target has more than {LONGEST_TARGET} bytes; shorten it")));
            }
            EntryKind::CharDevice(..) | EntryKind::BlockDevice(..) | EntryKind::Fifo => Data::Device,
            EntryKind::File(_) | EntryKind::HardLink(_) => Data::Content(inode.file_size().div_ceil(BLOCK)),
        };
        Ok(Self { data, attributes, room })
    }

    /// Returns how many blocks it takes beside the inode.
    pub(super) fn blocks(&self) -> u64 {
        let data = match self.data {
            Data::Device | Data::Inside => 0,
            Data::Folder(demand) => demand.total(),
            Data::Target => 1,
            Data::Content(blocks) => blocks,
        };
        data + u64::from(matches!(self.attributes, Attributes::Block(_)))
    }
}

/// Returns the forms of all inodes.
pub(super) fn all(inodes: &Inodes<'_>) -> Result<Vec<Forms>, DiskError> {
    inodes.list.iter().map(Forms::of).collect()
}

/// Chooses the form of the attributes, and what that leaves to the data fork.
fn choose_attributes(inode: &Inode<'_>) -> Result<(Attributes, usize), String> {
    let stored = attributes::stored(inode.xattrs())?;
    if stored.is_empty() {
        return Ok((Attributes::None, FORKS));
    }
    let device = !matches!(inode.kind(), EntryKind::Folder | EntryKind::File(_) | EntryKind::Symlink(_));
    let room =
        |taken: usize| if device { 8 } else { FORKS - taken.next_multiple_of(8).max(SMALLEST_ATTRIBUTES) };
    if let Some(bytes) = attributes::short(&stored).filter(|bytes| bytes.len() + SMALLEST_DATA <= FORKS) {
        let room = room(bytes.len());
        return Ok((Attributes::Inside(bytes), room));
    }
    if attributes::fits_block(&stored) {
        return Ok((Attributes::Block(stored), room(0)));
    }
    Err("its extended attributes have more than 3 KiB; remove some".to_owned())
}

fn choose_folder(inode: &Inode<'_>, room: usize) -> Data {
    // Count and parent, then for each name its length, its place, its type and its inode.
    let inside = 6 + inode.children.iter().map(|(name, _)| name.len() + 8).sum::<usize>();
    if inside <= room && inode.children.len() <= usize::from(u8::MAX) {
        return Data::Inside;
    }
    Data::Folder(folder::demand(inode.children.iter().map(|(name, _)| name.len())))
}
