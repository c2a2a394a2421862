//! What is told of an image.

use std::path::PathBuf;

use serde::Serialize;

use super::boot::BootReport;
use super::packages::PackagesReport;
use super::system::SystemReport;
use crate::image::bytes::printable;
use crate::image::files::NodeKind;
use crate::image::filesystem::{Filesystem, Kind};
use crate::image::system::{Part, System};
use crate::image::table::{Entry, Table};

/// A system partition with more files than this is not listed whole.
const MOST_LISTED: usize = 1000;

/// Everything that is told of an image. Sizes are bytes.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The file.
    pub path: PathBuf,
    /// `raw` or `qcow2`.
    pub format: &'static str,
    /// Size of the disk as a machine sees it.
    pub virtual_size: u64,
    /// Length of the file.
    pub file_size: u64,
    /// Bytes that the file takes on this machine.
    pub allocated: u64,
    /// The file that it depends on.
    pub backing_file: Option<String>,
    /// The partition table; none if there is none.
    pub table: Option<Table>,
    /// The partitions; one without a table's entry when a filesystem fills the whole disk.
    pub partitions: Vec<PartitionReport>,
    /// What boots.
    pub boot: BootReport,
    /// The system on the root filesystem; none if there is none.
    pub system: Option<SystemReport>,
    /// The packages of the system; none if it keeps no dpkg database.
    pub packages: Option<PackagesReport>,
}

/// A partition and what is in it.
#[derive(Debug, Clone, Serialize)]
pub struct PartitionReport {
    /// As the table has it.
    #[serde(flatten)]
    pub entry: Option<Entry>,
    /// Where the image mounts it.
    pub mount: Option<String>,
    /// What is in it.
    pub filesystem: Filesystem,
    /// Whether its files were read.
    pub files_read: bool,
    /// The files of a FAT filesystem.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<EspFile>,
}

/// A file of a FAT filesystem.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct EspFile {
    /// Its path in the filesystem, from `/` on.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
}

pub(super) fn partition(whole: &System<'_>, index: usize, part: &Part<'_>) -> PartitionReport {
    let fat = part.filesystem.kind == Kind::Vfat;
    let files = whole.files_of(index).filter(|(_, _, node)| fat && node.kind == NodeKind::File);
    PartitionReport {
        entry: part.entry.clone(),
        mount: part.mount.as_deref().map(printable),
        filesystem: part.filesystem.clone(),
        files_read: part.files.is_some(),
        files: files
            .take(MOST_LISTED)
            .map(|(_, inside, node)| EspFile {
                path: printable(&String::from_utf8_lossy(inside)),
                size: node.size,
            })
            .collect(),
    }
}

impl Report {
    /// Returns the report as one JSON object.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Returns what is wrong with the image: each a sentence that begins with the part's name.
    pub fn damage(&self) -> Vec<String> {
        let parts = self.partitions.iter().filter_map(|partition| {
            let damage = partition.filesystem.damage.as_ref()?;
            let name = partition
                .entry
                .as_ref()
                .map_or_else(|| "the disk".to_owned(), |entry| format!("partition {}", entry.number));
            Some(format!("{name}: {damage}"))
        });
        let backup = self.table.as_ref().filter(|table| table.backup_matches == Some(false));
        let backup = backup.map(|_| {
            "the partition table: its backup at the end of the disk is missing or different".to_owned()
        });
        parts.chain(backup).collect()
    }
}
