//! msdos tables: four entries of 16 bytes in the first sector. Logical partitions, those from 5 on, are not grown.

use std::fs::File;
use std::io;

use super::{Geometry, Partition};

const FIRST_ENTRY: usize = 446;
const ENTRY_SIZE: usize = 16;
/// The types of partitions that hold further ones, and the one of a GPT's protection.
const EXTENDED: [u8; 3] = [0x05, 0x0f, 0x85];
const PROTECTION: u8 = 0xee;

/// A table: its sector.
#[derive(Debug)]
pub(super) struct Msdos {
    sector: Vec<u8>,
}

impl Msdos {
    pub(super) fn load(disk: &File, geometry: Geometry) -> io::Result<Option<Self>> {
        let table = Self { sector: geometry.read(disk, 0, 1)? };
        let is_table = table.sector[510..512] == [0x55, 0xaa]
            && (0..4).all(|index| matches!(table.entry(index)[0], 0 | 0x80))
            && (0..4).all(|index| table.entry(index)[4] != PROTECTION);
        Ok(is_table.then_some(table))
    }

    fn entry(&self, index: usize) -> &[u8] {
        &self.sector[FIRST_ENTRY + index * ENTRY_SIZE..][..ENTRY_SIZE]
    }

    pub(super) fn partitions(&self) -> Vec<Partition> {
        let number = |entry: &[u8], at: usize| {
            u64::from(u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]))
        };
        let signature = number(&self.sector, 440);
        let used = (0..4).filter(|index| self.entry(*index)[4] != 0);
        used.map(|index| Partition {
            number: index as u32 + 1,
            first: number(self.entry(index), 8),
            count: number(self.entry(index), 12),
            partuuid: format!("{signature:08x}-{:02x}", index + 1),
        })
        .collect()
    }

    /// Sectors have numbers of 32 bits.
    pub(super) fn end(&self, geometry: Geometry) -> u64 {
        geometry.sectors.min(u64::from(u32::MAX))
    }

    /// One sector is written, so a cut leaves the table of before or after.
    pub(super) fn write(&self, disk: &File, geometry: Geometry, grown: &Partition) -> anyhow::Result<()> {
        let index = grown.number as usize - 1;
        anyhow::ensure!(!EXTENDED.contains(&self.entry(index)[4]), "an extended partition is not grown");
        let mut sector = self.sector.clone();
        let entry = &mut sector[FIRST_ENTRY + index * ENTRY_SIZE..][..ENTRY_SIZE];
        // The place by heads and cylinders is that of every partition that ends beyond 8 GB.
        entry[5..8].copy_from_slice(&[0xfe, 0xff, 0xff]);
        entry[12..16].copy_from_slice(&u32::try_from(grown.count)?.to_le_bytes());
        geometry.write(disk, 0, &sector)?;
        disk.sync_all()?;
        Ok(())
    }
}
