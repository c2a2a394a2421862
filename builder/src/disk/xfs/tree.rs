//! The B+trees of an allocation group, built from their sorted records: one block, or leaves below a root.

use super::geometry::{BLOCK, Geometry, Place};
use super::space::Space;
use crate::disk::block::{big, crc32c, put};

const BYTES: usize = BLOCK as usize;
/// Bytes of a block's header (`xfs_btree_block`, short pointers, with checksum).
const HEADER: usize = 56;
const CHECKSUM: usize = 52;
/// No sibling.
const NONE: u32 = u32::MAX;

/// A kind of tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    magic: u32,
    /// Bytes of a record.
    record: usize,
    /// Bytes of a key: the start of a record.
    key: usize,
}

/// Free space by block.
pub(super) const BY_BLOCK: Kind = Kind { magic: 0x4142_3342, record: 8, key: 8 };
/// Free space by length.
pub(super) const BY_LENGTH: Kind = Kind { magic: 0x4142_3343, record: 8, key: 8 };
/// Inode chunks.
pub(super) const INODES: Kind = Kind { magic: 0x4941_4233, record: 16, key: 4 };
/// Inode chunks with free inodes.
pub(super) const FREE_INODES: Kind = Kind { magic: 0x4649_4233, record: 16, key: 4 };
/// Blocks that several files share.
pub(super) const SHARED: Kind = Kind { magic: 0x5233_4643, record: 12, key: 4 };

/// A tree that was built.
#[derive(Debug)]
pub(super) struct Tree {
    /// Its blocks, ready to be written.
    pub(super) blocks: Vec<(Place, Vec<u8>)>,
    /// Its height; 1 for a single leaf.
    pub(super) levels: u32,
}

/// Builds a tree whose root is at `root`; further blocks are taken from `space`. None if there are none, or if
/// it had more than two levels (some eight million inodes in a group).
pub(super) fn build(
    geometry: &Geometry,
    space: &mut Space,
    kind: Kind,
    root: Place,
    records: &[Vec<u8>],
) -> Option<Tree> {
    let in_leaf = (BYTES - HEADER) / kind.record;
    if records.len() <= in_leaf {
        let mut block = header(geometry, kind, root, 0, records.len(), (NONE, NONE));
        put(&mut block, HEADER, records.concat());
        seal(&mut block);
        return Some(Tree { blocks: vec![(root, block)], levels: 1 });
    }
    let in_node = (BYTES - HEADER) / (kind.key + 4);
    let leaves = evenly(records, records.len().div_ceil(in_leaf));
    if leaves.len() > in_node {
        return None;
    }
    let places = leaves.iter().map(|_| space.take_in(root.group)).collect::<Option<Vec<Place>>>()?;
    let number = |index: Option<usize>| {
        index.and_then(|index| places.get(index)).map_or(NONE, |place| as_u32(place.block))
    };
    let mut node = header(geometry, kind, root, 1, leaves.len(), (NONE, NONE));
    let mut blocks = Vec::new();
    for (index, (place, leaf)) in places.iter().zip(&leaves).enumerate() {
        put(&mut node, HEADER + index * kind.key, &leaf[0][..kind.key]);
        big::u32(&mut node, HEADER + in_node * kind.key + index * 4, as_u32(place.block));
        let siblings = (number(index.checked_sub(1)), number(index.checked_add(1)));
        let mut block = header(geometry, kind, *place, 0, leaf.len(), siblings);
        put(&mut block, HEADER, leaf.concat());
        seal(&mut block);
        blocks.push((*place, block));
    }
    seal(&mut node);
    blocks.push((root, node));
    Some(Tree { blocks, levels: 2 })
}

/// Deals records out: a block below a root must be at least half full.
fn evenly(records: &[Vec<u8>], leaves: usize) -> Vec<&[Vec<u8>]> {
    let start = |leaf: usize| leaf * records.len() / leaves;
    (0..leaves).map(|leaf| &records[start(leaf)..start(leaf + 1)]).collect()
}

/// Returns how many blocks a tree of inode chunks takes beside its root.
pub(super) fn leaves(chunks: u64) -> u64 {
    let in_leaf = ((BYTES - HEADER) / INODES.record) as u64;
    if chunks <= in_leaf { 0 } else { chunks.div_ceil(in_leaf) }
}

fn header(
    geometry: &Geometry,
    kind: Kind,
    at: Place,
    level: u16,
    records: usize,
    siblings: (u32, u32),
) -> Vec<u8> {
    let mut block = vec![0; BYTES];
    big::u32(&mut block, 0, kind.magic);
    big::u16(&mut block, 4, level);
    big::u16(&mut block, 6, u16::try_from(records).unwrap_or(0));
    big::u32(&mut block, 8, siblings.0);
    big::u32(&mut block, 12, siblings.1);
    big::u64(&mut block, 16, geometry.address(at));
    put(&mut block, 32, geometry.uuid.as_bytes());
    big::u32(&mut block, 48, as_u32(at.group));
    block
}

fn seal(block: &mut [u8]) {
    let checksum = crc32c(block);
    put(block, CHECKSUM, checksum.to_le_bytes());
}

/// Returns a number of blocks within a group, which ends below 2³².
pub(super) fn as_u32(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
