//! Sizes and offsets: the plan's rules completed by what goes into each partition.
//!
//! Partitions follow each other in the recipe's order from 1 MiB on, each start and length a multiple of 1 MiB;
//! with GPT the last MiB of the disk holds the backup table. On a disk of fixed size the root that is `auto` (or the first
//! other `auto` partition that grows) takes the rest; every other `auto` is as large as its content needs.

use crate::plan::{DiskPlan, PartitionKind, PartitionPlan, SizeRule, TableKind};

use super::{DiskError, Extent, Layout};

/// Alignment of everything on the disk.
pub const MIB: u64 = 1 << 20;

/// What tables and the BIOS count.
pub const SECTOR: u64 = 512;

/// Kept before the first partition: the table, the alignment, and with an msdos table GRUB's core image.
const HEAD: u64 = MIB;

/// Returns what is kept after the last partition: GPT's backup table (33 sectors), rounded up.
fn tail(table: TableKind) -> u64 {
    match table {
        TableKind::Gpt => MIB,
        TableKind::Msdos => 0,
    }
}

/// How much room a partition's content needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Need {
    /// Bytes without which it does not fit.
    pub least: u64,
    /// Bytes that `size: auto` gives, margin included; none if content does not tell a size.
    pub auto: Option<u64>,
}

/// Settles every size and offset.
///
/// # Errors
/// [`DiskError::TooSmall`] or [`DiskError::NoSize`], naming the recipe's line.
pub fn settle(plan: &DiskPlan, needs: &[Need]) -> Result<Layout, DiskError> {
    let takes_rest = match plan.size {
        SizeRule::Bytes(_) => rest_taker(&plan.partitions),
        SizeRule::Auto => None,
    };
    let mut lengths = Vec::with_capacity(needs.len());
    for (index, (partition, need)) in plan.partitions.iter().zip(needs).enumerate() {
        lengths.push(if takes_rest == Some(index) { 0 } else { own_length(partition, *need)? });
    }
    let used = HEAD + tail(plan.table) + lengths.iter().sum::<u64>();
    let size = match plan.size {
        SizeRule::Auto => used,
        SizeRule::Bytes(given) => {
            // Table and partitions end at a whole MiB; a disk may not be smaller than what was asked for.
            let size = given.next_multiple_of(MIB);
            give_rest(plan, needs, &mut lengths, takes_rest, used, size)?;
            size
        }
    };
    let mut start = HEAD;
    let extents = lengths
        .into_iter()
        .map(|length| {
            let extent = Extent { start, length };
            start += length;
            extent
        })
        .collect();
    Ok(Layout { plan: plan.clone(), size, extents })
}

/// Chooses who gets what is left of a disk of fixed size.
fn rest_taker(partitions: &[PartitionPlan]) -> Option<usize> {
    let open = |partition: &PartitionPlan| partition.size == SizeRule::Auto;
    partitions
        .iter()
        .position(|partition| open(partition) && partition.kind == PartitionKind::Root)
        .or_else(|| partitions.iter().position(|partition| open(partition) && partition.grow))
}

fn own_length(partition: &PartitionPlan, need: Need) -> Result<u64, DiskError> {
    match partition.size {
        SizeRule::Auto => {
            let auto = need.auto.ok_or_else(|| DiskError::NoSize {
                origin: partition.origin.clone(),
                name: partition.name.clone(),
            })?;
            Ok(auto.next_multiple_of(MIB))
        }
        SizeRule::Bytes(given) if given < need.least => Err(too_small(partition, need.least, given)),
        SizeRule::Bytes(given) => Ok(given.next_multiple_of(MIB)),
    }
}

fn give_rest(
    plan: &DiskPlan,
    needs: &[Need],
    lengths: &mut [u64],
    taker: Option<usize>,
    used: u64,
    size: u64,
) -> Result<(), DiskError> {
    let least = taker.map_or(0, |index| needs[index].least.next_multiple_of(MIB));
    if used + least > size {
        let origin =
            taker.or(plan.partitions.len().checked_sub(1)).map(|index| plan.partitions[index].origin.clone());
        return Err(DiskError::TooSmall {
            origin: origin.unwrap_or_default(),
            what: "the disk, with its partitions,".into(),
            needed: used + least,
            given: size,
        });
    }
    if let Some(index) = taker {
        lengths[index] = size - used;
    }
    Ok(())
}

fn too_small(partition: &PartitionPlan, needed: u64, given: u64) -> DiskError {
    DiskError::TooSmall {
        origin: partition.origin.clone(),
        what: format!("partition '{}'", partition.name),
        needed,
        given,
    }
}
