//! Partitions that the image marks, and the filesystems in them, take the space that the clone's disk has more.
//!
//! The record that the builder writes names them by what their tables know them by, so it does not matter in which order
//! the kernel found the disks. A disk that gets larger later is another piece of work: it grows at the next boot.

use std::fs::File;

use anyhow::{Context, Result, bail, ensure};
use contract::grow::{GrowRecord, GrowingPartition, PATH};
use contract::state::Phase;
use host::growth::GrowingFilesystem;

use super::change::{Change, Deed};
use super::{Step, Target};
use crate::machine::Machine;
use crate::partition::{Geometry, Partition, Table};

const DISKS: &str = "/sys/class/block";

/// Grows what is marked.
#[derive(Debug)]
pub struct GrowStep;

impl Step for GrowStep {
    fn name(&self) -> String {
        "grow".into()
    }

    fn phase(&self) -> Phase {
        Phase::Early
    }

    fn wish(&self, clone: &Target<'_>) -> Option<serde_json::Value> {
        let asked = clone.wanted.state.grow;
        let record = clone.machine.read_fact(PATH);
        let is_wanted = asked == Some(true) || asked.is_none() && !record.is_empty();
        let sizes = || disks(clone.machine).iter().map(|disk| disk.geometry.sectors).collect::<Vec<_>>();
        is_wanted.then(|| serde_json::json!([record, sizes()]))
    }

    fn plan(&self, clone: &Target<'_>) -> Result<Vec<Change>> {
        let Some(text) = clone.machine.read_text(PATH)? else {
            eprintln!("firstboot: nothing grows: the image's recipe marks no partition with `grow: true`");
            return Ok(Vec::new());
        };
        let record = GrowRecord::from_text(&text).with_context(|| format!("reading '{PATH}'"))?;
        let disks = disks(clone.machine);
        if disks.is_empty() && !clone.machine.is_live {
            // An image's tree has no disk to grow.
            return Ok(Vec::new());
        }
        let mut changes = Vec::new();
        for partition in &record.partitions {
            let disk = disks.iter().find(|disk| disk.table.find(&partition.partuuid).is_some());
            let disk = disk.with_context(|| format!("no disk has the partition {}", shown(partition)))?;
            changes
                .push(Change::deed(GrowPartition { disk: disk.name.clone(), partition: partition.clone() }));
            if let Some(mount) = &partition.mount {
                let filesystem = filesystem_of(&partition.filesystem)?;
                changes.push(Change::deed(GrowFilesystem {
                    mount: mount.clone(),
                    filesystem,
                    disk: disk.name.clone(),
                    partuuid: partition.partuuid.clone(),
                }));
            }
        }
        Ok(changes)
    }
}

fn shown(partition: &GrowingPartition) -> String {
    let GrowingPartition { number, partuuid, mount, .. } = partition;
    format!("{number} (PARTUUID {partuuid}, mounted at {})", mount.as_deref().unwrap_or("no place"))
}

fn filesystem_of(name: &str) -> Result<GrowingFilesystem> {
    Ok(match name {
        "ext2" | "ext3" | "ext4" => GrowingFilesystem::Ext,
        "xfs" => GrowingFilesystem::Xfs,
        "btrfs" => GrowingFilesystem::Btrfs,
        other => bail!("a filesystem '{other}' does not grow while it is in use; ext4, xfs and btrfs do"),
    })
}

/// A disk with a table that can be understood.
#[derive(Debug)]
struct Disk {
    name: String,
    geometry: Geometry,
    table: Table,
}

/// Those of the machine; what cannot be read is none of ours.
fn disks(machine: &Machine) -> Vec<Disk> {
    let names = machine.root.list_folder(DISKS).unwrap_or_default();
    let is_whole = |name: &String| {
        let is_other = ["loop", "ram", "zram", "fd", "sr", "nbd"].iter().any(|other| name.starts_with(other));
        !is_other && !machine.exists(&format!("{DISKS}/{name}/partition"))
    };
    names.into_iter().filter(is_whole).filter_map(|name| load(machine, name).ok().flatten()).collect()
}

fn load(machine: &Machine, name: String) -> Result<Option<Disk>> {
    let file = machine.root.open_file(&format!("/dev/{name}"))?;
    let sector =
        machine.read_fact(&format!("{DISKS}/{name}/queue/logical_block_size")).parse().unwrap_or(512);
    let geometry = Geometry::of(&file, sector)?;
    Ok(Table::load(&file, geometry)?.map(|table| Disk { name, geometry, table }))
}

/// Opens a disk and finds the partition on it.
fn find(machine: &Machine, name: &str, partuuid: &str) -> Result<(Disk, Partition)> {
    let disk = load(machine, name.to_owned()).with_context(|| format!("reading '/dev/{name}'"))?;
    let disk = disk.with_context(|| format!("'/dev/{name}' has no partition table"))?;
    let found = disk.table.find(partuuid).cloned();
    let found = found.with_context(|| format!("'/dev/{name}' has no partition {partuuid}"))?;
    Ok((disk, found))
}

/// A partition takes the free space behind it.
#[derive(Debug)]
struct GrowPartition {
    disk: String,
    partition: GrowingPartition,
}

impl Deed for GrowPartition {
    fn describe(&self) -> String {
        format!("let partition {} of /dev/{} take the free space behind it", self.partition.number, self.disk)
    }

    fn holds(&self, machine: &Machine) -> Result<bool> {
        let (disk, found) = find(machine, &self.disk, &self.partition.partuuid)?;
        Ok(disk.table.grown(found.number).is_none())
    }

    fn apply(&self, machine: &Machine) -> Result<()> {
        let (disk, found) = find(machine, &self.disk, &self.partition.partuuid)?;
        let Some(grown) = disk.table.grown(found.number) else { return Ok(()) };
        let path = format!("/dev/{}", self.disk);
        let file = machine.root.open_for_writing(&path).with_context(|| format!("opening '{path}'"))?;
        disk.table.write(&file, &grown)?;
        if machine.is_live {
            tell_kernel(&file, disk.geometry, &grown)?;
        }
        Ok(())
    }
}

fn tell_kernel(disk: &File, geometry: Geometry, grown: &Partition) -> Result<()> {
    let (start, length) = (grown.first * geometry.sector, grown.count * geometry.sector);
    host::growth::resize_partition(disk, grown.number, start, length)
        .context("telling the kernel of the larger partition")
}

/// A filesystem fills its partition.
#[derive(Debug)]
struct GrowFilesystem {
    mount: String,
    filesystem: GrowingFilesystem,
    disk: String,
    partuuid: String,
}

impl Deed for GrowFilesystem {
    fn describe(&self) -> String {
        format!("let the filesystem of {} fill its partition", self.mount)
    }

    fn holds(&self, _machine: &Machine) -> Result<bool> {
        Ok(false)
    }

    fn is_consequence(&self) -> bool {
        true
    }

    fn apply(&self, machine: &Machine) -> Result<()> {
        if !machine.is_live {
            return Ok(());
        }
        let (disk, partition) = find(machine, &self.disk, &self.partuuid)?;
        let bytes = partition.count * disk.geometry.sector;
        // A power cut may have come between the table and the kernel's knowledge of it.
        let path = format!("/dev/{}", self.disk);
        let file = machine.root.open_for_writing(&path).with_context(|| format!("opening '{path}'"))?;
        tell_kernel(&file, disk.geometry, &partition)?;
        let folder = File::open(&self.mount).with_context(|| format!("opening '{}'", self.mount))?;
        ensure!(folder.metadata()?.is_dir(), "'{}' is no folder", self.mount);
        host::growth::grow(self.filesystem, &folder, bytes)
            .with_context(|| format!("growing the filesystem of '{}'", self.mount))
    }
}
