//! Writing VMDK, stream-optimised: what clouds and OVF packages take.
//!
//! ```text
//! header · descriptor · (grains… · grain table)… · grain directory · footer · end of stream
//! ```
//!
//! Each compressed grain and each table is announced by a marker; see [`header`] for the specification. Grains are read
//! and compressed on all cores and written in the disk's order; zeroes are left out.

mod descriptor;
mod header;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use libdeflater::{CompressionLvl, Compressor};

use super::blocks::{self, Blocks, Padded};
use super::digest;
use super::qcow2::{CLUSTER, ClusterMap};
use crate::ordered::ordered;
use crate::resolve::Sha256Digest;
use header::{GD_AT_END, Marker, OVERHEAD_SECTORS, TABLE_ENTRIES};

const SECTOR: usize = 512;
const SECTOR_BYTES: u64 = SECTOR as u64;

/// A grain is 64 KiB, the format's own choice and the size that the map counts in.
const GRAIN_SECTORS: u64 = CLUSTER / SECTOR_BYTES;

/// Grains that one job takes.
const GRAINS_PER_JOB: u64 = 8;

/// Bytes that are collected before they are written.
const BUFFER: usize = 1 << 20;

/// A grain on its way to the file.
struct Packed {
    grain: u64,
    bytes: Vec<u8>,
    checksum: crc32fast::Hasher,
}

/// Writes `disk`, of which only the clusters of `map` are looked at, to the empty file `to`, which will be called `name`,
/// syncs it, and returns its length and digest. The size of the disk is rounded up to whole grains, as the format wants
/// it. `advance` is told of bytes of the disk that are done.
///
/// # Errors
/// When the disk cannot be read or the file not be written.
pub(super) fn write(
    disk: &dyn Blocks,
    map: &ClusterMap,
    name: &str,
    to: &File,
    advance: &dyn Fn(u64),
) -> io::Result<(u64, Sha256Digest)> {
    let disk = &Padded::new(disk, CLUSTER);
    let capacity = disk.size() / SECTOR_BYTES;
    let mut stream = Stream::new(to, capacity);
    let mut content = crc32fast::Hasher::new();
    ordered(
        |submit| map.jobs(GRAINS_PER_JOB).try_for_each(submit),
        || Compressor::new(level()),
        |deflate, job: Range<u64>| (job.end - job.start, pack(disk, deflate, job)),
        |(grains, packed): (u64, io::Result<Vec<Packed>>)| {
            for Packed { grain, bytes, checksum } in packed? {
                content.combine(&checksum);
                stream.put_grain(grain, &bytes)?;
            }
            advance(grains * CLUSTER);
            Ok::<_, io::Error>(())
        },
    )?;
    let length = stream.finish()?;
    let mut front = header::sparse_extent(capacity, GD_AT_END);
    front.extend(descriptor::text(name, capacity, content.finalize()));
    to.write_all_at(&front, 0)?;
    Ok((length, digest::of_file_while_syncing(to, length)?))
}

fn pack(disk: &dyn Blocks, deflate: &mut Compressor, job: Range<u64>) -> io::Result<Vec<Packed>> {
    let mut data = vec![0; CLUSTER as usize];
    let mut packed = Vec::new();
    for grain in job {
        disk.read_at(&mut data, grain * CLUSTER)?;
        if blocks::is_zero(&data) {
            continue;
        }
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&data);
        packed.push(Packed { grain, bytes: compress(deflate, &data)?, checksum });
    }
    Ok(packed)
}

fn compress(deflate: &mut Compressor, data: &[u8]) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; deflate.zlib_compress_bound(data.len())];
    let length = deflate.zlib_compress(data, &mut bytes).map_err(io::Error::other)?;
    bytes.truncate(length);
    Ok(bytes)
}

/// Level of deflate: the library's own choice, which gives fewer bytes than zlib's and in a third of the time.
fn level() -> CompressionLvl {
    CompressionLvl::default()
}

/// The part of the file behind the descriptor, written front to back.
struct Stream<'a> {
    to: &'a File,
    capacity: u64,
    buffer: Vec<u8>,
    /// Sector at which the buffer begins.
    at: u64,
    directory: Vec<u32>,
    /// The table being filled, and its number.
    table: Vec<u32>,
    table_number: usize,
}

impl<'a> Stream<'a> {
    fn new(to: &'a File, capacity: u64) -> Self {
        let tables = capacity.div_ceil(GRAIN_SECTORS * u64::from(TABLE_ENTRIES));
        Self {
            to,
            capacity,
            buffer: Vec::with_capacity(BUFFER * 2),
            at: OVERHEAD_SECTORS,
            directory: vec![0; usize::try_from(tables).unwrap_or(0)],
            table: vec![0; TABLE_ENTRIES as usize],
            table_number: 0,
        }
    }

    /// Returns the next sector, which tables can name up to 2 TiB.
    fn sector(&self) -> io::Result<u32> {
        let sector = self.at + self.buffer.len() as u64 / SECTOR_BYTES;
        u32::try_from(sector).map_err(|_| io::Error::other("a VMDK cannot be larger than 2 TiB"))
    }

    fn put_grain(&mut self, grain: u64, compressed: &[u8]) -> io::Result<()> {
        let number = usize::try_from(grain / u64::from(TABLE_ENTRIES)).map_err(io::Error::other)?;
        if number != self.table_number {
            self.end_table()?;
            self.table_number = number;
        }
        let entry = usize::try_from(grain % u64::from(TABLE_ENTRIES)).map_err(io::Error::other)?;
        self.table[entry] = self.sector()?;
        self.put(&header::grain(grain * GRAIN_SECTORS, compressed))
    }

    /// Writes the table, if any of its grains is there.
    fn end_table(&mut self) -> io::Result<()> {
        if self.table.iter().all(|entry| *entry == 0) {
            return Ok(());
        }
        let bytes: Vec<u8> = self.table.iter().flat_map(|entry| entry.to_le_bytes()).collect();
        self.directory[self.table_number] = self.put_announced(Marker::GrainTable, bytes)?;
        self.table.fill(0);
        Ok(())
    }

    /// Writes a marker and what it announces; returns the sector of the latter.
    fn put_announced(&mut self, kind: Marker, mut bytes: Vec<u8>) -> io::Result<u32> {
        bytes.resize(bytes.len().next_multiple_of(SECTOR), 0);
        self.put(&header::marker(kind, bytes.len() as u64 / SECTOR_BYTES))?;
        let sector = self.sector()?;
        self.put(&bytes)?;
        Ok(sector)
    }

    /// Writes what ends the stream and returns the length of the file.
    fn finish(mut self) -> io::Result<u64> {
        self.end_table()?;
        let bytes: Vec<u8> = self.directory.iter().flat_map(|entry| entry.to_le_bytes()).collect();
        let directory = self.put_announced(Marker::GrainDirectory, bytes)?;
        let footer = header::sparse_extent(self.capacity, u64::from(directory));
        self.put_announced(Marker::Footer, footer)?;
        self.put(&header::marker(Marker::EndOfStream, 0))?;
        self.flush()?;
        Ok(self.at * SECTOR_BYTES)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.write_all_at(&self.buffer, self.at * SECTOR_BYTES)?;
        self.at += self.buffer.len() as u64 / SECTOR_BYTES;
        self.buffer.clear();
        Ok(())
    }
}
