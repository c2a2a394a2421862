//! Content-addressed store of files below the cache folder, shared by every run on the machine.
//!
//! ```text
//! <cache>/objects/<2 hex digits>/<62 hex digits>   complete objects, never changed, named by their SHA-256
//! <cache>/partial/<64 hex digits>                  an object on its way, flock-held by who writes it
//! <cache>/records/<stage>/<64 hex digits>.json     which objects a stage made of which inputs, see [`Key`]
//! <cache>/locks/results                            a byte of it is locked by who makes the result of a key
//! ```
//!
//! An object appears under its final name by rename and only if its digest is the expected one. What a broken
//! download leaves in `partial` is the start of the next attempt. Bytes that were stored by an earlier run are
//! hashed again, once per process, before they are handed out by [`Store::checked`] or [`Store::read`]; an object
//! that no longer has its digest is removed and counts as absent.
//!
//! Nothing here is synced to the disk: after a power cut an object or a record may be empty or torn, which its digest
//! or its form tells, and what cannot be believed is made again.
//!
//! To add a kind of object: if its digest is known before its bytes are, use [`Store::writer`]; else
//! [`Store::fresh`], and remember its digest as the result of a [`Key`]. A second level that machines share would
//! answer where [`Store::get`] and [`Store::recall`] find nothing, and be told of what `commit` and
//! [`Store::remember`] store.

mod census;
mod digest;
mod fresh;
mod held;
mod key;
mod left;
mod record;
mod sparse;
mod writer;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

pub use census::{Census, Holding, Pruned, Verified};
pub use digest::Sha256Digest;
pub use fresh::{FreshObject, Stored};
pub use key::{Key, first_difference};
pub use left::Left;
pub use record::KeyLock;
pub use sparse::{hash_range, hash_sparse, hash_zeroes};
pub use writer::{Claim, ObjectWriter};

/// Bytes read at once when an object is hashed.
const CHUNK_BYTES: usize = 256 * 1024;

/// The store. Cheap to share between threads; several processes may use the same folder at once.
#[derive(Debug)]
pub struct Store {
    objects: PathBuf,
    partial: PathBuf,
    records: PathBuf,
    locks: PathBuf,
    /// Whether results of earlier runs serve.
    recalls: bool,
    /// Objects whose bytes this process has hashed.
    checked: Mutex<HashSet<Sha256Digest>>,
    /// Shared by all who use the store; pruning waits for them.
    in_use: File,
}

/// Why the store could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The filesystem refused.
    #[error("{doing} '{}': {source}; check space and permissions of the cache folder", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The bytes are not the expected ones.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
}

/// Bytes that are not the expected ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Too few or too many.
    #[error("{found} bytes instead of {expected}")]
    Size {
        /// How many there should be.
        expected: u64,
        /// How many there are, as far as known.
        found: u64,
    },
    /// The right number, but others.
    #[error("SHA-256 {found} instead of {expected}")]
    Digest {
        /// What was asked for.
        expected: Sha256Digest,
        /// What came.
        found: Sha256Digest,
    },
}

impl Store {
    /// Opens the store below `cache` and creates its folders.
    ///
    /// # Errors
    /// [`StoreError::Io`] when a folder cannot be created.
    pub fn open(cache: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(cache).map_err(at("creating", cache))?;
        let in_use = use_of(cache)?;
        in_use.lock_shared().map_err(at("locking", cache))?;
        let store = Self {
            in_use,
            recalls: true,
            objects: cache.join("objects"),
            partial: cache.join("partial"),
            records: cache.join("records"),
            locks: cache.join("locks"),
            checked: Mutex::default(),
        };
        for folder in [&store.objects, &store.partial, &store.records, &store.locks] {
            fs::create_dir_all(folder).map_err(at("creating", folder))?;
        }
        // Records tell of recipes, which are not everybody's to read.
        let private = fs::Permissions::from_mode(0o700);
        fs::set_permissions(&store.records, private).map_err(at("closing", &store.records))?;
        store.sweep();
        Ok(store)
    }

    /// Returns the folder that the store is in.
    pub fn folder(&self) -> &Path {
        self.objects.parent().unwrap_or(&self.objects)
    }

    /// Returns the store as one in which no earlier run has left a result; what is fetched is there all the same.
    #[must_use]
    pub fn without_results(mut self) -> Self {
        self.recalls = false;
        self
    }

    /// Waits until nobody else uses the store and keeps others from it; `waiting` is called if somebody does now.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the lock cannot be had.
    pub fn alone(self, waiting: impl FnOnce()) -> Result<Self, StoreError> {
        match self.in_use.try_lock() {
            Ok(()) => return Ok(self),
            Err(fs::TryLockError::WouldBlock) => waiting(),
            Err(fs::TryLockError::Error(error)) => return Err(at("locking", &self.objects)(error)),
        }
        self.in_use.lock().map_err(at("locking", &self.objects))?;
        Ok(self)
    }

    /// Returns the path of an object that is there, without looking at its bytes.
    pub fn get(&self, digest: &Sha256Digest) -> Option<PathBuf> {
        let path = self.path(digest);
        path.is_file().then_some(path)
    }

    /// Returns the path of an object that is there and has been hashed by this process, hashing it if need be.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the object cannot be read, or is corrupt and cannot be removed.
    pub fn checked(&self, digest: &Sha256Digest) -> Result<Option<PathBuf>, StoreError> {
        let Some(path) = self.get(digest) else { return Ok(None) };
        if self.is_checked(digest) {
            return Ok(Some(path));
        }
        let mut file = File::open(&path).map_err(at("opening", &path))?;
        mark_used(&file, &path);
        let found = hash(&mut file, u64::MAX).map_err(at("reading", &path))?.0;
        self.keep_if(digest, Sha256Digest(found.finalize().into()), path)
    }

    /// Returns the bytes of an object that is there, checked.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the object cannot be read, or is corrupt and cannot be removed.
    pub fn read(&self, digest: &Sha256Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(path) = self.get(digest) else { return Ok(None) };
        let bytes = match fs::read(&path) {
            // Another build has replaced it since.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(at("reading", &path))?,
        };
        if !self.is_checked(digest) && self.keep_if(digest, Sha256Digest::of(&bytes), path)?.is_none() {
            return Ok(None);
        }
        Ok(Some(bytes))
    }

    /// Claims the right to write the object `digest` of `size` bytes. Waits while another thread or process
    /// writes the same one; if that one has finished it, there is nothing to write.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the partial file cannot be opened, locked or read.
    pub fn writer(&self, digest: Sha256Digest, size: u64) -> Result<Claim<'_>, StoreError> {
        ObjectWriter::claim(self, digest, size)
    }

    /// Begins an object whose digest comes with its bytes.
    ///
    /// # Errors
    /// [`StoreError::Io`] when no file can be made.
    pub fn fresh(&self) -> Result<FreshObject<'_>, StoreError> {
        FreshObject::create(self)
    }

    /// Stores `bytes`, whose digest must be `digest`.
    ///
    /// # Errors
    /// [`StoreError::Mismatch`] when it is another, [`StoreError::Io`] when writing fails.
    pub fn put(&self, digest: Sha256Digest, bytes: &[u8]) -> Result<PathBuf, StoreError> {
        match self.writer(digest, bytes.len() as u64)? {
            Claim::Present(path) => Ok(path),
            Claim::Writer(mut writer) => {
                writer.restart()?;
                writer.append(bytes)?;
                writer.commit()
            }
        }
    }

    /// Takes the file `path`, whose digest is `digest`, into the store: by a second name for it where that is possible, else
    /// as a copy. Whoever uses such an object must know whether the file was written to since.
    ///
    /// # Errors
    /// [`StoreError::Io`] when neither is possible.
    pub fn adopt(&self, path: &Path, digest: &Sha256Digest) -> Result<(), StoreError> {
        let target = self.path(digest);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(at("creating", folder))?;
        }
        match fs::remove_file(&target) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(at("removing", &target)(source));
            }
            _ => {}
        }
        let Err(error) = fs::hard_link(path, &target) else { return Ok(()) };
        tracing::debug!("'{}' is copied into the store: {error}", path.display());
        let file = File::open(path).map_err(at("opening", path))?;
        fresh::adopt_copy(self, &file, &target)
    }

    fn path(&self, digest: &Sha256Digest) -> PathBuf {
        let name = digest.to_string();
        self.objects.join(&name[..2]).join(&name[2..])
    }

    fn is_checked(&self, digest: &Sha256Digest) -> bool {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner).contains(digest)
    }

    fn mark_checked(&self, digest: Sha256Digest) {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner).insert(digest);
    }

    fn keep_if(
        &self,
        expected: &Sha256Digest,
        found: Sha256Digest,
        path: PathBuf,
    ) -> Result<Option<PathBuf>, StoreError> {
        if *expected == found {
            self.mark_checked(found);
            return Ok(Some(path));
        }
        tracing::warn!("removing '{}' from the cache: its SHA-256 is now {found}", path.display());
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(at("removing", &path)(source)),
            _ => Ok(None),
        }
    }
}

/// Opens the file whose lock says that the store is in use.
fn use_of(cache: &Path) -> Result<File, StoreError> {
    let path = cache.join("in-use");
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).open(&path).map_err(at("opening", &path))
}

/// Notes that a file is used now: pruning goes by that.
fn mark_used(file: &File, path: &Path) {
    if let Err(error) = file.set_modified(std::time::SystemTime::now()) {
        tracing::debug!("marking '{}' as used: {error}", path.display());
    }
}

/// Hashes what `reader` gives, at most `limit` bytes; returns the hasher and how many there were.
fn hash(reader: &mut impl Read, limit: u64) -> io::Result<(Sha256, u64)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut reader = reader.take(limit);
    let mut length = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok((hasher, length)),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                length += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Makes an error of what was tried on `path`.
fn at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { doing, path, source }
}
