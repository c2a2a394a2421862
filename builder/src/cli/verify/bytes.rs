//! The first byte that differs between two disks whose files do not.

use anyhow::{Result, anyhow};

use crate::image::{Image, table};

/// Bytes compared at once.
const CHUNK: u64 = 1 << 20;

/// Says where the first difference is.
pub(super) fn first_difference(old: &Image, new: &Image) -> Result<String> {
    if old.size() != new.size() {
        return Ok(format!("the disk has {} bytes instead of {}", new.size(), old.size()));
    }
    let mut at = 0;
    while at < old.size() {
        let length = CHUNK.min(old.size() - at);
        let (a, b) = (read(old, at, length)?, read(new, at, length)?);
        if let Some(offset) = a.iter().zip(&b).position(|(a, b)| a != b) {
            let (a, b) = (a[offset], b[offset]);
            let at = at + offset as u64;
            return Ok(format!(
                "every file is the same; byte {at} is {b:#04x} instead of {a:#04x}, {}",
                place(old, at)
            ));
        }
        at += length;
    }
    Ok("every byte of the disk is the same; only how the file holds it differs".to_owned())
}

fn read(image: &Image, offset: u64, length: u64) -> Result<Vec<u8>> {
    image.read(offset, length).map_err(|why| anyhow!("reading '{}': {why}", image.path().display()))
}

/// Names the partition that holds byte `at`.
fn place(image: &Image, at: u64) -> String {
    let entries = table::read(image).ok().flatten().map(|table| table.entries).unwrap_or_default();
    let holds = entries.iter().find(|entry| (entry.start..entry.start + entry.length).contains(&at));
    holds.map_or_else(
        || "outside of every partition".to_owned(),
        |entry| {
            format!(
                "in partition {} ('{}'), {} bytes from its start",
                entry.number,
                entry.name,
                at - entry.start
            )
        },
    )
}
