//! Files whose holder has the kernel's lock on them: a killed holder frees it.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{StoreError, at};

/// Opens the file `path`, which is made if need be, and waits for its lock.
///
/// # Errors
/// [`StoreError::Io`] when the file cannot be opened or locked.
pub(super) fn hold(path: &Path) -> Result<File, StoreError> {
    loop {
        let file = open(path)?;
        file.lock().map_err(at("locking", path))?;
        if is_named(&file, path)? {
            return Ok(file);
        }
    }
}

/// As [`hold`], but gives nothing where somebody else holds it now.
///
/// # Errors
/// As [`hold`].
pub(super) fn try_hold(path: &Path) -> Result<Option<File>, StoreError> {
    loop {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) if is_named(&file, path)? => return Ok(Some(file)),
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Ok(None),
            Err(fs::TryLockError::Error(error)) => return Err(at("locking", path)(error)),
        }
    }
}

fn open(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).open(path).map_err(at("opening", path))
}

/// Tells whether `file` is still what `path` names: whoever held the lock may have renamed or removed it.
fn is_named(file: &File, path: &Path) -> Result<bool, StoreError> {
    let held = file.metadata().map_err(at("examining", path))?;
    Ok(fs::metadata(path).is_ok_and(|named| (named.dev(), named.ino()) == (held.dev(), held.ino())))
}
