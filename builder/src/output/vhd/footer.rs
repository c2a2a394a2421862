//! The footer of a VHD, and the header and table of a dynamic one: Microsoft, "Virtual Hard Disk Image Format
//! Specification", version 1.0 (2006). Everything is big-endian.

use uuid::Uuid;

/// Length of the footer, and of a sector.
pub(super) const FOOTER: usize = 512;

/// Length of the dynamic header.
pub(super) const DYNAMIC_HEADER: usize = 1024;

/// `Data Offset` and `Table Offset` where there is none.
const NONE: u64 = u64::MAX;

/// `Features`: only the bit that is always set.
const FEATURES: u32 = 2;

/// `File Format Version` and `Header Version`: 1.0.
const VERSION: u32 = 0x0001_0000;

/// `Creator Application`: Hyper-V. Readers decide by it which of two sizes counts: with this one, the size in bytes;
/// with names that they do not know, the geometry, which is rounded down (see `vpc_open` in qemu's `block/vpc.c`).
const CREATOR: [u8; 4] = *b"win ";
const CREATOR_VERSION: u32 = 0x0006_0003;
const CREATOR_SYSTEM: [u8; 4] = *b"Wi2k";

/// Seconds from 1970 to 2000, where the format's times begin.
const YEAR_2000: i64 = 946_684_800;

/// What a footer says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Footer {
    /// Size of the disk in bytes.
    pub(super) size: u64,
    /// Whether blocks are allocated as needed, behind a header at this offset.
    pub(super) dynamic_header: Option<u64>,
    /// Seconds since 1970.
    pub(super) created: i64,
    /// Identifies the disk.
    pub(super) id: Uuid,
}

impl Footer {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let (cylinders, heads, sectors) = geometry(self.size / FOOTER as u64);
        let created = u32::try_from(self.created.saturating_sub(YEAR_2000)).unwrap_or(0);
        let disk_type: u32 = if self.dynamic_header.is_some() { 3 } else { 2 };
        let mut bytes = Vec::with_capacity(FOOTER);
        bytes.extend(*b"conectix");
        bytes.extend(FEATURES.to_be_bytes());
        bytes.extend(VERSION.to_be_bytes());
        bytes.extend(self.dynamic_header.unwrap_or(NONE).to_be_bytes());
        bytes.extend(created.to_be_bytes());
        bytes.extend(CREATOR);
        bytes.extend(CREATOR_VERSION.to_be_bytes());
        bytes.extend(CREATOR_SYSTEM);
        // Original size and current size.
        bytes.extend(self.size.to_be_bytes());
        bytes.extend(self.size.to_be_bytes());
        bytes.extend(cylinders.to_be_bytes());
        bytes.extend([heads, sectors]);
        bytes.extend(disk_type.to_be_bytes());
        let checksum_at = bytes.len();
        bytes.extend([0; 4]);
        bytes.extend(self.id.as_bytes());
        bytes.resize(FOOTER, 0);
        put_checksum(&mut bytes, checksum_at);
        bytes
    }
}

/// Returns the header of a dynamic disk whose table of `entries` blocks of `block` bytes is at `table`.
pub(super) fn dynamic_header(table: u64, entries: u32, block: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(DYNAMIC_HEADER);
    bytes.extend(*b"cxsparse");
    bytes.extend(NONE.to_be_bytes());
    bytes.extend(table.to_be_bytes());
    bytes.extend(VERSION.to_be_bytes());
    bytes.extend(entries.to_be_bytes());
    bytes.extend(block.to_be_bytes());
    let checksum_at = bytes.len();
    bytes.resize(DYNAMIC_HEADER, 0);
    put_checksum(&mut bytes, checksum_at);
    bytes
}

/// Puts in the one's complement of the sum of all bytes, the checksum's own taken as zero.
fn put_checksum(bytes: &mut [u8], at: usize) {
    let sum: u32 = bytes.iter().map(|byte| u32::from(*byte)).sum();
    bytes[at..at + 4].copy_from_slice(&(!sum).to_be_bytes());
}

/// Returns cylinders, heads and sectors per track for a disk of so many sectors: the specification's appendix "CHS
/// Calculation", word for word.
fn geometry(total_sectors: u64) -> (u16, u8, u8) {
    let total = total_sectors.min(65_535 * 16 * 255);
    let (mut sectors, mut heads, mut cylinder_times_heads);
    if total >= 65_535 * 16 * 63 {
        (sectors, heads) = (255, 16);
        cylinder_times_heads = total / sectors;
    } else {
        sectors = 17;
        cylinder_times_heads = total / sectors;
        heads = cylinder_times_heads.div_ceil(1024).max(4);
        if cylinder_times_heads >= heads * 1024 || heads > 16 {
            (sectors, heads) = (31, 16);
            cylinder_times_heads = total / sectors;
        }
        if cylinder_times_heads >= heads * 1024 {
            (sectors, heads) = (63, 16);
            cylinder_times_heads = total / sectors;
        }
    }
    // Below 2^16 by the first line; 16 and 255 fit as well.
    let cylinders = u16::try_from(cylinder_times_heads / heads).unwrap_or(u16::MAX);
    (cylinders, u8::try_from(heads).unwrap_or(16), u8::try_from(sectors).unwrap_or(255))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn geometry_follows_the_appendix() {
        // Sizes and results as qemu-img's calculate_geometry has them.
        for (sectors, expected) in [
            (2048, (30, 4, 17)),
            (65_536, (963, 4, 17)),
            (2 << 20, (2080, 16, 63)),
            (1 << 28, (65_535, 16, 255)),
            (u64::MAX, (65_535, 16, 255)),
        ] {
            assert_eq!(geometry(sectors), expected, "{sectors}");
        }
    }

    #[test]
    fn checksums_make_the_sum_come_out() {
        let footer =
            Footer { size: 1 << 20, dynamic_header: Some(512), created: YEAR_2000 + 5, id: Uuid::nil() };
        let bytes = footer.to_bytes();
        assert_eq!((bytes.len(), &bytes[..8], &bytes[24..28]), (512, &b"conectix"[..], &[0, 0, 0, 5][..]));
        let without: u32 = bytes[..64].iter().chain(&bytes[68..]).map(|byte| u32::from(*byte)).sum();
        assert_eq!(bytes[64..68], (!without).to_be_bytes());
        let header = dynamic_header(1536, 1, 2 << 20);
        let without: u32 = header[..36].iter().chain(&header[40..]).map(|byte| u32::from(*byte)).sum();
        assert_eq!(header[36..40], (!without).to_be_bytes());
    }
}
