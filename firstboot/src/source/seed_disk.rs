//! Finds the disks whose labels say that they carry a configuration.

use std::fs::File;
use std::time::{Duration, Instant};

use super::{Collector, Rank};
use crate::machine::Machine;
use crate::volume::{self, Volume};

/// How long drivers may take to show their disks after the kernel began to look for them.
const DRIVER_PATIENCE: Duration = Duration::from_secs(10);
/// udev has this file while it works.
const UDEV_QUEUE: &str = "/run/udev/queue";

/// A disk with a known label.
#[derive(Debug)]
pub(super) struct SeedDisk {
    /// For example `/dev/vdb`.
    pub path: String,
    /// What the label says.
    pub kind: SeedKind,
    /// Its filesystem.
    pub volume: Volume<File>,
}

/// What kind of configuration a label promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SeedKind {
    /// `cidata`.
    NoCloud,
    /// `config-2`.
    ConfigDrive,
    /// `CONTEXT`.
    OpenNebula,
}

/// Looks at every disk; waits for drivers only while udev is still at work and nothing was found.
pub(super) fn find(machine: &Machine, collector: &mut Collector) -> Vec<SeedDisk> {
    let deadline = Instant::now() + DRIVER_PATIENCE;
    loop {
        let is_busy = machine.exists(UDEV_QUEUE);
        let mut broken = Vec::new();
        let found = look(machine, &mut broken);
        if !found.is_empty() || !is_busy || Instant::now() >= deadline {
            for (path, reason) in broken {
                collector.add_broken(Rank::Metadata, format!("disk '{path}'"), reason);
            }
            return found;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn look(machine: &Machine, broken: &mut Vec<(String, String)>) -> Vec<SeedDisk> {
    let mut found = Vec::new();
    for name in machine.root.list_folder("/sys/class/block").unwrap_or_default() {
        // These never carry a seed; a floppy drive would be waited for.
        if ["loop", "ram", "zram", "fd", "nbd", "md"].iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        let path = format!("/dev/{name}");
        // A drive without a disk, or one that is somebody else's, is no seed.
        let Ok(file) = machine.root.open_file(&path) else { continue };
        match volume::open(file) {
            Ok(Some(volume)) => {
                if let Some(kind) = kind_of(volume.label()) {
                    found.push(SeedDisk { path, kind, volume });
                }
            }
            Ok(None) => {}
            Err(error) => broken.push((path, error.to_string())),
        }
    }
    found
}

fn kind_of(label: &str) -> Option<SeedKind> {
    match label.to_ascii_lowercase().as_str() {
        "cidata" => Some(SeedKind::NoCloud),
        "config-2" => Some(SeedKind::ConfigDrive),
        "context" => Some(SeedKind::OpenNebula),
        _ => None,
    }
}
