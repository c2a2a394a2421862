//! debian-minimal, built by the real program: outside witnesses on the file, and what the booted guest says.

use std::sync::OnceLock;

use integration_tests::draw::is_drawn;
use integration_tests::guest::Firmware;
use integration_tests::image::Image;

fn image() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(|| Image::of("debian-minimal"))
}

#[test]
fn boots_by_bios() {
    image().boots(Firmware::Bios);
}

#[test]
fn boots_by_uefi() {
    image().boots(Firmware::Uefi);
}

#[test]
fn boots_with_secure_boot_on() {
    image().boots(Firmware::Secure);
}

#[test]
fn witnesses_find_nothing_wrong_with_the_file() {
    image().satisfies_witnesses();
}

#[test]
fn the_manifest_says_what_dpkg_says() {
    image().lists_what_dpkg_lists();
}

#[test]
fn what_is_enabled_survives_the_first_boot() {
    image().keeps_units_over_the_first_boot();
}

#[test]
fn reinstalled_boot_packages_keep_the_image_bootable() {
    if !is_drawn("reinstalled boot packages", 0, 2) {
        return;
    }
    image().stays_bootable_when_reinstalled();
}
