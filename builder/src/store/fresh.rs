//! Objects whose digest is known only when their bytes are.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::{Sha256Digest, Store, StoreError, at, held};

/// An object that is being made. It has no name before [`FreshObject::commit`], so that a kill leaves nothing of it.
#[derive(Debug)]
pub struct FreshObject<'a> {
    store: &'a Store,
    file: File,
    hasher: Sha256,
    size: u64,
}

/// An object of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Digest of its bytes, and its name.
    pub sha256: Sha256Digest,
    /// Size in bytes.
    pub size: u64,
}

impl<'a> FreshObject<'a> {
    pub(super) fn create(store: &'a Store) -> Result<Self, StoreError> {
        let file =
            host::sparse::create_unnamed(&store.partial).map_err(at("creating a file in", &store.partial))?;
        Ok(Self { store, file, hasher: Sha256::new(), size: 0 })
    }

    /// Gives the object its name.
    ///
    /// # Errors
    /// [`StoreError::Io`] when that is not possible.
    pub fn commit(self) -> Result<Stored, StoreError> {
        let sha256 = Sha256Digest(self.hasher.finalize().into());
        let target = self.store.path(&sha256);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(at("creating", folder))?;
        }
        match host::sparse::link(&self.file, &target) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                tracing::debug!(
                    "'{}' cannot be linked in place, its bytes are copied: {error}",
                    target.display()
                );
                copy(&self.file, &self.store.partial.join(sha256.to_string()), &target)?;
            }
            // What is there under this name has the same bytes.
            _ => {}
        }
        self.store.mark_checked(sha256);
        Ok(Stored { sha256, size: self.size })
    }
}

impl Write for FreshObject<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Names a copy of `file` where it cannot have a name itself: by way of `partial`, which others wait for.
fn copy(file: &File, partial: &Path, target: &Path) -> Result<(), StoreError> {
    let named = held::hold(partial)?;
    fill(&named, file).map_err(at("writing", partial))?;
    fs::rename(partial, target).map_err(at("naming", target))
}

/// Makes `copy` what `file` is: bytes, holes, time of modification.
fn fill(copy: &File, file: &File) -> io::Result<()> {
    let metadata = file.metadata()?;
    copy.set_len(0)?;
    copy.set_len(metadata.len())?;
    for range in host::sparse::data_ranges(file, metadata.len())? {
        host::sparse::copy_range(file, range.start, copy, range.start, range.end - range.start)?;
    }
    copy.set_modified(metadata.modified()?)
}

/// Puts a copy of `file`, holes and time of modification included, at `target`, which is free.
pub(super) fn adopt_copy(store: &Store, file: &File, target: &Path) -> Result<(), StoreError> {
    let unnamed =
        host::sparse::create_unnamed(&store.partial).map_err(at("creating a file in", &store.partial))?;
    fill(&unnamed, file).map_err(at("writing", target))?;
    match host::sparse::link(&unnamed, target) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => tracing::debug!("'{}' cannot be linked in place: {error}", target.display()),
    }
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    copy(file, &store.partial.join(format!("copy-{name}")), target)
}
