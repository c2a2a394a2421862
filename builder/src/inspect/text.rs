//! The report as text for people.

use std::fmt::{self, Display, Formatter};

use super::{BootReport, PackagesReport, PartitionReport, Report, SystemReport};
use crate::image::filesystem::{Filesystem, Kind};

/// How many packages are named.
const LARGEST: usize = 10;

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "image       {}", self.path.display())?;
        let (virtual_size, allocated) = (size(self.virtual_size), size(self.allocated));
        writeln!(f, "format      {}, {virtual_size} virtual, {allocated} allocated", self.format)?;
        if let Some(backing) = &self.backing_file {
            writeln!(f, "depends on  {backing}")?;
        }
        match &self.table {
            Some(table) => {
                let backup =
                    if table.backup_matches == Some(false) { ", BACKUP MISSING OR DIFFERENT" } else { "" };
                writeln!(f, "table       {} {}{backup}", table.kind, table.id)?;
            }
            None => writeln!(f, "table       none")?,
        }
        boot(f, &self.boot)?;
        if let Some(system) = &self.system {
            system_lines(f, system)?;
        }
        self.partitions.iter().try_for_each(|partition| write!(f, "\n{partition}"))?;
        self.packages.as_ref().map_or(Ok(()), |packages| package_lines(f, packages))
    }
}

fn boot(f: &mut Formatter<'_>, boot: &BootReport) -> fmt::Result {
    match &boot.bios {
        None => writeln!(f, "BIOS        no boot sector")?,
        Some(bios) => {
            write!(f, "BIOS        {}", bios.loader)?;
            match (bios.core_sector, bios.core_present, bios.core_partition) {
                (Some(sector), true, Some(partition)) => {
                    writeln!(f, ", core image at sector {sector} in partition {partition}")?;
                }
                (Some(sector), true, None) => {
                    writeln!(f, ", core image at sector {sector} before the partitions")?
                }
                (Some(sector), false, _) => writeln!(f, ", but no core image at sector {sector}")?,
                (None, ..) => writeln!(f)?,
            }
        }
    }
    if boot.uefi.is_empty() {
        writeln!(f, "UEFI        nothing")?;
    }
    for program in &boot.uefi {
        let signed = if program.signed { "signed" } else { "NOT SIGNED" };
        let by = if program.certificates.is_empty() {
            String::new()
        } else {
            format!(" ({})", program.certificates.join(", "))
        };
        writeln!(
            f,
            "UEFI        {}: {}, {}, {signed}{by}",
            program.path,
            program.kind,
            program.machine.unwrap_or("no program")
        )?;
    }
    for kernel in &boot.kernels {
        let signed = if kernel.signed { "signed" } else { "not signed" };
        let initramfs = kernel
            .initramfs_size
            .map_or_else(|| "NO INITRAMFS".to_owned(), |bytes| format!("initramfs {}", size(bytes)));
        writeln!(f, "kernel      {} {}, {signed}, {initramfs}", kernel.release, size(kernel.size))?;
    }
    match boot.command_line() {
        Some(line) => writeln!(f, "arguments   {line}"),
        None => Ok(()),
    }
}

fn system_lines(f: &mut Formatter<'_>, system: &SystemReport) -> fmt::Result {
    let name = system.name.as_deref().or(system.id.as_deref()).unwrap_or("unknown");
    writeln!(f, "system      {name}, {} names, {} of files", system.names, size(system.content))?;
    if let Some(hostname) = &system.hostname {
        writeln!(f, "host name   {hostname}")?;
    }
    let firstboot = match (system.firstboot, system.firstboot_tests) {
        (false, _) => "not there",
        (true, false) => "there",
        (true, true) => "there, runs tests that a host attaches",
    };
    writeln!(f, "firstboot   {firstboot}")
}

impl Display for PartitionReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(entry) = &self.entry {
            let name = if entry.name.is_empty() { String::new() } else { format!("{}  ", entry.name) };
            writeln!(
                f,
                "{}  {name}{}, {} at {}",
                entry.number,
                entry.kind,
                size(entry.length),
                size(entry.start)
            )?;
            writeln!(f, "   partition {}", entry.id)?;
        } else {
            writeln!(f, "the whole disk")?;
        }
        let Filesystem { kind, variant, label, uuid, .. } = &self.filesystem;
        if *kind != Kind::None {
            let name = variant.as_deref().filter(|_| *kind == Kind::Vfat).unwrap_or(kind.name());
            let uuid = uuid.as_deref().unwrap_or("without UUID");
            let mount = self.mount.as_ref().map_or(String::new(), |mount| format!(", mounted on {mount}"));
            let clean = if self.filesystem.clean == Some(false) {
                ", NOT CLEAN: the journal is not replayed here"
            } else {
                ""
            };
            writeln!(f, "   {name} '{label}' {uuid}{mount}{clean}")?;
        }
        room(f, &self.filesystem)?;
        if let Some(damage) = &self.filesystem.damage {
            writeln!(f, "   DAMAGED: {damage}")?;
        } else if kind.has_files() && !self.files_read {
            writeln!(f, "   its files can be read by root only, through the kernel")?;
        }
        self.files.iter().try_for_each(|file| writeln!(f, "   {:>9}  {}", file.size, file.path))
    }
}

fn room(f: &mut Formatter<'_>, filesystem: &Filesystem) -> fmt::Result {
    if let (Some(free), Some(total)) = (filesystem.free, filesystem.size) {
        write!(f, "   {} of {} free", size(free), size(total))?;
        match (filesystem.free_inodes, filesystem.inodes) {
            (Some(free), Some(inodes)) => writeln!(f, ", {free} of {inodes} inodes free")?,
            _ => writeln!(f)?,
        }
    }
    if filesystem.features.is_empty() { Ok(()) } else { writeln!(f, "   {}", filesystem.features.join(" ")) }
}

fn package_lines(f: &mut Formatter<'_>, packages: &PackagesReport) -> fmt::Result {
    writeln!(
        f,
        "\n{} packages, {} as they declare it; the largest:",
        packages.count,
        size(packages.installed_size)
    )?;
    for package in packages.by_size().into_iter().take(LARGEST) {
        writeln!(f, "   {:>10}  {} {}", size(package.installed_size), package.name, package.version)?;
    }
    packages.unfinished.iter().try_for_each(|package| writeln!(f, "   NOT INSTALLED WELL: {package}"))
}

/// Writes a size so that it is read at a glance.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) if bytes.is_multiple_of(*unit) => format!("{} {name}", bytes / unit),
        // One decimal, cut off.
        Some((name, unit)) => {
            format!("{}.{} {name}", bytes / unit, u128::from(bytes % unit) * 10 / u128::from(*unit))
        }
        None => format!("{bytes} B"),
    }
}
