//! The bytes of a disk, whatever holds them: what every writer of this stage reads from.

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Bytes that are copied through memory at once: what stays in a second-level cache until it is used.
const BUFFER: usize = 128 << 10;

/// A disk that is only read, by several threads at the same time.
pub trait Blocks: Debug + Sync {
    /// Returns its size in bytes.
    fn size(&self) -> u64;

    /// Returns the ranges that may hold something, in order and apart; what is between them reads as zeroes.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn data_ranges(&self) -> io::Result<Vec<Range<u64>>>;

    /// Reads exactly the bytes from `offset` on; all of them are inside the disk.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Returns the file whose bytes are the disk's, if there is one: the kernel can copy from it by itself.
    fn plain_file(&self) -> Option<&File> {
        None
    }
}

/// A raw disk: the file's bytes are the disk's.
#[derive(Debug)]
pub struct RawBlocks<'a> {
    file: &'a File,
    size: u64,
}

impl<'a> RawBlocks<'a> {
    /// Takes the first `size` bytes of `file` for a disk.
    pub fn new(file: &'a File, size: u64) -> Self {
        Self { file, size }
    }
}

impl Blocks for RawBlocks<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn data_ranges(&self) -> io::Result<Vec<Range<u64>>> {
        host::sparse::data_ranges(self.file, self.size)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn plain_file(&self) -> Option<&File> {
        Some(self.file)
    }
}

/// A disk that zeroes follow, up to a whole number of units.
#[derive(Debug)]
pub(super) struct Padded<'a> {
    disk: &'a dyn Blocks,
    size: u64,
}

impl<'a> Padded<'a> {
    pub(super) fn new(disk: &'a dyn Blocks, unit: u64) -> Self {
        Self { disk, size: disk.size().next_multiple_of(unit) }
    }
}

impl Blocks for Padded<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn data_ranges(&self) -> io::Result<Vec<Range<u64>>> {
        self.disk.data_ranges()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        read_padded(self.disk, buffer, offset)
    }
}

/// Copies `length` bytes of the disk to a file; the kernel does it by itself where it can.
///
/// # Errors
/// When they cannot be read or written.
pub(super) fn copy(disk: &dyn Blocks, from: u64, to: &File, at: u64, length: u64) -> io::Result<()> {
    match disk.plain_file() {
        Some(file) => host::sparse::copy_range(file, from, to, at, length),
        None => pieces(disk, from, length, |offset, bytes| to.write_all_at(bytes, at + offset)),
    }
}

/// Reads bytes of the disk piece by piece; each is passed on with its offset from the start.
///
/// # Errors
/// When they cannot be read, and those of `each`.
pub(super) fn pieces(
    disk: &dyn Blocks,
    from: u64,
    length: u64,
    mut each: impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; usize::try_from(length).unwrap_or(BUFFER).min(BUFFER)];
    let mut done = 0;
    while done < length {
        let part = usize::try_from(length - done).unwrap_or(BUFFER).min(BUFFER);
        disk.read_at(&mut buffer[..part], from + done)?;
        each(done, &buffer[..part])?;
        done += part as u64;
    }
    Ok(())
}

/// Reads `buffer` from `offset` on; what is beyond the disk's end reads as zeroes.
///
/// # Errors
/// When the part that is inside cannot be read.
pub(super) fn read_padded(disk: &dyn Blocks, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    let left = usize::try_from(disk.size().saturating_sub(offset)).unwrap_or(usize::MAX);
    let (inside, outside) = buffer.split_at_mut(left.min(buffer.len()));
    disk.read_at(inside, offset)?;
    outside.fill(0);
    Ok(())
}

/// Tells whether all bytes are zero; in steps that the processor takes many bytes at a time.
pub(super) fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(512).all(|chunk| chunk.iter().fold(0, |all, byte| all | byte) == 0)
}
