//! What is where in the file, and the bytes before the data.
//!
//! ```text
//! header · refcount table · refcount blocks · L1 table · L2 tables · data, in the guest's order
//! ```

use super::header::{CompressionType, Header};
use super::l2::{Placement, Tables, pad};
use super::refcounts::Room;
use super::{CLUSTER, ClusterMap};

/// First cluster of the refcounts: behind the header.
const REFCOUNTS_START: u64 = 1;

/// A file whose data is being placed.
#[derive(Debug)]
pub(super) struct FileLayout {
    virtual_size: u64,
    refcounts: Room,
    tables: Tables,
}

impl FileLayout {
    /// Makes room for the clusters of `map`; compressed, they take no more.
    pub(super) fn of(map: &ClusterMap) -> Self {
        let tables = Tables::of(map);
        let others = REFCOUNTS_START + tables.l1_clusters() + tables.count() + map.clusters();
        Self { virtual_size: map.size(), refcounts: Room::for_clusters(others), tables }
    }

    fn l1_start(&self) -> u64 {
        REFCOUNTS_START + self.refcounts.clusters()
    }

    fn l2_start(&self) -> u64 {
        self.l1_start() + self.tables.l1_clusters()
    }

    /// Returns the first cluster of the data.
    pub(super) fn data_start(&self) -> u64 {
        self.l2_start() + self.tables.count()
    }

    /// Notes where a cluster of the map is.
    pub(super) fn set(&mut self, cluster: u64, placement: Placement) {
        self.tables.set(cluster, placement);
    }

    /// Returns everything before the data, whose clusters are referred to as often as `references` says.
    pub(super) fn front(
        &self,
        references: impl Iterator<Item = u16>,
        compression: CompressionType,
    ) -> Vec<u8> {
        let mut bytes = Header {
            virtual_size: self.virtual_size,
            l1_entries: self.tables.l1_entries(),
            l1_table_offset: self.l1_start() * CLUSTER,
            refcount_table_offset: REFCOUNTS_START * CLUSTER,
            refcount_table_clusters: self.refcounts.table,
            compression,
        }
        .to_bytes();
        pad(&mut bytes, REFCOUNTS_START);
        let counts = (0..self.data_start()).map(|_| 1).chain(references).collect();
        bytes.extend(self.refcounts.fill(REFCOUNTS_START, counts));
        self.tables.push_l1(&mut bytes, self.l2_start());
        pad(&mut bytes, self.l2_start());
        self.tables.push_l2(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::qcow2::Run;

    const COPIED: u64 = 1 << 63;

    fn number(bytes: &[u8], at: u64) -> u64 {
        let at = usize::try_from(at).expect("a small offset");
        u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
    }

    #[test]
    fn entries_lead_to_the_data_in_order() {
        let runs =
            vec![Run { first: 3, count: 2 }, Run { first: 8191, count: 2 }, Run { first: 30_000, count: 1 }];
        let map = ClusterMap::of_runs(40_000 * CLUSTER, runs);
        let mut layout = FileLayout::of(&map);
        assert_eq!(layout.data_start(), 1 + 2 + 1 + 3, "header, refcounts, L1, three L2 tables");
        let data = |index: u64| (layout.data_start() + index) * CLUSTER;
        let places: Vec<u64> = (0..5).map(data).collect();
        for (cluster, place) in [3, 4, 8191, 8192, 30_000].into_iter().zip(&places) {
            layout.set(cluster, Placement::Plain(*place));
        }
        let bytes = layout.front((0..5).map(|_| 1), CompressionType::Deflate);
        assert_eq!(bytes.len() as u64, layout.data_start() * CLUSTER);
        let l1: Vec<u64> = (0..5).map(|index| number(&bytes, 3 * CLUSTER + index * 8)).collect();
        let table = |index: u64| ((4 + index) * CLUSTER) | COPIED;
        assert_eq!(l1, [table(0), table(1), 0, table(2), 0]);
        let entry = |table: u64, index: u64| number(&bytes, (4 + table) * CLUSTER + index * 8);
        let found = [entry(0, 3), entry(0, 4), entry(0, 8191), entry(1, 0), entry(2, 30_000 - 3 * 8192)];
        assert_eq!(found.map(|entry| entry & !COPIED), places[..]);
        assert!(found.iter().all(|entry| entry & COPIED != 0));
        assert_eq!((entry(0, 5), entry(1, 1)), (0, 0));
        assert_eq!(
            (number(&bytes, 40), number(&bytes, 48)),
            (3 * CLUSTER, CLUSTER),
            "the header leads to both"
        );
        let counts = &bytes[2 * CLUSTER as usize..3 * CLUSTER as usize];
        assert_eq!(counts.chunks(2).take_while(|count| *count == [0, 1]).count(), 7 + 5);
        assert!(counts[2 * 12..].iter().all(|byte| *byte == 0));
    }
}
