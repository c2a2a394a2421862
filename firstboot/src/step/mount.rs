//! Filesystems that are mounted, now and at each boot: a line of fstab by UUID or label, and on a blank disk, where the
//! document says so, a new filesystem.

use anyhow::{Context, Result, bail, ensure};
use contract::state::{Mount, Phase};
use ring::digest::{SHA256, digest};

use super::change::{Change, Deed, run_tool};
use super::{Step, Target, fstab};
use crate::machine::Machine;
use crate::superblock::{self, Superblock};

/// Mounts one filesystem.
#[derive(Debug)]
pub struct MountStep(pub Mount);

impl Step for MountStep {
    fn name(&self) -> String {
        format!("mount {}", self.0.target)
    }

    fn phase(&self) -> Phase {
        Phase::Early
    }

    fn wish(&self, _clone: &Target<'_>) -> Option<serde_json::Value> {
        let Mount { device, target, filesystem, options, format } = &self.0;
        Some(serde_json::json!([device, target, filesystem, options, format]))
    }

    fn plan(&self, clone: &Target<'_>) -> Result<Vec<Change>> {
        let mount = &self.0;
        let mut changes = Vec::new();
        let mut device = mount.device.clone();
        if let Some(path) = device.starts_with('/').then(|| device.clone()) {
            match look_at(clone.machine, &path)? {
                Content::Known(found) => device = format!("UUID={}", found.uuid),
                // An ISO image or a FAT has no UUID that is read here; the path is what the author chose.
                Content::Unknown => {}
                Content::Blank => {
                    let new = NewFilesystem::of(mount, &path, &clone.identity.key)?;
                    device = format!("UUID={}", new.uuid);
                    changes.push(Change::deed(new));
                }
            }
        }
        let pass = if mount.filesystem.starts_with("ext") { 2 } else { 0 };
        let line = format!("{device} {} {} {} 0 {pass}", mount.target, mount.filesystem, mount.options);
        changes.push(Change::Folder { path: mount.target.clone(), mode: 0o755, owner: (0, 0) });
        changes.push(Change::file(fstab::PATH, fstab::with_line(clone.machine, &line)?, 0o644));
        changes.push(Change::deed(Mounted(mount.target.clone())));
        Ok(changes)
    }
}

/// What is on a device.
enum Content {
    Known(Superblock),
    Unknown,
    Blank,
}

fn look_at(machine: &Machine, path: &str) -> Result<Content> {
    ensure!(machine.exists(path), "there is no '{path}'");
    let file = machine.root.open_file(path).with_context(|| format!("opening '{path}'"))?;
    let reading = || format!("reading '{path}'");
    Ok(match superblock::identify(&file).with_context(reading)? {
        Some(found) => Content::Known(found),
        None if superblock::is_blank(&file).with_context(reading)? => Content::Blank,
        None => Content::Unknown,
    })
}

/// A blank disk gets a filesystem.
#[derive(Debug)]
struct NewFilesystem {
    device: String,
    filesystem: String,
    uuid: String,
}

impl NewFilesystem {
    fn of(mount: &Mount, path: &str, machine: &str) -> Result<Self> {
        ensure!(
            mount.format,
            "'{path}' is blank; a native document with `format: true` for '{}' has a filesystem made",
            mount.target
        );
        ensure!(
            matches!(mount.filesystem.as_str(), "ext4" | "xfs" | "btrfs"),
            "`format: true` for '{}' needs a filesystem of ext4, xfs or btrfs, not '{}'",
            mount.target,
            mount.filesystem
        );
        // Of the machine and the place, so that a run that was cut finds the filesystem that it began to make.
        let mut bytes = digest(&SHA256, format!("{machine} {path}").as_bytes()).as_ref()[..16].to_vec();
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let uuid = superblock::format_uuid(&bytes);
        Ok(Self { device: path.to_owned(), filesystem: mount.filesystem.clone(), uuid })
    }
}

impl Deed for NewFilesystem {
    fn describe(&self) -> String {
        format!("make a filesystem {} on the blank disk {}", self.filesystem, self.device)
    }

    fn holds(&self, machine: &Machine) -> Result<bool> {
        let is_ours = |found: &Superblock| found.uuid == self.uuid;
        Ok(match look_at(machine, &self.device)? {
            Content::Known(found) => is_ours(&found),
            Content::Unknown => false,
            // Below another root no tool runs.
            Content::Blank => !machine.is_live,
        })
    }

    fn apply(&self, machine: &Machine) -> Result<()> {
        let Content::Blank = look_at(machine, &self.device)? else {
            bail!("'{}' is not blank any more; nothing is written to it", self.device);
        };
        let uuid = match self.filesystem.as_str() {
            "xfs" => ["-m".to_owned(), format!("uuid={}", self.uuid)],
            _ => ["-U".to_owned(), self.uuid.clone()],
        };
        let program = format!("mkfs.{}", self.filesystem);
        let words = [vec![program, "-q".to_owned()], uuid.into(), vec![self.device.clone()]].concat();
        run_tool(machine, &words)
    }
}

/// A line of fstab is in effect.
#[derive(Debug)]
struct Mounted(String);

impl Deed for Mounted {
    fn describe(&self) -> String {
        format!("mount {}", self.0)
    }

    /// The mount point is the fifth field of `/proc/self/mountinfo`.
    fn holds(&self, machine: &Machine) -> Result<bool> {
        let mounts = machine.read_text("/proc/self/mountinfo")?.unwrap_or_default();
        Ok(!machine.is_live || mounts.lines().any(|line| line.split(' ').nth(4) == Some(self.0.as_str())))
    }

    fn apply(&self, machine: &Machine) -> Result<()> {
        run_tool(machine, &["mount".into(), self.0.clone()])
    }
}
