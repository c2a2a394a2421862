//! The partition table of the first sector, and the chain of logical partitions inside an extended one.

use super::{Entry, Table};
use crate::image::bytes::u32_le;
use crate::image::{Image, SECTOR};

const FIRST_ENTRY: usize = 446;
const ENTRY: usize = 16;
const SIGNATURE: usize = 440;

/// More logical partitions than Linux numbers.
const MOST_LOGICAL: u32 = 60;

/// Names of the types that are met.
const TYPES: &[(u8, &str)] = &[
    (0x05, "extended"),
    (0x06, "FAT16"),
    (0x07, "NTFS or exFAT"),
    (0x0b, "FAT32"),
    (0x0c, "FAT32 (LBA)"),
    (0x0e, "FAT16 (LBA)"),
    (0x0f, "extended (LBA)"),
    (0x82, "Linux swap"),
    (0x83, "Linux"),
    (0x85, "Linux extended"),
    (0x8e, "Linux LVM"),
    (0xee, "GPT protective"),
    (0xef, "EFI system"),
    (0xfd, "Linux RAID"),
];

/// One record of a table: sectors relative to what the record is in.
#[derive(Debug, Clone, Copy)]
struct Record {
    active: u8,
    kind: u8,
    start: u32,
    count: u32,
}

/// Reads the table; none if the first sector holds none.
pub(super) fn read(image: &Image) -> Result<Option<Table>, String> {
    if image.size() < SECTOR {
        return Ok(None);
    }
    let sector = image.read(0, SECTOR)?;
    let Some(records) = records(&sector).filter(|records| plausible(&sector, records)) else {
        return Ok(None);
    };
    let disk = u32_le(&sector, SIGNATURE).unwrap_or(0);
    let mut entries = Vec::new();
    for (number, record) in (1..).zip(records).filter(|(_, record)| record.kind != 0) {
        entries.push(entry(number, record, 0, disk, image.size())?);
        if matches!(record.kind, 0x05 | 0x0f | 0x85) {
            logical(image, u64::from(record.start), disk, &mut entries)?;
        }
    }
    entries.sort_by_key(|entry| entry.number);
    Ok(Some(Table { kind: "msdos", id: format!("{disk:08x}"), backup_matches: None, entries }))
}

fn records(sector: &[u8]) -> Option<[Record; 4]> {
    if !sector.ends_with(&[0x55, 0xaa]) {
        return None;
    }
    let record = |index: usize| {
        let at = FIRST_ENTRY + index * ENTRY;
        Some(Record {
            active: sector[at],
            kind: sector[at + 4],
            start: u32_le(sector, at + 8)?,
            count: u32_le(sector, at + 12)?,
        })
    };
    Some([record(0)?, record(1)?, record(2)?, record(3)?])
}

/// The first sector of a filesystem ends in the same two bytes; there the records are text or code.
fn plausible(sector: &[u8], records: &[Record; 4]) -> bool {
    let fat = sector[54..].starts_with(b"FAT") || sector[82..].starts_with(b"FAT32");
    !fat && records.iter().all(|record| {
        matches!(record.active, 0 | 0x80) && (record.kind == 0 || (record.start != 0 && record.count != 0))
    }) && records.iter().any(|record| record.kind != 0)
}

/// Follows the chain of extended boot records; each is inside the extended partition that begins at sector `base`.
fn logical(image: &Image, base: u64, disk: u32, entries: &mut Vec<Entry>) -> Result<(), String> {
    let mut here = base;
    for number in 5..5 + MOST_LOGICAL {
        let Some(offset) = here.checked_mul(SECTOR).filter(|offset| *offset + SECTOR <= image.size()) else {
            return Err("its chain of logical partitions leads out of the disk".into());
        };
        let Some([own, next, ..]) = records(&image.read(offset, SECTOR)?) else { return Ok(()) };
        if own.kind != 0 {
            entries.push(entry(number, own, here, disk, image.size())?);
        }
        if next.kind == 0 || next.start == 0 {
            return Ok(());
        }
        here = base + u64::from(next.start);
    }
    Err("its chain of logical partitions does not end".into())
}

fn entry(number: u32, record: Record, base: u64, disk: u32, size: u64) -> Result<Entry, String> {
    let start = (base + u64::from(record.start)) * SECTOR;
    let length = u64::from(record.count) * SECTOR;
    if record.kind != 0xee && start + length > size {
        return Err(format!("partition {number} lies outside of the disk"));
    }
    let type_id = format!("{:02x}", record.kind);
    let name = TYPES.iter().find(|(kind, _)| *kind == record.kind);
    Ok(Entry {
        number,
        name: String::new(),
        kind: name.map_or_else(|| format!("0x{type_id}"), |(_, name)| (*name).to_owned()),
        type_id,
        id: format!("{disk:08x}-{number:02x}"),
        start,
        length: length.min(size.saturating_sub(start)),
        attributes: u64::from(record.active),
    })
}
