//! Writing VHD, fixed and dynamic.
//!
//! ```text
//! fixed:    the disk's bytes · footer
//! dynamic:  footer · header · block allocation table · (sector bitmap · 2 MiB of the disk)… · footer
//! ```
//!
//! The size is rounded up to whole MiB: Azure takes nothing else, and for such sizes readers agree whatever they go by.
//! Holes stay holes of the file. The disk's identifier comes from its content, so the same disk gives the same bytes.

mod footer;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::blocks::{self, Blocks};
use super::digest;
use super::qcow2::{CLUSTER, ClusterMap};
use crate::plan::VhdSubformat;
use crate::resolve::Sha256Digest;
use footer::{DYNAMIC_HEADER, FOOTER, Footer};

const MIB: u64 = 1 << 20;

/// Data of a block of a dynamic disk: the specification's default.
const BLOCK: u64 = 2 * MIB;

/// Marks a block that is not there.
const UNUSED: u32 = u32::MAX;

/// Largest disk: 2040 GiB, what readers of both kinds take.
const LIMIT: u64 = 2040 << 30;

/// Writes `disk`, whose map is `map`, to the empty file `to`, syncs it, and returns its length and digest. `created` is
/// in seconds since 1970; `advance` is told of bytes of the disk that are done.
///
/// # Errors
/// When the disk is too large for the format, cannot be read, or the file cannot be written.
pub(super) fn write(
    disk: &dyn Blocks,
    map: &ClusterMap,
    subformat: VhdSubformat,
    created: i64,
    to: &File,
    advance: &dyn Fn(u64),
) -> io::Result<(u64, Sha256Digest)> {
    let size = disk.size().next_multiple_of(MIB);
    if size > LIMIT {
        return Err(io::Error::other("a VHD cannot be larger than 2040 GiB"));
    }
    let footer = Footer { size, dynamic_header: None, created, id: Uuid::nil() };
    match subformat {
        VhdSubformat::Fixed => write_fixed(disk, map, footer, to, advance),
        VhdSubformat::Dynamic => write_dynamic(disk, map, footer, to, advance),
    }
}

fn write_fixed(
    disk: &dyn Blocks,
    map: &ClusterMap,
    footer: Footer,
    to: &File,
    advance: &dyn Fn(u64),
) -> io::Result<(u64, Sha256Digest)> {
    let length = footer.size + FOOTER as u64;
    to.set_len(length)?;
    for run in map.runs() {
        let from = run.first * CLUSTER;
        let bytes = (run.count * CLUSTER).min(disk.size() - from);
        blocks::copy(disk, from, to, from, bytes)?;
        advance(bytes);
    }
    // The digest of the disk names it, and goes on over the footer.
    let mut hasher = digest::of_sparse_while_syncing(to, footer.size)?;
    let id = id_of(&hasher.clone().finalize());
    let footer = Footer { id, ..footer }.to_bytes();
    to.write_all_at(&footer, length - FOOTER as u64)?;
    to.sync_all()?;
    hasher.update(&footer);
    Ok((length, digest::finish(hasher)))
}

fn write_dynamic(
    disk: &dyn Blocks,
    map: &ClusterMap,
    footer: Footer,
    to: &File,
    advance: &dyn Fn(u64),
) -> io::Result<(u64, Sha256Digest)> {
    let entries = footer.size.div_ceil(BLOCK);
    let header_at = FOOTER as u64;
    let table_at = header_at + DYNAMIC_HEADER as u64;
    let mut next = (table_at + entries * 4).next_multiple_of(FOOTER as u64);
    let mut table = vec![UNUSED; usize::try_from(entries).map_err(io::Error::other)?];
    let mut content = Sha256::new();
    for (number, parts) in blocks_of(map, disk.size()) {
        table[number] = u32::try_from(next / FOOTER as u64).map_err(io::Error::other)?;
        // Every sector counts as written; those that are not read as zeroes from the file as well.
        to.write_all_at(&[0xff; FOOTER], next)?;
        let start = number as u64 * BLOCK;
        for (from, bytes) in parts {
            let at = next + FOOTER as u64 + (from - start);
            blocks::copy(disk, from, to, at, bytes)?;
            content.update(from.to_be_bytes());
            digest::update(&mut content, to, at, bytes)?;
            advance(bytes);
        }
        next += FOOTER as u64 + BLOCK;
    }
    let footer =
        Footer { dynamic_header: Some(header_at), id: id_of(&content.finalize()), ..footer }.to_bytes();
    let mut front = footer.clone();
    let (count, block) = (u32::try_from(entries), u32::try_from(BLOCK));
    front.extend(footer::dynamic_header(
        table_at,
        count.map_err(io::Error::other)?,
        block.map_err(io::Error::other)?,
    ));
    front.extend(table.iter().flat_map(|entry| entry.to_be_bytes()));
    // Entries that only fill up the last sector are unused as well.
    front.resize(front.len().next_multiple_of(FOOTER), 0xff);
    to.write_all_at(&front, 0)?;
    to.write_all_at(&footer, next)?;
    let length = next + FOOTER as u64;
    Ok((length, digest::finish(digest::of_sparse_while_syncing(to, length)?)))
}

/// Returns the blocks that hold anything, in order, each with its parts: where on the disk, and how many bytes.
fn blocks_of(map: &ClusterMap, size: u64) -> Vec<(usize, Vec<(u64, u64)>)> {
    let mut found: Vec<(usize, Vec<(u64, u64)>)> = Vec::new();
    for run in map.runs() {
        let mut from = run.first * CLUSTER;
        let end = (from + run.count * CLUSTER).min(size);
        while from < end {
            let block_end = (from / BLOCK + 1) * BLOCK;
            let part = (from, end.min(block_end) - from);
            let number = usize::try_from(from / BLOCK).unwrap_or(usize::MAX);
            match found.last_mut() {
                Some((last, parts)) if *last == number => parts.push(part),
                _ => found.push((number, vec![part])),
            }
            from = end.min(block_end);
        }
    }
    found
}

/// Makes an identifier of a digest.
fn id_of(digest: &[u8]) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, digest)
}
