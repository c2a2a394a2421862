//! The superblock of btrfs (`include/uapi/linux/btrfs_tree.h`, `struct btrfs_super_block`).

use super::{Filesystem, Kind, names};
use crate::image::Image;
use crate::image::bytes::{self, u32_le, u64_le};

/// The first copy.
const SUPERBLOCK: u64 = 64 << 10;
const LENGTH: u64 = 4096;

const READ_ONLY_COMPATIBLE: &[&str] =
    &["free_space_tree", "free_space_tree_valid", "verity", "block_group_tree"];
const INCOMPATIBLE: &[&str] = &[
    "mixed_backref",
    "default_subvol",
    "mixed_groups",
    "compress_lzo",
    "compress_zstd",
    "big_metadata",
    "extended_iref",
    "raid56",
    "skinny_metadata",
    "no_holes",
    "metadata_uuid",
    "raid1c34",
    "zoned",
];

pub(super) fn read(image: &Image, start: u64, length: u64) -> Result<Option<Filesystem>, String> {
    if length < SUPERBLOCK + LENGTH {
        return Ok(None);
    }
    let block = image.read(start + SUPERBLOCK, LENGTH)?;
    if block.get(0x40..0x48) != Some(b"_BHRfS_M") {
        return Ok(None);
    }
    superblock(&block).map(Some).ok_or_else(|| "its superblock makes no sense".to_owned())
}

fn superblock(block: &[u8]) -> Option<Filesystem> {
    let size = u64_le(block, 0x70)?;
    let low = |flags: u64| u32::try_from(flags & 0xffff_ffff).unwrap_or(0);
    let mut features = names(low(u64_le(block, 0xb4)?), READ_ONLY_COMPATIBLE, 'r');
    features.extend(names(low(u64_le(block, 0xbc)?), INCOMPATIBLE, 'i'));
    Some(Filesystem {
        kind: Kind::Btrfs,
        label: bytes::text(block.get(0x12b..0x12b + 256)?),
        uuid: Some(bytes::uuid(block, 0x20)?.to_string()),
        size: Some(size),
        free: Some(size.checked_sub(u64_le(block, 0x78)?)?),
        block_size: Some(u64::from(u32_le(block, 0x90)?)),
        features,
        ..Filesystem::default()
    })
}
