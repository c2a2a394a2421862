//! Sparse and unnamed files: where their data is, copying it, giving them a name.
//!
//! An unnamed file goes away with its last descriptor, so nothing stays after a kill; it gets a name only when it
//! is complete.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{Whence, lseek};

/// Buffer of the copy that goes through user space: what a second-level cache holds beside the rest.
const COPY_BUFFER: usize = 128 << 10;

/// Extents are shared in units of a filesystem's block, which is at least this on those that share.
const SHARED_UNIT: u64 = 4096;

/// Returns the ranges of `file` that hold data, in order; what is between them reads as zeroes.
///
/// The file position moves. A filesystem that knows no holes reports one range.
pub fn data_ranges(file: &File, size: u64) -> io::Result<Vec<Range<u64>>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    while let Some(range) = next_data(file, ranges.last().map_or(0, |range| range.end), size)? {
        ranges.push(range);
    }
    Ok(ranges)
}

/// Returns the first range of `file` from `from` on, and before `size`, that holds data; none if there is none.
///
/// The file position moves.
pub fn next_data(file: &File, from: u64, size: u64) -> io::Result<Option<Range<u64>>> {
    if from >= size {
        return Ok(None);
    }
    let start = match seek(file, from, Whence::SeekData) {
        Ok(start) if start < size => start,
        Ok(_) | Err(Errno::ENXIO) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(Some(start..seek(file, start, Whence::SeekHole)?.min(size)))
}

fn seek(file: &File, at: u64, whence: Whence) -> nix::Result<u64> {
    let offset = i64::try_from(at).map_err(|_| Errno::EOVERFLOW)?;
    lseek(file, offset, whence).map(i64::unsigned_abs)
}

/// Copies `length` bytes between files; extents are shared where the filesystem can.
///
/// Where it cannot, the bytes go through a small buffer: it stays in the processor's cache, and the kernel takes large
/// folios for large writes. `copy_file_range` moves single pages through a pipe, which costs four times as much.
pub fn copy_range(from: &File, from_offset: u64, to: &File, to_offset: u64, length: u64) -> io::Result<()> {
    let is_aligned = [from_offset, to_offset, length].iter().all(|number| number.is_multiple_of(SHARED_UNIT));
    if is_aligned && length > 0 && share_extents(from, from_offset, to, to_offset, length)? {
        return Ok(());
    }
    copy_by_hand(from, from_offset, to, to_offset, length)
}

/// Lets `to` share the bytes of `from`; `false` where these files, or their filesystems, cannot.
#[expect(unsafe_code, reason = "nix has no wrapper of this request")]
fn share_extents(from: &File, from_offset: u64, to: &File, to_offset: u64, length: u64) -> io::Result<bool> {
    let range = libc::file_clone_range {
        src_fd: from.as_raw_fd().into(),
        src_offset: from_offset,
        src_length: length,
        dest_offset: to_offset,
    };
    // SAFETY: the descriptors are open, and the kernel reads `range`, which lives during the call, and writes nothing.
    let shared = Errno::result(unsafe { libc::ioctl(to.as_raw_fd(), libc::FICLONERANGE, &raw const range) });
    match shared {
        Ok(_) => Ok(true),
        // Not known here, not between these two, not of this block size; a source that is too short is told by the copy.
        Err(
            Errno::EOPNOTSUPP
            | Errno::ENOTTY
            | Errno::ENOSYS
            | Errno::EXDEV
            | Errno::EINVAL
            | Errno::EPERM
            | Errno::EACCES,
        ) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn copy_by_hand(from: &File, from_offset: u64, to: &File, to_offset: u64, length: u64) -> io::Result<()> {
    let mut buffer = vec![0; COPY_BUFFER.min(usize::try_from(length).unwrap_or(COPY_BUFFER))];
    let mut done = 0;
    while done < length {
        let part = usize::try_from((length - done).min(buffer.len() as u64)).map_err(io::Error::other)?;
        from.read_exact_at(&mut buffer[..part], from_offset + done)?;
        to.write_all_at(&buffer[..part], to_offset + done)?;
        done += part as u64;
    }
    Ok(())
}

/// Lets the kernel begin to write back the bytes of a range; a later sync has less to wait for.
///
/// A hint: a filesystem that does not take it writes everything when it is synced.
#[expect(unsafe_code, reason = "nix has no wrapper of this call")]
pub fn begin_write_back(file: &File, offset: u64, length: u64) {
    let (Ok(offset), Ok(length)) = (i64::try_from(offset), i64::try_from(length)) else { return };
    // SAFETY: the call takes numbers alone, and the descriptor is open.
    let begun =
        unsafe { libc::sync_file_range(file.as_raw_fd(), offset, length, libc::SYNC_FILE_RANGE_WRITE) };
    if let Err(error) = Errno::result(begun) {
        tracing::debug!("beginning to write back: {error}");
    }
}

/// Creates a file without a name on the filesystem of `folder`.
///
/// Where the filesystem has no such files, one is created under a hidden name which is removed at once; such a
/// file cannot be given a name again, [`link`] then says so.
pub fn create_unnamed(folder: &Path) -> io::Result<File> {
    let unnamed =
        OpenOptions::new().read(true).write(true).mode(0o644).custom_flags(libc::O_TMPFILE).open(folder);
    match unnamed.as_ref().map_err(io::Error::raw_os_error) {
        Err(Some(libc::EOPNOTSUPP | libc::EISDIR | libc::EINVAL)) => create_and_unlink(folder),
        _ => unnamed,
    }
}

fn create_and_unlink(folder: &Path) -> io::Result<File> {
    for attempt in 0..1000 {
        let path = folder.join(format!(".unnamed-{}-{attempt}", std::process::id()));
        match OpenOptions::new().read(true).write(true).create_new(true).mode(0o644).open(&path) {
            Ok(file) => return std::fs::remove_file(&path).map(|()| file),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Gives an unnamed file the name `path`, which must be free.
///
/// # Errors
/// `CrossesDevices` or `NotFound` when the file cannot get a name there; its bytes must be copied then.
pub fn link(file: &File, path: &Path) -> io::Result<()> {
    // The magic link, because naming a descriptor directly (AT_EMPTY_PATH) needs a capability.
    let descriptor = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(nix::unistd::linkat(AT_FDCWD, descriptor.as_str(), AT_FDCWD, path, AtFlags::AT_SYMLINK_FOLLOW)?)
}

/// Returns the bytes that the filesystem has set aside for `file`.
pub fn allocated(file: &File) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    Ok(file.metadata()?.blocks() * 512)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("host-sparse-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        path
    }

    #[test]
    fn ranges_skip_holes() {
        let folder = folder("ranges");
        let file = create_unnamed(&folder).expect("an unnamed file");
        file.set_len(16 << 20).expect("a size");
        file.write_all_at(&[1; 4096], 4 << 20).expect("writing");
        let ranges = data_ranges(&file, 16 << 20).expect("ranges");
        assert!(ranges.iter().any(|range| range.contains(&(4 << 20))));
        assert!(ranges.iter().map(|range| range.end - range.start).sum::<u64>() < 8 << 20, "{ranges:?}");
        let empty = create_unnamed(&folder).expect("an unnamed file");
        empty.set_len(1 << 20).expect("a size");
        assert_eq!(data_ranges(&empty, 1 << 20).expect("ranges"), []);
        std::fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn copies_by_kernel_and_by_hand_agree() {
        let folder = folder("copy");
        let source = create_unnamed(&folder).expect("an unnamed file");
        let text: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
        source.write_all_at(&text, 0).expect("writing");
        for copy in [copy_range, copy_by_hand] {
            let target = create_unnamed(&folder).expect("an unnamed file");
            copy(&source, 5, &target, 100, 2_900_000).expect("copied");
            let mut back = vec![0; 2_900_000];
            target.read_exact_at(&mut back, 100).expect("reading");
            assert_eq!(back, text[5..2_900_005]);
            assert!(copy(&source, 2_999_999, &target, 0, 2).is_err(), "past the end");
        }
        std::fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn an_unnamed_file_gets_a_name_once() {
        let folder = folder("link");
        let file = create_unnamed(&folder).expect("an unnamed file");
        file.write_all_at(b"here", 0).expect("writing");
        assert_eq!(std::fs::read_dir(&folder).expect("listing").count(), 0);
        let path = folder.join("named");
        link(&file, &path).expect("a name");
        assert_eq!(std::fs::read(&path).expect("reading"), b"here");
        assert_eq!(link(&file, &path).expect_err("taken").kind(), io::ErrorKind::AlreadyExists);
        std::fs::remove_dir_all(folder).expect("removed");
    }
}
