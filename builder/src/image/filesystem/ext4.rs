//! The superblock of ext2, ext3 and ext4.

use super::{Filesystem, Kind, names};
use crate::image::Image;
use crate::image::bytes::{self, u16_le, u32_le};

const SUPERBLOCK: u64 = 1024;
const MAGIC: u16 = 0xef53;

/// The journal holds what is not yet in its place.
const NEEDS_RECOVERY: u32 = 0x4;

/// Names of feature bits, from bit 0 on; what has none is shown by its number.
const COMPATIBLE: &[&str] = &[
    "dir_prealloc",
    "imagic_inodes",
    "has_journal",
    "ext_attr",
    "resize_inode",
    "dir_index",
    "lazy_bg",
    "",
    "",
    "sparse_super2",
    "fast_commit",
    "stable_inodes",
    "orphan_file",
];
const INCOMPATIBLE: &[&str] = &[
    "compression",
    "filetype",
    "needs_recovery",
    "journal_dev",
    "meta_bg",
    "",
    "extent",
    "64bit",
    "mmp",
    "flex_bg",
    "ea_inode",
    "",
    "dirdata",
    "metadata_csum_seed",
    "large_dir",
    "inline_data",
    "encrypt",
    "casefold",
];
const READ_ONLY_COMPATIBLE: &[&str] = &[
    "sparse_super",
    "large_file",
    "",
    "huge_file",
    "uninit_bg",
    "dir_nlink",
    "extra_isize",
    "",
    "quota",
    "bigalloc",
    "metadata_csum",
    "replica",
    "read-only",
    "project",
    "shared_blocks",
    "verity",
    "orphan_present",
];

pub(super) fn read(image: &Image, start: u64, length: u64) -> Result<Option<Filesystem>, String> {
    let Some(offset) = start.checked_add(SUPERBLOCK).filter(|_| length >= 2 * SUPERBLOCK) else {
        return Ok(None);
    };
    let block = image.read(offset, 1024)?;
    if u16_le(&block, 56) != Some(MAGIC) {
        return Ok(None);
    }
    Ok(Some(superblock(&block).ok_or("its superblock makes no sense")?))
}

fn superblock(block: &[u8]) -> Option<Filesystem> {
    let incompatible = u32_le(block, 96)?;
    let wide = incompatible & 0x80 != 0;
    let blocks = |low: usize, high: usize| {
        let high = if wide { u64::from(u32_le(block, high)?) << 32 } else { 0 };
        Some(high | u64::from(u32_le(block, low)?))
    };
    // Blocks of more than 64 KiB do not exist.
    let block_size = 1024_u64.checked_shl(u32_le(block, 24)?).filter(|size| (1024..=65536).contains(size))?;
    let (compatible, read_only) = (u32_le(block, 92)?, u32_le(block, 100)?);
    let mut features = names(compatible, COMPATIBLE, 'c');
    features.extend(names(incompatible, INCOMPATIBLE, 'i'));
    features.extend(names(read_only, READ_ONLY_COMPATIBLE, 'r'));
    Some(Filesystem {
        kind: family(compatible, incompatible, read_only),
        label: bytes::text(block.get(120..136)?),
        uuid: Some(bytes::uuid(block, 104)?.to_string()),
        size: Some(blocks(4, 0x150)?.checked_mul(block_size)?),
        free: Some(blocks(12, 0x158)?.checked_mul(block_size)?),
        block_size: Some(block_size),
        inodes: Some(u64::from(u32_le(block, 0)?)),
        free_inodes: Some(u64::from(u32_le(block, 16)?)),
        clean: Some(u16_le(block, 58)? & 1 != 0 && incompatible & NEEDS_RECOVERY == 0),
        features,
        ..Filesystem::default()
    })
}

/// Tells the three apart as libblkid does: by features that only the younger one has.
fn family(compatible: u32, incompatible: u32, read_only: u32) -> Kind {
    // filetype, needs_recovery, journal_dev, meta_bg; sparse_super, large_file, btree_dir.
    const OF_EXT3: (u32, u32) = (0x1e, 0x7);
    const HAS_JOURNAL: u32 = 0x4;
    if incompatible & !OF_EXT3.0 != 0 || read_only & !OF_EXT3.1 != 0 {
        Kind::Ext4
    } else if compatible & HAS_JOURNAL != 0 {
        Kind::Ext3
    } else {
        Kind::Ext2
    }
}
