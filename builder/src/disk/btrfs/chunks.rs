//! How addresses of the filesystem map to the device: one system chunk, one for metadata, some for data.
//!
//! System and metadata are kept twice (`DUP`), as mkfs.btrfs does on one device; data once. The copies of the
//! superblock lie between chunks, never in one.

use super::item::{FIRST, Item, Key, item, kind};
use super::tree::NODE;
use crate::disk::layout::MIB;

/// The device's first MiB is the boot loader's.
const RESERVED: u64 = MIB;
/// Where superblocks are, if the device reaches so far, and the room that is kept free for each.
pub(super) const SUPERBLOCKS: [u64; 3] = [64 << 10, 64 << 20, 256 << 30];
const SUPERBLOCK_ROOM: u64 = 64 << 10;
/// Unit in which chunks are read and written.
const STRIPE: u64 = 64 << 10;
/// Size of the system chunk; mkfs.btrfs's.
const SYSTEM_SIZE: u64 = 8 * MIB;
/// Largest data chunk; the kernel's.
pub(super) const DATA_SIZE: u64 = 1 << 30;
/// First address of the filesystem.
const START: u64 = 16 * MIB;

/// What chunks are for.
pub(super) const DATA: u64 = 0x1;
pub(super) const SYSTEM: u64 = 0x2 | DUPLICATED;
pub(super) const METADATA: u64 = 0x4 | DUPLICATED;
const DUPLICATED: u64 = 0x20;

/// A range of addresses.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    /// First address.
    pub(super) start: u64,
    pub(super) length: u64,
    pub(super) kind: u64,
    /// Where its copies are on the device.
    pub(super) copies: Vec<u64>,
}

/// All chunks, ordered by address.
#[derive(Debug)]
pub(super) struct Chunks {
    pub(super) list: Vec<Chunk>,
    /// First byte of the device behind them.
    pub(super) end: u64,
}

impl Chunks {
    /// Makes room for so many blocks of trees and bytes of data.
    pub(super) fn new(blocks: u64, data: u64) -> Self {
        let mut chunks = Self { list: Vec::new(), end: RESERVED };
        chunks.push(SYSTEM_SIZE, SYSTEM);
        // Trees are never changed in place, so there must be room for new blocks beside the old ones.
        let metadata = blocks * NODE;
        chunks.push((metadata + metadata / 2 + 16 * MIB).next_multiple_of(MIB), METADATA);
        let mut left = data;
        while left > 0 {
            let part = left.min(DATA_SIZE);
            chunks.push(part.next_multiple_of(MIB), DATA);
            left -= part;
        }
        chunks
    }

    fn push(&mut self, length: u64, kind: u64) {
        let start = self.list.last().map_or(START, |last| last.start + last.length);
        let copies = (0..if kind & DUPLICATED != 0 { 2 } else { 1 }).map(|_| self.place(length)).collect();
        self.list.push(Chunk { start, length, kind, copies });
    }

    /// Takes the next piece of the device that has no superblock in it.
    fn place(&mut self, length: u64) -> u64 {
        let hit = |start: u64| {
            SUPERBLOCKS.into_iter().find(|at| start < at + SUPERBLOCK_ROOM && *at < start + length)
        };
        while let Some(superblock) = hit(self.end) {
            self.end = (superblock + SUPERBLOCK_ROOM).next_multiple_of(MIB);
        }
        let start = self.end;
        self.end += length;
        start
    }

    /// Returns the address of the first system or metadata block, or of the first byte of data.
    pub(super) fn start_of(&self, kind: u64) -> u64 {
        self.list.iter().find(|chunk| chunk.kind == kind).map_or(0, |chunk| chunk.start)
    }

    /// Returns where the bytes from `address` on are on the device.
    pub(super) fn on_device(&self, address: u64) -> Vec<u64> {
        let chunk =
            self.list.iter().find(|chunk| (chunk.start..chunk.start + chunk.length).contains(&address));
        chunk.map_or_else(Vec::new, |chunk| {
            chunk.copies.iter().map(|copy| copy + (address - chunk.start)).collect()
        })
    }

    /// Returns how many bytes of the device they take.
    pub(super) fn device_bytes(&self) -> u64 {
        self.list.iter().map(|chunk| chunk.length * chunk.copies.len() as u64).sum()
    }
}

impl Chunk {
    /// Returns its item in the chunk tree.
    pub(super) fn item(&self, device: &[u8; 16]) -> Item {
        const EXTENT_TREE: u64 = 2;
        let mut data = Vec::new();
        for number in [self.length, EXTENT_TREE, STRIPE, self.kind] {
            data.extend(number.to_le_bytes());
        }
        for number in [STRIPE as u32, STRIPE as u32, 4096] {
            data.extend(number.to_le_bytes());
        }
        data.extend((self.copies.len() as u16).to_le_bytes());
        data.extend(1_u16.to_le_bytes());
        for copy in &self.copies {
            data.extend(1_u64.to_le_bytes());
            data.extend(copy.to_le_bytes());
            data.extend(device);
        }
        item(Key(FIRST, kind::CHUNK, self.start), data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn superblocks_lie_between_chunks() {
        let chunks = Chunks::new(2000, 3 << 30);
        for chunk in &chunks.list {
            for copy in &chunk.copies {
                assert!(
                    SUPERBLOCKS.iter().all(|at| at + SUPERBLOCK_ROOM <= *copy || copy + chunk.length <= *at)
                );
            }
        }
        assert_eq!(chunks.list.iter().filter(|chunk| chunk.kind == DATA).count(), 3);
    }
}
