//! GUID partition tables (UEFI specification, chapter 5): a header and entries at both ends of the disk.

use std::fs::File;
use std::io;

use super::{Geometry, Partition};

const SIGNATURE: &[u8; 8] = b"EFI PART";
/// Largest array of entries that is read, in bytes; 128 entries of 128 bytes are usual.
const ENTRIES_LIMIT: u64 = 1 << 20;
/// Places in a header.
mod at {
    pub(super) const SIZE: usize = 12;
    pub(super) const CHECKSUM: usize = 16;
    pub(super) const CURRENT: usize = 24;
    pub(super) const OTHER: usize = 32;
    pub(super) const LAST_USABLE: usize = 48;
    pub(super) const ENTRIES: usize = 72;
    pub(super) const ENTRY_COUNT: usize = 80;
    pub(super) const ENTRY_SIZE: usize = 84;
    pub(super) const ENTRIES_CHECKSUM: usize = 88;
}

/// A table: the header that was valid, and the entries.
#[derive(Debug)]
pub(super) struct Gpt {
    header: Vec<u8>,
    entries: Vec<u8>,
    entry_size: usize,
}

impl Gpt {
    /// Reads the table from the front, else from the end of the disk.
    pub(super) fn load(disk: &File, geometry: Geometry) -> io::Result<Option<Self>> {
        match Self::load_at(disk, geometry, 1)? {
            Some(table) => Ok(Some(table)),
            None => Self::load_at(disk, geometry, geometry.sectors - 1),
        }
    }

    fn load_at(disk: &File, geometry: Geometry, place: u64) -> io::Result<Option<Self>> {
        let mut header = geometry.read(disk, place, 1)?;
        let size = number32(&header, at::SIZE) as usize;
        if !header.starts_with(SIGNATURE) || !(92..=header.len()).contains(&size) {
            return Ok(None);
        }
        let checksum = number32(&header, at::CHECKSUM);
        header[at::CHECKSUM..at::CHECKSUM + 4].fill(0);
        if crc32(&header[..size]) != checksum || number64(&header, at::CURRENT) != place {
            return Ok(None);
        }
        let (count, entry_size) = (number32(&header, at::ENTRY_COUNT), number32(&header, at::ENTRY_SIZE));
        let length = u64::from(count) * u64::from(entry_size);
        let sectors = length.div_ceil(geometry.sector);
        let first = number64(&header, at::ENTRIES);
        let fits = first.checked_add(sectors).is_some_and(|end| end <= geometry.sectors);
        if entry_size < 128 || length > ENTRIES_LIMIT || !fits {
            return Ok(None);
        }
        let mut entries = geometry.read(disk, first, sectors)?;
        entries.truncate(length as usize);
        let is_whole = crc32(&entries) == number32(&header, at::ENTRIES_CHECKSUM);
        Ok(is_whole.then_some(Self { header, entries, entry_size: entry_size as usize }))
    }

    pub(super) fn partitions(&self) -> Vec<Partition> {
        let entries = self.entries.chunks_exact(self.entry_size).zip(1..);
        let used = entries.filter(|(entry, _)| entry[..16].iter().any(|byte| *byte != 0));
        let partitions = used.filter_map(|(entry, number)| {
            let (first, last) = (number64(entry, 32), number64(entry, 40));
            let count = last.checked_sub(first)?.checked_add(1)?;
            Some(Partition { number, first, count, partuuid: guid(&entry[16..32]) })
        });
        partitions.filter(|one| one.first.checked_add(one.count).is_some()).collect()
    }

    /// The second copy of the table takes the end of the disk.
    pub(super) fn end(&self, geometry: Geometry) -> u64 {
        (geometry.sectors - 1).saturating_sub(self.entry_sectors(geometry))
    }

    fn entry_sectors(&self, geometry: Geometry) -> u64 {
        (self.entries.len() as u64).div_ceil(geometry.sector)
    }

    /// Writes the copy at the end first: whatever is cut, one of the two can be read.
    pub(super) fn write(&self, disk: &File, geometry: Geometry, grown: &Partition) -> anyhow::Result<()> {
        let mut entries = self.entries.clone();
        let start = (grown.number as usize - 1) * self.entry_size;
        put64(&mut entries, start + 40, grown.first + grown.count - 1);
        let checksum = crc32(&entries);
        entries.resize((self.entry_sectors(geometry) * geometry.sector) as usize, 0);
        let last = geometry.sectors - 1;
        let second = last - self.entry_sectors(geometry);
        geometry.write(disk, second, &entries)?;
        geometry.write(disk, last, &self.header(geometry, (last, 1), second, checksum))?;
        disk.sync_all()?;
        self.write_protection(disk, geometry)?;
        // The copy at the end does not say where the one in front has its entries; behind its header is usual.
        let is_front = number64(&self.header, at::CURRENT) == 1;
        let first = if is_front { number64(&self.header, at::ENTRIES) } else { 2 };
        geometry.write(disk, first, &entries)?;
        geometry.write(disk, 1, &self.header(geometry, (1, last), first, checksum))?;
        disk.sync_all()?;
        Ok(())
    }

    fn header(&self, geometry: Geometry, places: (u64, u64), entries: u64, checksum: u32) -> Vec<u8> {
        let mut header = self.header.clone();
        put64(&mut header, at::CURRENT, places.0);
        put64(&mut header, at::OTHER, places.1);
        put64(&mut header, at::LAST_USABLE, self.end(geometry) - 1);
        put64(&mut header, at::ENTRIES, entries);
        header[at::ENTRIES_CHECKSUM..at::ENTRIES_CHECKSUM + 4].copy_from_slice(&checksum.to_le_bytes());
        let size = number32(&header, at::SIZE) as usize;
        let own = crc32(&header[..size]);
        header[at::CHECKSUM..at::CHECKSUM + 4].copy_from_slice(&own.to_le_bytes());
        header
    }

    /// The msdos table in front tells older programs that the whole disk is taken.
    fn write_protection(&self, disk: &File, geometry: Geometry) -> io::Result<()> {
        let mut sector = geometry.read(disk, 0, 1)?;
        if sector[510..512] == [0x55, 0xaa] && sector[446 + 4] == 0xee {
            let size = u32::try_from(geometry.sectors - 1).unwrap_or(u32::MAX);
            sector[446 + 12..446 + 16].copy_from_slice(&size.to_le_bytes());
            geometry.write(disk, 0, &sector)?;
        }
        Ok(())
    }
}

/// A GUID as text: the first three groups are numbers in little-endian order.
fn guid(bytes: &[u8]) -> String {
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut text = String::new();
    for (index, place) in order.into_iter().enumerate() {
        let dash = if matches!(index, 4 | 6 | 8 | 10) { "-" } else { "" };
        text += &format!("{dash}{:02x}", bytes[place]);
    }
    text
}

fn number32(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

fn number64(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn put64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

/// CRC-32 as in Ethernet, which the specification names.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |register, byte| {
        (0..8).fold(register ^ u32::from(*byte), |value, _| {
            if value & 1 == 1 { value >> 1 ^ 0xedb8_8320 } else { value >> 1 }
        })
    })
}
