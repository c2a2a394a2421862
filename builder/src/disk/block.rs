//! Fixed structures in a block: numbers at offsets, and the checksum that XFS, btrfs and ext4 use.

use crc::{CRC_32_ISCSI, Crc, Table};

/// CRC-32C (Castagnoli), as RFC 3720 has it.
const CRC32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// Returns the CRC-32C of `bytes`.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    CRC32C.checksum(bytes)
}

/// Returns the register of CRC-32C after `bytes`, from `register` on. Neither is inverted: ext4 stores the register
/// as it is, and goes on from it.
pub(super) fn crc32c_from(register: u32, bytes: &[u8]) -> u32 {
    let mut digest = CRC32C.digest_with_initial(register.reverse_bits());
    digest.update(bytes);
    !digest.finalize()
}

/// Puts `bytes` at `offset` of `block`.
pub(super) fn put(block: &mut [u8], offset: usize, bytes: impl AsRef<[u8]>) {
    let bytes = bytes.as_ref();
    block[offset..offset + bytes.len()].copy_from_slice(bytes);
}

/// Numbers with the most significant byte first.
pub(super) mod big {
    /// Puts 16 bits.
    pub(in crate::disk) fn u16(block: &mut [u8], offset: usize, value: u16) {
        super::put(block, offset, value.to_be_bytes());
    }

    /// Puts 32 bits.
    pub(in crate::disk) fn u32(block: &mut [u8], offset: usize, value: u32) {
        super::put(block, offset, value.to_be_bytes());
    }

    /// Puts 64 bits.
    pub(in crate::disk) fn u64(block: &mut [u8], offset: usize, value: u64) {
        super::put(block, offset, value.to_be_bytes());
    }
}

/// Numbers with the least significant byte first.
pub(super) mod little {
    /// Puts 16 bits.
    pub(in crate::disk) fn u16(block: &mut [u8], offset: usize, value: u16) {
        super::put(block, offset, value.to_le_bytes());
    }

    /// Puts 32 bits.
    pub(in crate::disk) fn u32(block: &mut [u8], offset: usize, value: u32) {
        super::put(block, offset, value.to_le_bytes());
    }

    /// Puts 64 bits.
    pub(in crate::disk) fn u64(block: &mut [u8], offset: usize, value: u64) {
        super::put(block, offset, value.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_goes_on_from_where_it_stopped() {
        // The check value of CRC-32C, inverted at its end.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c_from(crc32c_from(!0, b"1234"), b"56789"), !0xe306_9283);
    }
}
