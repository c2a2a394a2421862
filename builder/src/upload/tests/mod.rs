//! Uploads against a strict stand-in of Keystone and Glance.

mod clouds;
mod glance;
mod stand_in;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::glance::{DiskBus, Replace, Settings, Stores, Visibility};
use super::{ImageFacts, Journal, SourceImage};
use crate::progress::Silent;

pub(crate) fn facts() -> ImageFacts {
    ImageFacts {
        architecture: Some("x86_64"),
        bios: true,
        uefi: true,
        secure: false,
        distribution: Some("debian".to_owned()),
        version: Some("12".to_owned()),
        unread: None,
    }
}

pub(crate) fn settings() -> Settings {
    Settings {
        name: "web".to_owned(),
        visibility: Visibility::Private,
        members: Vec::new(),
        protected: false,
        tags: vec!["ci".to_owned()],
        properties: BTreeMap::new(),
        minimum_disk: None,
        minimum_memory: None,
        disk_bus: DiskBus::Virtio,
        replace: Replace::Keep,
        import: false,
        stores: Stores::Named(Vec::new()),
    }
}

pub(crate) fn aws_settings() -> super::aws::Settings {
    super::aws::Settings {
        name: "web".to_owned(),
        copies: Vec::new(),
        tags: BTreeMap::new(),
        architecture: None,
        boot_mode: None,
        tpm: false,
        encrypted: false,
        kms_key: None,
        shares: Vec::new(),
        deprecate_at: None,
        root_device: "/dev/xvda".to_owned(),
        send_free: false,
        replace: Replace::Keep,
    }
}

/// A folder with an image in it; gone with the value.
pub(crate) struct Folder(pub PathBuf);

impl Folder {
    pub(crate) fn with(bytes: &[u8]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("bootwright-upload-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("web.raw"), bytes).unwrap();
        Self(folder)
    }

    pub(crate) fn image(&self) -> PathBuf {
        self.0.join("web.raw")
    }

    pub(crate) fn open(&self) -> (Journal, SourceImage) {
        let journal = Journal::of(&self.image());
        let image = SourceImage::open(&self.image(), &journal, &Silent).unwrap();
        (journal, image)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

pub(crate) fn with_image<T>(bytes: &[u8], act: impl FnOnce(&SourceImage) -> T) -> T {
    let folder = Folder::with(bytes);
    act(&folder.open().1)
}
