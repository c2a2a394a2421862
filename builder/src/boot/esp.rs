//! What lies on the EFI system partition: the removable path, so that no firmware variable is needed.
//!
//! `EFI/BOOT/BOOTX64.EFI` is what firmware starts on a disk it does not know. With Secure Boot that is Debian's
//! shim, which starts `grubx64.efi` beside it; without, GRUB itself. Debian's GRUB then reads
//! `EFI/debian/grub.cfg` (release 13 looks beside itself first, where nothing is put, so that both agree).
//! `fbx64.efi` is left out on purpose: finding it, shim would write boot entries to the firmware and restart.

use super::config::Places;
use super::{BootError, grub_modules, place};
use crate::plan::{BootPlan, DiskPlan, FilesystemKind, PartitionKind};
use crate::rootfs::Tree;

/// What needs these files, for messages.
const SECURE: &str = "UEFI with Secure Boot";
const PLAIN_UEFI: &str = "UEFI";
/// Debian's signed files and where they go below `EFI/BOOT`.
const SIGNED: [(&str, &str, &str); 3] = [
    ("/usr/lib/shim/shimx64.efi.signed", "BOOTX64.EFI", "shim-signed"),
    ("/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed", "grubx64.efi", "grub-efi-amd64-signed"),
    ("/usr/lib/shim/mmx64.efi.signed", "mmx64.efi", "shim-helpers-amd64-signed"),
];
/// The same GRUB before it was signed.
const UNSIGNED: &str = "/usr/lib/grub/x86_64-efi/monolithic/grubx64.efi";

/// Places the ESP's content in the tree, below the ESP's mount point.
pub(super) fn install(
    tree: &Tree,
    boot: &BootPlan,
    disk: &DiskPlan,
    places: &Places,
) -> Result<(), BootError> {
    let esp = mount_point(disk)?;
    if boot.secure {
        for (from, name, package) in SIGNED {
            place::copy(tree, from, &format!("{esp}/EFI/BOOT/{name}"), SECURE, package)?;
        }
    } else {
        let target = format!("{esp}/EFI/BOOT/BOOTX64.EFI");
        place::copy(
            tree,
            UNSIGNED,
            &target,
            PLAIN_UEFI,
            "grub-efi-amd64-bin (from release 13 grub-efi-amd64-unsigned)",
        )?;
    }
    place::file(tree, &format!("{esp}/EFI/debian/grub.cfg"), places.esp_stub().as_bytes(), place::PLAIN)?;
    grub_modules::copy(tree, "x86_64-efi", PLAIN_UEFI, "grub-efi-amd64-bin")?;
    Ok(())
}

/// Returns where the ESP is mounted, without a slash at the end.
fn mount_point(disk: &DiskPlan) -> Result<&str, BootError> {
    let esp = disk.partitions.iter().find(|partition| partition.kind == PartitionKind::Esp);
    let filesystem =
        esp.and_then(|esp| esp.filesystem.as_ref()).filter(|esp| esp.kind == FilesystemKind::Vfat);
    let mount = filesystem.and_then(|filesystem| filesystem.mount.as_deref());
    mount.map(|mount| mount.trim_end_matches('/')).filter(|mount| !mount.is_empty()).ok_or_else(|| {
        BootError::Layout {
            reason: "booting by UEFI needs an EFI system partition that is mounted".to_owned(),
            hint: "add a partition `{ type: esp, filesystem: vfat, mount: /boot/efi, size: 64MiB }`",
        }
    })
}

#[cfg(test)]
mod tests;
