//! The msdos partition table: four primary partitions in the disk's first sector.
//!
//! Fields and their places are those of the classic MBR (UEFI specification 2.10, section 5.2.1): the disk signature
//! at 440, four entries of 16 bytes from 446 on, the mark 0x55 0xaa at 510. An entry is a status byte, the first
//! sector as cylinder, head and sector (CHS), the type, the last sector as CHS, and both as 32-bit sector numbers,
//! which alone count for everything made since 1996.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::plan::{DiskPlan, FilesystemKind, PartitionKind, PartitionPlan};

use super::layout::SECTOR;
use super::{DiskError, Extent, Layout};

const SIGNATURE: usize = 440;
const ENTRIES: usize = 446;
const ENTRY_LENGTH: usize = 16;
const MOST_ENTRIES: usize = 4;
const MARK: [u8; 2] = [0x55, 0xaa];

/// Status of the partition that boots; some firmware starts no disk that has none.
const ACTIVE: u8 = 0x80;

/// The geometry that a BIOS reports for disks of this time, and every partitioning program assumes.
const HEADS: u64 = 255;
const SECTORS_PER_TRACK: u64 = 63;
/// Ten bits hold a cylinder's number.
const CYLINDERS: u64 = 1024;

/// Writes the first sector: signature and table, no boot program yet.
pub fn write(disk: &File, layout: &Layout) -> Result<(), DiskError> {
    let sector = sector(layout)?;
    disk.write_all_at(&sector, 0).map_err(|source| DiskError::io("writing the partition table", source))
}

/// Returns the first sector.
pub fn sector(layout: &Layout) -> Result<[u8; SECTOR as usize], DiskError> {
    let plan = &layout.plan;
    if plan.partitions.len() > MOST_ENTRIES {
        return Err(DiskError::unfit(
            "an msdos table",
            format!("it holds {MOST_ENTRIES} partitions; write `table: gpt` for more"),
        ));
    }
    let mut sector = [0; SECTOR as usize];
    sector[SIGNATURE..SIGNATURE + 4].copy_from_slice(&plan.signature().to_le_bytes());
    for (index, (partition, extent)) in plan.partitions.iter().zip(&layout.extents).enumerate() {
        let at = ENTRIES + index * ENTRY_LENGTH;
        let entry = entry(partition, *extent, boots(plan, index))?;
        sector[at..at + ENTRY_LENGTH].copy_from_slice(&entry);
    }
    sector[SECTOR as usize - MARK.len()..].copy_from_slice(&MARK);
    Ok(sector)
}

/// Tells whether the partition with this index holds what GRUB reads.
fn boots(plan: &DiskPlan, index: usize) -> bool {
    plan.boot_filesystem().is_some_and(|(number, _)| number == index + 1)
}

fn entry(partition: &PartitionPlan, extent: Extent, boots: bool) -> Result<[u8; ENTRY_LENGTH], DiskError> {
    let (first, count) = (extent.start / SECTOR, extent.length / SECTOR);
    let number = |sectors: u64| {
        u32::try_from(sectors).map_err(|_| {
            DiskError::unfit(
                format!("{}: partition '{}'", partition.origin, partition.name),
                "an msdos table ends at 2 TiB; write `table: gpt`",
            )
        })
    };
    let mut entry = [0; ENTRY_LENGTH];
    entry[0] = if boots { ACTIVE } else { 0 };
    entry[1..4].copy_from_slice(&chs(first));
    entry[4] = type_of(partition);
    entry[5..8].copy_from_slice(&chs(first + count - 1));
    // Both must fit: the last sector's number too.
    number(first + count - 1)?;
    entry[8..12].copy_from_slice(&number(first)?.to_le_bytes());
    entry[12..16].copy_from_slice(&number(count)?.to_le_bytes());
    Ok(entry)
}

/// Returns a sector as head, sector (from 1) with the cylinder's high bits, cylinder; the highest there is if it
/// lies beyond.
fn chs(sector: u64) -> [u8; 3] {
    let cylinder = sector / (HEADS * SECTORS_PER_TRACK);
    let (cylinder, head, sector) = if cylinder < CYLINDERS {
        (cylinder, sector / SECTORS_PER_TRACK % HEADS, sector % SECTORS_PER_TRACK + 1)
    } else {
        (CYLINDERS - 1, HEADS - 1, SECTORS_PER_TRACK)
    };
    [head as u8, sector as u8 | (cylinder >> 8 << 6) as u8, cylinder as u8]
}

/// Returns the type byte: Linux does not ask, firmware and other systems do.
fn type_of(partition: &PartitionPlan) -> u8 {
    let format = partition.filesystem.as_ref().map(|filesystem| filesystem.kind);
    match (partition.kind, format) {
        (PartitionKind::Esp, _) => 0xef,
        // The Boot Loader Specification's.
        (PartitionKind::Xbootldr, _) => 0xea,
        (PartitionKind::Swap, _) => 0x82,
        // FAT32 by sector numbers; FAT of 16 bits is understood there too.
        (_, Some(FilesystemKind::Vfat)) => 0x0c,
        _ => 0x83,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chs_follows_the_geometry_and_ends_at_its_last_sector() {
        // As sfdisk writes them.
        assert_eq!(chs(0), [0, 1, 0]);
        assert_eq!(chs(2048), [32, 33, 0]);
        assert_eq!(chs(63 * 255 - 1), [254, 63, 0]);
        assert_eq!(chs(63 * 255), [0, 1, 1]);
        assert_eq!(chs(63 * 255 * 1024 - 1), [254, 0xff, 0xff]);
        assert_eq!(chs(63 * 255 * 1024), [254, 0xff, 0xff]);
        assert_eq!(chs(u64::from(u32::MAX)), [254, 0xff, 0xff]);
    }
}
