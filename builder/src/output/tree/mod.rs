//! The tree as a folder of the output folder.
//!
//! A folder cannot be made without a name, so it grows under a hidden one, `.NAME.tree.new`, locked by who makes it,
//! and appears by one rename; an older tree changes places with it and is removed then. What a kill leaves is that one
//! hidden folder; the next build removes it ([`discard_unfinished`]).
//!
//! In the user namespace of an ordinary user, owners are that user's subordinate ids as seen from outside, and
//! capabilities hold only inside.

mod copy;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::rootfs::tar_stream::TreeScan;

use super::OutputError;

/// A complete tree that has no place yet; it goes with the value.
#[derive(Debug)]
pub(super) struct StagedTree {
    hidden: PathBuf,
    /// Open, and so locked, until the tree has its place.
    folder: File,
}

impl StagedTree {
    /// Copies the scanned tree to a hidden folder of `folder`. Times end at `epoch`.
    pub(super) fn make(scan: &TreeScan, epoch: i64, folder: &Path, name: &str) -> Result<Self, OutputError> {
        let hidden = hidden(folder, name);
        discard(&hidden)?;
        let made = fs::create_dir(&hidden).and_then(|()| File::open(&hidden));
        let opened = made.map_err(|source| OutputError::io("making the folder", &hidden, source))?;
        let staged = Self { hidden, folder: opened };
        if !lock(&staged.folder, &staged.hidden)? {
            return Err(busy(&staged.hidden));
        }
        copy::copy(scan, epoch, &staged.hidden)?;
        Ok(staged)
    }

    /// Puts the tree at `place`; what was there is removed.
    pub(super) fn publish(self, place: &Path) -> Result<(), OutputError> {
        let failed = |source| OutputError::io("putting in place", place, source);
        if fs::symlink_metadata(place).is_ok_and(|metadata| !metadata.is_dir()) {
            return Err(failed(io::Error::other("there is something else of this name; remove it")));
        }
        host::node::sync_filesystem(&self.folder).map_err(failed)?;
        // The older tree, if there was one, is at the hidden name now and goes with this value.
        host::node::put_folder(&self.hidden, place).map_err(failed)?;
        Ok(())
    }
}

impl Drop for StagedTree {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.hidden) {
            tracing::warn!("'{}' stays: {error}", self.hidden.display());
        }
    }
}

/// Removes what a build that was killed left of the tree `name` in `folder`; tells whether there was something.
///
/// # Errors
/// When it cannot be removed, or another build is writing it.
pub fn discard_unfinished(folder: &Path, name: &str) -> Result<bool, OutputError> {
    discard(&hidden(folder, name))
}

/// Tells whether a build that was killed left something of the tree `name` in `folder`.
pub fn is_unfinished(folder: &Path, name: &str) -> bool {
    hidden(folder, name).exists()
}

fn hidden(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!(".{name}.new"))
}

fn discard(hidden: &Path) -> Result<bool, OutputError> {
    let opened = match File::open(hidden) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other.map_err(|source| OutputError::io("opening", hidden, source))?,
    };
    if !lock(&opened, hidden)? {
        return Err(busy(hidden));
    }
    remove(hidden).map_err(|source| OutputError::io("removing", hidden, source))?;
    Ok(true)
}

fn lock(folder: &File, path: &Path) -> Result<bool, OutputError> {
    host::node::try_lock(folder).map_err(|source| OutputError::io("locking", path, source))
}

fn busy(hidden: &Path) -> OutputError {
    let source =
        io::Error::other("another build is writing it; wait for its end, or choose another --output");
    OutputError::io("making the folder", hidden, source)
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
