//! The two pieces of GRUB that lie outside any filesystem: the boot sector and the core image.

/// Size of a sector as the BIOS counts.
const SECTOR: usize = 512;
/// The BIOS parameter block, which belongs to the disk and not to the boot program.
const PARAMETER_BLOCK: std::ops::Range<usize> = 0x03..0x5a;
/// Disk signature and partition table, which belong to the disk.
const PARTITION_TABLE: std::ops::Range<usize> = 0x1b8..0x1fe;
/// First sector of the core image, 64 bits, little endian.
const CORE_SECTOR: usize = 0x5c;
/// Number of the drive to read from; 0xff is the one that the BIOS started.
const BOOT_DRIVE: usize = 0x64;
/// A jump over the repair of a wrong drive number; two no-ops let the repair run, as is right on a hard disk.
const DRIVE_CHECK: usize = 0x66;
/// The first block list of the core's first sector: u64 start, u16 length, u16 segment. Further ones lie below it.
const BLOCK_LIST: usize = SECTOR - 12;
/// Where the second sector of the core is loaded, as a segment: 0x8200 / 16.
const CORE_SEGMENT: u16 = 0x820;

/// GRUB for BIOS, ready to be written once its place on the disk is known.
#[derive(Clone)]
pub struct GrubBios {
    /// The core image, its first sector's length already set.
    pub core: Vec<u8>,
    /// GRUB's boot sector as packaged.
    pub boot_image: [u8; SECTOR],
}

impl std::fmt::Debug for GrubBios {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GrubBios").field("core", &self.core.len()).finish_non_exhaustive()
    }
}

impl GrubBios {
    /// Returns how many sectors the core image takes.
    pub fn core_sectors(&self) -> u64 {
        self.core.len().div_ceil(SECTOR) as u64
    }

    /// Returns the disk's first sector: GRUB's code around what `protective_mbr` holds of the disk itself.
    pub fn boot_sector(&self, protective_mbr: &[u8; SECTOR], core_first_sector: u64) -> [u8; SECTOR] {
        let mut sector = self.boot_image;
        for kept in [PARAMETER_BLOCK, PARTITION_TABLE] {
            sector[kept.clone()].copy_from_slice(&protective_mbr[kept]);
        }
        sector[CORE_SECTOR..CORE_SECTOR + 8].copy_from_slice(&core_first_sector.to_le_bytes());
        sector[BOOT_DRIVE] = 0xff;
        sector[DRIVE_CHECK..DRIVE_CHECK + 2].copy_from_slice(&[0x90, 0x90]);
        sector
    }

    /// Returns the core image for a place that starts at `first_sector`, padded to whole sectors.
    pub fn core_at(&self, first_sector: u64) -> Vec<u8> {
        let mut core = self.core.clone();
        core.resize(core.len().next_multiple_of(SECTOR), 0);
        // The core was checked to be far smaller than 65,536 sectors when it was made.
        let rest = u16::try_from(core.len() / SECTOR - 1).unwrap_or(u16::MAX);
        core[BLOCK_LIST..BLOCK_LIST + 8].copy_from_slice(&(first_sector + 1).to_le_bytes());
        core[BLOCK_LIST + 8..BLOCK_LIST + 10].copy_from_slice(&rest.to_le_bytes());
        core[BLOCK_LIST + 10..BLOCK_LIST + 12].copy_from_slice(&CORE_SEGMENT.to_le_bytes());
        // An all-zero entry ends the list.
        core[BLOCK_LIST - 12..BLOCK_LIST].fill(0);
        core
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grub() -> GrubBios {
        let mut boot_image = [0xb0; SECTOR];
        boot_image[510..].copy_from_slice(&[0x55, 0xaa]);
        GrubBios { core: vec![0xc0; 3 * SECTOR + 1], boot_image }
    }

    #[test]
    fn boot_sector_keeps_what_is_the_disks() {
        let mut table = [0xd0; SECTOR];
        table[510..].copy_from_slice(&[0, 0]);
        let sector = grub().boot_sector(&table, 0x0102_0304_0506);
        let owner = |at: usize| match at {
            0x03..=0x59 | 0x1b8..=0x1fd => 0xd0,
            _ => 0xb0,
        };
        for (at, &byte) in sector.iter().enumerate() {
            match at {
                0x5c..=0x63 => assert_eq!(byte, [6, 5, 4, 3, 2, 1, 0, 0][at - 0x5c]),
                0x64 => assert_eq!(byte, 0xff),
                0x66 | 0x67 => assert_eq!(byte, 0x90),
                510 => assert_eq!(byte, 0x55),
                511 => assert_eq!(byte, 0xaa),
                _ => assert_eq!(byte, owner(at), "byte {at:#x}"),
            }
        }
    }

    #[test]
    fn core_names_where_its_rest_lies() {
        let core = grub().core_at(2048);
        assert_eq!(core.len(), 4 * SECTOR);
        assert_eq!(core[500..512], [1, 8, 0, 0, 0, 0, 0, 0, 3, 0, 0x20, 0x08]);
        assert_eq!(core[488..500], [0; 12]);
        assert_eq!(core[3 * SECTOR], 0xc0);
        assert!(core[3 * SECTOR + 1..].iter().all(|&byte| byte == 0));
        assert_eq!(grub().core_sectors(), 4);
    }
}
