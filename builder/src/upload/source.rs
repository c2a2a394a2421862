//! The file that is uploaded: what it is, its digest, and whether it is still the same.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::sending::digests_of;
use super::{Digests, Interrupt, Journal, Kind, UploadError};
use crate::image::Image;
use crate::progress::{Reporter, Stage, Unit, format_bytes};

/// Bytes that are read at once.
pub(super) const CHUNK: usize = 1 << 20;

/// Formats that are uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The disk's bytes.
    Raw,
    /// qcow2.
    Qcow2,
}

impl Format {
    /// Returns its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        }
    }
}

/// What tells that a file is the one it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// When it was last written, nanoseconds since 1970.
    pub modified: i64,
    /// Its inode.
    pub inode: u64,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let modified = metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
        Self { size: metadata.len(), modified, inode: metadata.ino() }
    }
}

/// The file that is uploaded.
#[derive(Debug)]
pub struct SourceImage {
    /// Its path.
    pub path: PathBuf,
    /// What it was when it was opened.
    pub stamp: Stamp,
    /// Its format, by its first bytes.
    pub format: Format,
    /// Size of the disk as a machine sees it, bytes.
    pub virtual_size: u64,
    /// SHA-256 as hexadecimal digits.
    pub sha256: String,
    /// Whether this run took the digest from the file; a manifest and a journal are only believed.
    pub hashed: bool,
    /// Its manifest, if it lies beside it and names it.
    pub manifest: Option<Value>,
    pub(super) file: File,
}

impl SourceImage {
    /// Opens the image. Its digest comes from its manifest or from the journal of an earlier run; if neither knows the
    /// file as it is, from one pass over it.
    ///
    /// # Errors
    /// When it cannot be read, or is of a kind that cannot be uploaded.
    pub fn open(path: &Path, journal: &Journal, reporter: &dyn Reporter) -> Result<Self, UploadError> {
        let (format, virtual_size) = kind(path)?;
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
        let stamp = Stamp::of(&metadata);
        let manifest = manifest(path, stamp);
        let known = manifest.as_ref().and_then(|manifest| digest_in(manifest, path, stamp));
        let known = known.or_else(|| journal.digest(stamp));
        let hashed = known.is_none();
        let sha256 = match known {
            Some(known) => known,
            None => hash(&file, path, stamp.size, reporter)?,
        };
        let image =
            Self { path: path.to_owned(), stamp, format, virtual_size, sha256, hashed, manifest, file };
        image.check_unchanged()?;
        Ok(image)
    }

    /// Takes all digests in one pass.
    ///
    /// # Errors
    /// When it cannot be read, changed, or a signal comes.
    pub(super) fn digests(&self, interrupt: &Interrupt) -> Result<Digests, UploadError> {
        let reader = self.file.try_clone().and_then(|mut file| {
            file.rewind()?;
            Ok(file.take(self.stamp.size))
        });
        let digests = reader.and_then(|reader| digests_of(reader, interrupt));
        let digests = digests.map_err(|error| match error.downcast::<UploadError>() {
            Ok(ours) => ours,
            Err(error) => unreadable(&self.path, &error),
        })?;
        self.check_unchanged()?;
        Ok(digests)
    }

    /// Checks that path and open file are what they were.
    ///
    /// # Errors
    /// When size, time or inode differ.
    pub fn check_unchanged(&self) -> Result<(), UploadError> {
        let named = std::fs::metadata(&self.path).map_err(|error| unreadable(&self.path, &error))?;
        let open = self.file.metadata().map_err(|error| unreadable(&self.path, &error))?;
        if Stamp::of(&named) == self.stamp && Stamp::of(&open) == self.stamp {
            return Ok(());
        }
        Err(changed(&self.path))
    }
}

/// Says that the image is not what it was.
pub(super) fn changed(path: &Path) -> UploadError {
    UploadError::new(
        Kind::Local,
        format!("reading '{}'", path.display()),
        "the file changed while it was uploaded",
        "upload it again when nothing writes to it",
    )
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> UploadError {
    let hint = "check the path and its permissions";
    UploadError::new(Kind::Local, format!("reading '{}'", path.display()), error, hint)
}

/// Returns the format and the size of the disk.
fn kind(path: &Path) -> Result<(Format, u64), UploadError> {
    let refused = |why: &str, hint: &str| {
        Err(UploadError::input(format!("looking at '{}'", path.display()), why, hint))
    };
    let image = Image::open(path)
        .map_err(|error| UploadError::input("opening the image", error, "name a raw or qcow2 image"))?;
    let sizes = image.sizes();
    if sizes.backing_file.is_some() {
        return refused("it depends on a backing file", "make it whole by `bootwright convert`");
    }
    if sizes.file_size == 0 {
        return refused("the file is empty", "name an image");
    }
    if sizes.format == "qcow2" {
        return Ok((Format::Qcow2, sizes.virtual_size));
    }
    let mut start = [0; 8];
    let _short = File::open(path).and_then(|file| file.read_at(&mut start, 0));
    if start.starts_with(b"KDMV") || start.starts_with(b"vhdxfile") || start.starts_with(b"conectix") {
        return refused("it is neither raw nor qcow2", "convert it by `bootwright convert`");
    }
    Ok((Format::Raw, sizes.virtual_size))
}

/// Reads the manifest beside the image, `NAME.manifest.json` for `NAME.qcow2`. One that is older than the image is of
/// another build.
fn manifest(path: &Path, stamp: Stamp) -> Option<Value> {
    let beside = path.with_extension("manifest.json");
    let written = Stamp::of(&std::fs::metadata(&beside).ok()?);
    if written.modified < stamp.modified {
        return None;
    }
    serde_json::from_slice(&std::fs::read(&beside).ok()?).ok()
}

/// Returns the digest that a manifest has for the file at `path`, if the size is right.
fn digest_in(manifest: &Value, path: &Path, stamp: Stamp) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let images = manifest.get("images")?.as_array()?;
    let image = images.iter().find(|image| image["file"] == name && image["size"] == stamp.size)?;
    let digest = image["sha256"].as_str()?;
    let whole = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    whole.then(|| digest.to_ascii_lowercase())
}

/// Takes the digest of the first `size` bytes; holes are not read.
fn hash(file: &File, path: &Path, size: u64, reporter: &dyn Reporter) -> Result<String, UploadError> {
    let stage = Stage::start(reporter, "hash the image");
    stage.total(size, Unit::Bytes);
    let (mut hasher, mut buffer, zeroes) = (Sha256::new(), vec![0; CHUNK], vec![0; CHUNK]);
    let mut add = |range: Range<u64>, is_hole: bool| -> io::Result<()> {
        for at in range.clone().step_by(CHUNK) {
            let length = usize::try_from(range.end - at).unwrap_or(CHUNK).min(CHUNK);
            if is_hole {
                hasher.update(&zeroes[..length]);
            } else {
                file.read_exact_at(&mut buffer[..length], at)?;
                hasher.update(&buffer[..length]);
            }
            stage.advance(length as u64);
        }
        Ok(())
    };
    let hashed = host::sparse::data_ranges(file, size).and_then(|ranges| {
        let mut end = 0;
        for range in ranges {
            add(end..range.start, true)?;
            end = range.end;
            add(range, false)?;
        }
        add(end..size, true)
    });
    hashed.map_err(|error| unreadable(path, &error))?;
    stage.finish(format_bytes(size));
    Ok(hexadecimal(&hasher.finalize()))
}

/// Hands the first `size` bytes of `file` to `take`, until it says no; returns whether it never did.
///
/// # Errors
/// As `pread(2)`, and when the file ends early.
pub(super) fn each_chunk(file: &File, size: u64, mut take: impl FnMut(Vec<u8>) -> bool) -> io::Result<bool> {
    let mut done = 0;
    while done < size {
        let mut chunk = vec![0; usize::try_from(size - done).unwrap_or(CHUNK).min(CHUNK)];
        file.read_exact_at(&mut chunk, done)?;
        done += chunk.len() as u64;
        if !take(chunk) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes bytes as hexadecimal digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
