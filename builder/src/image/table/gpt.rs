//! The GUID partition table, checked: signature, checksums, bounds.

use uuid::Uuid;

use super::{Entry, Table};
use crate::image::bytes::{self, guid, u32_le, u64_le};
use crate::image::{Image, SECTOR};

const SIGNATURE: &[u8] = b"EFI PART";
const HEADER_LENGTH: u32 = 92;
const MOST_ENTRIES: u32 = 1024;
const NAME_FIELD: std::ops::Range<usize> = 56..128;

/// Names of the types that are met.
const TYPES: &[(&str, &str)] = &[
    ("21686148-6449-6e6f-744e-656564454649", "BIOS boot"),
    ("c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "EFI system"),
    ("4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "Linux root (x86-64)"),
    ("b921b045-1df0-41c3-af44-4c6f280d3fae", "Linux root (arm64)"),
    ("0fc63daf-8483-4772-8e79-3d69d8477de4", "Linux filesystem"),
    ("0657fd6d-a4ab-43c4-84e5-0933c84b4f4f", "Linux swap"),
    ("bc13c2ff-59e6-4262-a352-b275fd6f7172", "Linux extended boot"),
    ("933ac7e1-2eb4-4f13-b844-0e14e2aef915", "Linux home"),
    ("3b8f8425-20e0-4f3b-907f-1a25a76f98e8", "Linux server data"),
    ("4d21b016-b534-45c2-a9fb-5c16e091fd2d", "Linux variable data"),
    ("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7", "Microsoft basic data"),
];

#[derive(Debug, PartialEq, Eq)]
struct Header {
    guid: Uuid,
    entries_sector: u64,
    count: u32,
    entries_crc: u32,
}

/// Reads the table; none if the disk has none.
pub(super) fn read(image: &Image) -> Result<Option<Table>, String> {
    if image.size() < 3 * SECTOR || !image.read(SECTOR, SECTOR)?.starts_with(SIGNATURE) {
        return Ok(None);
    }
    let header = read_header(image, 1).map_err(|why| format!("its partition table is damaged: {why}"))?;
    let bytes =
        read_entries(image, &header).map_err(|why| format!("its partition table is damaged: {why}"))?;
    let backup = read_header(image, image.size() / SECTOR - 1);
    let backup_matches = backup.is_ok_and(|backup| {
        (backup.guid, backup.count) == (header.guid, header.count)
            && read_entries(image, &backup).is_ok_and(|entries| entries == bytes)
    });
    let mut entries = Vec::new();
    for (number, bytes) in (1..).zip(bytes.chunks_exact(128)) {
        if let Some(entry) = read_entry(number, bytes, image.size())? {
            entries.push(entry);
        }
    }
    Ok(Some(Table {
        kind: "gpt",
        id: header.guid.to_string(),
        backup_matches: Some(backup_matches),
        entries,
    }))
}

fn read_header(image: &Image, sector: u64) -> Result<Header, String> {
    let cut = || "its header is cut short".to_owned();
    let mut bytes = image.read(sector.checked_mul(SECTOR).ok_or_else(cut)?, SECTOR)?;
    if !bytes.starts_with(SIGNATURE) {
        return Err("no signature".into());
    }
    let crc = u32_le(&bytes, 16).ok_or_else(cut)?;
    bytes[16..20].fill(0);
    if u32_le(&bytes, 12) != Some(HEADER_LENGTH) || crc32fast::hash(&bytes[..HEADER_LENGTH as usize]) != crc {
        return Err("the checksum of its header is wrong".into());
    }
    let header = Header {
        guid: guid(&bytes, 56).ok_or_else(cut)?,
        entries_sector: u64_le(&bytes, 72).ok_or_else(cut)?,
        count: u32_le(&bytes, 80).ok_or_else(cut)?,
        entries_crc: u32_le(&bytes, 88).ok_or_else(cut)?,
    };
    match u32_le(&bytes, 84) {
        Some(128) if header.count <= MOST_ENTRIES => Ok(header),
        size => Err(format!("{} entries of {size:?} bytes are not supported", header.count)),
    }
}

fn read_entries(image: &Image, header: &Header) -> Result<Vec<u8>, String> {
    let start =
        header.entries_sector.checked_mul(SECTOR).ok_or("its entries are beyond the end of the disk")?;
    let bytes = image.read(start, u64::from(header.count) * 128)?;
    if crc32fast::hash(&bytes) != header.entries_crc {
        return Err("the checksum of its entries is wrong".into());
    }
    Ok(bytes)
}

fn read_entry(number: u32, bytes: &[u8], disk: u64) -> Result<Option<Entry>, String> {
    let damaged = || format!("partition {number} lies outside of the disk");
    let type_guid = guid(bytes, 0).ok_or_else(damaged)?;
    if type_guid.is_nil() {
        return Ok(None);
    }
    let first = u64_le(bytes, 32).ok_or_else(damaged)?;
    let last = u64_le(bytes, 40).ok_or_else(damaged)?;
    let start = first.checked_mul(SECTOR).ok_or_else(damaged)?;
    let end = last.checked_add(1).and_then(|end| end.checked_mul(SECTOR)).ok_or_else(damaged)?;
    if start >= end || end > disk {
        return Err(damaged());
    }
    let name: Vec<u16> = bytes[NAME_FIELD]
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .take_while(|unit| *unit != 0)
        .collect();
    let type_text = type_guid.to_string();
    let known = TYPES.iter().find(|(guid, _)| *guid == type_text);
    Ok(Some(Entry {
        number,
        name: bytes::printable(&String::from_utf16_lossy(&name)),
        kind: known.map_or_else(|| type_text.clone(), |(_, name)| (*name).to_owned()),
        type_id: type_text,
        id: guid(bytes, 16).ok_or_else(damaged)?.to_string(),
        start,
        length: end - start,
        attributes: u64_le(bytes, 48).ok_or_else(damaged)?,
    }))
}
