//! GPT: protective MBR, table and backup.

use std::collections::BTreeMap;
use std::fs::File;

use gpt::disk::LogicalBlockSize;
use gpt::mbr::ProtectiveMBR;
use gpt::partition::Partition;
use gpt::partition_types::{self, OperatingSystem, Type};
use uuid::{Uuid, uuid};

use crate::plan::{PartitionKind, PartitionPlan};

use super::layout::SECTOR;
use super::{DiskError, Extent, Layout};

/// Attribute of the Discoverable Partitions Specification: the filesystem is to be grown to its partition when it
/// is mounted. Set where the recipe says `grow`, so that systemd does it even without our own program.
const GROW_FILESYSTEM: u64 = 1 << 59;

/// Types of the Discoverable Partitions Specification that the library has no name for.
const XBOOTLDR: Uuid = uuid!("bc13c2ff-59e6-4262-a352-b275fd6f7172");
const VAR: Uuid = uuid!("4d21b016-b534-45c2-a9fb-5c16e091fd2d");

/// Longest partition name, in UTF-16 units.
const NAME_LENGTH: usize = 36;

/// Writes table, backup and protective MBR.
pub fn write(disk: &File, layout: &Layout) -> Result<(), DiskError> {
    write_protective_mbr(disk, layout)?;
    let table = gpt::GptConfig::new().writable(true).logical_block_size(LogicalBlockSize::Lb512);
    let mut table = table.create_from_device(disk, Some(layout.plan.guid)).map_err(table_error)?;
    let mut partitions = BTreeMap::new();
    for ((number, partition), extent) in (1..).zip(&layout.plan.partitions).zip(&layout.extents) {
        partitions.insert(number, entry(partition, *extent)?);
    }
    table.update_partitions(partitions).map_err(table_error)?;
    table.write().map(drop).map_err(table_error)
}

fn write_protective_mbr(mut disk: &File, layout: &Layout) -> Result<(), DiskError> {
    let sectors = u32::try_from(layout.size / SECTOR - 1).unwrap_or(u32::MAX);
    ProtectiveMBR::with_lb_size(sectors)
        .overwrite_lba0(&mut disk)
        .map(drop)
        .map_err(|error| DiskError::io("writing the protective MBR", std::io::Error::other(error)))
}

fn table_error(error: gpt::GptError) -> DiskError {
    DiskError::io("writing the partition table", std::io::Error::other(error))
}

fn entry(partition: &PartitionPlan, extent: Extent) -> Result<Partition, DiskError> {
    if partition.name.encode_utf16().count() > NAME_LENGTH {
        return Err(DiskError::unfit(
            format!("{}: partition name '{}'", partition.origin, partition.name),
            format!("at most {NAME_LENGTH} characters fit; choose a shorter one"),
        ));
    }
    Ok(Partition {
        part_type_guid: type_of(partition.kind),
        part_guid: partition.guid,
        first_lba: extent.start / SECTOR,
        last_lba: (extent.start + extent.length) / SECTOR - 1,
        flags: attributes(partition),
        name: partition.name.clone(),
    })
}

/// Returns the type: the Discoverable Partitions Specification's, so that systemd knows what it is for.
fn type_of(kind: PartitionKind) -> Type {
    let discoverable = |guid| Type { guid, os: OperatingSystem::Linux };
    match kind {
        PartitionKind::BiosBoot => partition_types::BIOS,
        PartitionKind::Esp => partition_types::EFI,
        PartitionKind::Xbootldr => discoverable(XBOOTLDR),
        PartitionKind::Root => partition_types::LINUX_ROOT_X64,
        PartitionKind::Home => partition_types::LINUX_HOME,
        PartitionKind::Srv => partition_types::LINUX_SRV,
        PartitionKind::Var => discoverable(VAR),
        PartitionKind::Linux => partition_types::LINUX_FS,
        PartitionKind::Swap => partition_types::LINUX_SWAP,
    }
}

/// Returns the attribute bits: the mark to grow, where the specification defines it.
fn attributes(partition: &PartitionPlan) -> u64 {
    use PartitionKind::{Home, Root, Srv, Var, Xbootldr};
    let defined = matches!(partition.kind, Root | Home | Srv | Var | Xbootldr);
    if partition.grow && defined { GROW_FILESYSTEM } else { 0 }
}
