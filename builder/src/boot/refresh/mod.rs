//! Upkeep inside the running machine: a script that brings the boot loader up to the installed packages.
//!
//! Debian's packages renew only what `grub-install` has put where they expect it; the removable path of the ESP and
//! GRUB outside the filesystems would grow old. So the image carries one script, run after every `dpkg` (which is
//! also what apt calls) and by `update-grub`. It compares and acts only on a difference. A dpkg trigger would need a
//! package of our own, and apt's hooks do not see plain `dpkg -i`.

use sha2::{Digest, Sha256};

use super::{BootError, GrubBios, grub_core, place};
use crate::plan::BootPlan;
use crate::rootfs::Tree;

/// The script.
const SCRIPT: &str = include_str!("refresh-boot");
/// What makes dpkg run it.
const DPKG_HOOK: &str = include_str!("dpkg.cfg");
/// What makes update-grub run it.
const UPDATE_GRUB_HOOK: &str = include_str!("99_bootwright");

/// Puts the script, its settings and its hooks into the tree.
pub(super) fn install(tree: &Tree, boot: &BootPlan, bios: Option<&GrubBios>) -> Result<(), BootError> {
    place::file(tree, "/usr/lib/bootwright/refresh-boot", SCRIPT.as_bytes(), place::PROGRAM)?;
    place::file(tree, "/usr/lib/bootwright/boot.conf", settings(boot).as_bytes(), place::PLAIN)?;
    place::file(tree, "/etc/dpkg/dpkg.cfg.d/bootwright", DPKG_HOOK.as_bytes(), place::PLAIN)?;
    place::file(tree, "/etc/grub.d/99_bootwright", UPDATE_GRUB_HOOK.as_bytes(), place::PROGRAM)?;
    match bios {
        Some(bios) => record_core(tree, bios),
        None => Ok(()),
    }
}

/// Returns the script's settings.
fn settings(boot: &BootPlan) -> String {
    let bios = if boot.bios { "yes" } else { "no" };
    let uefi = match (boot.uefi, boot.secure) {
        (false, _) => "no",
        (true, true) => "secure",
        (true, false) => "plain",
    };
    format!("# What this machine's image was made for; read by refresh-boot.\nBIOS={bios}\nUEFI={uefi}\n")
}

/// Keeps a copy of the core image and the digest of what it was made from, by which the script finds it fresh.
fn record_core(tree: &Tree, bios: &GrubBios) -> Result<(), BootError> {
    place::file(tree, "/boot/grub/i386-pc/core.img", &bios.core, place::PLAIN)?;
    let digest = grub_core::source_files(tree)?.into_iter().try_fold(Sha256::new(), |digest, name| {
        Ok::<_, BootError>(digest.chain_update(grub_core::read(tree, &name)?))
    })?;
    let hex: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    // As sha256sum prints it for its standard input.
    place::file(tree, "/var/lib/bootwright/grub-core.sha256", format!("{hex}  -\n").as_bytes(), place::PLAIN)
}

#[cfg(test)]
mod tests;
