//! Which clusters of a disk hold anything.

use std::io;
use std::ops::Range;

use crate::output::blocks::{Blocks, is_zero};

use super::CLUSTER;

/// Clusters looked at with one read.
const CLUSTERS_PER_READ: u64 = 16;

/// More threads do not help: reading from the page cache is bound by memory.
const MOST_THREADS: usize = 4;

/// Successive clusters that hold something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// First cluster.
    pub first: u64,
    /// How many.
    pub count: u64,
}

/// The clusters of a disk that are not zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterMap {
    size: u64,
    runs: Vec<Run>,
}

impl ClusterMap {
    /// Reads the map: holes are skipped unread, data is looked at for zeroes.
    ///
    /// # Errors
    /// When the disk cannot be read.
    pub fn read(disk: &dyn Blocks) -> io::Result<Self> {
        let size = disk.size();
        let parts = pieces(&disk.data_ranges()?);
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let share = parts.len().div_ceil(threads).max(1);
        let found: Vec<io::Result<Vec<u64>>> = std::thread::scope(|scope| {
            let workers: Vec<_> =
                parts.chunks(share).map(|parts| scope.spawn(|| used_clusters(disk, parts))).collect();
            let join = |worker: std::thread::ScopedJoinHandle<'_, _>| {
                worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            workers.into_iter().map(join).collect()
        });
        let mut map = Self { size, runs: Vec::new() };
        for clusters in found {
            clusters?.into_iter().for_each(|cluster| map.push(cluster));
        }
        Ok(map)
    }

    /// Makes a map of what may hold something, unread: for disks whose reading costs, and writers that look at zeroes
    /// themselves.
    ///
    /// # Errors
    /// When the disk cannot tell.
    pub fn unread(disk: &dyn Blocks) -> io::Result<Self> {
        let mut map = Self { size: disk.size(), runs: Vec::new() };
        for piece in pieces(&disk.data_ranges()?) {
            piece.for_each(|cluster| map.push(cluster));
        }
        Ok(map)
    }

    /// Adds a cluster behind those that are there.
    fn push(&mut self, cluster: u64) {
        match self.runs.last_mut() {
            Some(run) if run.first + run.count == cluster => run.count += 1,
            _ => self.runs.push(Run { first: cluster, count: 1 }),
        }
    }

    /// Cuts the runs into pieces of at most `most` clusters.
    pub fn jobs(&self, most: u64) -> impl Iterator<Item = Range<u64>> {
        self.runs.iter().flat_map(move |run| {
            let end = run.first + run.count;
            let step = usize::try_from(most).unwrap_or(1).max(1);
            (run.first..end).step_by(step).map(move |first| first..end.min(first + most))
        })
    }

    #[cfg(test)]
    pub(super) fn of_runs(size: u64, runs: Vec<Run>) -> Self {
        Self { size, runs }
    }

    /// Returns the size of the disk.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the runs, in order, none touching the next.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Returns how many clusters hold something.
    pub fn clusters(&self) -> u64 {
        self.runs.iter().map(|run| run.count).sum()
    }

    /// Returns how many bytes they are.
    pub fn data_bytes(&self) -> u64 {
        self.clusters() * CLUSTER
    }
}

/// Widens byte ranges to clusters, no cluster twice, and cuts them to what one read takes.
fn pieces(ranges: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut pieces = Vec::new();
    let mut next = 0;
    for range in ranges {
        let mut first = (range.start / CLUSTER).max(next);
        let end = range.end.div_ceil(CLUSTER);
        while first < end {
            let last = end.min(first + CLUSTERS_PER_READ);
            pieces.push(first..last);
            first = last;
        }
        next = next.max(end);
    }
    pieces
}

fn used_clusters(disk: &dyn Blocks, parts: &[Range<u64>]) -> io::Result<Vec<u64>> {
    let mut used = Vec::new();
    let mut buffer = vec![0; usize::try_from(CLUSTERS_PER_READ * CLUSTER).map_err(io::Error::other)?];
    for part in parts {
        let start = part.start * CLUSTER;
        let length =
            usize::try_from((part.end * CLUSTER).min(disk.size()) - start).map_err(io::Error::other)?;
        disk.read_at(&mut buffer[..length], start)?;
        let clusters = part.clone().zip(buffer[..length].chunks(CLUSTER as usize));
        used.extend(clusters.filter(|(_, bytes)| !is_zero(bytes)).map(|(cluster, _)| cluster));
    }
    Ok(used)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::output::blocks::RawBlocks;

    #[test]
    fn ranges_become_pieces_without_overlap() {
        let cluster = |from: u64, to: u64| from * CLUSTER..to * CLUSTER;
        assert_eq!(pieces(&[10..20, 30..CLUSTER + 1, cluster(2, 3)]), [0..1, 1..2, 2..3]);
        assert_eq!(pieces(&[cluster(0, 40)]), [0..16, 16..32, 32..40]);
        assert_eq!(pieces(&[]), []);
    }

    #[test]
    fn zeroes_are_seen_through() {
        let file = host::sparse::create_unnamed(&std::env::temp_dir()).expect("a file");
        let size = 64 * CLUSTER;
        file.set_len(size).expect("sized");
        file.write_all_at(&vec![0; 3 * CLUSTER as usize], 4 * CLUSTER).expect("zeroes written");
        file.write_all_at(&[1], 20 * CLUSTER - 1).expect("written");
        file.write_all_at(&[1], 20 * CLUSTER).expect("written");
        file.write_all_at(&[1], size - 1).expect("written");
        let map = ClusterMap::read(&RawBlocks::new(&file, size)).expect("read");
        assert_eq!(map.runs(), [Run { first: 19, count: 2 }, Run { first: 63, count: 1 }]);
        assert_eq!(map.data_bytes(), 3 * CLUSTER);
    }
}
