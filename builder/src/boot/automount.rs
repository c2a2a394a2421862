//! Keeps systemd to what `fstab` says where its own guess would be a second mount.
//!
//! `systemd-gpt-auto-generator` mounts what the types of a GPT tell and `fstab` does not name. With an xbootldr
//! partition it offers the EFI system partition at `/efi`, although `fstab` mounts it at `/boot/efi`; booted by BIOS
//! that happens, and the folder appears. A generator is masked by a link to `/dev/null` (systemd.generator(7)).

use super::{BootError, place};
use crate::plan::{DiskPlan, PartitionKind, TableKind};
use crate::rootfs::Tree;

const MASK: &str = "/etc/systemd/system-generators/systemd-gpt-auto-generator";

/// Masks the generator where the disk has an xbootldr partition.
pub(super) fn restrict(tree: &Tree, disk: &DiskPlan) -> Result<(), BootError> {
    let xbootldr = disk.partitions.iter().any(|partition| partition.kind == PartitionKind::Xbootldr);
    if disk.table == TableKind::Gpt && xbootldr { place::link(tree, MASK, "/dev/null") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{self, Scratch};
    use super::*;

    #[test]
    fn the_generator_is_masked_only_beside_an_xbootldr_partition() {
        let folder = Scratch::new("automount");
        let mut disk = fixture::disk();
        restrict(&folder.tree(), &disk).unwrap();
        assert!(!folder.0.join("etc").exists());
        disk.partitions[4].kind = PartitionKind::Xbootldr;
        for _ in 0..2 {
            restrict(&folder.tree(), &disk).unwrap();
        }
        let target = std::fs::read_link(folder.0.join(MASK.trim_start_matches('/'))).unwrap();
        assert_eq!(target.to_str(), Some("/dev/null"));
    }
}
