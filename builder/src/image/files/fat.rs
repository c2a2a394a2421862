//! The files of FAT.

use std::collections::HashSet;

use super::{Attributes, Files, Listing, Node, NodeKind, Sink, join};
use crate::image::Image;
use crate::image::bytes::{self, u16_le, u32_le};
use crate::image::filesystem::{FAT_LONG_NAME, FAT_RECORD, FAT_VOLUME, FatVolume};

const FOLDER: u8 = 0x10;

/// A system partition has some dozens; more is taken for damage.
const MOST_FILES: usize = 100_000;

/// Deepest folder that is looked into.
const DEEPEST: usize = 32;

#[derive(Debug)]
pub(super) struct Fat<'a> {
    volume: FatVolume<'a>,
}

impl<'a> Fat<'a> {
    pub(super) fn open(image: &'a Image, start: u64, length: u64) -> Result<Self, String> {
        Ok(Self { volume: FatVolume::open(image, start, length)? })
    }
}

impl Files for Fat<'_> {
    fn list(&self) -> Result<Listing, String> {
        let root = Node { kind: NodeKind::Folder, ..node(&[0; FAT_RECORD]) };
        let listing = Listing::from([(b"/".to_vec(), root)]);
        let mut walk = Walk { volume: &self.volume, entered: HashSet::new(), listing };
        walk.folder(&self.volume.root_folder()?, b"/", 0)?;
        Ok(walk.listing)
    }

    fn content(&self, _path: &[u8], node: &Node, sink: &mut Sink<'_>) -> Result<(), String> {
        let mut done = 0;
        let first = u32::try_from(node.inode).map_err(|error| error.to_string())?;
        self.volume.clusters(first, &mut |bytes| {
            let length = usize::try_from(node.size - done).unwrap_or(usize::MAX).min(bytes.len());
            sink(done, &bytes[..length])?;
            done += length as u64;
            Ok(done < node.size)
        })?;
        if done < node.size { Err("a file is longer than its clusters".into()) } else { Ok(()) }
    }

    fn attributes(&self, _path: &[u8], _node: &Node) -> Result<Attributes, String> {
        Ok(Attributes::new())
    }
}

struct Walk<'a, 'b> {
    volume: &'a FatVolume<'b>,
    entered: HashSet<u64>,
    listing: Listing,
}

impl Walk<'_, '_> {
    fn folder(&mut self, content: &[u8], path: &[u8], depth: usize) -> Result<(), String> {
        let mut long = Vec::new();
        for record in content.chunks_exact(FAT_RECORD).take_while(|record| record[0] != 0) {
            let attributes = record[11];
            if record[0] == 0xe5 {
                long.clear();
            } else if attributes & FAT_LONG_NAME == FAT_LONG_NAME {
                let mut part: Vec<u16> = long_part(record);
                part.append(&mut long);
                long = part;
            } else if attributes & FAT_VOLUME != 0 || record[0] == b'.' {
                long.clear();
            } else {
                let name = if long.is_empty() { short_name(record) } else { long_name(&long) };
                long.clear();
                // A slash in a name would be taken for a folder.
                let name = name.replace(['/', '\0'], "_");
                self.entry(record, join(path, name.as_bytes()), depth)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, record: &[u8], path: Vec<u8>, depth: usize) -> Result<(), String> {
        let node = node(record);
        if self.listing.len() >= MOST_FILES {
            return Err("it has more files than are looked at".into());
        }
        if node.kind == NodeKind::Folder {
            if depth >= DEEPEST || !self.entered.insert(node.inode) {
                return Err("its folders run in a ring or are nested too deep".into());
            }
            let first = u32::try_from(node.inode).map_err(|error| error.to_string())?;
            let content = self.volume.folder(first)?;
            self.folder(&content, &path, depth + 1)?;
        }
        self.listing.insert(path, node);
        Ok(())
    }
}

/// Makes a node of a record; its number is its first cluster.
fn node(record: &[u8]) -> Node {
    let word = |at| u16_le(record, at).unwrap_or(0);
    let folder = record[11] & FOLDER != 0;
    Node {
        kind: if folder { NodeKind::Folder } else { NodeKind::File },
        // FAT knows neither owner nor mode; these are what Linux shows by default.
        mode: 0o755,
        uid: 0,
        gid: 0,
        size: if folder { 0 } else { u64::from(u32_le(record, 28).unwrap_or(0)) },
        modified: time(word(24), word(22)),
        inode: u64::from(word(20)) << 16 | u64::from(word(26)),
        links: 1,
    }
}

/// Seconds since 1970 of a date (year from 1980, month, day) and a time in steps of two seconds, both taken as UTC.
fn time(date: u16, time: u16) -> i64 {
    let (year, month, day) = (1980 + i64::from(date >> 9), i64::from(date >> 5 & 15), i64::from(date & 31));
    let seconds = i64::from(time >> 11) * 3600 + i64::from(time >> 5 & 63) * 60 + i64::from(time & 31) * 2;
    // Days of years that begin in March, so that the leap day is their last.
    let shifted = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + day_of_year - 719_468;
    days * 86_400 + seconds
}

/// The thirteen units of a long name that one record holds.
fn long_part(record: &[u8]) -> Vec<u16> {
    let fields = [1..11, 14..26, 28..32];
    let bytes: Vec<u8> = fields.into_iter().flat_map(|field| record[field].to_vec()).collect();
    bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
}

fn long_name(units: &[u16]) -> String {
    let end = units.iter().position(|unit| matches!(unit, 0 | 0xffff)).unwrap_or(units.len());
    bytes::printable(&String::from_utf16_lossy(&units[..end]))
}

fn short_name(record: &[u8]) -> String {
    let base = bytes::text(&record[..8]);
    let extension = bytes::text(&record[8..11]);
    match extension.trim_end() {
        "" => base.trim_end().to_owned(),
        extension => format!("{}.{extension}", base.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn times_are_those_of_the_calendar() {
        // 2024-02-29 13:37:42, and the first moment that FAT knows.
        assert_eq!(time(44 << 9 | 2 << 5 | 29, 13 << 11 | 37 << 5 | 21), 1_709_213_862);
        assert_eq!(time(1 << 5 | 1, 0), 315_532_800);
    }
}
