//! Properties of an image in Glance, from what the image tells and what the user says.
//!
//! After Nova's "Useful image properties". Nova takes them as wishes for every server that is made of the image.

use std::collections::BTreeMap;

use super::{DiskBus, Settings};
use crate::upload::{ImageFacts, SourceImage};

/// Returns all properties except those that say who uploaded it. A property that the user leaves empty is left out.
pub(super) fn properties(
    facts: &ImageFacts,
    settings: &Settings,
    image: &SourceImage,
) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut set = |key: &str, value: &str| {
        found.insert(key.to_owned(), value.to_owned());
    };
    set("os_type", "linux");
    set("hw_vif_model", "virtio");
    // Other tools compare a local file by these.
    set("owner_specified.openstack.sha256", &image.sha256);
    let told = [("architecture", facts.architecture), ("os_distro", facts.distribution.as_deref())];
    let told = told.into_iter().chain([("os_version", facts.version.as_deref())]);
    told.filter_map(|(key, value)| Some((key, value?))).for_each(|(key, value)| set(key, value));
    match settings.disk_bus {
        DiskBus::Virtio => set("hw_disk_bus", "virtio"),
        DiskBus::Scsi => {
            set("hw_disk_bus", "scsi");
            set("hw_scsi_model", "virtio-scsi");
        }
    }
    firmware(facts, settings).iter().for_each(|(key, value)| set(key, value));
    found.extend(settings.properties.clone());
    found.retain(|_, value| !value.is_empty());
    found
}

/// An image that boots both ways is left to the cloud, since not every cloud has UEFI.
fn firmware(facts: &ImageFacts, settings: &Settings) -> Vec<(&'static str, &'static str)> {
    let asked = settings.properties.get("hw_firmware_type").map(String::as_str);
    let uefi = asked.map_or(facts.uefi && !facts.bios, |asked| asked == "uefi");
    match (uefi, facts.bios && !facts.uefi) {
        (true, _) => {
            let mut set = vec![("hw_firmware_type", "uefi")];
            if facts.architecture != Some("aarch64") {
                set.push(("hw_machine_type", "q35"));
            }
            if facts.secure {
                set.push(("os_secure_boot", "optional"));
            }
            set
        }
        (false, true) => vec![("hw_firmware_type", "bios")],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upload::tests::{facts, settings, with_image};

    fn of(facts: &ImageFacts, settings: &Settings) -> BTreeMap<String, String> {
        with_image(b"image", |image| properties(facts, settings, image))
    }

    #[test]
    fn firmware_is_named_where_there_is_one_way() {
        for (bios, uefi, secure, expected) in [
            (true, true, true, [None, None]),
            (true, false, false, [Some("bios"), None]),
            (false, true, false, [Some("uefi"), None]),
            (false, true, true, [Some("uefi"), Some("optional")]),
            (false, false, false, [None, None]),
        ] {
            let found = of(&ImageFacts { bios, uefi, secure, ..facts() }, &settings());
            let keys = ["hw_firmware_type", "os_secure_boot"].map(|key| found.get(key).map(String::as_str));
            assert_eq!(keys, expected, "bios {bios}, uefi {uefi}, secure {secure}");
        }
    }

    #[test]
    fn what_the_user_says_counts_more() {
        let both = ImageFacts { bios: true, uefi: true, secure: true, ..facts() };
        let mut asked = settings();
        asked.disk_bus = DiskBus::Scsi;
        for (key, value) in [("hw_firmware_type", "uefi"), ("os_version", ""), ("team", "web")] {
            asked.properties.insert(key.to_owned(), value.to_owned());
        }
        let found = of(&both, &asked);
        let at = |key: &str| found.get(key).map(String::as_str);
        assert_eq!(at("hw_firmware_type"), Some("uefi"));
        assert_eq!(at("os_secure_boot"), Some("optional"));
        assert_eq!(at("hw_machine_type"), Some("q35"));
        assert_eq!((at("os_version"), at("team")), (None, Some("web")));
        assert_eq!((at("hw_disk_bus"), at("hw_scsi_model")), (Some("scsi"), Some("virtio-scsi")));
        assert_eq!((at("architecture"), at("os_distro")), (Some("x86_64"), Some("debian")));
    }
}
