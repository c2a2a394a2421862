//! Where each cluster's data goes in the file, and how often each cluster of the file is referred to.

use crate::output::qcow2::CLUSTER;
use crate::output::qcow2::l2::Placement;

/// Hands out places in the order of the calls, compressed data byte by byte one after the other.
#[derive(Debug)]
pub(super) struct Places {
    /// First cluster that is handed out.
    first: u64,
    /// References to each cluster from `first` on.
    references: Vec<u16>,
    /// Where the next compressed data goes if it fits: the end of the last.
    next: u64,
}

impl Places {
    pub(super) fn from_cluster(first: u64) -> Self {
        Self { first, references: Vec::new(), next: first * CLUSTER }
    }

    /// Places a cluster as it is.
    pub(super) fn plain(&mut self) -> Placement {
        let offset = self.end() * CLUSTER;
        self.references.push(1);
        Placement::Plain(offset)
    }

    /// Places `length` compressed bytes, fewer than a cluster and more than none: behind the last ones if these are
    /// in the last cluster or there is room in theirs, else at the start of a new cluster.
    pub(super) fn compressed(&mut self, length: u64) -> Placement {
        let open_until = self.next.next_multiple_of(CLUSTER);
        let fits = self.next + length <= open_until || open_until == self.end() * CLUSTER;
        let offset = if open_until > self.next && fits { self.next } else { self.end() * CLUSTER };
        self.next = offset + length;
        for cluster in offset / CLUSTER..self.next.div_ceil(CLUSTER) {
            match usize::try_from(cluster - self.first).ok().and_then(|at| self.references.get_mut(at)) {
                // Compressed data is a dozen bytes at least, so the count stays below 2^16.
                Some(count) => *count += 1,
                None => self.references.push(1),
            }
        }
        Placement::Compressed { offset, length }
    }

    /// Returns the cluster after the last one handed out.
    pub(super) fn end(&self) -> u64 {
        self.first + self.references.len() as u64
    }

    /// Returns where the last byte that was placed ends. It may be inside of a cluster: readers take for zeroes what a
    /// sector lacks at the end of the file.
    pub(super) fn end_of_data(&self) -> u64 {
        let last_is_open = self.next.next_multiple_of(CLUSTER) == self.end() * CLUSTER;
        if last_is_open { self.next } else { self.end() * CLUSTER }
    }

    /// Returns the references to each cluster handed out.
    pub(super) fn references(&self) -> &[u16] {
        &self.references
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressed_data_shares_clusters_and_fills_gaps() {
        let mut places = Places::from_cluster(10);
        let at = |cluster: u64, byte: u64, length: u64| Placement::Compressed {
            offset: cluster * CLUSTER + byte,
            length,
        };
        assert_eq!(places.compressed(60_000), at(10, 0, 60_000));
        assert_eq!(places.compressed(10_000), at(10, 60_000, 10_000), "over the edge of the last cluster");
        assert_eq!(places.plain(), Placement::Plain(12 * CLUSTER));
        assert_eq!(places.compressed(100), at(11, 4464, 100), "there is room in the cluster before");
        assert_eq!(places.compressed(65_000), at(13, 0, 65_000), "there is not");
        assert_eq!(places.compressed(536), at(13, 65_000, 536), "up to the edge");
        assert_eq!(places.compressed(1), at(14, 0, 1));
        assert_eq!(places.references(), [2, 2, 1, 2, 1]);
        assert_eq!((places.end(), places.end_of_data()), (15, 14 * CLUSTER + 1));
        places.plain();
        assert_eq!(places.end_of_data(), 16 * CLUSTER);
    }
}
