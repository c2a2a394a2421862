//! What is different between two images: table, partitions, filesystems, boot set-up, packages, files.
//!
//! Files are compared by kind, content, mode, owner, group, target, device number and extended attributes; not by
//! times, and not by where their blocks are. What a filesystem has free follows from the rest and is told, but is no
//! difference of its own.

mod boot;
mod change;
mod disk;
mod files;
mod owners;
mod packages;
mod text;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde::Serialize;

pub use change::Change;
pub use disk::{PartitionChange, State};
pub use files::{FileChange, FilesChange, OneFile};
pub use packages::{PackageChange, PackagesChange};

use crate::image::ImageError;
use crate::image::system::System;
use crate::inspect;

/// All differences between image `a` and image `b`.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    /// Whether nothing is different.
    pub same: bool,
    /// The first image.
    pub a: PathBuf,
    /// The second image.
    pub b: PathBuf,
    /// The disk as a whole and its partition table.
    pub disk: Vec<Change>,
    /// Partitions and their filesystems.
    pub partitions: Vec<PartitionChange>,
    /// The boot set-up.
    pub boot: Vec<Change>,
    /// The system: name, version, host name.
    pub system: Vec<Change>,
    /// Packages.
    pub packages: PackagesChange,
    /// Files.
    pub files: FilesChange,
    /// What follows from the rest: sizes of files, used room.
    pub sizes: Vec<Change>,
    /// Filesystems whose files could not be compared, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_compared: Vec<String>,
}

/// Compares two images.
///
/// # Errors
/// When a part of one of them is damaged or cannot be read.
pub fn compare(a: &System<'_>, b: &System<'_>) -> Result<Difference, ImageError> {
    let (of_a, of_b) = (inspect::describe(a), inspect::describe(b));
    for report in [&of_a, &of_b] {
        if let Some(damage) = report.damage().into_iter().next() {
            return Err(ImageError::Image { path: report.path.clone(), why: damage });
        }
    }
    let mut difference = Difference {
        same: false,
        a: of_a.path.clone(),
        b: of_b.path.clone(),
        disk: disk::disk(&of_a, &of_b),
        partitions: disk::partitions(&of_a, &of_b),
        boot: boot::compare(&of_a.boot, &of_b.boot),
        system: disk::system(&of_a, &of_b),
        packages: packages::compare(of_a.packages.as_ref(), of_b.packages.as_ref()),
        files: files::compare(a, b)?,
        sizes: disk::sizes(&of_a, &of_b),
        not_compared: [a, b].into_iter().flat_map(not_compared).collect(),
    };
    difference.same = difference.is_empty();
    Ok(difference)
}

/// Names the filesystems with files that nobody here could read.
fn not_compared(whole: &System<'_>) -> Vec<String> {
    let unread = whole.parts.iter().filter(|part| part.files.is_none() && part.filesystem.kind.has_files());
    unread
        .map(|part| {
            let number = part.entry.as_ref().map_or_else(String::new, |entry| format!(" of partition {}", entry.number));
            let (path, kind) = (whole.image.path().display(), part.filesystem.kind.name());
            format!("'{path}': the files{number} were not compared: only the kernel reads {kind}, and only root may mount it")
        })
        .collect()
}

impl Difference {
    fn is_empty(&self) -> bool {
        self.disk.is_empty()
            && self.partitions.is_empty()
            && self.boot.is_empty()
            && self.system.is_empty()
            && self.packages.is_empty()
            && self.files.is_empty()
    }

    /// Returns the differences as one JSON object.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}
