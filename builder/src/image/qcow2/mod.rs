//! Reading qcow2, versions 2 and 3, plain and compressed clusters (zlib and zstd), trusting nothing.
//!
//! ```text
//! header ─▶ L1 table (checked whole at opening) ─▶ L2 table (kept) ─▶ cluster: zero, plain, compressed, not there
//! ```
//!
//! After QEMU's `docs/interop/qcow2.txt`. A backing file is never opened: what only it has is an error. Refcounts
//! are not looked at; they matter to writers.

mod cache;
mod header;

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use super::bytes::u64_be;
use cache::Cache;
use header::{Compression, Header};

pub(super) use header::MAGIC;

/// Bits of an entry that are an offset into the file.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
/// "No one else refers to this": of no meaning to a reader.
const COPIED: u64 = 1 << 63;
const COMPRESSED: u64 = 1 << 62;
/// Version 3: the cluster reads as zeroes.
const ZERO: u64 = 1;

/// An open qcow2 image.
#[derive(Debug)]
pub(super) struct Qcow2Image {
    file: File,
    file_size: u64,
    header: Header,
    l1: Vec<u64>,
    cache: Mutex<Cache>,
}

/// Where a cluster's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cluster {
    Absent,
    Zero,
    Plain { offset: u64 },
    Compressed { offset: u64, length: u64 },
}

impl Qcow2Image {
    /// Opens `file`, whose first bytes are [`MAGIC`].
    pub(super) fn open(file: File) -> Result<Self, String> {
        let file_size = file.metadata().map_err(|error| error.to_string())?.len();
        let header = Header::read(&file, file_size)?;
        let l1 = read_l1(&file, &header, file_size)?;
        Ok(Self { file, file_size, header, l1, cache: Mutex::default() })
    }

    pub(super) fn virtual_size(&self) -> u64 {
        self.header.virtual_size
    }

    pub(super) fn backing_file(&self) -> Option<String> {
        self.header.backing_file.clone()
    }

    /// Reads bytes that are inside the disk.
    pub(super) fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), String> {
        let size = self.header.cluster_size();
        let mut done = 0;
        while done < out.len() {
            let at = offset + done as u64;
            let inside = at % size;
            let length = (out.len() - done).min(usize::try_from(size - inside).unwrap_or(usize::MAX));
            self.read_part(at / size, inside, &mut out[done..done + length])?;
            done += length;
        }
        Ok(())
    }

    /// Returns the next run of clusters from `from` on that hold something, as bytes of the disk.
    pub(super) fn next_data(&self, from: u64) -> Result<Option<Range<u64>>, String> {
        // The last cluster may reach behind the disk, and would be found again from the disk's end.
        if from >= self.virtual_size() {
            return Ok(None);
        }
        let size = self.header.cluster_size();
        let holds =
            |cluster| Ok::<_, String>(!matches!(self.cluster(cluster)?, Cluster::Absent | Cluster::Zero));
        let end = self.virtual_size().div_ceil(size);
        let mut cluster = from / size;
        while cluster < end {
            if self.l1_entry(cluster)? == 0 && self.header.backing_file.is_none() {
                cluster = (cluster / self.header.l2_entries() + 1) * self.header.l2_entries();
            } else if holds(cluster)? {
                let start = cluster;
                while cluster < end && holds(cluster)? {
                    cluster += 1;
                }
                return Ok(Some((start * size).max(from)..(cluster * size).min(self.virtual_size())));
            } else {
                cluster += 1;
            }
        }
        Ok(None)
    }

    fn read_part(&self, cluster: u64, inside: u64, out: &mut [u8]) -> Result<(), String> {
        match self.cluster(cluster)? {
            Cluster::Zero => out.fill(0),
            Cluster::Absent => {
                if let Some(backing) = &self.header.backing_file {
                    return Err(format!(
                        "a part of it is in its backing file '{backing}', which is not opened; \
                         `qemu-img convert` makes one image of both"
                    ));
                }
                out.fill(0);
            }
            Cluster::Plain { offset } => {
                // A file may end inside of its last cluster; the rest reads as zeroes.
                let left =
                    usize::try_from(self.file_size.saturating_sub(offset + inside)).unwrap_or(usize::MAX);
                let (there, rest) = out.split_at_mut(left.min(out.len()));
                self.file.read_exact_at(there, offset + inside).map_err(|error| error.to_string())?;
                rest.fill(0);
            }
            Cluster::Compressed { offset, length } => {
                let bytes = self.decompressed(offset, length)?;
                let start = usize::try_from(inside).map_err(|error| error.to_string())?;
                let part = bytes.get(start..start + out.len()).ok_or("a compressed cluster is cut short")?;
                out.copy_from_slice(part);
            }
        }
        Ok(())
    }

    fn l1_entry(&self, cluster: u64) -> Result<u64, String> {
        let index = cluster / self.header.l2_entries();
        let entry = usize::try_from(index).ok().and_then(|index| self.l1.get(index));
        entry.copied().ok_or_else(|| format!("its L1 table has no entry for cluster {cluster}"))
    }

    fn cluster(&self, cluster: u64) -> Result<Cluster, String> {
        let table = self.l1_entry(cluster)?;
        if table == 0 {
            return Ok(Cluster::Absent);
        }
        let table = self.l2_table(table)?;
        let index = usize::try_from(cluster % self.header.l2_entries()).map_err(|error| error.to_string())?;
        self.decode(table[index])
            .ok_or_else(|| format!("the entry of cluster {cluster} in its L2 table makes no sense"))
    }

    fn decode(&self, entry: u64) -> Option<Cluster> {
        if entry & COMPRESSED != 0 {
            let (offset, length) = self.header.compressed(entry);
            return (offset < self.file_size).then_some(Cluster::Compressed { offset, length });
        }
        let offset = entry & OFFSET;
        if entry & !(OFFSET | COPIED | ZERO) != 0 || !offset.is_multiple_of(self.header.cluster_size()) {
            return None;
        }
        if entry & ZERO != 0 {
            return (self.header.version >= 3).then_some(Cluster::Zero);
        }
        match offset {
            0 => Some(Cluster::Absent),
            offset if offset < self.file_size => Some(Cluster::Plain { offset }),
            _ => None,
        }
    }

    fn l2_table(&self, offset: u64) -> Result<Arc<[u64]>, String> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = cache.tables.get(offset) {
            return Ok(table);
        }
        let mut bytes =
            vec![0; usize::try_from(self.header.cluster_size()).map_err(|error| error.to_string())?];
        self.file.read_exact_at(&mut bytes, offset).map_err(|error| error.to_string())?;
        let table: Arc<[u64]> = (0..bytes.len() / 8).filter_map(|index| u64_be(&bytes, index * 8)).collect();
        cache.tables.put(offset, Arc::clone(&table), bytes.len());
        Ok(table)
    }

    fn decompressed(&self, offset: u64, length: u64) -> Result<Arc<[u8]>, String> {
        // Not locked while it unpacks, so that several threads do; two may unpack the same, which does no harm.
        let cache = || self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = cache().clusters.get(offset) {
            return Ok(bytes);
        }
        // The length is rounded up to sectors and may reach beyond the end of the file.
        let length =
            usize::try_from(length.min(self.file_size - offset)).map_err(|error| error.to_string())?;
        let mut packed = vec![0; length];
        self.file.read_exact_at(&mut packed, offset).map_err(|error| error.to_string())?;
        let mut bytes =
            vec![0; usize::try_from(self.header.cluster_size()).map_err(|error| error.to_string())?];
        unpack(self.header.compression, &packed, &mut bytes)
            .map_err(|error| format!("the compressed cluster at {offset} of the file is damaged: {error}"))?;
        let bytes: Arc<[u8]> = bytes.into();
        cache().clusters.put(offset, Arc::clone(&bytes), bytes.len());
        Ok(bytes)
    }
}

/// Unpacks one cluster; what follows its end in `packed` is not looked at.
fn unpack(compression: Compression, packed: &[u8], out: &mut [u8]) -> std::io::Result<()> {
    match compression {
        Compression::Zlib => flate2::read::DeflateDecoder::new(packed).read_exact(out),
        Compression::Zstd => zstd::stream::read::Decoder::new(packed)?.read_exact(out),
    }
}

/// Reads the L1 table and checks that every L2 table is in the file.
fn read_l1(file: &File, header: &Header, file_size: u64) -> Result<Vec<u64>, String> {
    let mut bytes = vec![0; usize::try_from(header.l1_entries * 8).map_err(|error| error.to_string())?];
    file.read_exact_at(&mut bytes, header.l1_offset).map_err(|error| error.to_string())?;
    let cluster = header.cluster_size();
    let entries = (0..bytes.len() / 8).map(|index| {
        let entry = u64_be(&bytes, index * 8).unwrap_or(0);
        let offset = entry & OFFSET;
        let in_file = offset.checked_add(cluster).is_some_and(|end| end <= file_size);
        if entry & !(OFFSET | COPIED) != 0 || !offset.is_multiple_of(cluster) || (offset != 0 && !in_file) {
            return Err(format!("entry {index} of its L1 table points to {offset}, where no table can be"));
        }
        Ok(offset)
    });
    entries.collect()
}
