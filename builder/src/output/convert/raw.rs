//! A raw disk of any other: what is not there stays a hole.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::ordered::ordered;
use crate::output::blocks::{self, Blocks};
use crate::output::digest;
use crate::resolve::Sha256Digest;

/// What one job reads: several clusters of most images.
const PIECE: u64 = 512 << 10;

/// Zeroes are seen by the page: what a filesystem can leave out.
const PAGE: usize = 4096;

/// Writes `disk` to the empty file `to`, syncs it, and returns its length and digest.
///
/// # Errors
/// When the disk cannot be read or the file not be written.
pub(super) fn write(disk: &dyn Blocks, to: &File, advance: &dyn Fn(u64)) -> io::Result<(u64, Sha256Digest)> {
    let size = disk.size();
    to.set_len(size)?;
    let ranges = disk.data_ranges()?;
    if disk.plain_file().is_some() {
        for range in ranges {
            blocks::copy(disk, range.start, to, range.start, range.end - range.start)?;
            advance(range.end - range.start);
        }
    } else {
        let read = |offset: u64, length: u64| {
            let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            disk.read_at(&mut bytes, offset).map(|()| (offset, bytes))
        };
        ordered(
            |submit| {
                for range in ranges {
                    let mut offset = range.start;
                    while offset < range.end {
                        let length = (range.end - offset).min(PIECE);
                        submit((offset, length))?;
                        offset += length;
                    }
                }
                Ok(())
            },
            || (),
            |(), (offset, length)| read(offset, length),
            |piece: io::Result<(u64, Vec<u8>)>| {
                let (offset, bytes) = piece?;
                write_pages(to, offset, &bytes)?;
                advance(bytes.len() as u64);
                Ok::<_, io::Error>(())
            },
        )?;
    }
    Ok((size, digest::finish(digest::of_sparse_while_syncing(to, size)?)))
}

/// Writes the pages that hold anything, neighbours at once.
fn write_pages(to: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    let mut start = 0;
    let mut end = 0;
    for page in bytes.chunks(PAGE) {
        if blocks::is_zero(page) {
            write_part(to, offset, bytes, start..end)?;
            start = end + page.len();
        }
        end += page.len();
    }
    write_part(to, offset, bytes, start..end)
}

fn write_part(to: &File, offset: u64, bytes: &[u8], part: std::ops::Range<usize>) -> io::Result<()> {
    if part.is_empty() { Ok(()) } else { to.write_all_at(&bytes[part.clone()], offset + part.start as u64) }
}
