//! One inode.

use crate::image::bytes::{u16_le, u32_le};

const INLINE_DATA: u32 = 0x1000_0000;
const EXTENTS: u32 = 0x0008_0000;
const BLOCK_MAP: std::ops::Range<usize> = 40..100;

#[derive(Debug)]
pub(super) struct Inode {
    pub(super) number: u64,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) size: u64,
    pub(super) modified: i64,
    pub(super) links: u32,
    /// Block with extended attributes; zero for none.
    pub(super) attribute_block: u64,
    flags: u32,
    bytes: Vec<u8>,
}

impl Inode {
    pub(super) fn parse(number: u64, bytes: Vec<u8>) -> Option<Self> {
        let low = |at| u16_le(&bytes, at).map(u32::from);
        let mut inode = Self {
            number,
            mode: low(0)?,
            uid: low(2)? | low(120)? << 16,
            gid: low(24)? | low(122)? << 16,
            size: u64::from(u32_le(&bytes, 4)?) | u64::from(u32_le(&bytes, 108)?) << 32,
            modified: 0,
            links: low(26)?,
            attribute_block: u64::from(u32_le(&bytes, 104)?) | u64::from(low(118)?) << 32,
            flags: u32_le(&bytes, 32)?,
            bytes: Vec::new(),
        };
        // Signed, and for larger inodes two more bits that count eras of 2^32 seconds.
        let seconds = i64::from(u32_le(&bytes, 16)?.cast_signed());
        let era = match u32_le(&bytes, 136) {
            Some(extra) if low(128).is_some_and(|size| size >= 12) => i64::from(extra & 3),
            _ => 0,
        };
        inode.modified = seconds + (era << 32);
        inode.bytes = bytes;
        Some(inode)
    }

    pub(super) fn is_inline(&self) -> bool {
        self.flags & INLINE_DATA != 0
    }

    pub(super) fn has_extents(&self) -> bool {
        self.flags & EXTENTS != 0
    }

    /// Returns the sixty bytes that are a block map, the root of an extent tree, or content.
    pub(super) fn block_map(&self) -> &[u8] {
        &self.bytes[BLOCK_MAP]
    }

    /// Returns the room for attributes behind the fixed fields.
    pub(super) fn tail(&self) -> &[u8] {
        let extra = u16_le(&self.bytes, 128).map_or(0, usize::from);
        self.bytes.get(128 + extra..).unwrap_or_default()
    }

    /// Returns the target of a symlink that is kept in the inode itself.
    pub(super) fn fast_target(&self) -> Option<&[u8]> {
        let length = usize::try_from(self.size).ok()?;
        let fast = !self.is_inline() && !self.has_extents() && length < BLOCK_MAP.len();
        fast.then(|| &self.block_map()[..length])
    }

    /// Returns the numbers of a device: an old form of 16 bits, or the new one beside it.
    pub(super) fn device(&self) -> (u32, u32) {
        let map = self.block_map();
        match (u32_le(map, 0).unwrap_or(0), u32_le(map, 4).unwrap_or(0)) {
            (0, new) => ((new & 0xf_ff00) >> 8, (new & 0xff) | (new >> 12 & 0xf_ff00)),
            (old, _) => (old >> 8 & 0xff, old & 0xff),
        }
    }
}
