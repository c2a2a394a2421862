//! Where the disk holds nothing that anybody would miss, by the partition table and the filesystems' own maps.
//!
//! A block that was never written to a snapshot need not read as zeroes (on an encrypted volume it does not), so a
//! zero block may be left out only where nobody counts on its zeroes. A hole in a file is no such promise: a fresh
//! ext4 relies on zeroed inode tables that are holes. What ext4 calls free in its block bitmaps, and what no partition
//! covers, is. Everything else, also filesystems and volumes that are not looked into, is sent.

use std::ops::Range;

use crate::image::Image;
use crate::image::bytes::{u16_le, u32_le};
use crate::image::filesystem::{Kind, identify};
use crate::image::table;

const SUPERBLOCK: u64 = 1024;
/// Most blocks of a filesystem that are looked at, 32 MiB of bits.
const MOST_BLOCKS: u64 = 1 << 28;
/// Shorter runs save nothing.
const SHORTEST: u64 = super::BLOCK as u64;

const CLEAN: u16 = 1;
const COMPATIBLE_SPARSE_SUPER2: u32 = 0x200;
/// Needs recovery, is a journal, spread descriptors.
const INCOMPATIBLE_UNUSABLE: u32 = 0x4 | 0x8 | 0x10;
/// Every feature up to casefold: what came later may keep data where the bitmaps do not say.
const INCOMPATIBLE_KNOWN: u32 = 0x3ffff;
const INCOMPATIBLE_64BIT: u32 = 0x80;
const READ_ONLY_SPARSE_SUPER: u32 = 0x1;
/// Bits of clusters, not of blocks.
const READ_ONLY_BIGALLOC: u32 = 0x200;
/// Descriptors have checksums, and their marks count.
const READ_ONLY_CHECKSUMS: u32 = 0x10 | 0x400;
/// The group has no bitmap yet: nothing but its own tables is in use.
const BITMAP_MISSING: u16 = 2;

/// Ranges of bytes that nobody uses, in order.
#[derive(Debug, Default)]
pub(super) struct FreeSpace(Vec<Range<u64>>);

impl FreeSpace {
    /// Looks into `image`. What cannot be told is in use.
    pub(super) fn of(image: &Image) -> Self {
        let size = image.size();
        let Ok(Some(table)) = table::read(image) else {
            return Self(partition(image, 0, size));
        };
        let mut partitions: Vec<Range<u64>> =
            table.entries.iter().map(|entry| entry.start..(entry.start + entry.length).min(size)).collect();
        partitions.sort_by_key(|range| (range.start, range.end));
        let mut free = Vec::new();
        // Before the first partition a boot loader may lie.
        let mut end = partitions.first().map_or(size, |first| first.start);
        for range in &partitions {
            if range.start > end {
                free.push(end..range.start);
            }
            // Logical partitions lie in an extended one, which is no filesystem.
            if range.end > range.start {
                free.extend(partition(image, range.start, range.end - range.start));
            }
            end = end.max(range.end);
        }
        if end < size {
            free.push(end..size);
        }
        free.sort_by_key(|range| range.start);
        let mut merged: Vec<Range<u64>> = Vec::new();
        for range in free {
            match merged.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => merged.push(range),
            }
        }
        Self(merged)
    }

    /// Tells whether nobody uses any byte of `range`.
    pub(super) fn covers(&self, range: &Range<u64>) -> bool {
        let after = self.0.partition_point(|free| free.start <= range.start);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|free| range.end <= free.end)
    }
}

fn partition(image: &Image, start: u64, length: u64) -> Vec<Range<u64>> {
    match identify(image, start, length).kind {
        Kind::Ext2 | Kind::Ext3 | Kind::Ext4 => ext4(image, start, length).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// The geometry of an ext filesystem.
struct Geometry {
    block: u64,
    blocks: u64,
    first: u64,
    per_group: u64,
    descriptor: u64,
    inode_table: u64,
    /// Blocks of the descriptors, those kept for growing included.
    descriptors: u64,
    compatible: u32,
    read_only: u32,
    backups: [u64; 2],
}

impl Geometry {
    fn read(block: &[u8], length: u64) -> Option<Self> {
        let incompatible = u32_le(block, 96)?;
        let read_only = u32_le(block, 100)?;
        let usable = u16_le(block, 58)? == CLEAN
            && incompatible & INCOMPATIBLE_UNUSABLE == 0
            && incompatible & !INCOMPATIBLE_KNOWN == 0
            && read_only & READ_ONLY_BIGALLOC == 0;
        let size = 1024_u64.checked_shl(u32_le(block, 24)?).filter(|size| usable && *size <= 65536)?;
        let wide = incompatible & INCOMPATIBLE_64BIT != 0;
        let high = if wide { u64::from(u32_le(block, 0x150)?) << 32 } else { 0 };
        let blocks = high | u64::from(u32_le(block, 4)?);
        let (first, per_group) = (u64::from(u32_le(block, 20)?), u64::from(u32_le(block, 32)?));
        let inode = if u32_le(block, 76)? == 0 { 128 } else { u64::from(u16_le(block, 88)?) };
        let descriptor = if wide { u64::from(u16_le(block, 254)?) } else { 32 };
        let inodes = u64::from(u32_le(block, 40)?);
        let sound = blocks <= MOST_BLOCKS
            && blocks * size <= length
            && first < blocks
            && (8..=8 * size).contains(&per_group)
            && (32..=size).contains(&descriptor);
        let groups = sound.then(|| (blocks - first).div_ceil(per_group))?;
        Some(Self {
            block: size,
            blocks,
            first,
            per_group,
            descriptor,
            inode_table: (inodes * inode).div_ceil(size),
            descriptors: (groups * descriptor).div_ceil(size) + u64::from(u16_le(block, 206)?),
            compatible: u32_le(block, 92)?,
            read_only,
            backups: [u64::from(u32_le(block, 0x24c)?), u64::from(u32_le(block, 0x250)?)],
        })
    }

    fn groups(&self) -> u64 {
        (self.blocks - self.first).div_ceil(self.per_group)
    }

    /// Tells whether a copy of superblock and descriptors begins the group.
    fn has_copy(&self, group: u64) -> bool {
        let power = |base: u64| {
            let mut number = base;
            while number < group {
                number *= base;
            }
            number == group
        };
        if self.compatible & COMPATIBLE_SPARSE_SUPER2 != 0 {
            return group == 0 || self.backups.contains(&group);
        }
        self.read_only & READ_ONLY_SPARSE_SUPER == 0 || group <= 1 || [3, 5, 7].into_iter().any(power)
    }
}

/// Returns the free ranges of an ext filesystem, as bytes of the disk; none if its bitmaps cannot be counted on.
fn ext4(image: &Image, start: u64, length: u64) -> Option<Vec<Range<u64>>> {
    let superblock = image.read(start + SUPERBLOCK, 1024).ok()?;
    let geometry = Geometry::read(&superblock, length)?;
    let table =
        image.read(start + (geometry.first + 1) * geometry.block, geometry.groups() * geometry.descriptor);
    let table = table.ok()?;
    let mut used = Bits::new(geometry.blocks)?;
    used.set(0..geometry.first);
    let descriptors = table.chunks_exact(usize::try_from(geometry.descriptor).ok()?);
    for (group, descriptor) in (0..).zip(descriptors) {
        let place = |low: usize| {
            let high =
                if geometry.descriptor >= 64 { u64::from(u32_le(descriptor, low + 32)?) << 32 } else { 0 };
            Some(high | u64::from(u32_le(descriptor, low)?)).filter(|place| *place < geometry.blocks)
        };
        let (bitmap, inode_bitmap, inode_table) = (place(0)?, place(4)?, place(8)?);
        used.set(bitmap..bitmap + 1);
        used.set(inode_bitmap..inode_bitmap + 1);
        used.set(inode_table..inode_table + geometry.inode_table);
        let begin = geometry.first + group * geometry.per_group;
        let end = (begin + geometry.per_group).min(geometry.blocks);
        if geometry.has_copy(group) {
            used.set(begin..(begin + 1 + geometry.descriptors).min(end));
        }
        let missing =
            geometry.read_only & READ_ONLY_CHECKSUMS != 0 && u16_le(descriptor, 18)? & BITMAP_MISSING != 0;
        if !missing {
            let bits = image.read(start + bitmap * geometry.block, geometry.block).ok()?;
            for at in begin..end {
                let bit = usize::try_from(at - begin).ok()?;
                if bits.get(bit / 8)? & 1 << (bit % 8) != 0 {
                    used.set(at..at + 1);
                }
            }
        }
    }
    let to_bytes =
        |range: Range<u64>| start + range.start * geometry.block..start + range.end * geometry.block;
    Some(used.clear_runs().map(to_bytes).filter(|range| range.end - range.start >= SHORTEST).collect())
}

/// One bit for each block.
struct Bits {
    words: Vec<u64>,
    count: u64,
}

impl Bits {
    fn new(count: u64) -> Option<Self> {
        Some(Self { words: vec![0; usize::try_from(count.div_ceil(64)).ok()?], count })
    }

    fn set(&mut self, range: Range<u64>) {
        for bit in range.start..range.end.min(self.count) {
            self.words[(bit / 64) as usize] |= 1 << (bit % 64);
        }
    }

    fn is_set(&self, bit: u64) -> bool {
        self.words[(bit / 64) as usize] & 1 << (bit % 64) != 0
    }

    fn clear_runs(&self) -> impl Iterator<Item = Range<u64>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let begin = (at..self.count).find(|bit| !self.is_set(*bit))?;
            let end = (begin..self.count).find(|bit| self.is_set(*bit)).unwrap_or(self.count);
            at = end;
            Some(begin..end)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::upload::tests::Folder;

    /// Free runs as e2fsprogs sees them, in bytes.
    fn witness(path: &std::path::Path) -> Vec<Range<u64>> {
        let output =
            Command::new("dumpe2fs").arg(path).env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let size: u64 =
            text.lines().find_map(|line| line.strip_prefix("Block size:")).unwrap().trim().parse().unwrap();
        let mut found: Vec<Range<u64>> = Vec::new();
        for list in text.lines().filter_map(|line| line.strip_prefix("  Free blocks: ")) {
            for run in list.split(", ").filter(|run| !run.is_empty()) {
                let (first, last) = run.split_once('-').unwrap_or((run, run));
                let (first, last) = (first.parse::<u64>().unwrap(), last.parse::<u64>().unwrap());
                let range = first * size..(last + 1) * size;
                match found.last_mut() {
                    Some(before) if before.end == range.start => before.end = range.end,
                    _ => found.push(range),
                }
            }
        }
        found.retain(|range| range.end - range.start >= SHORTEST);
        found
    }

    #[test]
    fn free_space_is_what_e2fsprogs_says() {
        for options in [
            &["-t", "ext4", "-b", "4096"][..],
            &["-t", "ext4", "-b", "1024", "-O", "^flex_bg"],
            &["-t", "ext4", "-O", "sparse_super2,^resize_inode"],
            &["-t", "ext2", "-b", "2048"],
            &["-t", "ext4", "-O", "^64bit,^metadata_csum,uninit_bg"],
        ] {
            let folder = Folder::with(b"");
            let path = folder.image();
            std::fs::File::options().write(true).open(&path).unwrap().set_len(700 << 20).unwrap();
            let content = folder.0.join("content");
            std::fs::create_dir(&content).unwrap();
            std::fs::write(content.join("data"), vec![7; 5 << 20]).unwrap();
            let made = Command::new("/usr/sbin/mke2fs")
                .args(options)
                .args(["-q", "-F", "-d"])
                .args([&content, &path])
                .output()
                .unwrap();
            assert!(made.status.success(), "{options:?}: {made:?}");
            let free = FreeSpace::of(&Image::open(&path).unwrap());
            assert_eq!(free.0, witness(&path), "{options:?}");
            assert!(!free.0.is_empty());
        }
    }

    #[test]
    fn a_range_is_free_only_as_a_whole() {
        let free = FreeSpace(vec![10..20, 30..40]);
        for (range, expected) in
            [(10..20, true), (12..15, true), (9..11, false), (15..35, false), (39..41, false)]
        {
            assert_eq!(free.covers(&range), expected, "{range:?}");
        }
        assert!(!FreeSpace::default().covers(&(0..1)));
    }
}
