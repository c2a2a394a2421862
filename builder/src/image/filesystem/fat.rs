//! The geometry and label of FAT.

use super::{Filesystem, Kind};
use crate::image::Image;
use crate::image::bytes::{self, u16_le, u32_le};

/// Bytes of an entry of a folder.
pub(in crate::image) const RECORD: usize = 32;
/// The attributes of a part of a long name.
pub(in crate::image) const LONG_NAME: u8 = 0x0f;
/// The attribute of the volume's label.
pub(in crate::image) const VOLUME: u8 = 0x08;

/// Longest content of a folder: what FAT allows, 65,536 records.
const FOLDER_LIMIT: u64 = 2 << 20;

/// The geometry, checked against the partition.
#[derive(Debug)]
pub(in crate::image) struct Volume<'a> {
    image: &'a Image,
    start: u64,
    width: Width,
    table: u64,
    root: u64,
    root_length: u64,
    root_cluster: u32,
    data: u64,
    /// Bytes of a cluster.
    pub(in crate::image) cluster: u64,
    clusters: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    Fat12,
    Fat16,
    Fat32,
}

pub(super) fn read(image: &Image, start: u64, length: u64) -> Result<Option<Filesystem>, String> {
    if length < 512 {
        return Ok(None);
    }
    let sector = image.read(start, 512)?;
    let Some(volume) = geometry(image, &sector, start, length) else { return Ok(None) };
    let identity = if volume.width == Width::Fat32 { 67 } else { 39 };
    let root = volume.root_folder()?;
    let id = u32_le(&sector, identity).unwrap_or(0);
    Ok(Some(Filesystem {
        kind: Kind::Vfat,
        variant: Some(format!("{:?}", volume.width).to_uppercase()),
        label: label(&root, &sector[identity + 4..identity + 15]),
        uuid: Some(format!("{:04X}-{:04X}", id >> 16, id & 0xffff)),
        size: Some(volume.data + u64::from(volume.clusters) * volume.cluster),
        free: Some(volume.free()?),
        block_size: Some(volume.cluster),
        ..Filesystem::default()
    }))
}

/// Reads the boot sector; none if it is not that of a FAT filesystem that fits the partition.
fn geometry<'a>(image: &'a Image, sector: &[u8], start: u64, length: u64) -> Option<Volume<'a>> {
    let bytes = u64::from(u16_le(sector, 11)?);
    let per_cluster = *sector.get(13)?;
    let jumps = matches!(sector, [0xeb, _, 0x90, ..] | [0xe9, ..]);
    if !jumps
        || !matches!(bytes, 512 | 1024 | 2048 | 4096)
        || !per_cluster.is_power_of_two()
        || sector[510..512] != [0x55, 0xaa]
    {
        return None;
    }
    let pick = |short: u64, long: u32| if short == 0 { u64::from(long) } else { short };
    let sectors = pick(u64::from(u16_le(sector, 19)?), u32_le(sector, 32)?);
    let table_sectors = pick(u64::from(u16_le(sector, 22)?), u32_le(sector, 36)?);
    let reserved = u64::from(u16_le(sector, 14)?);
    let root_length = u64::from(u16_le(sector, 17)?) * RECORD as u64;
    let root = (reserved + u64::from(sector[16]) * table_sectors) * bytes;
    let data = root + root_length.next_multiple_of(bytes);
    let cluster = bytes * u64::from(per_cluster);
    let size = sectors * bytes;
    if size > length || data >= size || reserved == 0 || table_sectors == 0 {
        return None;
    }
    let clusters = u32::try_from((size - data) / cluster).ok()?;
    let width = match clusters {
        0..4085 => Width::Fat12,
        4085..65525 => Width::Fat16,
        _ => Width::Fat32,
    };
    let root_cluster = u32_le(sector, 44)?;
    Some(Volume {
        image,
        start,
        width,
        table: reserved * bytes,
        root,
        root_length,
        root_cluster,
        data,
        cluster,
        clusters,
    })
}

impl<'a> Volume<'a> {
    /// Reads the geometry of the filesystem in this range.
    pub(in crate::image) fn open(image: &'a Image, start: u64, length: u64) -> Result<Self, String> {
        let sector = image.read(start, 512)?;
        geometry(image, &sector, start, length).ok_or_else(|| "its boot sector makes no sense".to_owned())
    }

    /// Returns the content of the root folder.
    pub(in crate::image) fn root_folder(&self) -> Result<Vec<u8>, String> {
        if self.width == Width::Fat32 {
            self.folder(self.root_cluster)
        } else {
            self.image.read(self.start + self.root, self.root_length)
        }
    }

    /// Returns the content of a folder.
    pub(in crate::image) fn folder(&self, first: u32) -> Result<Vec<u8>, String> {
        let mut content = Vec::new();
        self.clusters(first, &mut |bytes| {
            content.extend(bytes);
            if content.len() as u64 > FOLDER_LIMIT {
                return Err("its folders run in a ring or are too long".to_owned());
            }
            Ok(true)
        })?;
        Ok(content)
    }

    /// Gives the clusters of a chain to `take`, until it has enough. Longer than the filesystem is a ring.
    pub(in crate::image) fn clusters(
        &self,
        first: u32,
        take: &mut dyn FnMut(&[u8]) -> Result<bool, String>,
    ) -> Result<(), String> {
        let mut here = self.is_cluster(first).then_some(first);
        for _ in 0..=self.clusters {
            let Some(cluster) = here else { return Ok(()) };
            let at = self.start + self.data + u64::from(cluster - 2) * self.cluster;
            if !take(&self.image.read(at, self.cluster)?)? {
                return Ok(());
            }
            here = self.next(cluster)?;
        }
        Err("its clusters run in a ring".into())
    }

    fn is_cluster(&self, number: u32) -> bool {
        (2..self.clusters.saturating_add(2)).contains(&number)
    }

    fn free(&self) -> Result<u64, String> {
        let bits = match self.width {
            Width::Fat12 => 12,
            Width::Fat16 => 16,
            Width::Fat32 => 32,
        };
        let length = (u64::from(self.clusters) + 2) * bits / 8;
        let mut free = 0_u64;
        // Twelve bytes hold whole entries of every width.
        for offset in (0..length).step_by(12 << 16) {
            let bytes = self.image.read(self.start + self.table + offset, (12 << 16).min(length - offset))?;
            free += match self.width {
                Width::Fat12 => (0..bytes.len() * 2 / 3)
                    .filter(|index| {
                        let pair = u16_le(&bytes, index * 3 / 2).unwrap_or(1);
                        pair >> (4 * (index & 1)) & 0xfff == 0
                    })
                    .count(),
                Width::Fat16 => bytes.chunks_exact(2).filter(|entry| *entry == [0; 2]).count(),
                Width::Fat32 => {
                    let empty = |entry: &&[u8]| u32_le(entry, 0).unwrap_or(1) & 0x0fff_ffff == 0;
                    bytes.chunks_exact(4).filter(empty).count()
                }
            } as u64;
        }
        Ok(free * self.cluster)
    }

    /// Returns the cluster that follows; none at the end.
    fn next(&self, cluster: u32) -> Result<Option<u32>, String> {
        let (offset, width) = match self.width {
            Width::Fat12 => (u64::from(cluster) * 3 / 2, 2),
            Width::Fat16 => (u64::from(cluster) * 2, 2),
            Width::Fat32 => (u64::from(cluster) * 4, 4),
        };
        let bytes = self.image.read(self.start + self.table + offset, width)?;
        let next = match self.width {
            Width::Fat12 => u32::from(u16_le(&bytes, 0).unwrap_or(0)) >> (4 * (cluster & 1)) & 0xfff,
            Width::Fat16 => u32::from(u16_le(&bytes, 0).unwrap_or(0)),
            Width::Fat32 => u32_le(&bytes, 0).unwrap_or(0) & 0x0fff_ffff,
        };
        // The marks for "end" are the largest numbers, beyond any cluster.
        Ok(self.is_cluster(next).then_some(next))
    }
}

/// The label's record in the root says more than the boot sector's copy.
fn label(root: &[u8], copy: &[u8]) -> String {
    let record = root.chunks_exact(RECORD).take_while(|record| record[0] != 0);
    let mut record = record.filter(|record| record[0] != 0xe5 && record[11] & LONG_NAME == VOLUME);
    let text = bytes::text(record.next().map_or(copy, |record| &record[..11]));
    match text.trim_end() {
        "NO NAME" => String::new(),
        text => text.to_owned(),
    }
}
