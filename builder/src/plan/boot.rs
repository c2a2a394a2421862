//! How the image boots, and whether the recipe has what that needs.

use super::model::{BootPlan, PartitionKind, TableKind};
use crate::recipe::{Boot, Diagnostic, Diagnostics, Recipe};

/// Plans `boot`; none without a disk.
pub(super) fn boot(recipe: &Recipe, problems: &mut Diagnostics) -> Option<BootPlan> {
    let (disk, boot) = match (&recipe.disk, &recipe.boot) {
        (None, None) => return None,
        (Some(disk), Some(boot)) => (disk, boot),
        (Some(disk), None) => {
            let problem = Diagnostic::new(&disk.at, "the recipe has `disk` and no `boot`");
            problems.push(problem.hint("add `boot: { grub: { bios: true, uefi: true, secure: auto } }`"));
            return None;
        }
        (None, Some(boot)) => {
            let problem = Diagnostic::new(&boot.at, "the recipe has `boot` and no `disk` to boot from");
            problems.push(problem.hint("add `disk:` or remove `boot`"));
            return None;
        }
    };
    let has = |kind| disk.partitions.iter().any(|partition| partition.kind == kind);
    if !boot.bios.value && !boot.uefi.value {
        let problem = Diagnostic::new(&boot.at, "nothing would boot: both `bios` and `uefi` are false");
        problems.push(problem.hint("set one of them to true"));
    }
    let gpt = disk.table == TableKind::Gpt;
    if boot.bios.value && gpt && !has(PartitionKind::BiosBoot) {
        let problem = Diagnostic::new(&disk.at, "GRUB for BIOS on GPT needs a bios-boot partition");
        let problem = problem.note(&boot.bios.at, "GRUB for BIOS is asked for here");
        problems.push(problem.hint("add `- { type: bios-boot }`, or set `bios: false`"));
    }
    if boot.uefi.value && !gpt {
        let problem = Diagnostic::new(&boot.uefi.at, "GRUB for UEFI is not supported on an msdos table");
        let problem = problem.note(&disk.at, "the disk's table is msdos");
        problems.push(problem.hint("set `uefi: false`, or write `table: gpt`"));
    } else if boot.uefi.value && !has(PartitionKind::Esp) {
        let problem = Diagnostic::new(&disk.at, "GRUB for UEFI needs an esp partition");
        let problem = problem.note(&boot.uefi.at, "GRUB for UEFI is asked for here");
        let hint =
            "add `- { type: esp, filesystem: vfat, mount: /boot/efi, size: 64MiB }`, or set `uefi: false`";
        problems.push(problem.hint(hint));
    }
    if recipe.kernel.is_none() {
        let problem = Diagnostic::new(&boot.at, "the recipe boots and names no kernel");
        problems.push(problem.hint("add `kernel: linux-image-cloud-amd64`"));
    }
    Some(BootPlan {
        bios: boot.bios.value,
        uefi: boot.uefi.value,
        secure: secure(boot, problems),
        kernel_command_line: boot.kernel_command_line.clone(),
    })
}

fn secure(boot: &Boot, problems: &mut Diagnostics) -> bool {
    match boot.secure.value {
        None => boot.uefi.value,
        Some(true) if !boot.uefi.value => {
            let problem = Diagnostic::new(&boot.secure.at, "Secure Boot needs UEFI");
            problems.push(
                problem.note(&boot.uefi.at, "and UEFI is off").hint("set `uefi: true` or `secure: auto`"),
            );
            true
        }
        Some(given) => given,
    }
}
