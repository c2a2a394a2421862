//! ISO 9660 (ECMA-119), with the names of Rock Ridge (IEEE P1282) or Joliet.

use std::io;

use super::{Disk, damaged, little_endian, too_large};

const SECTOR: u64 = 2048;
/// The first volume descriptor's sector; descriptors follow one another up to the terminator.
const FIRST_DESCRIPTOR: u64 = 16;
/// Most descriptors that are looked at.
const DESCRIPTOR_LIMIT: u64 = 32;
/// Longest folder that is read.
const FOLDER_LIMIT: u64 = 1 << 20;
/// Most continuation areas of one entry.
const CONTINUATION_LIMIT: usize = 4;

/// Tells whether the disk has the mark of a volume descriptor.
pub fn is_iso9660(disk: &impl Disk) -> bool {
    let mut mark = [0; 6];
    disk.read_exact(&mut mark, FIRST_DESCRIPTOR * SECTOR).is_ok() && mark.ends_with(b"CD001")
}

/// A run of bytes on the disk.
#[derive(Debug, Clone, Copy)]
struct Extent {
    sector: u64,
    length: u64,
    is_folder: bool,
    is_partial: bool,
}

/// One way to name files: the primary descriptor's (with Rock Ridge or without) or Joliet's.
#[derive(Debug, Clone, Copy)]
struct NameTree {
    root: Extent,
    is_joliet: bool,
}

/// A volume.
#[derive(Debug)]
pub struct IsoVolume<D> {
    disk: D,
    label: String,
    trees: Vec<NameTree>,
}

impl<D: Disk> IsoVolume<D> {
    /// Reads the volume descriptors.
    ///
    /// # Errors
    ///
    /// When there is no primary one.
    pub fn open(disk: D) -> io::Result<Self> {
        let (mut label, mut trees) = (None, Vec::new());
        let mut descriptor = [0; SECTOR as usize];
        for sector in FIRST_DESCRIPTOR..FIRST_DESCRIPTOR + DESCRIPTOR_LIMIT {
            disk.read_exact(&mut descriptor, sector * SECTOR)?;
            let is_joliet = descriptor[0] == 2 && matches!(&descriptor[88..91], b"%/@" | b"%/C" | b"%/E");
            match descriptor[0] {
                _ if &descriptor[1..6] != b"CD001" => break,
                255 => break,
                1 if label.is_none() => {
                    label = Some(
                        String::from_utf8_lossy(&descriptor[40..72]).trim_end_matches([' ', '\0']).to_owned(),
                    );
                }
                2 if is_joliet => {}
                _ => continue,
            }
            trees.push(NameTree { root: extent(&descriptor[156..190]), is_joliet });
        }
        let label = label.ok_or_else(|| damaged("there is no primary volume descriptor"))?;
        Ok(Self { disk, label, trees })
    }

    /// Returns the volume's name.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Reads a file of at most `limit` bytes; none if there is no such file under any of the volume's names.
    ///
    /// # Errors
    ///
    /// When the filesystem is damaged, or the file larger.
    pub fn read_file(&self, path: &str, limit: usize) -> io::Result<Option<Vec<u8>>> {
        for tree in &self.trees {
            let Some(found) = self.walk(*tree, path)? else { continue };
            if found.length > limit as u64 || found.is_partial {
                return Err(too_large(found.length, limit));
            }
            return self.read_extent(found).map(Some);
        }
        Ok(None)
    }

    fn walk(&self, tree: NameTree, path: &str) -> io::Result<Option<Extent>> {
        let mut at = tree.root;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            if !at.is_folder {
                return Ok(None);
            }
            match self.find(at, name, tree.is_joliet)? {
                Some(next) => at = next,
                None => return Ok(None),
            }
        }
        Ok(Some(at).filter(|found| !found.is_folder))
    }

    fn find(&self, folder: Extent, wanted: &str, is_joliet: bool) -> io::Result<Option<Extent>> {
        if folder.length > FOLDER_LIMIT {
            return Err(damaged("a folder is larger than folders are"));
        }
        let bytes = self.read_extent(folder)?;
        for sector in bytes.chunks(SECTOR as usize) {
            let mut rest = sector;
            // A record never crosses a sector; a length of zero ends the sector's records.
            while let Some(&length) = rest.first().filter(|length| **length != 0) {
                let record = rest.get(..usize::from(length)).filter(|record| record.len() >= 34);
                let record = record.ok_or_else(|| damaged("an entry of a folder is cut short"))?;
                if self.name_of(record, is_joliet)?.is_some_and(|name| name == wanted) {
                    return Ok(Some(extent(record)));
                }
                rest = &rest[usize::from(length)..];
            }
        }
        Ok(None)
    }

    /// Returns an entry's name; none for the entries of the folder itself and the one above.
    fn name_of(&self, record: &[u8], is_joliet: bool) -> io::Result<Option<String>> {
        let length = usize::from(record[32]);
        let name = record.get(33..33 + length).ok_or_else(|| damaged("a name is longer than its entry"))?;
        if matches!(name, [0] | [1]) {
            return Ok(None);
        }
        let text = if is_joliet {
            let units: Vec<u16> =
                name.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            String::from_utf16_lossy(&units)
        } else {
            let system_use = 33 + length + usize::from(length.is_multiple_of(2));
            match self.rock_ridge_name(record.get(system_use..).unwrap_or_default())? {
                Some(name) => return Ok(Some(name)),
                None => String::from_utf8_lossy(name).to_ascii_lowercase(),
            }
        };
        let text = text.split_once(';').map_or(text.as_str(), |(name, _)| name);
        Ok(Some(text.trim_end_matches('.').to_owned()))
    }

    /// Collects the `NM` fields of a system use area and of those that continue it.
    fn rock_ridge_name(&self, area: &[u8]) -> io::Result<Option<String>> {
        let (mut name, mut area, mut found) = (Vec::new(), area.to_vec(), false);
        for _ in 0..CONTINUATION_LIMIT {
            let (mut rest, mut next) = (area.as_slice(), None);
            while rest.len() >= 4 {
                let length = usize::from(rest[2]);
                let Some(field) = rest.get(..length).filter(|_| length >= 4) else { break };
                match &field[..2] {
                    b"NM" if length > 5 && name.len() < 1024 => {
                        found = true;
                        name.extend_from_slice(&field[5..]);
                    }
                    b"CE" if length >= 28 => {
                        next = Some((
                            little_endian(field, 4, 4),
                            little_endian(field, 12, 4),
                            little_endian(field, 20, 4),
                        ));
                    }
                    b"ST" => break,
                    _ => {}
                }
                rest = &rest[length..];
            }
            match next {
                Some((sector, offset, length)) if length <= SECTOR && offset < SECTOR => {
                    let mut bytes = vec![0; length as usize];
                    self.disk.read_exact(&mut bytes, sector * SECTOR + offset)?;
                    area = bytes;
                }
                _ => break,
            }
        }
        Ok(found.then(|| String::from_utf8_lossy(&name).into_owned()))
    }

    fn read_extent(&self, extent: Extent) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(extent.length).map_err(|_| damaged("a length"))?];
        self.disk.read_exact(&mut bytes, extent.sector * SECTOR)?;
        Ok(bytes)
    }
}

/// Reads the place of a file from its record.
fn extent(record: &[u8]) -> Extent {
    Extent {
        sector: little_endian(record, 2, 4) + u64::from(record[1]),
        length: little_endian(record, 10, 4),
        is_folder: record[25] & 2 != 0,
        is_partial: record[25] & 0x80 != 0,
    }
}
