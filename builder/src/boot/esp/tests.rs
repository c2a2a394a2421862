use super::super::fixture::{self, Scratch};
use super::*;

fn plan(secure: bool) -> (BootPlan, DiskPlan, Places) {
    let mut boot = fixture::plan().boot.unwrap();
    boot.secure = secure;
    let disk = fixture::disk();
    let places = Places::of(&disk).unwrap();
    (boot, disk, places)
}

fn files(folder: &Scratch, below: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder.0.join(below)).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn secure_boot_takes_the_signed_files_and_no_fallback() {
    let folder = Scratch::new("esp");
    for (from, name, _) in SIGNED {
        folder.write(from.trim_start_matches('/'), name.as_bytes());
    }
    folder.write("usr/lib/shim/fbx64.efi.signed", b"fallback");
    folder.write("usr/lib/grub/x86_64-efi/linux.mod", b"module");
    let (boot, disk, places) = plan(true);
    install(&folder.tree(), &boot, &disk, &places).unwrap();
    assert_eq!(files(&folder, "boot/efi/EFI/BOOT"), ["BOOTX64.EFI", "grubx64.efi", "mmx64.efi"]);
    assert_eq!(folder.text("boot/efi/EFI/BOOT/mmx64.efi"), "mmx64.efi");
    assert_eq!(folder.text("boot/efi/EFI/debian/grub.cfg"), places.esp_stub());
    assert_eq!(files(&folder, "boot/grub/x86_64-efi"), ["linux.mod"]);
}

#[test]
fn without_secure_boot_grub_is_started_itself() {
    let folder = Scratch::new("esp-plain");
    folder.write(UNSIGNED.trim_start_matches('/'), b"grub");
    let (boot, disk, places) = plan(false);
    install(&folder.tree(), &boot, &disk, &places).unwrap();
    assert_eq!(files(&folder, "boot/efi/EFI/BOOT"), ["BOOTX64.EFI"]);
}

#[test]
fn missing_packages_and_places_are_named() {
    let folder = Scratch::new("esp-missing");
    let (boot, mut disk, places) = plan(true);
    let error = install(&folder.tree(), &boot, &disk, &places).unwrap_err().to_string();
    assert!(error.contains("shim-signed"), "{error}");
    disk.partitions[1].filesystem.as_mut().unwrap().mount = None;
    let error = install(&folder.tree(), &boot, &disk, &places).unwrap_err().to_string();
    assert!(error.contains("type: esp"), "{error}");
}
