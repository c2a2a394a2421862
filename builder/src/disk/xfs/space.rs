//! Handing out blocks: from the start of each group upwards, so that what is left is one piece at its end.

use super::geometry::{FIRST_CHUNK, FREE_LIST, Geometry, HEADER_BLOCKS, Place};

/// Longest extent, in blocks: what its 21 bits hold.
const LONGEST: u64 = (1 << 21) - 1;

/// A run of blocks in one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) at: Place,
    pub(super) blocks: u64,
}

/// Returns the place of the block at `index` of consecutive runs, which must reach so far.
pub(super) fn place(runs: &[Run], mut index: u64) -> Place {
    for run in runs {
        if index < run.blocks {
            return run.at.after(index);
        }
        index -= run.blocks;
    }
    unreachable!("runs are as long as what was asked for")
}

/// Cuts `blocks` blocks from `skip` on out of consecutive runs: first block of the file, and where it is.
pub(super) fn cut(runs: &[Run], mut skip: u64, first: u64, mut blocks: u64) -> Vec<(u64, Run)> {
    let mut extents = Vec::new();
    let mut next = first;
    for run in runs {
        let hidden = skip.min(run.blocks);
        skip -= hidden;
        let part = blocks.min(run.blocks - hidden);
        if part > 0 {
            extents.push((next, Run { at: run.at.after(hidden), blocks: part }));
            next += part;
            blocks -= part;
        }
    }
    extents
}

/// What is free.
#[derive(Debug)]
pub(super) struct Space {
    groups: Vec<Group>,
}

#[derive(Debug)]
struct Group {
    /// First block of the free list.
    free_list: u64,
    /// First block of what is handed out.
    next: u64,
    /// Where that ends; what follows is kept for the group's trees.
    end: u64,
    length: u64,
}

impl Space {
    /// Everything behind the groups' headers, the log and the free lists.
    pub(super) fn new(geometry: &Geometry) -> Self {
        let group = |number: u64| {
            let log = if number == geometry.log_group() { geometry.log_blocks } else { 0 };
            let free_list = HEADER_BLOCKS + log;
            let next = if number == 0 { FIRST_CHUNK } else { free_list + FREE_LIST };
            let length = geometry.length_of(number);
            Group { free_list, next, end: length, length }
        };
        Self { groups: (0..geometry.groups).map(group).collect() }
    }

    /// Takes `blocks` in one piece, at a multiple of `alignment` within its group.
    pub(super) fn take(&mut self, blocks: u64, alignment: u64) -> Option<Place> {
        (0..).zip(&mut self.groups).find_map(|(number, group)| {
            let start = group.next.next_multiple_of(alignment);
            (start + blocks <= group.end).then(|| {
                group.next = start + blocks;
                Place { group: number, block: start }
            })
        })
    }

    /// Takes `blocks` for a file: in one piece if there is one, else in several.
    pub(super) fn take_runs(&mut self, blocks: u64) -> Option<Vec<Run>> {
        if blocks <= LONGEST
            && let Some(at) = self.take(blocks, 1)
        {
            return Some(vec![Run { at, blocks }]);
        }
        let mut runs = Vec::new();
        let mut left = blocks;
        for (number, group) in (0..).zip(&mut self.groups) {
            while left > 0 && group.next < group.end {
                let part = left.min(group.end - group.next).min(LONGEST);
                runs.push(Run { at: Place { group: number, block: group.next }, blocks: part });
                group.next += part;
                left -= part;
            }
        }
        (left == 0).then_some(runs)
    }

    /// Keeps blocks of a group for its trees.
    pub(super) fn keep(&mut self, number: u64, blocks: u64) {
        if let Some(group) = usize::try_from(number).ok().and_then(|number| self.groups.get_mut(number)) {
            group.end = group.end.saturating_sub(blocks);
        }
    }

    /// Takes one block of a group, for its trees.
    pub(super) fn take_in(&mut self, number: u64) -> Option<Place> {
        let group = &mut self.groups[usize::try_from(number).ok()?];
        (group.next < group.length).then(|| {
            group.next += 1;
            Place { group: number, block: group.next - 1 }
        })
    }

    /// Returns the first block of a group's free list.
    pub(super) fn free_list(&self, number: u64) -> u64 {
        self.groups.get(usize::try_from(number).unwrap_or(usize::MAX)).map_or(0, |group| group.free_list)
    }

    /// Returns a group's free runs in their order: what alignment left out at its start, and its end.
    pub(super) fn free(&self, number: u64) -> Vec<Run> {
        let Some(group) = self.groups.get(usize::try_from(number).unwrap_or(usize::MAX)) else {
            return Vec::new();
        };
        let run = |block, end: u64| Run { at: Place { group: number, block }, blocks: end - block };
        let mut runs = Vec::new();
        if number == 0 {
            runs.push(run(group.free_list + FREE_LIST, FIRST_CHUNK));
        }
        runs.push(run(group.next, group.length));
        runs.retain(|run| run.blocks > 0);
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_cut_where_pieces_of_a_file_begin() {
        let run = |group, block, blocks| Run { at: Place { group, block }, blocks };
        let runs = [run(0, 100, 5), run(1, 7, 10)];
        assert_eq!(place(&runs, 6), Place { group: 1, block: 8 });
        assert_eq!(cut(&runs, 0, 0, 5), [(0, run(0, 100, 5))]);
        assert_eq!(cut(&runs, 4, 1000, 3), [(1000, run(0, 104, 1)), (1001, run(1, 7, 2))]);
        assert_eq!(cut(&runs, 14, 9, 1), [(9, run(1, 16, 1))]);
    }
}
