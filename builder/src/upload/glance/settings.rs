//! What the user asks of an image in Glance.

use std::collections::BTreeMap;

use super::rules::{LONGEST_NAME, MOST_PROPERTIES};
use crate::upload::UploadError;

/// Properties that this program and Glance set themselves, at most.
const RESERVED_PROPERTIES: usize = 24;

/// What the user asks of an image in Glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its name.
    pub name: String,
    /// Who sees it.
    pub visibility: Visibility,
    /// Projects that it is shared with, by id.
    pub members: Vec<String>,
    /// Whether it cannot be deleted.
    pub protected: bool,
    /// Its tags.
    pub tags: Vec<String>,
    /// Properties beside, or instead of, those that the image tells.
    pub properties: BTreeMap<String, String>,
    /// Smallest disk in GiB; none for the image's own size.
    pub minimum_disk: Option<u64>,
    /// Smallest memory in MiB.
    pub minimum_memory: Option<u64>,
    /// How the disk is attached.
    pub disk_bus: DiskBus,
    /// What becomes of older images of the name.
    pub replace: Replace,
    /// Whether it comes in by the service's import, which may convert it.
    pub import: bool,
    /// Stores that it is put into; none for the service's default.
    pub stores: Stores,
}

/// Stores of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stores {
    /// These, or the service's default if there are none.
    Named(Vec<String>),
    /// All that the service has.
    All,
}

impl Settings {
    /// Tells whether it comes in by import: as asked, or since only that fills several stores.
    pub(super) fn imports(&self) -> bool {
        self.import
            || matches!(&self.stores, Stores::Named(names) if names.len() > 1)
            || self.stores == Stores::All
    }

    /// Checks what Glance would refuse.
    ///
    /// # Errors
    /// When it is too long or too much, or the parts do not fit.
    pub fn check(&self) -> Result<(), UploadError> {
        let wrong =
            |why: String, hint: &str| Err(UploadError::input("checking what is asked of Glance", why, hint));
        let length = self.name.chars().count();
        if length == 0 || length > LONGEST_NAME {
            return wrong(
                format!("the name has {length} characters, of 1 to {LONGEST_NAME}"),
                "give another --name",
            );
        }
        if let Some(tag) = self.tags.iter().find(|tag| tag.is_empty() || tag.chars().count() > LONGEST_NAME) {
            return wrong(format!("the tag '{tag}' is empty or too long"), "give a shorter --tag");
        }
        if self.properties.len() > MOST_PROPERTIES - RESERVED_PROPERTIES {
            return wrong(format!("{} properties are too many", self.properties.len()), "leave some out");
        }
        if !self.members.is_empty() && self.visibility != Visibility::Shared {
            let why = format!("members see shared images only, and this one is {}", self.visibility.name());
            return wrong(why, "leave --visibility or --member out");
        }
        Ok(())
    }
}

/// Who sees an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Its project.
    Private,
    /// Its project and its members.
    Shared,
    /// Everybody who knows its id.
    Community,
    /// Everybody.
    Public,
}

impl Visibility {
    /// Returns Glance's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Shared => "shared",
            Self::Community => "community",
            Self::Public => "public",
        }
    }
}

/// How the disk is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskBus {
    /// virtio-blk.
    Virtio,
    /// virtio-scsi.
    Scsi,
}

/// What becomes of older images of the same name that were uploaded by this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace {
    /// Nothing.
    Keep,
    /// They are hidden from lists; servers made of them can be rebuilt.
    Hide,
    /// They are deleted.
    Delete,
}
