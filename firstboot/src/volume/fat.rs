//! FAT with 12, 16 or 32 bits and long names (Microsoft's FAT specification 1.03).

use std::io;

use super::{Disk, damaged, little_endian, too_large};

/// Longest folder that is read.
const FOLDER_LIMIT: usize = 2 << 20;
const ENTRY: usize = 32;
const ATTRIBUTE_LABEL: u8 = 0x08;
const ATTRIBUTE_FOLDER: u8 = 0x10;
const ATTRIBUTE_LONG_NAME: u8 = 0x0f;

/// How wide an entry of the table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    Twelve,
    Sixteen,
    ThirtyTwo,
}

/// Where the parts of a volume are, in bytes from its start.
#[derive(Debug, Clone)]
pub struct Geometry {
    width: Width,
    table: u64,
    root: u64,
    root_length: u64,
    root_cluster: u32,
    data: u64,
    cluster_length: u64,
    clusters: u32,
    label: String,
}

impl Geometry {
    /// Reads the boot sector; none where it is not that of a FAT volume.
    pub fn read(disk: &impl Disk) -> Option<Self> {
        let mut sector = [0; 512];
        disk.read_exact(&mut sector, 0).ok()?;
        let field = |at, length| little_endian(&sector, at, length);
        let bytes_per_sector = field(11, 2);
        let per_cluster = field(13, 1);
        let (reserved, tables, root_entries) = (field(14, 2), field(16, 1), field(17, 2));
        let good = sector[510..] == [0x55, 0xaa]
            && matches!(sector[0], 0xeb | 0xe9)
            && [512, 1024, 2048, 4096].contains(&bytes_per_sector)
            && per_cluster.is_power_of_two()
            && reserved > 0
            && (1..=2).contains(&tables);
        if !good {
            return None;
        }
        let total = if field(19, 2) != 0 { field(19, 2) } else { field(32, 4) };
        let table_length = if field(22, 2) != 0 { field(22, 2) } else { field(36, 4) };
        let root_sectors = (root_entries * ENTRY as u64).div_ceil(bytes_per_sector);
        let first_data = reserved + tables * table_length + root_sectors;
        let clusters = total.checked_sub(first_data)? / per_cluster;
        let width = match clusters {
            0..4085 => Width::Twelve,
            4085..65525 => Width::Sixteen,
            _ => Width::ThirtyTwo,
        };
        let label_at = if width == Width::ThirtyTwo { 0x47 } else { 0x2b };
        Some(Self {
            width,
            table: reserved * bytes_per_sector,
            root: (reserved + tables * table_length) * bytes_per_sector,
            root_length: root_entries * ENTRY as u64,
            root_cluster: u32::try_from(field(44, 4)).ok()?,
            data: first_data * bytes_per_sector,
            cluster_length: per_cluster * bytes_per_sector,
            clusters: u32::try_from(clusters).ok()?,
            label: trimmed(&sector[label_at..label_at + 11]),
        })
    }
}

/// An entry of a folder.
#[derive(Debug)]
struct Entry {
    name: String,
    short_name: String,
    is_folder: bool,
    cluster: u32,
    length: u64,
}

/// A volume.
#[derive(Debug)]
pub struct FatVolume<D> {
    disk: D,
    geometry: Geometry,
    label: String,
}

impl<D: Disk> FatVolume<D> {
    /// Reads the label: the root folder's, else the boot sector's.
    ///
    /// # Errors
    ///
    /// When the root folder cannot be read.
    pub fn open(disk: D, geometry: Geometry) -> io::Result<Self> {
        let mut volume = Self { disk, label: geometry.label.clone(), geometry };
        let root = volume.read_root()?;
        let is_label = |entry: &&[u8]| entry[11] & 0x3f == ATTRIBUTE_LABEL && !matches!(entry[0], 0 | 0xe5);
        if let Some(entry) = root.chunks_exact(ENTRY).take_while(|entry| entry[0] != 0).find(is_label) {
            volume.label = trimmed(&entry[..11]);
        }
        Ok(volume)
    }

    /// Returns the volume's name.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Reads a file of at most `limit` bytes; none if there is no such file. Case makes no difference, as on FAT.
    ///
    /// # Errors
    ///
    /// When the filesystem is damaged, or the file larger.
    pub fn read_file(&self, path: &str, limit: usize) -> io::Result<Option<Vec<u8>>> {
        let mut folder = self.read_root()?;
        let mut names = path.split('/').filter(|name| !name.is_empty()).peekable();
        while let Some(name) = names.next() {
            let found = entries(&folder).into_iter().find(|entry| {
                entry.name.eq_ignore_ascii_case(name) || entry.short_name.eq_ignore_ascii_case(name)
            });
            let Some(entry) = found else { return Ok(None) };
            match (entry.is_folder, names.peek().is_some()) {
                (true, true) => folder = self.read_chain(entry.cluster, FOLDER_LIMIT)?,
                (false, false) if entry.length == 0 => return Ok(Some(Vec::new())),
                (false, false) if entry.length > limit as u64 => return Err(too_large(entry.length, limit)),
                (false, false) => {
                    let length = usize::try_from(entry.length).map_err(|_| damaged("a length"))?;
                    let mut bytes = self.read_chain(entry.cluster, length)?;
                    if bytes.len() < length {
                        return Err(damaged("a file ends before its length"));
                    }
                    bytes.truncate(length);
                    return Ok(Some(bytes));
                }
                _ => return Ok(None),
            }
        }
        Ok(None)
    }

    fn read_root(&self) -> io::Result<Vec<u8>> {
        if self.geometry.width == Width::ThirtyTwo {
            return self.read_chain(self.geometry.root_cluster, FOLDER_LIMIT);
        }
        let mut bytes = vec![0; self.geometry.root_length as usize];
        self.disk.read_exact(&mut bytes, self.geometry.root)?;
        Ok(bytes)
    }

    /// Reads clusters up to the chain's end, or until `wanted` bytes are there: so a loop ends as well.
    fn read_chain(&self, first: u32, wanted: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut cluster = first;
        while bytes.len() < wanted {
            let index = cluster.checked_sub(2).filter(|index| *index < self.geometry.clusters);
            let Some(index) = index else { break };
            let start = bytes.len();
            bytes.resize(start + self.geometry.cluster_length as usize, 0);
            let position = self.geometry.data + u64::from(index) * self.geometry.cluster_length;
            self.disk.read_exact(&mut bytes[start..], position)?;
            cluster = self.next(cluster)?;
        }
        Ok(bytes)
    }

    /// Returns what the table says after `cluster`: another cluster, or a mark that is none.
    fn next(&self, cluster: u32) -> io::Result<u32> {
        let number = u64::from(cluster);
        let (offset, length) = match self.geometry.width {
            Width::Twelve => (number + number / 2, 2),
            Width::Sixteen => (number * 2, 2),
            Width::ThirtyTwo => (number * 4, 4),
        };
        let mut bytes = [0; 4];
        self.disk.read_exact(&mut bytes[..length], self.geometry.table + offset)?;
        let value = u32::from_le_bytes(bytes);
        Ok(match self.geometry.width {
            Width::Twelve if cluster.is_multiple_of(2) => value & 0xfff,
            Width::Twelve => value >> 4,
            Width::Sixteen => value,
            Width::ThirtyTwo => value & 0x0fff_ffff,
        })
    }
}

/// Reads the entries of a folder, long names put together.
fn entries(folder: &[u8]) -> Vec<Entry> {
    let (mut found, mut long) = (Vec::new(), Vec::<u16>::new());
    for raw in folder.chunks_exact(ENTRY).take_while(|raw| raw[0] != 0) {
        let attributes = raw[11] & 0x3f;
        if raw[0] == 0xe5 {
            long.clear();
        } else if attributes == ATTRIBUTE_LONG_NAME {
            // Parts of a long name come last first.
            let part = [&raw[1..11], &raw[14..26], &raw[28..32]].concat();
            let units = part.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
            let mut units: Vec<u16> = units.take_while(|unit| *unit != 0 && *unit != 0xffff).collect();
            units.append(&mut long);
            long = if units.len() <= 260 { units } else { Vec::new() };
        } else if attributes & ATTRIBUTE_LABEL == 0 {
            let extension = trimmed(&raw[8..11]);
            let dot = if extension.is_empty() { "" } else { "." };
            found.push(Entry {
                name: String::from_utf16_lossy(&std::mem::take(&mut long)),
                short_name: format!("{}{dot}{extension}", trimmed(&raw[..8])),
                is_folder: attributes & ATTRIBUTE_FOLDER != 0,
                cluster: (little_endian(raw, 20, 2) << 16 | little_endian(raw, 26, 2)) as u32,
                length: little_endian(raw, 28, 4),
            });
        }
    }
    found
}

fn trimmed(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches([' ', '\0']).to_owned()
}
