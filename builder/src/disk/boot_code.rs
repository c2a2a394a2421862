//! The BIOS's way into the disk: the boot sector around the table, and the core image that it loads.
//!
//! With GPT the core image has a partition of its own; with an msdos table it lies in the gap that alignment leaves
//! between the table and the first partition, as `grub-install` puts it.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::plan::{PartitionKind, TableKind};

use super::layout::{MIB, Need, SECTOR};
use super::{BootCode, DiskError, Extent, Layout};

/// What a bios-boot partition needs: the core image, wherever it is.
pub(super) fn bios_boot_need(boot_code: Option<&dyn BootCode>) -> Need {
    let core = boot_code.map_or(0, |code| code.core_at(MIB / SECTOR).len() as u64);
    Need { least: core, auto: Some(core.max(MIB)) }
}

/// Writes the boot sector and the core image; the table must be written.
pub(super) fn write(disk: &File, layout: &Layout, code: &dyn BootCode) -> Result<(), DiskError> {
    let (place, name) = place(layout)?;
    let first_sector = place.start / SECTOR;
    let core = code.core_at(first_sector);
    if core.len() as u64 > place.length {
        return Err(DiskError::unfit("GRUB's core image", format!("it is larger than {name}")));
    }
    let mut sector = [0; SECTOR as usize];
    let io = |source| DiskError::io("writing the boot sectors", source);
    disk.read_exact_at(&mut sector, 0).map_err(io)?;
    disk.write_all_at(&code.boot_sector(&sector, first_sector), 0).map_err(io)?;
    disk.write_all_at(&core, place.start).map_err(io)
}

/// Returns where the core image goes, and what that place is called.
fn place(layout: &Layout) -> Result<(Extent, &'static str), DiskError> {
    let mut partitions = layout.plan.partitions.iter().zip(&layout.extents);
    match layout.plan.table {
        TableKind::Gpt => {
            let found = partitions.find(|(partition, _)| partition.kind == PartitionKind::BiosBoot);
            let (_, extent) = found.ok_or_else(|| {
                DiskError::unfit(
                    "booting by BIOS",
                    "GRUB needs a partition of `type: bios-boot`; add one of 1MiB",
                )
            })?;
            Ok((*extent, "the bios-boot partition"))
        }
        TableKind::Msdos => {
            let first = layout.extents.iter().map(|extent| extent.start).min().unwrap_or(MIB);
            let gap = Extent { start: SECTOR, length: first - SECTOR };
            Ok((gap, "the gap before the first partition"))
        }
    }
}
