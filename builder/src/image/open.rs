//! The bytes of a disk, whatever file format they are kept in.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::ImageError;
use super::qcow2::{MAGIC, Qcow2Image};

/// Largest single read; nothing that is looked at here is larger.
pub const READ_LIMIT: u64 = 16 << 20;

/// An open image.
#[derive(Debug)]
pub struct Image {
    path: PathBuf,
    bytes: Bytes,
    sizes: Sizes,
}

#[derive(Debug)]
enum Bytes {
    Raw(File),
    Qcow2(Box<Qcow2Image>),
}

/// What the file itself tells.
#[derive(Debug, Clone)]
pub struct Sizes {
    /// `raw` or `qcow2`.
    pub format: &'static str,
    /// Size of the disk as a machine sees it, bytes.
    pub virtual_size: u64,
    /// Length of the file.
    pub file_size: u64,
    /// Bytes that the file takes on this machine.
    pub allocated: u64,
    /// The file that it depends on.
    pub backing_file: Option<String>,
}

impl Image {
    /// Opens the image at `path` for reading; its first bytes tell the format.
    ///
    /// # Errors
    /// When it is no regular file, cannot be read, or is a qcow2 file that breaks the format's rules.
    pub fn open(path: &Path) -> Result<Self, ImageError> {
        let failed = |source| ImageError::io("opening", path, source);
        let mut file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(ImageError::image(path, "only regular files are looked into"));
        }
        let mut magic = Vec::new();
        file.by_ref().take(4).read_to_end(&mut magic).map_err(failed)?;
        let (file_size, allocated) = (metadata.len(), metadata.blocks() * 512);
        let sizes = |format, virtual_size, backing_file| Sizes {
            format,
            virtual_size,
            file_size,
            allocated,
            backing_file,
        };
        let path = path.to_owned();
        if magic == MAGIC {
            let image = Qcow2Image::open(file).map_err(|why| ImageError::image(&path, why))?;
            let sizes = sizes("qcow2", image.virtual_size(), image.backing_file());
            return Ok(Self { path, bytes: Bytes::Qcow2(Box::new(image)), sizes });
        }
        Ok(Self { path, bytes: Bytes::Raw(file), sizes: sizes("raw", file_size, None) })
    }

    /// Returns the path by which it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns what the file itself tells.
    pub fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// Returns the size of the disk as a machine sees it, in bytes.
    pub fn size(&self) -> u64 {
        self.sizes.virtual_size
    }

    /// Returns the file of a raw image.
    pub fn raw_file(&self) -> Option<&File> {
        match &self.bytes {
            Bytes::Raw(file) => Some(file),
            Bytes::Qcow2(_) => None,
        }
    }

    /// Returns the next range of the disk from `from` on that may hold something but zeroes; none to the end.
    ///
    /// # Errors
    /// When the image's tables cannot be read.
    pub fn next_data(&self, from: u64) -> Result<Option<Range<u64>>, String> {
        match &self.bytes {
            Bytes::Raw(file) => {
                host::sparse::next_data(file, from, self.size()).map_err(|error| error.to_string())
            }
            Bytes::Qcow2(image) => image.next_data(from),
        }
    }

    /// Reads exactly these bytes of the disk, at most `READ_LIMIT`; why not, if they are not all there.
    ///
    /// # Errors
    /// In words that fit behind "it cannot be read:".
    pub fn read(&self, offset: u64, length: u64) -> Result<Vec<u8>, String> {
        if length > READ_LIMIT {
            return Err(beyond(offset, length));
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(|error| error.to_string())?];
        self.read_into(offset, &mut bytes)?;
        Ok(bytes)
    }

    /// Fills `out` with the disk's bytes from `offset` on.
    ///
    /// # Errors
    /// As [`Image::read`].
    pub fn read_into(&self, offset: u64, out: &mut [u8]) -> Result<(), String> {
        let length = out.len() as u64;
        if offset.checked_add(length).is_none_or(|end| end > self.size()) {
            return Err(beyond(offset, length));
        }
        match &self.bytes {
            Bytes::Raw(file) => file.read_exact_at(out, offset).map_err(|error| error.to_string()),
            Bytes::Qcow2(image) => image.read(offset, out),
        }
    }
}

fn beyond(offset: u64, length: u64) -> String {
    format!("{length} bytes at {offset} are beyond the end of the disk")
}
