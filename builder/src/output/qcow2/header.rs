//! The header of a qcow2 file.

use super::CLUSTER_BITS;

/// First bytes of every qcow2 file.
pub const MAGIC: [u8; 4] = *b"QFI\xfb";

/// Length of the fields of version 3 up to the compression type.
const LENGTH: u32 = 104;

/// Length with the compression type and what pads it to a multiple of eight.
const LENGTH_WITH_COMPRESSION: u32 = 112;

/// Incompatible feature: the compression type is another than deflate.
const COMPRESSION_TYPE_FEATURE: u64 = 1 << 3;

/// Refcounts of 16 bits.
pub(super) const REFCOUNT_ORDER: u32 = 4;

/// Methods of compression, by their numbers in the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CompressionType {
    /// Raw deflate; also what an image without compressed clusters says.
    Deflate = 0,
    /// Zstandard.
    Zstd = 1,
}

/// The fields that differ between images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Size of the disk as the guest sees it.
    pub virtual_size: u64,
    /// Entries of the L1 table; below 2^32 for any disk size that fits a file (8 EiB).
    pub l1_entries: u64,
    /// Where the L1 table is.
    pub l1_table_offset: u64,
    /// Where the refcount table is.
    pub refcount_table_offset: u64,
    /// Clusters of the refcount table; below 2^32 as well.
    pub refcount_table_clusters: u64,
    /// How compressed clusters are compressed.
    pub compression: CompressionType,
}

impl Header {
    /// Returns the header's bytes: no backing file, no encryption, no snapshots, no features but the compression
    /// type, and the mark that ends the (absent) extensions.
    pub fn to_bytes(self) -> Vec<u8> {
        let number = |count: u64| u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes();
        let (length, features) = match self.compression {
            CompressionType::Deflate => (LENGTH, 0),
            CompressionType::Zstd => (LENGTH_WITH_COMPRESSION, COMPRESSION_TYPE_FEATURE),
        };
        let mut bytes = Vec::with_capacity(LENGTH_WITH_COMPRESSION as usize + 8);
        bytes.extend(MAGIC);
        bytes.extend(3_u32.to_be_bytes());
        bytes.extend([0; 8 + 4]);
        bytes.extend(CLUSTER_BITS.to_be_bytes());
        bytes.extend(self.virtual_size.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(number(self.l1_entries));
        bytes.extend(self.l1_table_offset.to_be_bytes());
        bytes.extend(self.refcount_table_offset.to_be_bytes());
        bytes.extend(number(self.refcount_table_clusters));
        bytes.extend([0; 4 + 8]);
        bytes.extend(u64::to_be_bytes(features));
        bytes.extend([0; 2 * 8]);
        bytes.extend(REFCOUNT_ORDER.to_be_bytes());
        bytes.extend(u32::to_be_bytes(length));
        if length == LENGTH_WITH_COMPRESSION {
            bytes.push(self.compression as u8);
            bytes.extend([0; 7]);
        }
        bytes.extend([0; 8]);
        bytes
    }
}
