//! Folders in the forms that XFS has for them: inside the inode, in one block, and in data blocks with an index of
//! one block or of a tree.

use super::geometry::{BLOCK, Geometry, Place};
use super::space::{Run, place};
use super::tree::as_u32;
use crate::disk::block::{big, crc32c, put};

const BYTES: usize = BLOCK as usize;
/// Bytes of the header of data, index and free blocks.
const HEADER: usize = 64;
/// Bytes of an entry of an index, and of one that leads to another block of it.
const POINTER: usize = 8;
/// Where a block form keeps two counts.
const BLOCK_TAIL: usize = 8;
/// Block of the file at which the index begins, and at which the list of free space begins.
const INDEX_START: u64 = (32 << 30) / BLOCK;
const FREE_START: u64 = (64 << 30) / BLOCK;
/// Marks unused space in a data block.
const UNUSED: u16 = 0xffff;

/// One name of a folder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) name: &'a [u8],
    pub(super) inode: u64,
    /// Type in the folder: 1 file, 2 folder, 3 and 4 devices, 5 pipe, 7 symbolic link.
    pub(super) kind: u8,
}

/// Type of a folder among [`Named`].
pub(super) const FOLDER: u8 = 2;

/// Returns the folder's bytes if it fits into `room` bytes of its inode: no blocks, only names.
pub(super) fn short(parent: u64, names: &[Named<'_>], room: usize) -> Option<Vec<u8>> {
    let count = u8::try_from(names.len()).ok()?;
    let parent = u32::try_from(parent).ok()?;
    let mut bytes = vec![count, 0];
    bytes.extend(parent.to_be_bytes());
    // Each entry says where it would stand in a block: behind the header, "." and "..".
    let mut offset = HEADER + entry_size(1) + entry_size(2);
    for named in names {
        bytes.push(u8::try_from(named.name.len()).ok()?);
        bytes.extend(u16::try_from(offset).ok()?.to_be_bytes());
        bytes.extend(named.name);
        bytes.push(named.kind);
        bytes.extend(u32::try_from(named.inode).ok()?.to_be_bytes());
        offset += entry_size(named.name.len());
    }
    (bytes.len() <= room).then_some(bytes)
}

/// How many blocks of each kind a folder takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Demand {
    pub(super) data: u64,
    pub(super) index: u64,
    pub(super) free: u64,
}

impl Demand {
    pub(super) fn total(self) -> u64 {
        self.data + self.index + self.free
    }

    /// Returns the pieces of the file: its first block, and how many.
    pub(super) fn pieces(self) -> [(u64, u64); 3] {
        [(0, self.data), (INDEX_START, self.index), (FREE_START, self.free)]
    }
}

/// Tells how many blocks a folder with names of these lengths takes.
pub(super) fn demand(lengths: impl Iterator<Item = usize>) -> Demand {
    let sizes: Vec<usize> = [1, 2].into_iter().chain(lengths).map(entry_size).collect();
    if sizes.iter().sum::<usize>() + HEADER + sizes.len() * POINTER + BLOCK_TAIL <= BYTES {
        return Demand { data: 1, index: 0, free: 0 };
    }
    let data = fill(&sizes).len();
    if HEADER + sizes.len() * POINTER + data * 2 + 4 <= BYTES {
        return Demand { data: data as u64, index: 1, free: 0 };
    }
    let per_block = (BYTES - HEADER) / POINTER;
    let mut index = 0;
    let mut level = sizes.len();
    loop {
        level = level.div_ceil(per_block);
        index += level;
        if level == 1 {
            break;
        }
    }
    Demand { data: data as u64, index: index as u64, free: data.div_ceil((BYTES - HEADER) / 2) as u64 }
}

/// Distributes entries over data blocks; returns how many go into each.
fn fill(sizes: &[usize]) -> Vec<usize> {
    let mut counts = vec![0];
    let mut used = HEADER;
    for size in sizes {
        if used + size > BYTES {
            counts.push(0);
            used = HEADER;
        }
        used += size;
        if let Some(last) = counts.last_mut() {
            *last += 1;
        }
    }
    counts
}

/// Bytes of an entry in a data block: inode, length, name, type, its own offset, in steps of eight.
fn entry_size(name: usize) -> usize {
    (8 + 1 + name + 1 + 2).next_multiple_of(8)
}

/// A folder to be laid out in blocks.
#[derive(Debug)]
pub(super) struct Folder<'a> {
    pub(super) geometry: &'a Geometry,
    pub(super) inode: u64,
    pub(super) parent: u64,
    pub(super) names: &'a [Named<'a>],
}

/// An entry of the index: hash of a name, and where it is, in steps of eight bytes.
type Pointer = (u32, u32);

impl Folder<'_> {
    /// Returns all blocks in the order of `runs`, where they go: data, index, free space.
    pub(super) fn blocks(&self, demand: Demand, runs: &[Run]) -> Vec<u8> {
        let own = [
            Named { name: b".", inode: self.inode, kind: FOLDER },
            Named { name: b"..", inode: self.parent, kind: FOLDER },
        ];
        let all: Vec<Named<'_>> = own.into_iter().chain(self.names.iter().copied()).collect();
        let sizes: Vec<usize> = all.iter().map(|named| entry_size(named.name.len())).collect();
        let mut pointers: Vec<Pointer> = Vec::with_capacity(all.len());
        let mut blocks = Vec::new();
        let mut rest = all.as_slice();
        let counts = if demand.index == 0 { vec![all.len()] } else { fill(&sizes) };
        for (number, count) in counts.into_iter().enumerate() {
            let (here, later) = rest.split_at(count);
            blocks.push(data_entries(here, number, &mut pointers));
            rest = later;
        }
        pointers.sort_unstable();
        if demand.index == 0 {
            let (mut block, end) = blocks.swap_remove(0);
            self.finish_single(&mut block, end, &pointers, place(runs, 0));
            return block;
        }
        let mut bests = Vec::new();
        let mut out = Vec::new();
        for (number, (mut block, end)) in blocks.into_iter().enumerate() {
            bests.push(close_data(&mut block, end, BYTES));
            self.seal_data(&mut block, *b"XDD3", place(runs, number as u64));
            out.extend(block);
        }
        let index = |number: u64| place(runs, demand.data + number);
        if demand.free == 0 {
            out.extend(self.single_index(&pointers, &bests, index(0)));
        } else {
            out.extend(self.index_tree(&pointers, &index, demand.index));
            out.extend(self.free_blocks(&bests, &|number| index(demand.index + number)));
        }
        out
    }

    /// Ends the form of one block: the index follows the entries in it.
    fn finish_single(&self, block: &mut [u8], end: usize, pointers: &[Pointer], at: Place) {
        let index = BYTES - BLOCK_TAIL - pointers.len() * POINTER;
        close_data(block, end, index);
        for (number, (hash, address)) in pointers.iter().enumerate() {
            big::u32(block, index + number * POINTER, *hash);
            big::u32(block, index + number * POINTER + 4, *address);
        }
        big::u32(block, BYTES - BLOCK_TAIL, as_u32(pointers.len() as u64));
        self.seal_data(block, *b"XDB3", at);
    }

    fn seal_data(&self, block: &mut [u8], magic: [u8; 4], at: Place) {
        put(block, 0, magic);
        big::u64(block, 8, self.geometry.address(at));
        put(block, 24, self.geometry.uuid.as_bytes());
        big::u64(block, 40, self.inode);
        let checksum = crc32c(block);
        put(block, 4, checksum.to_le_bytes());
    }

    /// Returns an index of one block, with the largest free piece of each data block at its end.
    fn single_index(&self, pointers: &[Pointer], bests: &[u16], at: Place) -> Vec<u8> {
        let mut block = self.index_block(0x3df1, pointers, at, (0, 0));
        big::u32(&mut block, BYTES - 4, as_u32(bests.len() as u64));
        for (number, best) in bests.iter().enumerate() {
            big::u16(&mut block, BYTES - 4 - 2 * (bests.len() - number), *best);
        }
        seal_index(&mut block);
        block
    }

    /// Returns an index of several blocks: the root, then the levels below it, each from left to right.
    fn index_tree(&self, pointers: &[Pointer], at: &dyn Fn(u64) -> Place, count: u64) -> Vec<u8> {
        let per_block = (BYTES - HEADER) / POINTER;
        // From the leaves up; the root comes first in the file, so levels are numbered from the other end.
        let mut levels: Vec<Vec<Vec<Pointer>>> =
            vec![pointers.chunks(per_block).map(<[_]>::to_vec).collect()];
        let mut first = count;
        loop {
            let below = levels.last().map_or(&[][..], Vec::as_slice);
            first -= below.len() as u64;
            if first == 0 {
                break;
            }
            let above: Vec<Pointer> = (first..)
                .zip(below)
                .map(|(number, block)| {
                    let last = block.last().map_or(0, |(hash, _)| *hash);
                    (last, as_u32(INDEX_START + number))
                })
                .collect();
            levels.push(above.chunks(per_block).map(<[_]>::to_vec).collect());
        }
        let mut out = Vec::new();
        let mut number = 0;
        for (level, blocks) in levels.iter().enumerate().rev() {
            let leftmost = number;
            let rightmost = number + blocks.len() as u64 - 1;
            for block in blocks {
                let to = |number: u64| as_u32(INDEX_START + number);
                let back = if number == leftmost { 0 } else { to(number - 1) };
                let forward = if number == rightmost { 0 } else { to(number + 1) };
                let magic = if level == 0 { 0x3dff } else { 0x3ebe };
                let mut bytes = self.index_block(magic, block, at(number), (forward, back));
                if level > 0 {
                    big::u16(&mut bytes, 58, level as u16);
                }
                seal_index(&mut bytes);
                out.extend(bytes);
                number += 1;
            }
        }
        out
    }

    fn index_block(&self, magic: u16, pointers: &[Pointer], at: Place, siblings: (u32, u32)) -> Vec<u8> {
        let mut block = vec![0; BYTES];
        big::u32(&mut block, 0, siblings.0);
        big::u32(&mut block, 4, siblings.1);
        big::u16(&mut block, 8, magic);
        big::u64(&mut block, 16, self.geometry.address(at));
        put(&mut block, 32, self.geometry.uuid.as_bytes());
        big::u64(&mut block, 48, self.inode);
        big::u16(&mut block, 56, pointers.len() as u16);
        for (number, (hash, address)) in pointers.iter().enumerate() {
            big::u32(&mut block, HEADER + number * POINTER, *hash);
            big::u32(&mut block, HEADER + number * POINTER + 4, *address);
        }
        block
    }

    /// Returns the list of the largest free piece of each data block.
    fn free_blocks(&self, bests: &[u16], at: &dyn Fn(u64) -> Place) -> Vec<u8> {
        let per_block = (BYTES - HEADER) / 2;
        let mut out = Vec::new();
        for (number, part) in bests.chunks(per_block).enumerate() {
            let mut block = vec![0; BYTES];
            block[HEADER..].fill(0xff);
            big::u32(&mut block, 48, as_u32((number * per_block) as u64));
            big::u32(&mut block, 52, as_u32(part.len() as u64));
            big::u32(&mut block, 56, as_u32(part.len() as u64));
            for (index, best) in part.iter().enumerate() {
                big::u16(&mut block, HEADER + 2 * index, *best);
            }
            self.seal_data(&mut block, *b"XDF3", at(number as u64));
            out.extend(block);
        }
        out
    }
}

/// Returns a data block with these entries, and where they end; adds a pointer to each.
fn data_entries(names: &[Named<'_>], number: usize, pointers: &mut Vec<Pointer>) -> (Vec<u8>, usize) {
    let mut block = vec![0; BYTES];
    let mut at = HEADER;
    for named in names {
        let size = entry_size(named.name.len());
        big::u64(&mut block, at, named.inode);
        block[at + 8] = named.name.len() as u8;
        put(&mut block, at + 9, named.name);
        block[at + 9 + named.name.len()] = named.kind;
        big::u16(&mut block, at + size - 2, at as u16);
        pointers.push((hash(named.name), as_u32((number * BYTES + at) as u64 / 8)));
        at += size;
    }
    (block, at)
}

/// Marks what is free between `from` and `to`; returns its length.
fn close_data(block: &mut [u8], from: usize, to: usize) -> u16 {
    let length = (to - from) as u16;
    if length > 0 {
        big::u16(block, 48, from as u16);
        big::u16(block, 50, length);
        big::u16(block, from, UNUSED);
        big::u16(block, from + 2, length);
        big::u16(block, to - 2, from as u16);
    }
    length
}

fn seal_index(block: &mut [u8]) {
    let checksum = crc32c(block);
    put(block, 12, checksum.to_le_bytes());
}

/// Returns the hash of a name (`xfs_da_hashname`).
pub(super) fn hash(name: &[u8]) -> u32 {
    let part = |bytes: &[u8], before: u32| {
        let shift = 7 * bytes.len() as u32;
        let own = bytes.iter().fold(0_u32, |own, byte| (own << 7) ^ u32::from(*byte));
        own ^ before.rotate_left(shift)
    };
    let mut chunks = name.chunks_exact(4);
    let whole = chunks.by_ref().fold(0, |before, bytes| part(bytes, before));
    match chunks.remainder() {
        [] => whole,
        rest => part(rest, whole),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_format() {
        // "." and ".." as every folder's index has them.
        assert_eq!((hash(b"."), hash(b"..")), (0x2e, 0x172e));
    }

    #[test]
    fn forms_follow_the_number_of_names() {
        let of = |count: usize| demand(std::iter::repeat_n(12, count));
        assert_eq!(of(10), Demand { data: 1, index: 0, free: 0 });
        assert_eq!(of(300), Demand { data: 2, index: 1, free: 0 });
        assert_eq!(of(5000).free, 1);
        assert_eq!(of(5000).index, 10 + 1);
        // Too many for one block with its list of free space, few enough for one leaf, which is then the root.
        assert_eq!(of(501), Demand { data: 3, index: 1, free: 1 });
    }
}
