//! How large an XFS filesystem must be for a tree.

use uuid::Uuid;

use super::forms::{self, Forms};
use super::geometry::{BLOCK, CHUNK_BLOCKS, CHUNK_INODES, FIRST_CHUNK, Geometry};
use super::tree;
use crate::disk::DiskError;
use crate::disk::ext4::MARGIN;
use crate::disk::inodes::Inodes;
use crate::disk::layout::{MIB, Need};
use crate::plan::FilesystemKind;
use crate::rootfs::tar_stream::TreeScan;

/// Inodes that the filesystem has for itself beside the root: bitmap and summary of a realtime part.
pub(super) const OWN_INODES: u64 = 2;

/// Blocks that may be lost to alignment in each group, and to a tree of its own.
const SPARE: u64 = 2 * CHUNK_BLOCKS;

/// Tells the need of the filesystem that holds `scan`.
pub(in crate::disk) fn need(scan: Option<&TreeScan>) -> Result<Need, DiskError> {
    let inodes = Inodes::of(scan);
    let forms = forms::all(&inodes)?;
    let chunks = chunks(inodes.list.len());
    let content = forms.iter().map(Forms::blocks).sum::<u64>() + chunks * CHUNK_BLOCKS + tree::leaves(chunks);
    let least = enclose(content);
    let margin = (MARGIN + content * BLOCK / 10).div_ceil(BLOCK);
    Ok(Need { least, auto: Some(enclose(content + margin)) })
}

/// Returns how many chunks hold so many inodes and the filesystem's own.
pub(super) fn chunks(inodes: usize) -> u64 {
    (inodes as u64 + OWN_INODES).div_ceil(CHUNK_INODES)
}

/// Returns the size of the filesystem that has room for so many blocks.
fn enclose(blocks: u64) -> u64 {
    let mut size = (blocks * BLOCK).next_multiple_of(MIB).max(FilesystemKind::Xfs.smallest());
    loop {
        let geometry = Geometry::new(size, Uuid::nil(), "");
        let own = geometry.log_blocks + geometry.groups * (FIRST_CHUNK + SPARE);
        let needed = ((blocks + own) * BLOCK).next_multiple_of(MIB).max(FilesystemKind::Xfs.smallest());
        if needed <= size {
            return size;
        }
        size = needed;
    }
}
