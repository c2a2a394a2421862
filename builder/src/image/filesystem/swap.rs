//! The header of swap space.

use super::{Filesystem, Kind};
use crate::image::Image;
use crate::image::bytes::{self, u32_le};

const PAGE: u64 = 4096;

/// Reads the header of swap space with pages of 4 KiB.
pub(super) fn read(image: &Image, start: u64, length: u64) -> Result<Option<Filesystem>, String> {
    if length < PAGE {
        return Ok(None);
    }
    let page = image.read(start, PAGE)?;
    if !page.ends_with(b"SWAPSPACE2") || u32_le(&page, 1024) != Some(1) {
        return Ok(None);
    }
    let uuid = bytes::uuid(&page, 1036).ok_or("its header is cut short")?;
    let last_page = u64::from(u32_le(&page, 1028).unwrap_or(0));
    Ok(Some(Filesystem {
        kind: Kind::Swap,
        label: bytes::text(&page[1052..1068]),
        uuid: Some(uuid.to_string()),
        size: Some((last_page + 1) * PAGE),
        ..Filesystem::default()
    }))
}
