//! Which writer makes which format of a disk.

use std::fs::File;
use std::io;

use super::blocks::Blocks;
use super::qcow2::{self, ClusterMap, CompressionType};
use super::{vhd, vmdk};
use crate::plan::{OutputKind, Qcow2Compression};
use crate::resolve::Sha256Digest;

/// Writes `disk`, whose map is `map`, to the empty file `to`, which will be called `name`, syncs it, and returns its length
/// and digest. `created` (seconds since 1970) goes where a format has a time; `advance` is told of bytes that are done.
///
/// # Errors
/// When the disk cannot be read, does not fit the format, or the file cannot be written; and for a raw disk and what is
/// no disk, which have writers of their own.
pub(super) fn write(
    disk: &dyn Blocks,
    map: &ClusterMap,
    kind: OutputKind,
    name: &str,
    created: i64,
    to: &File,
    advance: &dyn Fn(u64),
) -> io::Result<(u64, Sha256Digest)> {
    let compressed = |kind| qcow2::compressed::write(disk, map, kind, to, advance);
    match kind {
        OutputKind::Qcow2(Qcow2Compression::None) => {
            qcow2::write(disk, map, to).inspect(|_| advance(map.data_bytes()))
        }
        OutputKind::Qcow2(Qcow2Compression::Zlib) => compressed(CompressionType::Deflate),
        OutputKind::Qcow2(Qcow2Compression::Zstd) => compressed(CompressionType::Zstd),
        OutputKind::Vmdk => vmdk::write(disk, map, name, to, advance),
        OutputKind::Vhd(subformat) => vhd::write(disk, map, subformat, created, to, advance),
        OutputKind::Raw | OutputKind::Tar(_) | OutputKind::Tree => {
            Err(io::Error::other(format!("'{name}' has another writer")))
        }
    }
}
