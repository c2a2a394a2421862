//! Copying a file of the tree into pieces of the disk.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::DiskError;
use crate::rootfs::tar_stream::{Entry, TreeScan, TreeStreamError};

/// Bytes that are copied at once; a multiple of every block size.
const PART: usize = 1 << 20;

/// Copies the `size` bytes of a file of `scan` to `disk`, into `pieces` (offset and length, in order, whose last may
/// be longer than what is left). `seen` is told every part, in order, filled up with zeroes to whole blocks of 4 KiB.
///
/// # Errors
/// When the file is not what was scanned, and when reading or writing fails.
pub(super) fn copy_file(
    scan: &TreeScan,
    entry: &Entry,
    size: u64,
    disk: &File,
    pieces: impl Iterator<Item = (u64, u64)>,
    mut seen: impl FnMut(&[u8]),
) -> Result<(), DiskError> {
    const BLOCK: usize = 4096;
    let mut file = scan.open(entry, size)?;
    let path = || scan.root().join(&entry.path);
    let mut buffer = vec![0; PART.min(usize::try_from(size).unwrap_or(PART).next_multiple_of(BLOCK))];
    let mut left = size;
    for (mut offset, mut room) in pieces {
        while left > 0 && room > 0 {
            let wanted = usize::try_from(left.min(room)).unwrap_or(PART).min(PART);
            read_part(&mut file, &mut buffer[..wanted], path)?;
            let whole = wanted.next_multiple_of(BLOCK);
            buffer[wanted..whole].fill(0);
            seen(&buffer[..whole]);
            disk.write_all_at(&buffer[..wanted], offset)
                .map_err(|source| DiskError::io(format!("copying '{}'", path().display()), source))?;
            offset += wanted as u64;
            room -= wanted as u64;
            left -= wanted as u64;
        }
    }
    Ok(())
}

/// Reads the next bytes of a scanned file.
///
/// # Errors
/// When reading fails, and when the file is shorter than it was.
pub(super) fn read_part(
    file: &mut File,
    buffer: &mut [u8],
    path: impl Fn() -> PathBuf,
) -> Result<(), TreeStreamError> {
    file.read_exact(buffer).map_err(|source| match source.kind() {
        std::io::ErrorKind::UnexpectedEof => TreeStreamError::Changed { path: path() },
        _ => TreeStreamError::Read { path: path(), source },
    })
}
