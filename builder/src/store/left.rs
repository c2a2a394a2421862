//! What killed runs have left in the store.

use std::fs;
use std::path::PathBuf;

use super::held::try_hold;
use super::{Store, StoreError, at};

/// A file that a killed run has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub what: &'static str,
}

impl Store {
    /// Lists what nobody writes to and is no object; removes it if `remove` says so.
    ///
    /// # Errors
    /// [`StoreError::Io`] when a folder cannot be read or a file not be removed.
    pub fn left(&self, remove: bool) -> Result<Vec<Left>, StoreError> {
        let mut left = Vec::new();
        let entries = fs::read_dir(&self.partial).map_err(at("reading", &self.partial))?;
        for entry in entries.flatten() {
            let path = entry.path();
            let name = entry.file_name();
            let is_download = name.len() == 64 && !name.to_string_lossy().contains('-');
            let Some(_held) = try_hold(&path)? else { continue };
            if remove {
                fs::remove_file(&path).map_err(at("removing", &path))?;
            }
            let what =
                if is_download { "the beginning of a download" } else { "a file that was being written" };
            left.push(Left { path, what });
        }
        left.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(left)
    }

    /// Removes what killed runs have left apart from beginnings of downloads, which the next attempt goes on with.
    pub(super) fn sweep(&self) {
        for entry in fs::read_dir(&self.partial).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // Only where unnamed files cannot be named do such files exist at all.
            if ["record-", "copy-"].iter().any(|prefix| name.starts_with(prefix))
                && let Ok(Some(_held)) = try_hold(&entry.path())
            {
                drop(fs::remove_file(entry.path()));
            }
        }
    }
}
