//! The header of a qcow2 file, checked against the file.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::image::bytes::{self, u32_be, u64_be};

/// First bytes of every qcow2 file.
pub(crate) const MAGIC: [u8; 4] = *b"QFI\xfb";

/// How much of the file's begin is looked at: the smallest clusters are of 512 bytes, names of backing files shorter
/// than 1,024.
const HEADER_READ: usize = 1 << 16;

/// qemu's own limit of the L1 table, bytes.
const L1_LIMIT: u64 = 32 << 20;

/// Features that change how the file is to be read: bit and name.
const EXTERNAL_DATA: u64 = 1 << 2;
const EXTENDED_L2: u64 = 1 << 4;
/// Left open by a crash (no harm to a reader), and the mark that a compression type follows.
const HARMLESS: u64 = 1 | 1 << 3;
const CORRUPT: u64 = 1 << 1;

/// How compressed clusters are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    Zlib,
    Zstd,
}

/// What the header says, found to be within limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) virtual_size: u64,
    pub(super) cluster_bits: u32,
    pub(super) l1_entries: u64,
    pub(super) l1_offset: u64,
    pub(super) compression: Compression,
    pub(super) backing_file: Option<String>,
}

impl Header {
    pub(super) fn read(file: &File, file_size: u64) -> Result<Self, String> {
        let length = usize::try_from(file_size).unwrap_or(HEADER_READ).min(HEADER_READ);
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, 0).map_err(|error| error.to_string())?;
        check(&bytes, file_size)
    }

    pub(super) fn cluster_size(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// Returns how many clusters one L2 table is for.
    pub(super) fn l2_entries(&self) -> u64 {
        self.cluster_size() / 8
    }

    /// Returns where a compressed cluster begins in the file, and the most bytes that it takes there.
    pub(super) fn compressed(&self, entry: u64) -> (u64, u64) {
        let shift = 62 - (self.cluster_bits - 8);
        let offset = entry & ((1 << shift) - 1);
        let sectors = (entry >> shift & ((1 << (self.cluster_bits - 8)) - 1)) + 1;
        (offset, sectors * 512 - offset % 512)
    }
}

fn check(header: &[u8], file_size: u64) -> Result<Header, String> {
    let cut = || "its header is cut short".to_owned();
    let version = u32_be(header, 4).ok_or_else(cut)?;
    if !matches!(version, 2 | 3) {
        return Err(format!("version {version} of qcow2 is not known"));
    }
    let cluster_bits = u32_be(header, 20).ok_or_else(cut)?;
    if !(9..=21).contains(&cluster_bits) {
        return Err(format!("clusters of 2^{cluster_bits} bytes are not allowed"));
    }
    if u32_be(header, 32) != Some(0) {
        return Err("it is encrypted".to_owned());
    }
    let virtual_size = u64_be(header, 24).ok_or_else(cut)?;
    if virtual_size == 0 || !virtual_size.is_multiple_of(512) {
        return Err(format!("a disk of {virtual_size} bytes is not possible"));
    }
    let l1_entries = u64::from(u32_be(header, 36).ok_or_else(cut)?);
    let l1_offset = u64_be(header, 40).ok_or_else(cut)?;
    let cluster = 1_u64 << cluster_bits;
    let needed = virtual_size.div_ceil(cluster).div_ceil(cluster / 8);
    let in_file = l1_offset.checked_add(l1_entries * 8).is_some_and(|end| end <= file_size);
    if l1_entries < needed || l1_entries * 8 > L1_LIMIT || !l1_offset.is_multiple_of(cluster) || !in_file {
        return Err(format!(
            "its L1 table of {l1_entries} entries at {l1_offset} does not fit disk and file"
        ));
    }
    let compression = if version == 2 { Compression::Zlib } else { features(header).ok_or_else(cut)?? };
    let backing_file = backing_name(header);
    Ok(Header { version, virtual_size, cluster_bits, l1_entries, l1_offset, compression, backing_file })
}

/// Checks the features of version 3 and returns how clusters are compressed.
fn features(header: &[u8]) -> Option<Result<Compression, String>> {
    let features = u64_be(header, 72)?;
    let length = u32_be(header, 100)?;
    let known = [
        (CORRUPT, "it is marked as corrupt; `qemu-img check -r all` may repair it"),
        (EXTERNAL_DATA, "its data is in another file; `qemu-img convert` makes one image of both"),
        (EXTENDED_L2, "it has extended L2 entries; `qemu-img convert` makes an image without"),
    ];
    if let Some((_, why)) = known.iter().find(|(bit, _)| features & bit != 0) {
        return Some(Err((*why).to_owned()));
    }
    if features & !HARMLESS != 0 {
        return Some(Err(format!("it has features that are not known ({features:#x})")));
    }
    let kind = if length > 104 { header.get(104).copied()? } else { 0 };
    Some(match kind {
        0 => Ok(Compression::Zlib),
        1 => Ok(Compression::Zstd),
        other => Err(format!("compression type {other} is not known")),
    })
}

fn backing_name(header: &[u8]) -> Option<String> {
    let offset = usize::try_from(u64_be(header, 8)?).ok().filter(|offset| *offset != 0)?;
    let length = usize::try_from(u32_be(header, 16)?).ok()?;
    let name = offset.checked_add(length).and_then(|end| header.get(offset..end));
    Some(name.map_or_else(|| "(a name that cannot be read)".to_owned(), bytes::text))
}
