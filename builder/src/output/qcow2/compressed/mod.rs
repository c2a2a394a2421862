//! Writing qcow2 with compressed clusters.
//!
//! Clusters are read and compressed on all cores and placed in the guest's order, so the file depends on the disk alone.
//! How much there is shows only at the end, so what is before the data is written
//! last. Clusters that compression does not make smaller are kept as they are; zeroes are left out.

mod codec;
mod place;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::ordered::ordered;
use crate::output::blocks::{self, Blocks};
use crate::output::digest;
use crate::resolve::Sha256Digest;

use super::file_layout::FileLayout;
use super::{CLUSTER, ClusterMap, CompressionType};
use codec::Codec;
use place::Places;

/// Clusters that one job takes: enough to make its passing on cheap.
const CLUSTERS_PER_JOB: u64 = 8;

/// Bytes that are collected before they are written.
const BUFFER: usize = 1 << 20;

/// Successive clusters.
type Job = std::ops::Range<u64>;

/// A cluster on its way to the file.
enum Packed {
    Plain(Vec<u8>),
    Compressed(Vec<u8>),
}

/// Writes `disk`, of which only the clusters of `map` are looked at, to the empty file `to`, syncs it, and returns its
/// length and digest. `advance` is told of bytes of the disk that are done.
///
/// # Errors
/// When the disk cannot be read or the file not be written.
pub fn write(
    disk: &dyn Blocks,
    map: &ClusterMap,
    compression: CompressionType,
    to: &File,
    advance: &dyn Fn(u64),
) -> io::Result<(u64, Sha256Digest)> {
    let mut layout = FileLayout::of(map);
    let mut places = Places::from_cluster(layout.data_start());
    let mut out = Gatherer { to, start: 0, bytes: Vec::with_capacity(BUFFER + 2 * CLUSTER as usize) };
    ordered(
        |submit| map.jobs(CLUSTERS_PER_JOB).try_for_each(submit),
        || Codec::new(compression),
        |codec, job: Job| (job.end - job.start, pack(disk, codec, job)),
        |(clusters, packed): (u64, io::Result<Vec<(u64, Packed)>>)| {
            for (cluster, data) in packed? {
                let (placement, bytes) = match data {
                    Packed::Plain(bytes) => (places.plain(), bytes),
                    Packed::Compressed(bytes) => (places.compressed(bytes.len() as u64), bytes),
                };
                layout.set(cluster, placement);
                out.put(placement.offset(), &bytes)?;
            }
            advance(clusters * CLUSTER);
            Ok::<_, io::Error>(())
        },
    )?;
    out.flush()?;

    to.write_all_at(&layout.front(places.references().iter().copied(), compression), 0)?;
    let length = places.end_of_data();
    Ok((length, digest::of_file_while_syncing(to, length)?))
}

fn pack(disk: &dyn Blocks, codec: &mut io::Result<Codec>, job: Job) -> io::Result<Vec<(u64, Packed)>> {
    let codec = codec.as_mut().map_err(|error| io::Error::new(error.kind(), error.to_string()))?;
    let mut packed = Vec::new();
    let mut cluster = vec![0; CLUSTER as usize];
    for number in job {
        blocks::read_padded(disk, &mut cluster, number * CLUSTER)?;
        if blocks::is_zero(&cluster) {
            continue;
        }
        packed.push((
            number,
            match codec.compress(&cluster)? {
                Some(bytes) => Packed::Compressed(bytes),
                None => Packed::Plain(cluster.clone()),
            },
        ));
    }
    Ok(packed)
}

/// Collects pieces that follow each other into large writes.
struct Gatherer<'a> {
    to: &'a File,
    start: u64,
    bytes: Vec<u8>,
}

impl Gatherer<'_> {
    fn put(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if offset != self.start + self.bytes.len() as u64 || self.bytes.len() >= BUFFER {
            self.flush()?;
            self.start = offset;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.write_all_at(&self.bytes, self.start)?;
        self.start += self.bytes.len() as u64;
        self.bytes.clear();
        Ok(())
    }
}
