//! Writing one object: claimed, appended to, committed by rename.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use super::{Mismatch, Sha256Digest, Store, StoreError, at, hash, held};

/// What asking for the right to write gives.
#[derive(Debug)]
pub enum Claim<'a> {
    /// Nothing to do: somebody else finished it.
    Present(PathBuf),
    /// The object is the caller's to write.
    Writer(ObjectWriter<'a>),
}

/// An object on its way into the store. Dropped without [`ObjectWriter::commit`] it leaves what was written for
/// the next attempt, or nothing if nothing was.
#[derive(Debug)]
pub struct ObjectWriter<'a> {
    store: &'a Store,
    digest: Sha256Digest,
    size: u64,
    path: PathBuf,
    /// Holds the lock.
    file: File,
    hasher: Sha256,
    length: u64,
    resumed: bool,
    committed: bool,
}

impl<'a> ObjectWriter<'a> {
    pub(super) fn claim(store: &'a Store, digest: Sha256Digest, size: u64) -> Result<Claim<'a>, StoreError> {
        let path = store.partial.join(digest.to_string());
        let file = held::hold(&path)?;
        let hasher = Sha256::new();
        let mut writer =
            Self { store, digest, size, path, file, hasher, length: 0, resumed: false, committed: false };
        if let Some(present) = store.checked(&digest)? {
            return Ok(Claim::Present(present));
        }
        writer.take_up()?;
        Ok(Claim::Writer(writer))
    }

    /// Hashes what an earlier attempt left, so that writing goes on behind it.
    fn take_up(&mut self) -> Result<(), StoreError> {
        (self.hasher, self.length) =
            hash(&mut self.file, self.size.saturating_add(1)).map_err(at("reading", &self.path))?;
        if self.length > self.size {
            return self.restart();
        }
        self.resumed = self.length > 0;
        Ok(())
    }

    /// Returns how many bytes are there.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Returns how many bytes there will be.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns whether an earlier attempt wrote the beginning.
    pub fn resumed(&self) -> bool {
        self.resumed
    }

    /// Forgets what is there.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the file cannot be emptied.
    pub fn restart(&mut self) -> Result<(), StoreError> {
        self.file.set_len(0).map_err(at("emptying", &self.path))?;
        self.file.seek(SeekFrom::Start(0)).map_err(at("emptying", &self.path))?;
        self.hasher = Sha256::new();
        self.length = 0;
        self.resumed = false;
        Ok(())
    }

    /// Writes `bytes` behind what is there.
    ///
    /// # Errors
    /// [`Mismatch::Size`] when the object would become too long; [`StoreError::Io`] when writing fails.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let found = self.length + bytes.len() as u64;
        if found > self.size {
            return Err(Mismatch::Size { expected: self.size, found }.into());
        }
        self.file.write_all(bytes).map_err(at("writing", &self.path))?;
        self.hasher.update(bytes);
        self.length = found;
        Ok(())
    }

    /// Gives the object its final name and returns it. Bytes with another size or digest are thrown away; the
    /// writer then stands at the beginning again.
    ///
    /// # Errors
    /// [`StoreError::Mismatch`] as said; [`StoreError::Io`] when the name cannot be given.
    pub fn commit(&mut self) -> Result<PathBuf, StoreError> {
        if let Err(mismatch) = self.check() {
            self.restart()?;
            return Err(mismatch.into());
        }
        let target = self.store.path(&self.digest);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(at("creating", folder))?;
        }
        fs::rename(&self.path, &target).map_err(at("naming", &target))?;
        self.committed = true;
        self.store.mark_checked(self.digest);
        Ok(target)
    }

    fn check(&self) -> Result<(), Mismatch> {
        if self.length != self.size {
            return Err(Mismatch::Size { expected: self.size, found: self.length });
        }
        let found = Sha256Digest(self.hasher.clone().finalize().into());
        if found != self.digest {
            return Err(Mismatch::Digest { expected: self.digest, found });
        }
        Ok(())
    }
}

impl Drop for ObjectWriter<'_> {
    fn drop(&mut self) {
        if self.committed || self.length > 0 {
            return;
        }
        // Still under the lock, so nobody else writes to it; who waits for it opens anew.
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!("leaving the empty '{}': {error}", self.path.display());
        }
    }
}
