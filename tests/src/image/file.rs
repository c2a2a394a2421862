//! The image as a file: partitions, filesystems, checksums, the manifest.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use super::{Image, text};
use crate::scratch::Scratch;
use crate::witness::witness;

/// A raw copy of the image's partitions, each in a file of its own.
pub(super) struct Parts {
    _scratch: Scratch,
    pub raw: PathBuf,
    pub esp: PathBuf,
    pub root: PathBuf,
}

impl Image {
    /// Cuts the image into its partitions.
    pub(super) fn parts(&self) -> Parts {
        let scratch = Scratch::new("parts");
        let raw = scratch.path().join("disk.raw");
        let image = &self.path;
        witness("qemu-img", &["convert", "-O", "raw", text(image), text(&raw)]);
        let manifest = self.manifest();
        let cut = |name: &str| {
            let partitions = manifest["disk"]["partitions"].as_array().expect("a list").clone();
            let one = partitions.iter().find(|one| one["name"] == name).expect("the partition").clone();
            let file = scratch.path().join(name);
            let number = |key: &str| one[key].as_u64().expect("a number") / (1 << 20);
            let (skip, count) = (format!("skip={}", number("start")), format!("count={}", number("length")));
            witness(
                "dd",
                &[
                    &format!("if={}", text(&raw)),
                    &format!("of={}", text(&file)),
                    "bs=1M",
                    "conv=sparse",
                    &skip,
                    &count,
                ],
            );
            file
        };
        let (esp, root) = (cut("esp"), cut("root"));
        Parts { _scratch: scratch, raw, esp, root }
    }

    /// Asks outside programs about the partition table, the filesystems, the qcow2 and the checksums.
    ///
    /// # Panics
    ///
    /// When one of them complains.
    pub fn satisfies_witnesses(&self) {
        let parts = self.parts();
        let image = text(&self.path);
        let table = witness("sgdisk", &["-v", text(&parts.raw)]);
        assert!(table.contains("No problems found"), "{table}");
        witness("qemu-img", &["check", image]);
        witness("qemu-img", &["compare", image, text(&parts.raw)]);
        witness("e2fsck", &["-fn", text(&parts.root)]);
        witness("fsck.fat", &["-n", text(&parts.esp)]);
        let folder = self.path.parent().expect("a folder");
        let sums = Command::new("sha256sum")
            .args(["--check", "--strict", &format!("{}.SHA256SUMS", self.name)])
            .current_dir(folder)
            .output();
        assert!(sums.expect("sha256sum runs").status.success(), "checksums do not fit");
    }

    /// Compares the manifest's packages with those of dpkg's database in the image.
    ///
    /// # Panics
    ///
    /// When they differ.
    pub fn lists_what_dpkg_lists(&self) {
        let parts = self.parts();
        let status = witness("debugfs", &["-R", "cat /var/lib/dpkg/status", text(&parts.root)]);
        let mut installed = BTreeMap::new();
        let mut name = "";
        for line in status.lines() {
            if let Some(value) = line.strip_prefix("Package: ") {
                name = value;
            } else if let Some(value) = line.strip_prefix("Version: ") {
                installed.insert(name.to_owned(), value.to_owned());
            }
        }
        let listed: BTreeMap<String, String> = self.manifest()["packages"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| {
                (
                    one["name"].as_str().expect("text").to_owned(),
                    one["version"].as_str().expect("text").to_owned(),
                )
            })
            .collect();
        assert_eq!(installed, listed);
        assert!(listed.len() > 100, "only {} packages", listed.len());
    }
}
