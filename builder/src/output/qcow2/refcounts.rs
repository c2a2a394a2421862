//! The table of how often each cluster of the file is referred to.

use super::CLUSTER;
use super::l2::{ENTRIES, pad};

/// Refcounts in a block: a cluster of two bytes each.
const REFCOUNTS: u64 = CLUSTER / 2;

/// Room for refcounts: a table, then the blocks that it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// Clusters of the table.
    pub(super) table: u64,
    /// Blocks, a cluster each.
    pub(super) blocks: u64,
}

impl Room {
    /// Returns the room for the refcounts of `clusters` clusters and their own.
    pub(super) fn for_clusters(clusters: u64) -> Self {
        let mut room = Self { table: 1, blocks: 1 };
        loop {
            let blocks = (clusters + room.clusters()).div_ceil(REFCOUNTS);
            let next = Self { table: blocks.div_ceil(ENTRIES), blocks };
            if next == room {
                return room;
            }
            room = next;
        }
    }

    /// Returns how many clusters it takes.
    pub(super) fn clusters(self) -> u64 {
        self.table + self.blocks
    }

    /// Returns table and blocks, which begin at cluster `start`, of a file whose clusters are referred to as often as
    /// `counts` says. Blocks that turn out not to be needed are free clusters.
    pub(super) fn fill(self, start: u64, mut counts: Vec<u16>) -> Vec<u8> {
        let needed = (counts.len() as u64).div_ceil(REFCOUNTS);
        let first_block = start + self.table;
        for unneeded in first_block + needed..first_block + self.blocks {
            if let Some(count) = usize::try_from(unneeded).ok().and_then(|at| counts.get_mut(at)) {
                *count = 0;
            }
        }
        let mut bytes: Vec<u8> =
            (first_block..first_block + needed).flat_map(|block| (block * CLUSTER).to_be_bytes()).collect();
        pad(&mut bytes, self.table);
        bytes.extend(counts.into_iter().flat_map(u16::to_be_bytes));
        pad(&mut bytes, self.clusters());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_count_themselves_over_the_edge_of_a_block() {
        for (clusters, table, blocks) in [(1, 1, 1), (REFCOUNTS - 2, 1, 1), (REFCOUNTS - 1, 1, 2)] {
            assert_eq!(Room::for_clusters(clusters), Room { table, blocks }, "{clusters}");
        }
        let room = Room { table: 1, blocks: 2 };
        let full = room.fill(1, vec![1; usize::try_from(REFCOUNTS).expect("small") + 1]);
        assert_eq!(full.len() as u64, 3 * CLUSTER);
        assert_eq!(full[..16], [[0, 0, 0, 0, 0, 2, 0, 0], [0, 0, 0, 0, 0, 3, 0, 0]].concat());
        assert_eq!(full[2 * CLUSTER as usize..][..4], [0, 1, 0, 0]);
        let less = room.fill(1, vec![1; 10]);
        assert_eq!(less[..16], [[0, 0, 0, 0, 0, 2, 0, 0], [0; 8]].concat());
        assert_eq!(less[CLUSTER as usize..][..12], [0, 1, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1], "block 3 is free");
    }
}
