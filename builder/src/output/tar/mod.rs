//! The tree as a tar archive: order, owners, times and attributes are data, so the same tree gives the same bytes.
//!
//! The stream is the one that filesystems are made from ([`crate::rootfs::tar_stream`]): ustar with pax records,
//! owners as numbers, attributes as `SCHILY.xattr.*`, which GNU tar (`--xattrs --xattrs-include='*'`), libarchive
//! and container runtimes read. Compression works on pieces of a fixed size on all cores; see [`compress`].

mod compress;

use std::fs::File;

use crate::plan::TarCompression;
use crate::resolve::Sha256Digest;
use crate::rootfs::tar_stream::{StreamOptions, TreeScan, TreeStreamError};

use super::hashed::Hashed;

/// Writes the tree to the empty file `to` and returns its length and digest. Times end at `epoch`.
///
/// # Errors
/// When the tree cannot be read or the file not be written.
pub(super) fn write(
    scan: &TreeScan,
    epoch: i64,
    compression: TarCompression,
    to: &File,
) -> Result<(u64, Sha256Digest), TreeStreamError> {
    let mut out = Hashed::new(to);
    compress::write(compression, &mut out, |stream| scan.write(stream, options(epoch)))?;
    Ok(out.finish())
}

/// Returns length and digest of the archive without writing it anywhere.
///
/// # Errors
/// When the tree cannot be read.
pub(super) fn digest(scan: &TreeScan, epoch: i64) -> Result<(u64, Sha256Digest), TreeStreamError> {
    let mut out = Hashed::new(std::io::sink());
    scan.write(&mut out, options(epoch))?;
    Ok(out.finish())
}

fn options(epoch: i64) -> StreamOptions {
    StreamOptions { epoch, inode_times: false }
}
