//! Folders: one block of names, or blocks of names sorted by hash below an index.
//!
//! After the kernel's `Documentation/filesystems/ext4` (directory entries, hash tree). mke2fs leaves large folders
//! without an index, and the kernel never makes one for a folder that has more than a block already; so a clone that
//! looks up or adds names in `/var/lib/dpkg/info` is better off with ours.

use super::BLOCK;
use super::checksum::Checksums;
use super::hash::Seed;
use crate::disk::block::{little, put};

const BYTES: usize = BLOCK as usize;
/// The end of a block of names is a record that only holds the checksum of what is before it.
const TAIL: usize = 12;
pub(super) const LEAF_ROOM: usize = BYTES - TAIL;
const TAIL_KIND: u8 = 0xde;
/// Fields of a record before its name.
const RECORD: usize = 8;

/// The index: bytes of an entry, where entries begin in its root and in blocks below, how many there are at most, one
/// less than there is room for, where the checksum is.
const POINTER: usize = 8;
const ROOT_START: usize = 32;
const NODE_START: usize = 8;
pub(super) const IN_ROOT: usize = (BYTES - ROOT_START) / POINTER - 1;
pub(super) const IN_NODE: usize = (BYTES - NODE_START) / POINTER - 1;
/// Half of MD4, with signed or unsigned bytes as the superblock says.
pub(super) const HALF_MD4: u8 = 1;

/// Type of a folder among [`Named`].
pub(super) const FOLDER: u8 = 2;

/// One name of a folder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) name: &'a [u8],
    pub(super) inode: u32,
    /// Type: 1 file, 2 folder, 3 and 4 devices, 5 pipe, 7 symbolic link.
    pub(super) kind: u8,
}

/// A folder to be laid out in blocks.
#[derive(Debug)]
pub(super) struct Folder<'a> {
    pub(super) inode: u32,
    pub(super) parent: u32,
    pub(super) names: &'a [Named<'a>],
    pub(super) seed: Seed,
    /// Of its inode.
    pub(super) checksums: Checksums,
}

/// An entry of the index: the smallest hash of a block, and which block of the folder that is.
type Pointer = (u32, u32);

/// Returns the bytes of a record with a name of so many.
pub(super) fn record_size(name: usize) -> usize {
    (RECORD + name).next_multiple_of(4)
}

impl Folder<'_> {
    /// Returns its blocks, and whether they have an index; none if it has more names than an index of two levels leads
    /// to, some tens of millions.
    pub(super) fn blocks(&self) -> Option<(Vec<u8>, bool)> {
        let sizes = self.names.iter().map(|named| record_size(named.name.len()));
        if 2 * record_size(2) + sizes.sum::<usize>() <= LEAF_ROOM {
            return Some((self.leaf(&[&self.own()[..], self.names].concat()), false));
        }
        Some((self.indexed()?, true))
    }

    /// Returns blocks that hold no name but the folder's own, in which names can be put later without a need for
    /// space.
    pub(super) fn empty_blocks(&self, count: usize) -> Vec<u8> {
        let first = self.leaf(&self.own());
        let further = self.leaf(&[]);
        [first, further.repeat(count - 1)].concat()
    }

    fn own(&self) -> [Named<'static>; 2] {
        [
            Named { name: b".", inode: self.inode, kind: FOLDER },
            Named { name: b"..", inode: self.parent, kind: FOLDER },
        ]
    }

    /// Returns a block of names.
    fn leaf(&self, names: &[Named<'_>]) -> Vec<u8> {
        let mut block = vec![0; BYTES];
        let (mut at, mut last) = (0, 0);
        for named in names {
            last = at;
            at += record_size(named.name.len());
            put_record(&mut block, last, named, at - last);
        }
        // The last record, or one of no name, takes what is left.
        little::u16(&mut block, last + 4, (LEAF_ROOM - last) as u16);
        little::u16(&mut block, LEAF_ROOM + 4, TAIL as u16);
        block[LEAF_ROOM + 7] = TAIL_KIND;
        let checksum = self.checksums.of_parts(&[&block[..LEAF_ROOM]]);
        little::u32(&mut block, LEAF_ROOM + 8, checksum);
        block
    }

    /// Returns the index, then the blocks of names in the order of their hashes.
    fn indexed(&self) -> Option<Vec<u8>> {
        let mut sorted: Vec<((u32, u32), Named<'_>)> =
            self.names.iter().map(|named| (self.seed.hash(named.name), *named)).collect();
        sorted.sort_by_key(|(hash, named)| (*hash, named.name));
        let leaves = fill(&sorted);
        let nodes = if leaves.len() > IN_ROOT { leaves.len().div_ceil(IN_NODE) } else { 0 };
        if nodes > IN_ROOT {
            return None;
        }
        let mut pointers: Vec<Pointer> = Vec::with_capacity(leaves.len());
        let mut names = Vec::with_capacity(leaves.len() * BYTES);
        let mut before = None;
        for (number, leaf) in (1 + nodes as u32..).zip(leaves) {
            let first = leaf[0].0.0;
            // The lowest bit says that the block before ends with the same hash.
            pointers.push((first | u32::from(before == Some(first)), number));
            before = leaf.last().map(|(hash, _)| hash.0);
            names.extend(self.leaf(&leaf.iter().map(|(_, named)| *named).collect::<Vec<_>>()));
        }
        let mut blocks = Vec::with_capacity((1 + nodes) * BYTES + names.len());
        if nodes == 0 {
            blocks.extend(self.root(&pointers, 0));
        } else {
            let parts = (1..).zip(pointers.chunks(IN_NODE));
            let above: Vec<Pointer> = parts.map(|(number, part)| (part[0].0, number)).collect();
            blocks.extend(self.root(&above, 1));
            blocks.extend(pointers.chunks(IN_NODE).flat_map(|part| self.node(part)));
        }
        blocks.extend(names);
        Some(blocks)
    }

    /// Returns the first block: the folder's own names, which seem to fill it, and between them the index.
    fn root(&self, pointers: &[Pointer], levels: u8) -> Vec<u8> {
        let mut block = vec![0; BYTES];
        let [own, parent] = self.own();
        put_record(&mut block, 0, &own, 12);
        put_record(&mut block, 12, &parent, BYTES - 12);
        put(&mut block, 28, [HALF_MD4, 8, levels, 0]);
        self.finish_index(&mut block, ROOT_START, IN_ROOT, pointers);
        block
    }

    /// Returns a block of the index below the root: it looks like one free record.
    fn node(&self, pointers: &[Pointer]) -> Vec<u8> {
        let mut block = vec![0; BYTES];
        little::u16(&mut block, 4, BYTES as u16);
        self.finish_index(&mut block, NODE_START, IN_NODE, pointers);
        block
    }

    fn finish_index(&self, block: &mut [u8], start: usize, most: usize, pointers: &[Pointer]) {
        for (number, (hash, leads_to)) in pointers.iter().enumerate() {
            little::u32(block, start + number * POINTER, *hash);
            little::u32(block, start + number * POINTER + 4, *leads_to);
        }
        // The first entry needs no hash; in its place is how many there are.
        little::u16(block, start, most as u16);
        little::u16(block, start + 2, pointers.len() as u16);
        let used = start + pointers.len() * POINTER;
        let checksum = self.checksums.of_parts(&[&block[..used], &[0; POINTER]]);
        little::u32(block, start + most * POINTER + 4, checksum);
    }
}

/// Distributes sorted names over blocks.
fn fill<'a, 'b>(sorted: &'a [((u32, u32), Named<'b>)]) -> Vec<&'a [((u32, u32), Named<'b>)]> {
    let mut leaves = Vec::new();
    let (mut start, mut used) = (0, 0);
    for (number, (_, named)) in sorted.iter().enumerate() {
        let size = record_size(named.name.len());
        if used + size > LEAF_ROOM {
            leaves.push(&sorted[start..number]);
            (start, used) = (number, 0);
        }
        used += size;
    }
    leaves.push(&sorted[start..]);
    leaves
}

fn put_record(block: &mut [u8], at: usize, named: &Named<'_>, size: usize) {
    little::u32(block, at, named.inode);
    little::u16(block, at + 4, size as u16);
    block[at + 6] = named.name.len() as u8;
    block[at + 7] = named.kind;
    put(block, at + RECORD, named.name);
}
