//! What boots: the BIOS's boot loader, the programs on the EFI system partition, kernels and how they are started.

mod efi;
mod menu;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::image::bytes::{printable, u16_le, u64_le};
use crate::image::files::{Node, NodeKind};
use crate::image::filesystem::Kind;
use crate::image::system::System;
use crate::image::{Image, SECTOR};

pub use efi::EfiProgram;
pub use menu::MenuEntry;

/// Where GRUB's boot sector keeps the sector of its core image.
const GRUB_CORE_SECTOR: usize = 0x5c;
/// The last block list of the core's first sector: where the rest begins, and how many sectors it has.
const GRUB_REST_COUNT: usize = 512 - 12 + 8;
/// Code of a boot sector, before the disk's signature and table.
const BOOT_CODE: std::ops::Range<usize> = 0..440;

/// The whole boot set-up.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct BootReport {
    /// The loader in the first sector; none if the BIOS finds none.
    pub bios: Option<BiosBoot>,
    /// Programs on FAT filesystems, by path.
    pub uefi: Vec<EfiProgram>,
    /// Kernels in `/boot`, the newest first.
    pub kernels: Vec<Kernel>,
    /// The boot loader's menu.
    pub menu: Vec<MenuEntry>,
}

/// A boot loader for the BIOS.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct BiosBoot {
    /// `GRUB`, or `unknown`.
    pub loader: &'static str,
    /// Where GRUB's boot sector looks for the core image.
    pub core_sector: Option<u64>,
    /// Number of the partition that holds the core image; none for the gap before the first one.
    pub core_partition: Option<u32>,
    /// Whether one is there.
    pub core_present: bool,
    /// SHA-256 of the boot code and the core image.
    pub sha256: String,
}

/// A kernel.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Kernel {
    /// Its path.
    pub path: String,
    /// Its release, such as `6.1.0-49-cloud-amd64`.
    pub release: String,
    /// Its size in bytes.
    pub size: u64,
    /// Whether it carries a signature for Secure Boot.
    pub signed: bool,
    /// Its initramfs; none if there is none for its release.
    pub initramfs: Option<String>,
    /// Size of the initramfs.
    pub initramfs_size: Option<u64>,
}

impl BootReport {
    /// Returns the kernel arguments of the first entry of the menu.
    pub fn command_line(&self) -> Option<&str> {
        let unified = self.uefi.iter().find_map(|program| program.command_line.as_deref());
        self.menu.first().map(|entry| entry.command_line.as_str()).or(unified)
    }
}

/// Reads the boot set-up.
pub(super) fn read(whole: &System<'_>) -> BootReport {
    BootReport {
        bios: bios(whole),
        uefi: efi_programs(whole),
        kernels: kernels(whole),
        menu: menu::read(whole),
    }
}

/// Looks for a loader in the first sector and, if it is GRUB, where that points to.
fn bios(whole: &System<'_>) -> Option<BiosBoot> {
    let image = whole.image;
    // A filesystem that fills the disk has a boot sector of its own kind.
    whole.table.as_ref()?;
    let sector = image.read(0, SECTOR).ok()?;
    let empty = sector[..GRUB_CORE_SECTOR].iter().all(|byte| *byte == 0);
    if empty || sector[510..] != [0x55, 0xaa] {
        return None;
    }
    let mut hasher = Sha256::new();
    // Zeroes take the place of the disk's own parameters.
    hasher.update(&sector[BOOT_CODE]);
    if !contains(&sector, b"GRUB ") {
        let sha256 = hexadecimal(hasher);
        return Some(BiosBoot {
            loader: "unknown",
            core_sector: None,
            core_partition: None,
            core_present: false,
            sha256,
        });
    }
    let core_sector = u64_le(&sector, GRUB_CORE_SECTOR)?;
    let core_present = core(image, core_sector, &mut hasher).is_some();
    let offset = core_sector.saturating_mul(SECTOR);
    let entries = whole.parts.iter().filter_map(|part| part.entry.as_ref());
    let mut holding = entries.filter(|entry| (entry.start..entry.start + entry.length).contains(&offset));
    Some(BiosBoot {
        loader: "GRUB",
        core_sector: Some(core_sector),
        core_partition: holding.next().map(|entry| entry.number),
        core_present,
        sha256: hexadecimal(hasher),
    })
}

/// Adds the core image to the digest; none if it is not there.
fn core(image: &Image, sector: u64, hasher: &mut Sha256) -> Option<()> {
    let first = image.read(sector.checked_mul(SECTOR)?, SECTOR).ok()?;
    if !contains(&first, b"loading") {
        return None;
    }
    let rest = u64::from(u16_le(&first, GRUB_REST_COUNT)?);
    hasher.update(&first);
    hasher.update(image.read((sector + 1) * SECTOR, rest * SECTOR).ok()?);
    Some(())
}

fn hexadecimal(hasher: Sha256) -> String {
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn efi_programs(whole: &System<'_>) -> Vec<EfiProgram> {
    let mut found = Vec::new();
    for (index, part) in whole.parts.iter().enumerate() {
        if part.filesystem.kind != Kind::Vfat {
            continue;
        }
        for (path, inside, node) in whole.files_of(index) {
            if node.kind == NodeKind::File && inside.to_ascii_lowercase().ends_with(b".efi") {
                let bytes = whole.bytes(path, node).unwrap_or_default();
                found.push(efi::describe(printable(&String::from_utf8_lossy(inside)), node.size, &bytes));
            }
        }
    }
    found
}

fn kernels(whole: &System<'_>) -> Vec<Kernel> {
    let mut found: Vec<Kernel> = whole
        .entries_below(b"/boot/vmlinuz-")
        .filter(|(path, node)| node.kind == NodeKind::File && !path[6..].contains(&b'/'))
        .map(|(path, node)| kernel(whole, path, node))
        .collect();
    found.sort_by_key(|kernel| std::cmp::Reverse(natural(&kernel.release)));
    found
}

fn kernel(whole: &System<'_>, path: &[u8], node: &Node) -> Kernel {
    let text = String::from_utf8_lossy(path).into_owned();
    let release = text.strip_prefix("/boot/vmlinuz-").unwrap_or_default().to_owned();
    let initramfs = format!("/boot/initrd.img-{release}");
    let initramfs_size = whole.node(initramfs.as_bytes()).map(|node| node.size);
    let bytes = whole.bytes(path, node).unwrap_or_default();
    Kernel {
        path: printable(&text),
        release: printable(&release),
        size: node.size,
        signed: efi::describe(String::new(), node.size, &bytes).signed,
        initramfs: initramfs_size.map(|_| printable(&initramfs)),
        initramfs_size,
    }
}

/// Text and numbers in turn, so that 6.10 comes after 6.9.
fn natural(text: &str) -> Vec<(u64, String)> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        parts.push((number.parse().unwrap_or(0), after[..letters].to_owned()));
        rest = &after[letters..];
    }
    parts
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::natural;

    #[test]
    fn releases_are_ordered_by_their_numbers() {
        let mut releases = ["6.9.1-1", "6.10.0-2", "6.1.0-49-cloud", "6.1.0-9-cloud"];
        releases.sort_by_key(|release| natural(release));
        assert_eq!(releases, ["6.1.0-9-cloud", "6.1.0-49-cloud", "6.9.1-1", "6.10.0-2"]);
    }
}
