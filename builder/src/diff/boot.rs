//! The boot set-up of two images.

use super::change::{Change, Changes};
use crate::inspect::{BiosBoot, BootReport, EfiProgram, Kernel, MenuEntry};

pub(super) fn compare(a: &BootReport, b: &BootReport) -> Vec<Change> {
    let mut changes = Changes::default();
    bios(&mut changes, a.bios.as_ref(), b.bios.as_ref());
    named(&mut changes, &a.uefi, &b.uefi, |program| format!("EFI program {}", program.path), program);
    named(&mut changes, &a.kernels, &b.kernels, |kernel| format!("kernel {}", kernel.release), kernel);
    named(&mut changes, &a.menu, &b.menu, |entry| format!("menu entry '{}'", entry.title), entry);
    changes.optional("kernel arguments", a.command_line(), b.command_line());
    changes.0
}

fn bios(changes: &mut Changes, a: Option<&BiosBoot>, b: Option<&BiosBoot>) {
    let shown = |bios: &BiosBoot| {
        let core = match bios.core_sector {
            Some(sector) if bios.core_present => format!(", core image at sector {sector}"),
            Some(sector) => format!(", no core image at sector {sector}"),
            None => String::new(),
        };
        format!("{}{core}, sha256 {}", bios.loader, &bios.sha256[..16])
    };
    changes.optional("BIOS boot loader", a.map(shown), b.map(shown));
}

/// Compares two lists of things with names.
fn named<T>(changes: &mut Changes, a: &[T], b: &[T], name: fn(&T) -> String, shown: fn(&T) -> String) {
    for one in a {
        let other = b.iter().find(|other| name(other) == name(one));
        changes.optional(&name(one), Some(shown(one)), other.map(shown));
    }
    for one in b.iter().filter(|one| !a.iter().any(|other| name(other) == name(one))) {
        changes.optional(&name(one), None, Some(shown(one)));
    }
}

fn program(program: &EfiProgram) -> String {
    let signed = if program.signed { "signed" } else { "not signed" };
    let arguments = program.command_line.as_ref().map_or_else(String::new, |line| format!(", '{line}'"));
    let by = if program.certificates.is_empty() {
        String::new()
    } else {
        format!(" by {}", program.certificates.join(", "))
    };
    format!("{}, {} bytes, {signed}{by}{arguments}", program.kind, program.size)
}

fn kernel(kernel: &Kernel) -> String {
    let signed = if kernel.signed { "signed" } else { "not signed" };
    let initramfs = if kernel.initramfs.is_some() { "with initramfs" } else { "without initramfs" };
    format!("{} bytes, {signed}, {initramfs}", kernel.size)
}

fn entry(entry: &MenuEntry) -> String {
    let initramfs = entry.initramfs.as_deref().unwrap_or("no initramfs");
    format!("{} {}, {initramfs}", entry.kernel, entry.command_line)
}
