//! Records: which result a key has had.
//!
//! ```text
//! <cache>/records/<stage>/<key's digest>.json   { "format", "stage", "subject", "inputs", "result" }
//! <cache>/locks/results                          a byte of it, by the key's digest, is locked by whoever makes the result
//! ```
//!
//! A record appears whole under its name. One that cannot be read counts as absent: what it says can be made again.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::{Value, json};

use super::key::first_difference;
use super::{Key, Sha256Digest, Store, StoreError, at, held, mark_used};

/// Version of the records' form; others are not read.
const FORMAT: u64 = 1;

/// The right to make the result of a key, until dropped.
#[derive(Debug)]
pub struct KeyLock {
    /// Holds the lock of a byte.
    _file: File,
}

impl Store {
    /// Returns the result that was remembered for `key`.
    pub fn recall(&self, key: &Key) -> Option<Value> {
        if !self.recalls {
            return None;
        }
        let path = self.record(key);
        let record = read(&path)?;
        mark_used(&File::open(&path).ok()?, &path);
        Some(record["result"].clone())
    }

    /// Remembers the result of `key`.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the record cannot be written.
    pub fn remember(&self, key: &Key, result: &Value) -> Result<(), StoreError> {
        let Key { stage, subject, inputs, .. } = key;
        let record = json!({ "format": FORMAT, "stage": stage, "subject": subject, "inputs": inputs, "result": result });
        let path = self.record(key);
        let folder = self.records.join(key.stage);
        fs::create_dir_all(&folder).map_err(at("creating", &folder))?;
        let text = format!("{record:#}\n");
        if self.place_unnamed(&text, &path)? {
            return Ok(());
        }
        let hidden = self.partial.join(format!("record-{}", key.digest()));
        let mut file = held::hold(&hidden)?;
        let named = file
            .set_len(0)
            .and_then(|()| file.write_all(text.as_bytes()))
            .map_err(at("writing", &hidden))
            .and_then(|()| fs::rename(&hidden, &path).map_err(at("naming", &path)));
        if named.is_err() {
            // A full disk shall not be left fuller.
            drop(fs::remove_file(&hidden));
        }
        named
    }

    /// Writes `text` to a file without a name, of which a kill leaves nothing, and names it; false where that cannot be.
    /// Only a rename replaces: an older record goes first, and who looks in between finds none.
    fn place_unnamed(&self, text: &str, path: &Path) -> Result<bool, StoreError> {
        let unnamed = host::sparse::create_unnamed(&self.partial);
        let mut file = unnamed.map_err(at("creating a file in", &self.partial))?;
        file.write_all(text.as_bytes()).map_err(at("writing", path))?;
        loop {
            match host::sparse::link(&file, path) {
                Ok(()) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match fs::remove_file(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(at("removing", path)(error));
                    }
                    _ => {}
                },
                Err(error) => {
                    tracing::debug!("'{}' cannot be linked in place: {error}", path.display());
                    return Ok(false);
                }
            }
        }
    }

    /// Forgets the result of `key`, which turned out to be of no use.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the record cannot be removed.
    pub fn forget(&self, key: &Key) -> Result<(), StoreError> {
        let path = self.record(key);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at("removing", &path)(error)),
            _ => Ok(()),
        }
    }

    /// Waits until nobody else makes the result of `key`, and keeps others from it; `waiting` is called if somebody
    /// does so now.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the lock cannot be made.
    pub fn claim(&self, key: &Key, waiting: impl FnOnce()) -> Result<KeyLock, StoreError> {
        let path = self.locks.join("results");
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(&path).map_err(at("opening", &path))?;
        // Two keys of one byte wait for each other in vain, and no more.
        let Sha256Digest([a, b, c, d, e, f, g, h, ..]) = key.digest();
        let byte = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        if !host::range_lock::try_lock(&file, byte).map_err(at("locking", &path))? {
            waiting();
            host::range_lock::lock(&file, byte).map_err(at("locking", &path))?;
        }
        Ok(KeyLock { _file: file })
    }

    /// Says why there is no result for `key`: the first input that differs from the latest result of the same stage
    /// and subject.
    pub fn explain_miss(&self, key: &Key) -> String {
        match self.latest(key) {
            _ if !self.recalls => "results of earlier builds are not used (--fresh)".to_owned(),
            None => "nothing of this recipe is stored yet".to_owned(),
            Some(record) => first_difference(&record["inputs"], &key.inputs)
                .unwrap_or_else(|| "what was stored is gone".to_owned()),
        }
    }

    /// Returns the record of the same stage and subject that was used last.
    fn latest(&self, key: &Key) -> Option<Value> {
        let listing = fs::read_dir(self.records.join(key.stage)).ok()?;
        let mut found: Vec<(SystemTime, PathBuf)> = listing
            .filter_map(|entry| {
                let entry = entry.ok()?;
                Some((entry.metadata().ok()?.modified().ok()?, entry.path()))
            })
            .collect();
        found.sort();
        found
            .iter()
            .rev()
            .filter_map(|(_, path)| read(path))
            .find(|record| record["subject"] == key.subject.as_str())
    }

    pub(super) fn record(&self, key: &Key) -> PathBuf {
        self.records.join(key.stage).join(format!("{}.json", key.digest()))
    }
}

/// Reads a record.
pub(super) fn read(path: &Path) -> Option<Value> {
    let record: Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    (record["format"] == FORMAT).then_some(record)
}
