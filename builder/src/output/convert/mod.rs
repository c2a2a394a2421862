//! One image file from another: raw and qcow2 in; raw, qcow2, VMDK and VHD out.
//!
//! Only what is not zero is read and written, compressed on all cores where the format is compressed. The new file has no
//! name until it is complete and synced, so a kill leaves nothing. The same disk gives the same bytes as the same format
//! of a build.

mod raw;
mod source;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::blocks::{Blocks, Padded};
use super::qcow2::ClusterMap;
use super::{OutputError, disk_image, publish};
use crate::plan::{OutputKind, Qcow2Compression};
use crate::progress::{Stage, Unit};
use crate::resolve::Sha256Digest;
use source::Source;

/// Times in a converted image: none is known, so it is the earliest.
const CREATED: i64 = 0;

/// Sectors of a disk.
const SECTOR: u64 = 512;

/// What was made.
#[derive(Debug)]
pub struct Converted {
    /// Where it is.
    pub path: PathBuf,
    /// Its format.
    pub kind: OutputKind,
    /// Size of the disk that was read.
    pub disk_size: u64,
    /// Length of the file.
    pub size: u64,
    /// Bytes that the filesystem set aside for it.
    pub allocated: u64,
    /// Digest of the whole file.
    pub sha256: Sha256Digest,
}

/// Writes the disk in the image `input` to the new file `output` in the format `kind`, which is one of a disk. With
/// `replace`, a file of that name is replaced when the new one is complete.
///
/// # Errors
/// When the input is no image that can be read here or is damaged, or the output is there already or cannot be written.
pub fn convert(
    input: &Path,
    output: &Path,
    kind: OutputKind,
    replace: bool,
    stage: &Stage<'_>,
) -> Result<Converted, OutputError> {
    refuse_existing(output, replace)?;
    let source = Source::open(input)?;
    let disk: &dyn Blocks = &source;
    let folder = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let to = host::sparse::create_unnamed(folder)
        .map_err(|source| OutputError::io("making a file in", folder, source))?;
    let name = output.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // Either side may be at fault; what is wrong with an image says so itself.
    let (size, sha256) = write(disk, kind, &name, &to, stage).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => OutputError::image(input, error.to_string()),
        _ => OutputError::io("converting to", output, error),
    })?;
    let placed = if replace { publish::replace(&to, output) } else { publish::create(&to, output) };
    placed.map_err(|source| OutputError::io("putting in place", output, source))?;
    let metadata = fs::metadata(output).map_err(|source| OutputError::io("reading", output, source))?;
    Ok(Converted {
        path: output.to_owned(),
        kind,
        disk_size: disk.size(),
        size,
        allocated: metadata.blocks() * 512,
        sha256,
    })
}

fn refuse_existing(output: &Path, replace: bool) -> Result<(), OutputError> {
    let why = match fs::symlink_metadata(output) {
        Err(_) => return Ok(()),
        Ok(metadata) if metadata.is_dir() => "it is a folder; name a file in it",
        Ok(_) if replace => return Ok(()),
        Ok(_) => "it exists; name another file, or replace it by --force",
    };
    Err(OutputError::io("writing", output, io::Error::new(io::ErrorKind::AlreadyExists, why)))
}

fn write(
    disk: &dyn Blocks,
    kind: OutputKind,
    name: &str,
    to: &File,
    stage: &Stage<'_>,
) -> io::Result<(u64, Sha256Digest)> {
    if kind == OutputKind::Raw {
        stage.total(disk.data_ranges()?.iter().map(|range| range.end - range.start).sum(), Unit::Bytes);
        return raw::write(disk, to, &|bytes| stage.advance(bytes));
    }
    let padded = Padded::new(disk, SECTOR);
    let whole_sectors = disk.size().is_multiple_of(SECTOR);
    let disk = if whole_sectors { disk } else { &padded };
    let map = if sees_zeroes(kind) && disk.plain_file().is_none() {
        ClusterMap::unread(disk)?
    } else {
        ClusterMap::read(disk)?
    };
    stage.total(map.data_bytes(), Unit::Bytes);
    disk_image::write(disk, &map, kind, name, CREATED, to, &|bytes| stage.advance(bytes))
}

/// Tells whether the format's writer leaves out zeroes that the map does not know of.
fn sees_zeroes(kind: OutputKind) -> bool {
    matches!(
        kind,
        OutputKind::Vmdk
            | OutputKind::Qcow2(Qcow2Compression::Zlib)
            | OutputKind::Qcow2(Qcow2Compression::Zstd)
    )
}
