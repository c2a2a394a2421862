//! Packing items into the blocks of a tree, and writing such blocks.

use uuid::Uuid;

use super::item::{GENERATION, Item, Key};
use crate::disk::block::{crc32c, put};

/// Bytes of a block of a tree.
pub(super) const NODE: u64 = 16384;
const BYTES: usize = NODE as usize;
const HEADER: usize = 101;
/// Bytes of an item's entry in a leaf, and of a pointer in a node.
const ENTRY: usize = 25;
const POINTER: usize = 33;
/// Bytes for entries and data in a leaf.
pub(super) const ROOM: usize = BYTES - HEADER;
/// Largest data of an item that shares a leaf.
pub(super) const LARGEST: usize = ROOM - 2 * ENTRY;

/// How the items of a tree are dealt out to blocks.
#[derive(Debug)]
pub(super) struct Shape {
    /// From the leaves up to the root: how many items or blocks below each block holds.
    levels: Vec<Vec<usize>>,
}

impl Shape {
    /// Packs items of these data lengths, in order.
    pub(super) fn of(lengths: impl Iterator<Item = usize>) -> Self {
        let mut leaves = vec![0];
        let mut used = 0;
        for length in lengths {
            if used + length + ENTRY > ROOM {
                leaves.push(0);
                used = 0;
            }
            used += length + ENTRY;
            if let Some(last) = leaves.last_mut() {
                *last += 1;
            }
        }
        let mut levels = vec![leaves];
        while let Some(below) = levels.last().map(Vec::len).filter(|below| *below > 1) {
            let full = ROOM / POINTER;
            let mut level = vec![full; below / full];
            if below % full > 0 {
                level.push(below % full);
            }
            levels.push(level);
        }
        Self { levels }
    }

    /// Returns how many blocks each level of a tree with so many leaves has, the leaves first.
    pub(super) fn levels_above(leaves: u64) -> Vec<u64> {
        let mut levels = vec![leaves];
        while let Some(below) = levels.last().copied().filter(|below| *below > 1) {
            levels.push(below.div_ceil((ROOM / POINTER) as u64));
        }
        levels
    }

    /// Returns how many blocks it has.
    pub(super) fn blocks(&self) -> u64 {
        self.levels.iter().map(|level| level.len() as u64).sum()
    }

    /// Returns the height of each block in the order in which they are written.
    pub(super) fn heights(&self) -> impl Iterator<Item = u8> {
        (0_u8..).zip(&self.levels).flat_map(|(height, level)| level.iter().map(move |_| height))
    }

    /// Returns address and height of the root of a tree that begins at `start`.
    pub(super) fn root(&self, start: u64) -> (u64, u8) {
        (start + (self.blocks() - 1) * NODE, (self.levels.len() - 1) as u8)
    }
}

/// What every block says of the filesystem.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity {
    pub(super) filesystem: Uuid,
    pub(super) chunk_tree: Uuid,
}

/// Returns the blocks of a tree of `owner`, which follow each other from the address `start` on.
pub(super) fn blocks(
    identity: Identity,
    owner: u64,
    items: &[Item],
    shape: &Shape,
    start: u64,
) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut address = start;
    // First key and address of each block of the level below.
    let mut below: Vec<(Key, u64)> = Vec::new();
    for (height, level) in (0_u8..).zip(&shape.levels) {
        let mut here = Vec::new();
        let mut done = 0;
        for count in level {
            let part = done..done + count;
            let mut block = header(identity, owner, address, height, *count);
            let first = if height == 0 {
                fill_leaf(&mut block, &items[part.clone()]);
                items.get(part.start).map_or(Key(0, 0, 0), |item| item.key)
            } else {
                fill_node(&mut block, &below[part.clone()]);
                below[part.start].0
            };
            let checksum = crc32c(&block[32..]);
            put(&mut block, 0, checksum.to_le_bytes());
            here.push((first, address));
            out.push(block);
            address += NODE;
            done = part.end;
        }
        below = here;
    }
    out
}

fn header(identity: Identity, owner: u64, address: u64, height: u8, count: usize) -> Vec<u8> {
    /// Written; back references of the newer kind.
    const FLAGS: u64 = 1 | 1 << 56;
    let mut block = vec![0; BYTES];
    put(&mut block, 32, identity.filesystem.as_bytes());
    put(&mut block, 48, address.to_le_bytes());
    put(&mut block, 56, FLAGS.to_le_bytes());
    put(&mut block, 64, identity.chunk_tree.as_bytes());
    put(&mut block, 80, GENERATION.to_le_bytes());
    put(&mut block, 88, owner.to_le_bytes());
    put(&mut block, 96, (count as u32).to_le_bytes());
    block[100] = height;
    block
}

/// Entries from the front, data from the back.
fn fill_leaf(block: &mut [u8], items: &[Item]) {
    let mut end = ROOM;
    for (number, item) in items.iter().enumerate() {
        end -= item.data.len();
        let entry = HEADER + number * ENTRY;
        put(block, entry, item.key.bytes());
        put(block, entry + 17, (end as u32).to_le_bytes());
        put(block, entry + 21, (item.data.len() as u32).to_le_bytes());
        put(block, HEADER + end, &item.data);
    }
}

fn fill_node(block: &mut [u8], below: &[(Key, u64)]) {
    for (number, (key, address)) in below.iter().enumerate() {
        let pointer = HEADER + number * POINTER;
        put(block, pointer, key.bytes());
        put(block, pointer + 17, address.to_le_bytes());
        put(block, pointer + 25, GENERATION.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_grow_with_items() {
        assert_eq!(Shape::of(std::iter::empty()).blocks(), 1);
        let shape = Shape::of(std::iter::repeat_n(1000, 500 * 15));
        assert_eq!((shape.blocks(), shape.root(0)), (500 + 2 + 1, (502 * NODE, 2)));
        assert_eq!(shape.heights().filter(|height| *height == 1).count(), 2);
    }
}
