//! Partition tables: GPT, and msdos with its logical partitions.

mod gpt;
mod msdos;

use serde::Serialize;

use super::Image;

/// A partition table.
#[derive(Debug, Clone, Serialize)]
pub struct Table {
    /// `gpt` or `msdos`.
    pub kind: &'static str,
    /// The disk's GUID, or its signature of 32 bits in hexadecimal.
    pub id: String,
    /// Whether the backup at the end of the disk says the same; none for tables that have no backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_matches: Option<bool>,
    /// The partitions, by number.
    #[serde(skip)]
    pub entries: Vec<Entry>,
}

/// One partition as the table has it.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from 1; logical partitions of an msdos table begin at 5.
    pub number: u32,
    /// Its name; empty in an msdos table, which has none.
    pub name: String,
    /// What its type is called, or the type's id.
    #[serde(rename = "type")]
    pub kind: String,
    /// GUID of its type, or two hexadecimal digits.
    pub type_id: String,
    /// Its own id, as `PARTUUID=` takes it.
    pub id: String,
    /// First byte.
    pub start: u64,
    /// Length in bytes.
    pub length: u64,
    /// Attribute bits of a GPT entry; 0x80 is an msdos table's mark of the active partition.
    pub attributes: u64,
}

/// Reads the table of `image`; none if the disk has none.
///
/// # Errors
/// When there is one and it is damaged.
pub fn read(image: &Image) -> Result<Option<Table>, String> {
    match gpt::read(image)? {
        Some(table) => Ok(Some(table)),
        None => msdos::read(image),
    }
}
