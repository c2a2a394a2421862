//! The partitions that a clone makes larger when its disk is larger than the image.
//!
//! The builder writes the record where the recipe says `grow: true`; `firstboot` reads it and grows the partition,
//! then its filesystem. systemd grows the filesystem by itself where `fstab` says `x-systemd.growfs`, but not the
//! partition under it. A partition is named by what its table knows it by, so the record does not depend on the
//! order in which the kernel finds disks.

use serde::{Deserialize, Serialize};

/// Where the record is in an image; an image without one grows nothing.
pub const PATH: &str = "/usr/lib/bootwright/grow.json";

/// Version of the format that this code reads and writes.
pub const VERSION: u32 = 1;

/// What is to grow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrowRecord {
    /// [`VERSION`].
    pub version: u32,
    /// In the order of their numbers.
    pub partitions: Vec<GrowingPartition>,
}

/// A partition that takes the free space behind it, and the filesystem in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrowingPartition {
    /// Its number in the table, from 1.
    pub number: u32,
    /// `PARTUUID`, the name of its link in `/dev/disk/by-partuuid`: a GUID, or with an msdos table `SIGNATURE-NN`.
    pub partuuid: String,
    /// What the filesystem in it is, as `blkid` says; it decides how it is grown.
    pub filesystem: String,
    /// Where it is mounted.
    pub mount: Option<String>,
}

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum GrowRecordError {
    /// The record is of another version.
    #[error("the record of growing partitions has version {found}; this program reads version {VERSION}")]
    Version {
        /// What it says.
        found: u32,
    },
    /// The text is no record.
    #[error("the record of growing partitions is not valid")]
    Text(#[from] serde_json::Error),
}

impl GrowRecord {
    /// Makes a record of this version.
    pub fn new(partitions: Vec<GrowingPartition>) -> Self {
        Self { version: VERSION, partitions }
    }

    /// Returns the text of the file.
    ///
    /// # Errors
    ///
    /// Never for text that is UTF-8; the library's signature allows for others.
    pub fn to_text(&self) -> Result<String, GrowRecordError> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Reads the text of the file.
    ///
    /// # Errors
    ///
    /// When it is not valid JSON of this format, or of another version.
    pub fn from_text(text: &str) -> Result<Self, GrowRecordError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        // A newer record may have other keys; its version is the better answer.
        let Version { version } = serde_json::from_str(text)?;
        if version != VERSION {
            return Err(GrowRecordError::Version { found: version });
        }
        Ok(serde_json::from_str(text)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let partition = GrowingPartition {
            number: 1,
            partuuid: "12345678-01".into(),
            filesystem: "ext3".into(),
            mount: Some("/".into()),
        };
        let record = GrowRecord::new(vec![partition]);
        let text = record.to_text().expect("plain text");
        assert!(text.ends_with("}\n"));
        assert_eq!(GrowRecord::from_text(&text).expect("our own text"), record);
    }

    #[test]
    fn other_records_are_refused() {
        for (text, wanted) in [
            ("", "not valid"),
            ("{}", "not valid"),
            (r#"{"version":2,"disks":[]}"#, "version 2"),
            (r#"{"version":1,"partitions":[],"more":1}"#, "not valid"),
            (r#"{"version":1,"partitions":[{"number":1}]}"#, "not valid"),
        ] {
            let error = GrowRecord::from_text(text).expect_err(text).to_string();
            assert!(error.contains(wanted), "{text:?}: {error}");
        }
    }
}
