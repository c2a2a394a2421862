//! debian-13, built by the real program, held against the same as debian-minimal.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use integration_tests::draw::is_drawn;
use integration_tests::guest::Firmware;
use integration_tests::image::Image;

fn image() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(|| Image::of("debian-13"))
}

fn boots(firmware: Firmware) -> BTreeMap<String, String> {
    let answers = image().boots(firmware);
    assert_eq!(answers["release"], "13");
    answers
}

#[test]
fn boots_by_bios() {
    if !is_drawn("debian-13 boots", 0, 3) {
        return;
    }
    boots(Firmware::Bios);
}

#[test]
fn boots_by_uefi() {
    if !is_drawn("debian-13 boots", 1, 3) {
        return;
    }
    boots(Firmware::Uefi);
}

#[test]
fn boots_with_secure_boot_on() {
    if !is_drawn("debian-13 boots", 2, 3) {
        return;
    }
    boots(Firmware::Secure);
}

#[test]
fn witnesses_find_nothing_wrong_with_the_file() {
    image().satisfies_witnesses();
    image().lists_what_dpkg_lists();
}

#[test]
fn what_is_enabled_survives_the_first_boot() {
    image().keeps_units_over_the_first_boot();
}

#[test]
#[ignore = "makes an initramfs in a translated guest, which takes minutes; scripts/soak runs it"]
fn reinstalled_boot_packages_keep_the_image_bootable() {
    image().stays_bootable_when_reinstalled();
}
