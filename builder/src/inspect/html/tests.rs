use std::path::PathBuf;

use super::*;
use crate::inspect::{BootReport, MenuEntry, Package, PackagesReport};

fn report() -> Report {
    let package = |name: &str, bytes| Package {
        name: name.to_owned(),
        architecture: "amd64".to_owned(),
        version: "1<2".to_owned(),
        section: "libs".to_owned(),
        installed_size: bytes,
    };
    let list = vec![package("large", 90 << 20), package("mid", 9 << 20), package("<script>", 1)];
    let menu = MenuEntry {
        title: "</ol><script>".into(),
        command_line: "root=\"x\" 'y' & <z>".into(),
        ..MenuEntry::default()
    };
    Report {
        path: PathBuf::from("/images/<b>.qcow2"),
        format: "qcow2",
        virtual_size: 1 << 30,
        file_size: 1 << 20,
        allocated: 1 << 20,
        backing_file: None,
        table: None,
        partitions: Vec::new(),
        boot: BootReport { bios: None, uefi: Vec::new(), kernels: Vec::new(), menu: vec![menu] },
        system: None,
        packages: Some(PackagesReport { count: 3, installed_size: 99 << 20, unfinished: Vec::new(), list }),
    }
}

#[test]
fn what_an_image_says_stays_text() {
    let page = page(&report(), None);
    assert!(!page.contains("<script>") && !page.contains("<b>.qcow2"), "{page}");
    assert!(page.contains("root=&quot;x&quot; &#39;y&#39; &amp; &lt;z&gt;"));
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    let page = page(&report(), None);
    for word in ["http:", "https:", "src=", "url(", "@import", "<link", "<script", "<img", "<iframe"] {
        assert!(!page.contains(word), "the page has '{word}'");
    }
}

#[test]
fn every_size_of_a_disk_is_drawn() {
    for virtual_size in [0, 1, 512, u64::MAX] {
        let report = Report { virtual_size, ..report() };
        let page = page(&report, None);
        assert!(page.contains("class=\"disk\"") && !page.contains("NaN") && !page.contains("inf%"));
    }
}
