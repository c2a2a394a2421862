//! An inode's 256 bytes.
//!
//! After the kernel's `Documentation/filesystems/ext4` (inodes).

use super::checksum::Checksums;
use super::extents::ROOT;
use super::{BLOCK, INODE_SIZE};
use crate::disk::block::{little, put};

pub(super) const BYTES: usize = INODE_SIZE as usize;
/// Fields of ext2, and those that ext4 adds.
const FIRST_FIELDS: usize = 128;
pub(super) const MORE_FIELDS: usize = 32;
/// Room for attributes behind the fields.
pub(super) const ROOM: usize = BYTES - FIRST_FIELDS - MORE_FIELDS;
/// Units in which an inode counts its blocks.
const SECTORS_IN_BLOCK: u64 = BLOCK / 512;

/// Marks a folder with an index, and what has a tree of extents.
pub(super) const INDEXED: u32 = 0x1000;
pub(super) const EXTENTS: u32 = 0x8_0000;

/// Everything that an inode says.
#[derive(Debug)]
pub(super) struct Inode {
    /// Type and permissions as `stat` has them.
    pub(super) mode: u32,
    /// Owner and group.
    pub(super) owner: (u32, u32),
    /// How many names it has.
    pub(super) links: u64,
    /// Time of its content, and of everything else.
    pub(super) mtime: i64,
    pub(super) epoch: i64,
    /// Its length in bytes.
    pub(super) size: u64,
    /// Blocks that belong to it.
    pub(super) blocks: u64,
    /// How [`Inode::map`] is to be read.
    pub(super) flags: u32,
    /// The root of its extents, or what stands in their place.
    pub(super) map: [u8; ROOT],
    /// Its block of attributes; zero for none.
    pub(super) attribute_block: u64,
    /// Attributes behind the fields.
    pub(super) attributes: Vec<u8>,
}

impl Inode {
    /// Returns its bytes.
    pub(super) fn bytes(&self, number: u32, checksums: Checksums) -> Vec<u8> {
        let mut bytes = vec![0; BYTES];
        self.put_first_fields(&mut bytes);
        little::u16(&mut bytes, 128, MORE_FIELDS as u16);
        put_time(&mut bytes, 8, 140, self.epoch);
        put_time(&mut bytes, 12, 132, self.epoch);
        put_time(&mut bytes, 16, 136, self.mtime);
        put_time(&mut bytes, 144, 148, self.epoch);
        put(&mut bytes, FIRST_FIELDS + MORE_FIELDS, &self.attributes);
        let checksum = checksums.inode(number).of_parts(&[&bytes]);
        little::u16(&mut bytes, 124, checksum as u16);
        little::u16(&mut bytes, 130, (checksum >> 16) as u16);
        bytes
    }

    fn put_first_fields(&self, bytes: &mut [u8]) {
        let (uid, gid) = self.owner;
        let sectors = self.blocks * SECTORS_IN_BLOCK;
        little::u16(bytes, 0, self.mode as u16);
        little::u16(bytes, 2, uid as u16);
        little::u32(bytes, 4, self.size as u32);
        little::u16(bytes, 24, gid as u16);
        little::u16(bytes, 26, self.links as u16);
        little::u32(bytes, 28, sectors as u32);
        little::u32(bytes, 32, self.flags);
        put(bytes, 40, self.map);
        little::u32(bytes, 104, self.attribute_block as u32);
        little::u32(bytes, 108, (self.size >> 32) as u32);
        little::u16(bytes, 116, (sectors >> 32) as u16);
        little::u16(bytes, 118, (self.attribute_block >> 32) as u16);
        little::u16(bytes, 120, (uid >> 16) as u16);
        little::u16(bytes, 122, (gid >> 16) as u16);
    }
}

/// Puts a time: signed seconds, and elsewhere two more bits that count how often they have run over.
fn put_time(bytes: &mut [u8], at: usize, more_at: usize, time: i64) {
    let time = time.max(i64::from(i32::MIN));
    let low = time as i32;
    little::u32(bytes, at, low.cast_unsigned());
    little::u32(bytes, more_at, ((time - i64::from(low)) >> 32) as u32 & 3);
}

/// Returns a device's number as it stands in place of extents; none if it is too large. Small ones have the form that
/// they had on systems of 16 bits.
pub(super) fn device(major: u64, minor: u64) -> Option<[u8; ROOT]> {
    let mut map = [0; ROOT];
    match (u32::try_from(major).ok()?, u32::try_from(minor).ok()?) {
        (major @ ..0x100, minor @ ..0x100) => little::u32(&mut map, 0, major << 8 | minor),
        (major @ ..0x1000, minor @ ..0x10_0000) => {
            little::u32(&mut map, 4, minor & 0xff | major << 8 | (minor & !0xff) << 12);
        }
        _ => return None,
    }
    Some(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_two_forms() {
        let words = |major, minor| {
            device(major, minor)
                .map(|map| [0, 4].map(|at| u32::from_le_bytes([0, 1, 2, 3].map(|i| map[at + i]))))
        };
        assert_eq!(words(1, 3), Some([0x0103, 0]));
        assert_eq!(words(7, 300), Some([0, 0x10_072c]));
        assert_eq!((words(4096, 0), words(1, 1 << 20)), (None, None));
    }

    #[test]
    fn times_run_over_and_begin_in_1901() {
        let stored = |time| {
            let mut bytes = [0; 8];
            put_time(&mut bytes, 0, 4, time);
            let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| bytes[at + i]));
            (word(0).cast_signed(), word(4))
        };
        assert_eq!(stored(1_750_000_000), (1_750_000_000, 0));
        assert_eq!(stored(-1), (-1, 0));
        assert_eq!(stored((1 << 31) + 5), (i32::MIN + 5, 1));
        assert_eq!(stored(i64::MIN), (i32::MIN, 0));
    }
}
