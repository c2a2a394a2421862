//! Finds the bundle's disk and the report's port in sysfs, with or without udev.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use contract::test_bundle::{DISK_SERIAL, REPORT_PORT};

use super::beneath;

/// Asks `find` until it finds something; drivers are loaded while the system starts.
pub fn wait_for(patience: Duration, find: impl Fn() -> Result<PathBuf>) -> Result<PathBuf> {
    let deadline = Instant::now() + patience;
    loop {
        match find() {
            Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(100)),
            outcome => return outcome,
        }
    }
}

/// Returns the disk whose serial number names a bundle.
pub fn find_disk(root: &Path) -> Result<PathBuf> {
    find(root, "/sys/block", "serial", DISK_SERIAL)
        .with_context(|| format!("looking for a virtio disk with serial number '{DISK_SERIAL}'"))
}

/// Returns the virtio-serial port that takes the report.
pub fn find_port(root: &Path) -> Result<PathBuf> {
    find(root, "/sys/class/virtio-ports", "name", REPORT_PORT)
        .with_context(|| format!("looking for the virtio-serial port '{REPORT_PORT}'"))
}

/// Looks for `class/NAME/attribute` that holds `wanted` and returns `/dev/NAME`.
fn find(root: &Path, class: &str, attribute: &str, wanted: &str) -> Result<PathBuf> {
    let folder = beneath(root, class);
    for entry in fs::read_dir(&folder).with_context(|| format!("reading '{}'", folder.display()))? {
        let entry = entry.with_context(|| format!("reading '{}'", folder.display()))?;
        // Most devices have no such attribute.
        let Ok(value) = fs::read_to_string(entry.path().join(attribute)) else { continue };
        if value.trim_end_matches(['\n', '\0']) == wanted {
            return Ok(beneath(root, "/dev").join(entry.file_name()));
        }
    }
    Err(anyhow!("no entry of '{}' has it", folder.display()))
}
