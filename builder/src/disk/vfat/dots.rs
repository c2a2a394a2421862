//! Puts right what the library does wrong with `.` and `..`.
//!
//! fatfs 0.3 gives both a long name, so that they are the second and fourth record of a folder, and lets `..` of a
//! folder in a FAT32 root point to the root's cluster. They must be the first two records, and point to 0 there;
//! fsck.fat deletes them otherwise. The filesystem is one that was just made, so its structure is trusted.

use std::io::{self, Read, Seek, SeekFrom, Write};

use super::super::slice::Slice;

const RECORD: usize = 32;
const DELETED: u8 = 0xe5;
const LONG_NAME: u8 = 0x0f;
const FOLDER: u8 = 0x10;

/// Where things are in a FAT filesystem, in bytes.
#[derive(Debug)]
struct Geometry {
    table: u64,
    fat32: bool,
    root: u64,
    root_length: u64,
    root_cluster: u32,
    data: u64,
    cluster: u64,
}

/// Rewrites the first records of every folder but the root.
pub(super) fn put_right(slice: &mut Slice) -> io::Result<()> {
    let geometry = read_geometry(slice)?;
    let root = if geometry.fat32 {
        read_chain(slice, &geometry, geometry.root_cluster)?
    } else {
        read_at(slice, geometry.root, geometry.root_length)?
    };
    let mut folders: Vec<(u32, u32)> = children(&root).map(|child| (child, 0)).collect();
    while let Some((folder, parent)) = folders.pop() {
        let content = read_chain(slice, &geometry, folder)?;
        folders.extend(children(&content).map(|child| (child, folder)));
        let at = geometry.data + u64::from(folder - 2) * geometry.cluster;
        slice.seek(SeekFrom::Start(at))?;
        slice.write_all(&first_records(&content, parent))?;
    }
    Ok(())
}

fn read_geometry(slice: &mut Slice) -> io::Result<Geometry> {
    let sector = read_at(slice, 0, 512)?;
    let u16_at = |at: usize| u64::from(u16::from_le_bytes([sector[at], sector[at + 1]]));
    let u32_at = |at: usize| u32::from_le_bytes([sector[at], sector[at + 1], sector[at + 2], sector[at + 3]]);
    let bytes = u16_at(11);
    let table_sectors = if u16_at(22) == 0 { u64::from(u32_at(36)) } else { u16_at(22) };
    let root = (u16_at(14) + u64::from(sector[16]) * table_sectors) * bytes;
    let root_length = u16_at(17) * RECORD as u64;
    Ok(Geometry {
        table: u16_at(14) * bytes,
        fat32: u16_at(22) == 0,
        root,
        root_length,
        root_cluster: u32_at(44),
        data: root + root_length.next_multiple_of(bytes),
        cluster: u64::from(sector[13]) * bytes,
    })
}

fn read_at(slice: &mut Slice, at: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    slice.seek(SeekFrom::Start(at))?;
    slice.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_chain(slice: &mut Slice, geometry: &Geometry, first: u32) -> io::Result<Vec<u8>> {
    let (width, end) = if geometry.fat32 { (4, 0x0fff_fff8) } else { (2, 0xfff8) };
    let mut content = Vec::new();
    let mut cluster = first;
    while (2..end).contains(&cluster) {
        content.extend(read_at(
            slice,
            geometry.data + u64::from(cluster - 2) * geometry.cluster,
            geometry.cluster,
        )?);
        let mut next = [0; 4];
        next[..width].copy_from_slice(&read_at(
            slice,
            geometry.table + u64::from(cluster) * width as u64,
            width as u64,
        )?);
        cluster = u32::from_le_bytes(next) & 0x0fff_ffff;
    }
    Ok(content)
}

/// Returns the first clusters of the folders in a folder.
fn children(content: &[u8]) -> impl Iterator<Item = u32> {
    content
        .chunks_exact(RECORD)
        .take_while(|record| record[0] != 0)
        .filter(|record| record[0] != DELETED && record[0] != b'.')
        .filter(|record| record[11] != LONG_NAME && record[11] & FOLDER != 0)
        .map(|record| u32::from_le_bytes([record[26], record[27], record[20], record[21]]))
}

/// Returns what the first four records of a folder are to be: `.`, `..`, and two that are free.
fn first_records(content: &[u8], parent: u32) -> [u8; 4 * RECORD] {
    let mut records = [0; 4 * RECORD];
    records[..RECORD].copy_from_slice(&content[RECORD..2 * RECORD]);
    records[RECORD..2 * RECORD].copy_from_slice(&content[3 * RECORD..4 * RECORD]);
    let [low, lower, high, higher] = parent.to_le_bytes();
    records[RECORD + 26..RECORD + 28].copy_from_slice(&[low, lower]);
    records[RECORD + 20..RECORD + 22].copy_from_slice(&[high, higher]);
    records[2 * RECORD] = DELETED;
    records[3 * RECORD] = DELETED;
    records
}
