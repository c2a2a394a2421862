//! The two levels of tables that lead from a cluster of the guest to its place in the file.

use super::{CLUSTER, ClusterMap};

/// The cluster is referred to once, so it may be written in place.
const COPIED: u64 = 1 << 63;

/// The entry describes compressed data.
const COMPRESSED: u64 = 1 << 62;

/// Where such an entry's count of further sectors begins: 62 - (cluster bits - 8).
const SECTORS_SHIFT: u64 = 62 - (super::CLUSTER_BITS as u64 - 8);

/// Compressed data is counted in sectors of this size, aligned in the file.
const SECTOR: u64 = 512;

/// Entries of a table: a cluster of eight bytes each.
pub(super) const ENTRIES: u64 = CLUSTER / 8;

/// Where the data of a guest cluster is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placement {
    /// As it is, at this offset.
    Plain(u64),
    /// Compressed.
    Compressed {
        /// Where it begins.
        offset: u64,
        /// How many bytes it takes.
        length: u64,
    },
}

impl Placement {
    pub(super) fn offset(self) -> u64 {
        match self {
            Self::Plain(offset) | Self::Compressed { offset, .. } => offset,
        }
    }

    fn entry(self) -> u64 {
        match self {
            Self::Plain(offset) => offset | COPIED,
            Self::Compressed { offset, length } => {
                let further_sectors = (offset + length - 1) / SECTOR - offset / SECTOR;
                COMPRESSED | further_sectors << SECTORS_SHIFT | offset
            }
        }
    }
}

/// The L2 tables that have an entry.
#[derive(Debug)]
pub(super) struct Tables {
    l1_entries: u64,
    /// Numbers of the tables that are kept, in order.
    numbers: Vec<u64>,
    /// Their entries, one table after the other.
    entries: Vec<u64>,
}

impl Tables {
    /// Makes empty tables for the clusters of `map`.
    pub(super) fn of(map: &ClusterMap) -> Self {
        let mut numbers: Vec<u64> = map
            .runs()
            .iter()
            .flat_map(|run| run.first / ENTRIES..=(run.first + run.count - 1) / ENTRIES)
            .collect();
        numbers.dedup();
        let entries = vec![0; numbers.len() * index(ENTRIES)];
        Self { l1_entries: map.size().div_ceil(CLUSTER).div_ceil(ENTRIES), numbers, entries }
    }

    /// Returns how many L2 tables, and so clusters, there are.
    pub(super) fn count(&self) -> u64 {
        self.numbers.len() as u64
    }

    /// Returns the entries of the L1 table.
    pub(super) fn l1_entries(&self) -> u64 {
        self.l1_entries
    }

    /// Returns the clusters that the L1 table takes.
    pub(super) fn l1_clusters(&self) -> u64 {
        self.l1_entries.div_ceil(ENTRIES).max(1)
    }

    /// Notes where a cluster of the map is.
    pub(super) fn set(&mut self, cluster: u64, placement: Placement) {
        if let Ok(table) = self.numbers.binary_search(&(cluster / ENTRIES)) {
            self.entries[table * index(ENTRIES) + index(cluster % ENTRIES)] = placement.entry();
        }
    }

    /// Appends the L1 table; the L2 tables are from cluster `l2_start` on.
    pub(super) fn push_l1(&self, bytes: &mut Vec<u8>, l2_start: u64) {
        let mut entries = vec![0; index(self.l1_entries)];
        for (place, table) in (l2_start..).zip(&self.numbers) {
            if let Some(entry) = entries.get_mut(index(*table)) {
                *entry = (place * CLUSTER) | COPIED;
            }
        }
        entries.into_iter().for_each(|entry: u64| bytes.extend(entry.to_be_bytes()));
    }

    /// Appends the L2 tables.
    pub(super) fn push_l2(&self, bytes: &mut Vec<u8>) {
        bytes.reserve(self.entries.len() * 8);
        self.entries.iter().for_each(|entry| bytes.extend(entry.to_be_bytes()));
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Fills with zeroes up to the start of cluster `cluster`.
pub(super) fn pad(bytes: &mut Vec<u8>, cluster: u64) {
    bytes.resize(index(cluster * CLUSTER), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_compressed_data_count_sectors() {
        let entry = |offset, length| Placement::Compressed { offset, length }.entry();
        assert_eq!(entry(0x12345, 1), 1 << 62 | 0x12345);
        assert_eq!(entry(512, 512), 1 << 62 | 512);
        assert_eq!(entry(511, 2), 1 << 62 | 1 << 54 | 511);
        assert_eq!(entry(100, 65_535), 1 << 62 | 128 << 54 | 100);
        assert_eq!(Placement::Plain(CLUSTER).entry(), 1 << 63 | CLUSTER);
    }
}
