//! The structures of a stream-optimised VMDK: VMware, "Virtual Disk Format 5.0" (technical note, 2011), chapters
//! "Hosted Sparse Extent Header", "Grain Directory, Grain Tables" and "Stream-Optimized Compressed Sparse Extents".
//! Everything is little-endian, counted in sectors of 512 bytes.

use super::{GRAIN_SECTORS, SECTOR};

/// `magicNumber`: "KDMV".
const MAGIC: [u8; 4] = *b"KDMV";

/// Version of stream-optimised extents.
const VERSION: u32 = 3;

/// `flags`: the newline test is valid (bit 0), grains are compressed (bit 16), markers are present (bit 17).
const FLAGS: u32 = 1 | 1 << 16 | 1 << 17;

/// `gdOffset` of the header at the start: the footer tells.
pub(super) const GD_AT_END: u64 = u64::MAX;

/// `compressAlgorithm`: deflate, in zlib's envelope (RFC 1950).
const COMPRESSION_DEFLATE: u16 = 1;

/// Entries of a grain table.
pub(super) const TABLE_ENTRIES: u32 = 512;

/// Where the descriptor is, and how long it may be.
pub(super) const DESCRIPTOR_SECTOR: u64 = 1;
pub(super) const DESCRIPTOR_SECTORS: u64 = 20;

/// `overHead`: sectors before the first grain; one grain, as VMware's own tools have it.
pub(super) const OVERHEAD_SECTORS: u64 = GRAIN_SECTORS;

/// What a marker without compressed data announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Marker {
    EndOfStream = 0,
    GrainTable = 1,
    GrainDirectory = 2,
    Footer = 3,
}

/// Returns the `SparseExtentHeader` of a disk of `capacity` sectors.
pub(super) fn sparse_extent(capacity: u64, grain_directory: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SECTOR);
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(FLAGS.to_le_bytes());
    bytes.extend(capacity.to_le_bytes());
    bytes.extend(GRAIN_SECTORS.to_le_bytes());
    bytes.extend(DESCRIPTOR_SECTOR.to_le_bytes());
    bytes.extend(DESCRIPTOR_SECTORS.to_le_bytes());
    bytes.extend(TABLE_ENTRIES.to_le_bytes());
    // No redundant directory: a stream cannot go back.
    bytes.extend(0_u64.to_le_bytes());
    bytes.extend(grain_directory.to_le_bytes());
    bytes.extend(OVERHEAD_SECTORS.to_le_bytes());
    // Not unclean; then the four characters by which a transfer that changes line ends shows.
    bytes.push(0);
    bytes.extend(*b"\n \r\n");
    bytes.extend(COMPRESSION_DEFLATE.to_le_bytes());
    bytes.resize(SECTOR, 0);
    bytes
}

/// Returns the sector of a marker that announces `sectors` sectors.
pub(super) fn marker(kind: Marker, sectors: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SECTOR);
    bytes.extend(sectors.to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend((kind as u32).to_le_bytes());
    bytes.resize(SECTOR, 0);
    bytes
}

/// Returns a grain with its marker, padded to whole sectors.
pub(super) fn grain(first_sector: u64, compressed: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(compressed.len() + 2 * SECTOR);
    bytes.extend(first_sector.to_le_bytes());
    // Less than two grains, whatever the data.
    bytes.extend(u32::try_from(compressed.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(compressed);
    bytes.resize(bytes.len().next_multiple_of(SECTOR), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_where_the_format_has_them() {
        let header = sparse_extent(0x0102_0304, GD_AT_END);
        assert_eq!(header.len(), SECTOR);
        assert_eq!(header[..12], [b'K', b'D', b'M', b'V', 3, 0, 0, 0, 1, 0, 3, 0]);
        assert_eq!(header[12..20], [4, 3, 2, 1, 0, 0, 0, 0]);
        assert_eq!(header[56..64], [0xff; 8]);
        assert_eq!(header[72..79], [0, b'\n', b' ', b'\r', b'\n', 1, 0]);
        let marker = marker(Marker::Footer, 1);
        assert_eq!(marker[..16], [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0]);
        assert_eq!(grain(128, &[7; 500]).len(), SECTOR);
        assert_eq!(grain(128, &[7; 501]).len(), 2 * SECTOR);
    }
}
