//! The superblock of XFS (`fs/xfs/libxfs/xfs_format.h`, `struct xfs_dsb`).

use super::{Filesystem, Kind, names};
use crate::image::bytes::{self, u32_be, u64_be};
use crate::image::{Image, SECTOR};

const READ_ONLY_COMPATIBLE: &[&str] = &["finobt", "rmapbt", "reflink", "inobtcount"];
const INCOMPATIBLE: &[&str] =
    &["ftype", "sparse", "meta_uuid", "bigtime", "needsrepair", "nrext64", "exchange", "parent", "metadir"];

pub(super) fn read(image: &Image, start: u64, length: u64) -> Result<Option<Filesystem>, String> {
    if length < SECTOR {
        return Ok(None);
    }
    let block = image.read(start, SECTOR)?;
    if !block.starts_with(b"XFSB") {
        return Ok(None);
    }
    superblock(&block).map(Some).ok_or_else(|| "its superblock makes no sense".to_owned())
}

fn superblock(block: &[u8]) -> Option<Filesystem> {
    let block_size = u64::from(u32_be(block, 4)?);
    if !block_size.is_power_of_two() || !(512..=65536).contains(&block_size) {
        return None;
    }
    // The low four bits of the version number; 5 has checksums and the feature fields.
    let version = u32_be(block, 100)? >> 16 & 0xf;
    let mut features = vec![format!("v{version}")];
    if version == 5 {
        features.extend(names(u32_be(block, 212)?, READ_ONLY_COMPATIBLE, 'r'));
        features.extend(names(u32_be(block, 216)?, INCOMPATIBLE, 'i'));
    }
    Some(Filesystem {
        kind: Kind::Xfs,
        label: bytes::text(block.get(108..120)?),
        uuid: Some(bytes::uuid(block, 32)?.to_string()),
        size: Some(u64_be(block, 8)?.checked_mul(block_size)?),
        free: Some(u64_be(block, 144)?.checked_mul(block_size)?),
        block_size: Some(block_size),
        inodes: Some(u64_be(block, 128)?),
        free_inodes: Some(u64_be(block, 136)?),
        features,
        ..Filesystem::default()
    })
}
