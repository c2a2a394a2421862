//! The filesystem's own inodes: the journal, the resize inode, the orphan file, `lost+found`.
//!
//! After the kernel's `Documentation/filesystems/ext4` (special inodes, journal, orphan file).

use super::checksum::Checksums;
use super::extents::{self, Extent, ROOT};
use super::flow::Flow;
use super::folder::Folder;
use super::geometry::Geometry;
use super::inode::{EXTENTS, Inode};
use super::{BLOCK, DiskError};
use crate::disk::block::{big, little, put};
use uuid::Uuid;

pub(super) const ROOT_INODE: u32 = 2;
pub(super) const RESIZE_INODE: u32 = 7;
pub(super) const JOURNAL_INODE: u32 = 8;
/// First inode that is not kept for the filesystem itself.
pub(super) const FIRST_INODE: u32 = 11;

/// Blocks of `lost+found`: e2fsck must not need space for what it finds. mke2fs's number.
const LOST_BLOCKS: usize = 4;

const ORPHAN_MAGIC: u32 = 0x0b10_ca04;

/// Returns an inode of root's with these extents.
fn inode(mode: u32, size: u64, blocks: u64, map: [u8; ROOT], epoch: i64) -> Inode {
    Inode {
        mode,
        owner: (0, 0),
        links: 1,
        mtime: epoch,
        epoch,
        size,
        blocks,
        flags: EXTENTS,
        map,
        attribute_block: 0,
        attributes: Vec::new(),
    }
}

const FILE_OF_ROOT: u32 = 0o100_600;

/// Builds the tree of extents below a file of the filesystem's own; all of its blocks have a place.
fn file(
    flow: &mut Flow<'_>,
    extents: &[Extent],
    checksums: Checksums,
    epoch: i64,
) -> Result<Inode, DiskError> {
    let tree = extents::tree(extents, checksums, &mut |block| flow.put(|_| block))?;
    let blocks = extents.iter().map(|extent| extent.blocks).sum::<u64>();
    Ok(inode(FILE_OF_ROOT, blocks * BLOCK, blocks + tree.blocks, tree.root, epoch))
}

/// Makes the journal; returns its inode and where its first block is, for [`journal_superblock`].
pub(super) fn journal(
    flow: &mut Flow<'_>,
    bytes: u64,
    checksums: Checksums,
    epoch: i64,
) -> Result<(Inode, u64), DiskError> {
    let extents = flow.leave(bytes / BLOCK)?;
    let first = extents.first().map_or(0, |extent| extent.start);
    Ok((file(flow, &extents, checksums.inode(JOURNAL_INODE), epoch)?, first))
}

/// Returns the first block of an empty journal of so many bytes.
pub(super) fn journal_superblock(bytes: u64, uuid: Uuid) -> Vec<u8> {
    const MAGIC: u32 = 0xc03b_3998;
    const VERSION_2: u32 = 4;
    let mut block = vec![0; BLOCK as usize];
    // Magic number, kind; then lengths of a block and of all; the first that is a log, and the number of its first
    // transaction. It begins nowhere, so there is nothing to replay.
    let fields =
        [(0, MAGIC), (4, VERSION_2), (12, BLOCK as u32), (16, (bytes / BLOCK) as u32), (20, 1), (24, 1)];
    for (at, value) in fields {
        big::u32(&mut block, at, value);
    }
    put(&mut block, 48, uuid.as_bytes());
    // One filesystem uses it.
    big::u32(&mut block, 64, 1);
    block
}

/// Makes the file that names deleted files which are still open, so that nobody waits for a common list.
pub(super) fn orphan_file(
    flow: &mut Flow<'_>,
    number: u32,
    blocks: u64,
    checksums: Checksums,
    epoch: i64,
) -> Result<Inode, DiskError> {
    const TAIL: usize = BLOCK as usize - 8;
    let checksums = checksums.inode(number);
    let mut extents = Vec::new();
    for first in 0..blocks {
        let at = flow.put(|at| {
            let mut block = vec![0; BLOCK as usize];
            let checksum = checksums.of_parts(&[&at.to_le_bytes(), &block[..TAIL]]);
            little::u32(&mut block, TAIL, ORPHAN_MAGIC);
            little::u32(&mut block, TAIL + 4, checksum);
            block
        })?;
        extents::add(&mut extents, first, at, 1);
    }
    file(flow, &extents, checksums, epoch)
}

/// Returns how many blocks mke2fs gives to the orphan file.
pub(super) fn orphan_blocks(blocks: u64) -> u64 {
    match blocks {
        0..0x2_0000 => 32,
        0x2_0000..0x20_0000 => blocks / 4096,
        _ => 512,
    }
}

/// Makes `lost+found`.
pub(super) fn lost_and_found(
    flow: &mut Flow<'_>,
    folder: &Folder<'_>,
    epoch: i64,
) -> Result<Inode, DiskError> {
    let extents = flow.put_all(&folder.empty_blocks(LOST_BLOCKS))?;
    let made = file(flow, &extents, folder.checksums, epoch)?;
    Ok(Inode { mode: 0o040_700, links: 2, ..made })
}

/// Makes the inode that keeps blocks behind each copy of the descriptors for more of them; returns it, and the bytes of
/// those behind the first copy.
///
/// Its block of numbers leads to each of those, which lead to their likes behind the other copies.
pub(super) fn resize_inode(
    flow: &mut Flow<'_>,
    geometry: &Geometry,
    epoch: i64,
) -> Result<(Inode, Vec<u8>), DiskError> {
    const NUMBERS: u64 = BLOCK / 4;
    /// Place of the block that leads to blocks of numbers (the second level), of fifteen.
    const SECOND_LEVEL: usize = 13 * 4;
    /// As long as a file can be with two levels of numbers.
    const SIZE: u64 = (12 + NUMBERS + NUMBERS * NUMBERS) * BLOCK;
    let first = 1 + geometry.descriptor_blocks;
    let mut top = vec![0; BLOCK as usize];
    let mut reserved = vec![0; (geometry.reserved * BLOCK) as usize];
    for (number, block) in (0..).zip(reserved.chunks_mut(BLOCK as usize)) {
        let place = (geometry.descriptor_blocks + number) % NUMBERS;
        little::u32(&mut top, place as usize * 4, (first + number) as u32);
        for (index, group) in geometry.copies().enumerate() {
            little::u32(block, index * 4, (geometry.start_of(group) + first + number) as u32);
        }
    }
    let mut map = [0; ROOT];
    little::u32(&mut map, SECOND_LEVEL, flow.put(|_| top)? as u32);
    let blocks = 1 + geometry.reserved * (1 + geometry.copies().count() as u64);
    Ok((Inode { flags: 0, ..inode(FILE_OF_ROOT, SIZE, blocks, map, epoch) }, reserved))
}
