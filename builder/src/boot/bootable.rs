//! The stage itself: a tree in, a tree that firmware can start out.

use super::config::{self, Places};
use super::{
    BootError, GrubBios, automount, esp, fstab, growth, grub_core, grub_modules, kernel, mount_points, place,
    refresh,
};
use crate::plan::{BootPlan, DiskPlan, PartitionKind, TableKind};
use crate::progress::Stage;
use crate::rootfs::Tree;

/// A tree with everything that booting needs.
#[derive(Debug)]
pub struct BootableTree {
    /// The tree; the ESP's content lies below the ESP's mount point.
    pub tree: Tree,
    /// GRUB for BIOS; none when the recipe does without.
    pub bios: Option<GrubBios>,
}

/// Makes `tree` bootable as its plan says. A plan without a disk only passes through.
///
/// # Errors
/// When a package that booting needs is not in the tree, when no kernel or initramfs is there, or when the layout
/// has no place for what the plan asks for.
pub fn install(tree: Tree, stage: &Stage<'_>) -> Result<BootableTree, BootError> {
    let plan = &tree.locked.plan;
    let Some(disk) = plan.disk.clone() else {
        return Ok(BootableTree { tree, bios: None });
    };
    mount_points::make(&tree, &disk)?;
    place::file(&tree, "/etc/fstab", fstab(&disk).as_bytes(), place::PLAIN)?;
    automount::restrict(&tree, &disk)?;
    growth::install(&tree, &disk)?;
    let Some(boot) = tree.locked.plan.boot.clone().filter(|boot| boot.bios || boot.uefi) else {
        return Ok(BootableTree { tree, bios: None });
    };
    let places = Places::of(&disk)?;
    install_menu(&tree, &boot, &places, stage)?;
    let bios = boot.bios.then(|| install_bios(&tree, &disk, &places, stage)).transpose()?;
    if boot.uefi {
        stage.working("EFI system partition");
        esp::install(&tree, &boot, &disk, &places)?;
    }
    refresh::install(&tree, &boot, bios.as_ref())?;
    Ok(BootableTree { tree, bios })
}

/// Writes the menu, and the settings from which `update-grub` makes it anew.
fn install_menu(tree: &Tree, boot: &BootPlan, places: &Places, stage: &Stage<'_>) -> Result<(), BootError> {
    stage.working("boot menu");
    let releases = kernel::bootable(tree)?;
    let menu = config::grub_cfg(places, &releases, &boot.kernel_command_line);
    // As update-grub leaves it: the menu may hold a password.
    place::file(tree, "/boot/grub/grub.cfg", menu.as_bytes(), 0o600)?;
    place::file(tree, "/boot/grub/grubenv", &config::environment_block(), place::PLAIN)?;
    let arguments = [&boot.kernel_command_line[..], places.lasting_arguments()].concat();
    let settings = config::update_grub_settings(&arguments);
    place::file(tree, "/etc/default/grub.d/50-bootwright.cfg", settings.as_bytes(), place::PLAIN)
}

/// Copies GRUB's modules and builds what lies outside the filesystem.
fn install_bios(
    tree: &Tree,
    disk: &DiskPlan,
    places: &Places,
    stage: &Stage<'_>,
) -> Result<GrubBios, BootError> {
    stage.working("GRUB for BIOS");
    let own_partition = disk.partitions.iter().any(|partition| partition.kind == PartitionKind::BiosBoot);
    if disk.table == TableKind::Gpt && !own_partition {
        return Err(BootError::Layout {
            reason: "booting by BIOS from a GPT disk needs a BIOS boot partition".to_owned(),
            hint: "add a partition `{ type: bios-boot }`",
        });
    }
    let copied = grub_modules::copy(tree, "i386-pc", "BIOS", grub_core::PACKAGE)?;
    let bios = grub_core::build(tree, places)?;
    stage.note(format!(
        "GRUB for BIOS: core image of {} bytes, {copied} files in /boot/grub/i386-pc",
        bios.core.len()
    ));
    Ok(bios)
}

#[cfg(test)]
mod tests;
