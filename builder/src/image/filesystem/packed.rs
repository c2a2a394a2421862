//! Superblocks of the read-only filesystems: squashfs (`fs/squashfs/squashfs_fs.h`) and erofs (`fs/erofs/erofs_fs.h`).

use super::{Filesystem, Kind};
use crate::image::Image;
use crate::image::bytes::{self, u16_le, u32_le, u64_le};

const SQUASHFS_LENGTH: u64 = 96;
const COMPRESSIONS: [&str; 6] = ["gzip", "lzma", "lzo", "xz", "lz4", "zstd"];

const EROFS_OFFSET: u64 = 1024;
const EROFS_LENGTH: u64 = 128;
const EROFS_MAGIC: u32 = 0xe0f5_e1e2;

pub(super) fn read_squashfs(image: &Image, start: u64, length: u64) -> Result<Option<Filesystem>, String> {
    if length < SQUASHFS_LENGTH {
        return Ok(None);
    }
    let block = image.read(start, SQUASHFS_LENGTH)?;
    if !block.starts_with(b"hsqs") {
        return Ok(None);
    }
    let cut = "its superblock is cut short";
    let compression = usize::from(u16_le(&block, 20).ok_or(cut)?);
    let name = compression.checked_sub(1).and_then(|index| COMPRESSIONS.get(index));
    Ok(Some(Filesystem {
        kind: Kind::Squashfs,
        variant: Some(name.map_or_else(|| format!("compression {compression}"), |name| (*name).to_owned())),
        size: Some(u64_le(&block, 40).ok_or(cut)?),
        free: Some(0),
        block_size: Some(u64::from(u32_le(&block, 12).ok_or(cut)?)),
        inodes: Some(u64::from(u32_le(&block, 4).ok_or(cut)?)),
        ..Filesystem::default()
    }))
}

pub(super) fn read_erofs(image: &Image, start: u64, length: u64) -> Result<Option<Filesystem>, String> {
    if length < EROFS_OFFSET + EROFS_LENGTH {
        return Ok(None);
    }
    let block = image.read(start + EROFS_OFFSET, EROFS_LENGTH)?;
    if u32_le(&block, 0) != Some(EROFS_MAGIC) {
        return Ok(None);
    }
    let cut = "its superblock is cut short";
    let bits = u32::from(block[12]);
    let block_size = 1_u64.checked_shl(bits).filter(|size| (512..=65536).contains(size));
    let block_size = block_size.ok_or("its superblock makes no sense")?;
    Ok(Some(Filesystem {
        kind: Kind::Erofs,
        label: bytes::text(&block[64..80]),
        uuid: bytes::uuid(&block, 48).map(|uuid| uuid.to_string()),
        size: Some(u64::from(u32_le(&block, 36).ok_or(cut)?) * block_size),
        free: Some(0),
        block_size: Some(block_size),
        inodes: u64_le(&block, 16),
        ..Filesystem::default()
    }))
}
