//! Checksums of the format's structures (metadata_csum): CRC-32C seeded with the filesystem's UUID, and with an inode's
//! number for what belongs to it, so that what is misplaced is noticed as well.

use uuid::Uuid;

use crate::disk::block::crc32c_from;

/// The seed of everything.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checksums(u32);

impl Checksums {
    pub(super) fn of(uuid: Uuid) -> Self {
        Self(crc32c_from(!0, uuid.as_bytes()))
    }

    /// Returns the seed as the superblock may hold it, so that the UUID can be changed (metadata_csum_seed).
    pub(super) fn seed(self) -> u32 {
        self.0
    }

    /// Returns the checksum of `parts`, one behind the other.
    pub(super) fn of_parts(self, parts: &[&[u8]]) -> u32 {
        parts.iter().fold(self.0, |sum, part| crc32c_from(sum, part))
    }

    /// Returns the seed of what belongs to an inode. All inodes are of generation 0.
    pub(super) fn inode(self, number: u32) -> Self {
        Self(self.of_parts(&[&number.to_le_bytes(), &[0; 4]]))
    }
}
