//! The names in a folder. Hashed folders are read as the plain lists that they also are.

use super::Ext4;
use super::inode::Inode;
use crate::image::bytes::{u16_le, u32_le};

/// Longest content of a folder.
const FOLDER_LIMIT: u64 = 256 << 20;

/// Returns names and inodes, without `.` and `..`.
pub(super) fn entries(volume: &Ext4<'_>, inode: &Inode) -> Result<Vec<(Vec<u8>, u64)>, String> {
    let mut found = Vec::new();
    let wrong = || format!("its folder of inode {} is damaged", inode.number);
    if inode.is_inline() {
        let content = volume.inline_content(inode)?;
        // The first four bytes are the parent's inode; what does not fit here is one more list of its own.
        let (head, tail) = content.split_at(content.len().min(60));
        block(head.get(4..).unwrap_or_default(), &mut found).ok_or_else(wrong)?;
        block(tail, &mut found).ok_or_else(wrong)?;
        return Ok(found);
    }
    let content = volume.whole(inode, FOLDER_LIMIT)?;
    for bytes in content.chunks(usize::try_from(volume.block_size).map_err(|error| error.to_string())?) {
        block(bytes, &mut found).ok_or_else(wrong)?;
    }
    Ok(found)
}

/// Reads one block of entries; none if it breaks the rules.
fn block(bytes: &[u8], found: &mut Vec<(Vec<u8>, u64)>) -> Option<()> {
    let mut at = 0;
    while at + 8 <= bytes.len() {
        let inode = u32_le(bytes, at)?;
        // Blocks of 64 KiB do not fit the field: the two lowest bits stand for the highest.
        let length = match usize::from(u16_le(bytes, at + 4)?) {
            0 | 65535 if bytes.len() == 65536 => 65536,
            length => length,
        };
        let name_length = usize::from(*bytes.get(at + 6)?);
        if length < 8 || !length.is_multiple_of(4) || at + length > bytes.len() || name_length + 8 > length {
            return None;
        }
        let name = bytes.get(at + 8..at + 8 + name_length)?;
        if inode != 0 && name != b"." && name != b".." {
            if name.is_empty() || name.contains(&b'/') || name.contains(&0) {
                return None;
            }
            found.push((name.to_vec(), u64::from(inode)));
        }
        at += length;
    }
    Some(())
}
