//! Partition tables, GPT and msdos: what is on a disk, and a partition that takes the free space behind it.
//!
//! Only the one partition's end changes, and what describes the table itself. The table is written so that a power cut
//! leaves one that can be read.

mod gpt;
mod msdos;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use anyhow::{Context, Result, ensure};

/// Partitions begin and end at multiples of this many bytes.
const ALIGNMENT: u64 = 1 << 20;

/// The size of a disk, and of what is read from it at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Bytes of a sector.
    pub sector: u64,
    /// How many there are.
    pub sectors: u64,
}

/// A partition, in sectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// From 1.
    pub number: u32,
    /// Its first sector.
    pub first: u64,
    /// How many it has.
    pub count: u64,
    /// `PARTUUID`, as the kernel writes it.
    pub partuuid: String,
}

impl Partition {
    fn end(&self) -> u64 {
        self.first + self.count
    }
}

/// A table as it was read.
#[derive(Debug)]
pub struct Table {
    geometry: Geometry,
    kind: Kind,
    /// In the order of their numbers.
    pub partitions: Vec<Partition>,
    /// The first sector that no partition may have.
    end: u64,
}

#[derive(Debug)]
enum Kind {
    Gpt(gpt::Gpt),
    Msdos(msdos::Msdos),
}

impl Geometry {
    /// Takes the size of a disk, or of the file that stands for one.
    ///
    /// # Errors
    ///
    /// As `lseek(2)`.
    pub fn of(mut disk: &File, sector: u64) -> io::Result<Self> {
        let sector = if sector.is_power_of_two() && (512..=4096).contains(&sector) { sector } else { 512 };
        Ok(Self { sector, sectors: disk.seek(SeekFrom::End(0))? / sector })
    }

    /// Reads `count` sectors.
    fn read(&self, disk: &File, first: u64, count: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(count * self.sector).map_err(io::Error::other)?];
        disk.read_exact_at(&mut bytes, first * self.sector)?;
        Ok(bytes)
    }

    fn write(&self, disk: &File, first: u64, bytes: &[u8]) -> io::Result<()> {
        disk.write_all_at(bytes, first * self.sector)
    }
}

impl Table {
    /// Reads the table of a disk; none if there is none that can be understood.
    ///
    /// # Errors
    ///
    /// When the disk cannot be read.
    pub fn load(disk: &File, geometry: Geometry) -> io::Result<Option<Self>> {
        if geometry.sectors < 64 {
            return Ok(None);
        }
        if let Some(gpt) = gpt::Gpt::load(disk, geometry)? {
            let (partitions, end) = (gpt.partitions(), gpt.end(geometry));
            return Ok(Some(Self { geometry, kind: Kind::Gpt(gpt), partitions, end }));
        }
        let Some(msdos) = msdos::Msdos::load(disk, geometry)? else { return Ok(None) };
        let (partitions, end) = (msdos.partitions(), msdos.end(geometry));
        Ok(Some(Self { geometry, kind: Kind::Msdos(msdos), partitions, end }))
    }

    /// Returns the partition of that `PARTUUID`.
    pub fn find(&self, partuuid: &str) -> Option<&Partition> {
        self.partitions.iter().find(|one| one.partuuid.eq_ignore_ascii_case(partuuid))
    }

    /// Returns the partition with the free space behind it, if that is worth it.
    pub fn grown(&self, number: u32) -> Option<Partition> {
        let now = self.partitions.iter().find(|one| one.number == number)?;
        let behind = self.partitions.iter().map(|one| one.first).filter(|first| *first >= now.end()).min();
        let limit = behind.unwrap_or(self.end).min(self.end);
        let end = limit - limit % (ALIGNMENT / self.geometry.sector);
        let is_worth_it = end >= now.end() + ALIGNMENT / self.geometry.sector;
        is_worth_it.then(|| Partition { count: end - now.first, ..now.clone() })
    }

    /// Writes the table with `grown` in the place of the partition of its number; it is on the disk when this returns.
    ///
    /// # Errors
    ///
    /// When the disk refuses, or the table cannot describe it.
    pub fn write(&self, disk: &File, grown: &Partition) -> Result<()> {
        let end = grown.end();
        let is_free = |other: &Partition| {
            other.number == grown.number || other.first >= end || other.end() <= grown.first
        };
        ensure!(end <= self.end && self.partitions.iter().all(is_free), "the space is not free");
        match &self.kind {
            Kind::Gpt(gpt) => gpt.write(disk, self.geometry, grown),
            Kind::Msdos(msdos) => msdos.write(disk, self.geometry, grown),
        }
        .context("writing the partition table")
    }
}
