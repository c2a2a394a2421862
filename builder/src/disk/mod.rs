//! Tree + layout → [`RawDisk`]: partition table, filesystems, boot sectors, all as bytes of one sparse file.
//!
//! - In: a bootable tree, the plan's table, GRUB's sectors, a tools tree that holds mke2fs.
//! - Out: a complete disk in an unnamed file: it has no name until `output` gives it one, so a kill leaves nothing.
//! - Cache key: the tree, the plan, the epoch, the tools' digests; two runs give the same bytes.
//! - Undo: none needed.
//!
//! No loop device, no mount, no device node: ext4, ext3 and ext2 are made by mke2fs from a tar stream straight into
//! the file ([`ext4`]), FAT by a library ([`vfat`]), XFS, btrfs, swap headers and partition tables by us ([`xfs`],
//! [`btrfs`], [`swap`], [`gpt`], [`msdos`]). squashfs and EROFS are made by programs of the tools tree from the same
//! stream, before the layout, which needs their length. A filesystem format is one module that offers `need` (its
//! size) and `write`; a table is one that offers `write`.

mod block;
mod boot_code;
pub mod btrfs;
mod content;
mod error;
pub mod ext4;
pub mod gpt;
mod inodes;
pub mod layout;
mod model;
pub mod msdos;
mod packed;
mod slice;
pub mod swap;
pub mod toolbox;
pub mod vfat;
pub mod xfs;

#[cfg(test)]
mod tests;

use std::os::unix::fs::FileExt;
use std::path::Path;

pub use error::DiskError;
pub use model::{BootCode, Extent, Layout, RawDisk};
pub use toolbox::{SandboxToolbox, Toolbox};

use crate::boot::BootableTree;
use crate::plan::{DiskPlan, FilesystemKind, FilesystemPlan, PartitionKind, PartitionPlan, TableKind};
use crate::progress::{Stage, Unit};
use crate::resolve::Locked;
use crate::rootfs::tar_stream::TreeScan;

use layout::Need;
use packed::Packed;

/// What a disk is made from.
#[derive(Debug)]
pub struct Parts<'a> {
    /// What it was locked to; goes on with the disk.
    pub locked: Locked,
    /// The finished tree, the folder that is the image's `/`.
    pub root: &'a Path,
    /// GRUB's sectors for the BIOS; needed if the plan is to boot by it.
    pub boot_code: Option<&'a dyn BootCode>,
    /// Runs mke2fs and its like.
    pub toolbox: &'a dyn Toolbox,
    /// The folder on whose filesystem the unnamed file is made: where the outputs go.
    pub folder: &'a Path,
}

/// Makes the disk of a bootable tree: `toolbox` runs the tools, `folder` is where the outputs go.
///
/// # Errors
/// As [`assemble_parts`].
pub fn assemble(
    bootable: BootableTree,
    toolbox: &dyn Toolbox,
    folder: &Path,
    stage: &Stage<'_>,
) -> Result<RawDisk, DiskError> {
    let boot_code = bootable.bios.as_ref().map(|bios| bios as &dyn BootCode);
    let locked = bootable.tree.locked.clone();
    assemble_parts(Parts { locked, root: bootable.tree.root(), boot_code, toolbox, folder }, stage)
}

/// Makes a disk of its parts.
///
/// # Errors
/// When the plan has no disk, something does not fit (names the recipe's line), or a tool fails.
pub fn assemble_parts(parts: Parts<'_>, stage: &Stage<'_>) -> Result<RawDisk, DiskError> {
    let plan = parts.locked.plan.disk.clone().ok_or(DiskError::NoDisk)?;
    let scans = scan_filesystems(&plan, parts.root)?;
    let packed = pack(&parts, &plan, &scans, stage)?;
    let layout = layout::settle(&plan, &needs(&plan, &scans, &packed, parts.boot_code)?)?;
    let file = host::sparse::create_unnamed(parts.folder).map_err(|source| {
        DiskError::io(format!("creating the disk in '{}'", parts.folder.display()), source)
    })?;
    file.set_len(layout.size).map_err(|source| DiskError::io("sizing the disk", source))?;
    let disk = RawDisk { size: layout.size, layout, file, locked: parts.locked.clone() };
    stage.total(plan.partitions.len() as u64 + 1, Unit::Items);
    for (index, scan) in scans.iter().enumerate() {
        stage.working(plan.partitions[index].name.clone());
        match &packed[index] {
            Some(packed) => packed.write(&disk.file, disk.layout.extents[index])?,
            None => write_partition(&parts, &disk, index, scan)?,
        }
        stage.advance(1);
    }
    let boot_code = parts.boot_code.filter(|_| parts.locked.plan.boot.as_ref().is_some_and(|boot| boot.bios));
    match plan.table {
        TableKind::Gpt => gpt::write(&disk.file, &disk.layout)?,
        TableKind::Msdos => msdos::write(&disk.file, &disk.layout)?,
    }
    if let Some(code) = boot_code {
        boot_code::write(&disk.file, &disk.layout, code)?;
    }
    stage.advance(1);
    Ok(disk)
}

/// What goes into one partition: a scan for each of its subvolumes, one for a filesystem without; none for what is
/// made empty.
type Scans = Vec<Option<TreeScan>>;

/// Scans the parts of the tree that go into each partition.
fn scan_filesystems(plan: &DiskPlan, root: &Path) -> Result<Vec<Scans>, DiskError> {
    let filesystems = plan.partitions.iter().filter_map(|partition| partition.filesystem.as_ref());
    let mounts: Vec<&str> = filesystems.flat_map(FilesystemPlan::mounts).map(|mount| mount.point).collect();
    let scan = |mount: Option<&str>| {
        let Some(mount) = mount else { return Ok(None) };
        let others: Vec<&str> = mounts.iter().filter_map(|other| below(other, mount)).collect();
        Ok(Some(TreeScan::read(&root.join(mount.trim_matches('/')), &others)?))
    };
    let scan_all = |filesystem: &FilesystemPlan| match filesystem.subvolumes.as_slice() {
        [] => Ok(vec![scan(filesystem.mount.as_deref())?]),
        subvolumes => subvolumes.iter().map(|subvolume| scan(subvolume.mount.as_deref())).collect(),
    };
    let filesystems = plan.partitions.iter().map(|partition| partition.filesystem.as_ref());
    filesystems.map(|filesystem| filesystem.map_or_else(|| Ok(vec![None]), scan_all)).collect()
}

/// Returns the path of mount point `other` inside the filesystem mounted at `mount`, if it is below it.
fn below<'a>(other: &'a str, mount: &str) -> Option<&'a str> {
    let rest = other.strip_prefix(mount.trim_end_matches('/'))?;
    (rest.starts_with('/') && rest.len() > 1).then_some(rest)
}

/// Makes the filesystems whose size is known only when they are there.
fn pack(
    parts: &Parts<'_>,
    plan: &DiskPlan,
    scans: &[Scans],
    stage: &Stage<'_>,
) -> Result<Vec<Option<Packed>>, DiskError> {
    let one = |(partition, scans): (&PartitionPlan, &Scans)| {
        let filesystem = partition.filesystem.as_ref().filter(|filesystem| filesystem.kind.is_read_only());
        let (Some(filesystem), Some(Some(scan))) = (filesystem, scans.first()) else { return Ok(None) };
        stage.working(format!("{} of {}", filesystem.kind.name(), partition.name));
        packed::make(filesystem, scan, parts.locked.epoch, parts.folder, parts.toolbox).map(Some)
    };
    plan.partitions.iter().zip(scans).map(one).collect()
}

fn needs(
    plan: &DiskPlan,
    scans: &[Scans],
    packed: &[Option<Packed>],
    boot_code: Option<&dyn BootCode>,
) -> Result<Vec<Need>, DiskError> {
    let all = plan.partitions.iter().zip(scans).zip(packed);
    all.map(|((partition, scans), packed)| match packed {
        Some(packed) => Ok(packed.need()),
        None => need(partition, scans, boot_code),
    })
    .collect()
}

fn need(
    partition: &PartitionPlan,
    scans: &Scans,
    boot_code: Option<&dyn BootCode>,
) -> Result<Need, DiskError> {
    let Some(filesystem) = &partition.filesystem else {
        let bios_boot = partition.kind == PartitionKind::BiosBoot;
        return Ok(if bios_boot { boot_code::bios_boot_need(boot_code) } else { Need::default() });
    };
    let scan = scans.first().and_then(Option::as_ref);
    match filesystem.kind {
        kind @ (FilesystemKind::Ext2 | FilesystemKind::Ext3 | FilesystemKind::Ext4) => {
            Ok(ext4::need(kind, scan))
        }
        FilesystemKind::Xfs => xfs::need(scan),
        FilesystemKind::Btrfs => btrfs::need(filesystem, scans),
        FilesystemKind::Vfat => Ok(vfat::need(scan)),
        FilesystemKind::Swap => Ok(swap::NEED),
        FilesystemKind::Squashfs | FilesystemKind::Erofs => Ok(Need::default()),
    }
}

fn write_partition(parts: &Parts<'_>, disk: &RawDisk, index: usize, scans: &Scans) -> Result<(), DiskError> {
    let Some(filesystem) = &disk.layout.plan.partitions[index].filesystem else { return Ok(()) };
    let extent = disk.layout.extents[index];
    let epoch = parts.locked.epoch;
    let scan = scans.first().and_then(Option::as_ref);
    match filesystem.kind {
        FilesystemKind::Ext2 | FilesystemKind::Ext3 | FilesystemKind::Ext4 => {
            let release = ext4::Release::of(&parts.locked);
            ext4::write(
                &ext4::Job { disk: &disk.file, extent, filesystem, scan, release, epoch },
                parts.toolbox,
            )
        }
        FilesystemKind::Xfs => xfs::write(&xfs::Job { disk: &disk.file, extent, filesystem, scan, epoch }),
        FilesystemKind::Btrfs => {
            btrfs::write(&btrfs::Job { disk: &disk.file, extent, filesystem, scans, epoch })
        }
        // They are made before the others, see `pack`.
        FilesystemKind::Squashfs | FilesystemKind::Erofs => Ok(()),
        FilesystemKind::Vfat => vfat::write(&disk.file, extent, filesystem, scan, epoch),
        FilesystemKind::Swap => {
            let header = swap::header(extent.length, filesystem)?;
            disk.file
                .write_all_at(&header, extent.start)
                .map_err(|source| DiskError::io("writing the swap header", source))
        }
    }
}
