//! From an inode to the runs of blocks that hold its content: extent trees, and the block maps of ext2 and ext3.

use super::Ext4;
use super::inode::Inode;
use crate::image::bytes::{u16_le, u32_le};

const EXTENT_MAGIC: u16 = 0xf30a;
const DEEPEST: u16 = 5;
/// Extents longer than this are set aside and not yet written: they read as zeroes.
const WRITTEN_LIMIT: u16 = 32768;
const DIRECT: usize = 12;

/// Blocks that follow each other in the file and on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) logical: u64,
    pub(super) physical: u64,
    pub(super) count: u64,
}

/// Returns the runs of an inode, by their place in the file.
pub(super) fn runs(volume: &Ext4<'_>, inode: &Inode) -> Result<Vec<Run>, String> {
    let mut map = Map {
        volume,
        runs: Vec::new(),
        next: 0,
        left: volume.blocks,
        end: inode.size.div_ceil(volume.block_size),
    };
    let read = if inode.has_extents() {
        map.extents(inode.block_map(), None)
    } else {
        map.block_map(inode.block_map())
    };
    read.map_err(|why| format!("the blocks of its inode {}: {why}", inode.number))?;
    Ok(map.runs)
}

struct Map<'a, 'b> {
    volume: &'a Ext4<'b>,
    runs: Vec<Run>,
    /// Where the next block of the file may be; the order keeps trees from being read more than once.
    next: u64,
    /// How many more blocks, of content and of maps, the file can have.
    left: u64,
    /// Blocks of the file; what is mapped beyond is of no interest.
    end: u64,
}

impl Map<'_, '_> {
    fn spend(&mut self, blocks: u64) -> Result<(), String> {
        self.left = self.left.checked_sub(blocks).ok_or("they are more than the filesystem has")?;
        Ok(())
    }

    fn push(&mut self, logical: u64, physical: u64, count: u64) -> Result<(), String> {
        if logical < self.next {
            return Err("they overlap".into());
        }
        if physical.checked_add(count).is_none_or(|end| end > self.volume.blocks) {
            return Err("they are beyond its end".into());
        }
        self.spend(count)?;
        self.next = logical + count;
        match self.runs.last_mut() {
            Some(last) if last.logical + last.count == logical && last.physical + last.count == physical => {
                last.count += count;
            }
            _ => self.runs.push(Run { logical, physical, count }),
        }
        Ok(())
    }

    /// Reads one node of an extent tree. A node below another has the depth that its parent tells.
    fn extents(&mut self, node: &[u8], expected: Option<u16>) -> Result<(), String> {
        let cut = "a node of their tree is cut short";
        let (magic, entries) = (u16_le(node, 0).ok_or(cut)?, u16_le(node, 2).ok_or(cut)?);
        let depth = u16_le(node, 6).ok_or(cut)?;
        let wrong =
            magic != EXTENT_MAGIC || depth > DEEPEST || expected.is_some_and(|expected| expected != depth);
        // An empty node costs nothing to name often; only the root of an empty file is one.
        if wrong || (entries == 0 && expected.is_some()) {
            return Err("a node of their tree makes no sense".into());
        }
        for index in 1..=usize::from(entries) {
            let entry = node.get(index * 12..index * 12 + 12).ok_or(cut)?;
            let (first, second) = (u32_le(entry, 0).ok_or(cut)?, u32_le(entry, 4).ok_or(cut)?);
            let logical = u64::from(first);
            if depth > 0 {
                self.spend(1)?;
                let high = u64::from(u16_le(entry, 8).ok_or(cut)?);
                let below = self.volume.block(high << 32 | u64::from(second))?;
                self.extents(&below, Some(depth - 1))?;
                continue;
            }
            let length = u16_le(entry, 4).ok_or(cut)?;
            let high = u64::from(u16_le(entry, 6).ok_or(cut)?);
            let physical = high << 32 | u64::from(u32_le(entry, 8).ok_or(cut)?);
            if length > WRITTEN_LIMIT {
                self.unwritten(logical, u64::from(length - WRITTEN_LIMIT))?;
            } else if length > 0 {
                self.push(logical, physical, u64::from(length))?;
            }
        }
        Ok(())
    }

    fn unwritten(&mut self, logical: u64, count: u64) -> Result<(), String> {
        if logical < self.next {
            return Err("they overlap".into());
        }
        self.next = logical + count;
        Ok(())
    }

    /// Reads a map of twelve blocks, and one, two and three levels of blocks of numbers.
    fn block_map(&mut self, map: &[u8]) -> Result<(), String> {
        for (logical, at) in (0..).zip((0..DIRECT * 4).step_by(4)) {
            let physical = u64::from(u32_le(map, at).unwrap_or(0));
            if physical != 0 && logical < self.end {
                self.push(logical, physical, 1)?;
            }
        }
        let mut first = DIRECT as u64;
        for (level, at) in (1..=3).zip([48, 52, 56]) {
            self.indirect(u64::from(u32_le(map, at).unwrap_or(0)), level, first)?;
            first += (self.volume.block_size / 4).pow(level);
        }
        Ok(())
    }

    fn indirect(&mut self, block: u64, level: u32, first: u64) -> Result<(), String> {
        if block == 0 || first >= self.end {
            return Ok(());
        }
        self.spend(1)?;
        let numbers = self.volume.block(block)?;
        let each = (self.volume.block_size / 4).pow(level - 1);
        for (index, at) in (0..).zip((0..numbers.len()).step_by(4)) {
            let (logical, number) = (first + index * each, u64::from(u32_le(&numbers, at).unwrap_or(0)));
            if level > 1 {
                self.indirect(number, level - 1, logical)?;
            } else if number != 0 && logical < self.end {
                self.push(logical, number, 1)?;
            }
        }
        Ok(())
    }
}
