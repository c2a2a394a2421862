//! Which blocks the service has acknowledged, in `IMAGE.ID.blocks` beside the image.
//!
//! A first line names the snapshot, before any block is sent to it. Then come records of 40 bytes: the block's number
//! (4 bytes, little-endian), its SHA-256 (32), and the CRC-32 of both (4). They are appended without waiting for the
//! disk: what a power cut takes away is sent again, and a record that is torn ends the list.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::upload::{Kind, UploadError};

const RECORD: usize = 40;
const MARK: &str = "bootwright blocks 1";
/// Longest first line.
const LONGEST: usize = 200;

/// The record of one snapshot.
#[derive(Debug)]
pub(super) struct Record {
    path: PathBuf,
    file: File,
    /// Digests of the blocks that an earlier run has brought there.
    pub(super) known: HashMap<u32, [u8; 32]>,
}

impl Record {
    /// Names the record of the upload `id` of `image`.
    pub(super) fn path(image: &Path, id: &str) -> PathBuf {
        let mut name = image.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{id}.blocks"));
        image.with_file_name(name)
    }

    /// Opens the record of `snapshot`; one of another snapshot is begun anew.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub(super) fn open(path: PathBuf, snapshot: &str) -> Result<Self, UploadError> {
        let failed = |error: io::Error| {
            let doing = format!("writing '{}'", path.display());
            UploadError::new(Kind::Local, doing, error, "copy the image to a folder that can be written to")
        };
        let first = format!("{MARK} {snapshot}\n");
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other.map_err(failed)?,
        };
        let records = bytes.strip_prefix(first.as_bytes()).unwrap_or_default();
        let known: HashMap<u32, [u8; 32]> = records.chunks_exact(RECORD).map_while(read).collect();
        let whole = records.chunks_exact(RECORD).map_while(read).count();
        let mut file = OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
        let length = if bytes.starts_with(first.as_bytes()) { first.len() + whole * RECORD } else { 0 };
        file.set_len(length as u64).map_err(failed)?;
        if length == 0 {
            file.write_all(first.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        }
        Ok(Self { path, file, known })
    }

    /// Returns the snapshot that a record is of; none if there is no record.
    pub(super) fn snapshot(path: &Path) -> Option<String> {
        let mut start = [0; LONGEST];
        let count = File::open(path).ok()?.read(&mut start).ok()?;
        let line = start[..count].split(|byte| *byte == b'\n').next()?;
        Some(str::from_utf8(line).ok()?.strip_prefix(MARK)?.trim().to_owned())
    }

    /// Notes that the service has block `index`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn add(&mut self, index: u32, digest: &[u8; 32]) -> Result<(), UploadError> {
        let mut record = [0; RECORD];
        record[..4].copy_from_slice(&index.to_le_bytes());
        record[4..36].copy_from_slice(digest);
        let sum = crc32fast::hash(&record[..36]);
        record[36..].copy_from_slice(&sum.to_le_bytes());
        self.file.write_all(&record).map_err(|error| {
            let doing = format!("writing '{}'", self.path.display());
            UploadError::new(Kind::Local, doing, error, "make room, and run the same again")
        })
    }
}

fn read(record: &[u8]) -> Option<(u32, [u8; 32])> {
    let (body, sum) = record.split_at(36);
    let whole = crc32fast::hash(body).to_le_bytes() == sum;
    whole.then(|| Some((u32::from_le_bytes(body[..4].try_into().ok()?), body[4..].try_into().ok()?)))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upload::tests::Folder;

    #[test]
    fn what_was_acknowledged_is_known_again() {
        let folder = Folder::with(b"image");
        let path = Record::path(&folder.image(), "id");
        let mut record = Record::open(path.clone(), "snap-1").unwrap();
        record.add(3, &[3; 32]).unwrap();
        record.add(9, &[9; 32]).unwrap();
        assert_eq!(Record::snapshot(&path).as_deref(), Some("snap-1"));
        // Torn in the middle, as a power cut leaves it.
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let mut record = Record::open(path.clone(), "snap-1").unwrap();
        assert_eq!(record.known, HashMap::from([(3, [3; 32])]));
        record.add(4, &[4; 32]).unwrap();
        assert_eq!(Record::open(path.clone(), "snap-1").unwrap().known.len(), 2);
        // Zeroes that never reached the disk are no record.
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend([0; RECORD]);
        fs::write(&path, &bytes).unwrap();
        assert_eq!(Record::open(path.clone(), "snap-1").unwrap().known.len(), 2);
        assert!(Record::open(path, "snap-2").unwrap().known.is_empty());
    }
}
