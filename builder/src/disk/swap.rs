//! The header of swap space, as `mkswap` writes version 1.

use crate::plan::FilesystemPlan;

use super::DiskError;
use super::layout::{MIB, Need};

const PAGE: u64 = 4096;

/// The kernel refuses swap space of fewer than ten pages; one MiB is the smallest partition anyway. Content does
/// not tell how much swap is wanted.
pub(super) const NEED: Need = Need { least: MIB, auto: None };

const SIGNATURE: &[u8; 10] = b"SWAPSPACE2";
const LABEL_LENGTH: usize = 16;

/// Returns the first page of swap space of `length` bytes.
pub fn header(length: u64, filesystem: &FilesystemPlan) -> Result<[u8; PAGE as usize], DiskError> {
    let label = filesystem.label.as_bytes();
    if label.len() > LABEL_LENGTH {
        return Err(DiskError::unfit(
            format!("swap label '{}'", filesystem.label),
            format!("at most {LABEL_LENGTH} bytes fit; choose a shorter one"),
        ));
    }
    let last_page = u32::try_from(length / PAGE - 1)
        .map_err(|_| DiskError::unfit("swap space", "at most 16 TiB can be addressed; make it smaller"))?;
    let mut page = [0; PAGE as usize];
    page[1024..1028].copy_from_slice(&1_u32.to_le_bytes());
    page[1028..1032].copy_from_slice(&last_page.to_le_bytes());
    page[1036..1052].copy_from_slice(filesystem.uuid.as_bytes());
    page[1052..1052 + label.len()].copy_from_slice(label);
    page[PAGE as usize - SIGNATURE.len()..].copy_from_slice(SIGNATURE);
    Ok(page)
}
