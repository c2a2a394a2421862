//! Filesystems of seed disks, read without mounting them: no kernel module, no privilege, bounded memory.
//!
//! [`open`] looks at a disk and gives a [`Volume`] with its label, from which single files are read by path. Every length
//! and position on a disk is hostile until it was checked.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

pub mod fat;
pub mod iso9660;
#[cfg(test)]
mod tests;

/// Something that is read by position.
pub trait Disk {
    /// Fills the buffer from this position.
    ///
    /// # Errors
    ///
    /// When the disk ends before, or cannot be read.
    fn read_exact(&self, buffer: &mut [u8], position: u64) -> io::Result<()>;
}

impl Disk for File {
    fn read_exact(&self, buffer: &mut [u8], position: u64) -> io::Result<()> {
        self.read_exact_at(buffer, position)
    }
}

/// A filesystem on a disk.
#[derive(Debug)]
pub enum Volume<D> {
    /// ISO 9660, with the names of Rock Ridge or Joliet.
    Iso(iso9660::IsoVolume<D>),
    /// FAT with 12, 16 or 32 bits.
    Fat(fat::FatVolume<D>),
}

impl<D: Disk> Volume<D> {
    /// Returns the label, spaces at its end removed.
    pub fn label(&self) -> &str {
        match self {
            Self::Iso(volume) => volume.label(),
            Self::Fat(volume) => volume.label(),
        }
    }

    /// Reads a file of at most `limit` bytes; none if there is no such file.
    ///
    /// # Errors
    ///
    /// When the filesystem is damaged, or the file larger.
    pub fn read_file(&self, path: &str, limit: usize) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::Iso(volume) => volume.read_file(path, limit),
            Self::Fat(volume) => volume.read_file(path, limit),
        }
    }
}

/// Finds out what is on a disk; none for what is neither of the two.
///
/// # Errors
///
/// When the disk cannot be read, or its filesystem is damaged.
pub fn open<D: Disk>(disk: D) -> io::Result<Option<Volume<D>>> {
    if iso9660::is_iso9660(&disk) {
        return Ok(Some(Volume::Iso(iso9660::IsoVolume::open(disk)?)));
    }
    match fat::Geometry::read(&disk) {
        Some(geometry) => Ok(Some(Volume::Fat(fat::FatVolume::open(disk, geometry)?))),
        None => Ok(None),
    }
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the filesystem is damaged: {what}"))
}

fn too_large(size: u64, limit: usize) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it has {size} bytes; at most {limit} are read"))
}

/// Reads a little-endian number of one to eight bytes; 0 where the bytes end before.
fn little_endian(bytes: &[u8], at: usize, length: usize) -> u64 {
    let field = bytes.get(at..at + length).unwrap_or_default();
    field.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}
