//! Extended attributes as XFS keeps them: inside the inode, or in one block of the attribute fork.

use super::folder::hash;
use super::geometry::{BLOCK, Geometry, Place};
use crate::disk::block::{big, crc32c, put};

const BYTES: usize = BLOCK as usize;
/// Header of an attribute block, and each entry of its index.
const HEADER: usize = 80;
const POINTER: usize = 8;
/// Largest attribute that is kept beside others in a block: three quarters of it.
const LARGEST: usize = BYTES / 4 * 3;

/// Names of the system's: the kernel's `trusted.`, and access lists.
const OF_ROOT: u8 = 0x2;
/// Names of `security.`.
const OF_SECURITY: u8 = 0x4;
/// In the index of a block: the value is in the block.
const LOCAL: u8 = 0x1;

/// An attribute as it is stored.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stored {
    name: Vec<u8>,
    flags: u8,
    value: Vec<u8>,
}

/// Returns the attributes of an inode as they are stored; why not, if one cannot be.
pub(super) fn stored(xattrs: &[(Vec<u8>, Vec<u8>)]) -> Result<Vec<Stored>, String> {
    xattrs.iter().map(|(name, value)| one(name, value)).collect()
}

fn one(name: &[u8], value: &[u8]) -> Result<Stored, String> {
    let stored = |name: &[u8], flags, value: Vec<u8>| Stored { name: name.to_vec(), flags, value };
    let access_list = |name: &[u8]| {
        let value = access_list(value).ok_or("its access list makes no sense; remove it and set it again")?;
        Ok(stored(name, OF_ROOT, value))
    };
    match name {
        b"system.posix_acl_access" => return access_list(b"SGI_ACL_FILE"),
        b"system.posix_acl_default" => return access_list(b"SGI_ACL_DEFAULT"),
        _ => {}
    }
    let spaces: [(&[u8], u8); 3] = [(b"user.", 0), (b"security.", OF_SECURITY), (b"trusted.", OF_ROOT)];
    let found = spaces.into_iter().find_map(|(space, flags)| Some((name.strip_prefix(space)?, flags)));
    let (name, flags) =
        found.ok_or_else(|| format!("XFS has no place for '{}'", String::from_utf8_lossy(name)))?;
    Ok(stored(name, flags, value.to_vec()))
}

/// Turns an access list from the form that `getxattr` gives (version 2, little-endian) into that on disk: a count,
/// then tag, id, permissions, big-endian, sorted as they were.
fn access_list(value: &[u8]) -> Option<Vec<u8>> {
    let entries = value.strip_prefix(&2_u32.to_le_bytes())?;
    if entries.is_empty() || !entries.len().is_multiple_of(8) {
        return None;
    }
    let mut list = u32::try_from(entries.len() / 8).ok()?.to_be_bytes().to_vec();
    for entry in entries.chunks_exact(8) {
        list.extend([0, 0, entry[1], entry[0]]);
        list.extend([entry[7], entry[6], entry[5], entry[4]]);
        list.extend([entry[3], entry[2], 0, 0]);
    }
    Some(list)
}

/// Returns the bytes inside the inode; none if a name or value is too long for that form.
pub(super) fn short(attributes: &[Stored]) -> Option<Vec<u8>> {
    let mut bytes = vec![0, 0, u8::try_from(attributes.len()).ok()?, 0];
    for Stored { name, flags, value } in attributes {
        bytes.extend([u8::try_from(name.len()).ok()?, u8::try_from(value.len()).ok()?, *flags]);
        bytes.extend(name);
        bytes.extend(value);
    }
    let total = u16::try_from(bytes.len()).ok()?;
    big::u16(&mut bytes, 0, total);
    Some(bytes)
}

/// Tells whether the attributes fit into one block.
pub(super) fn fits_block(attributes: &[Stored]) -> bool {
    let sizes: Vec<usize> = attributes.iter().map(|one| size(one) + POINTER).collect();
    HEADER + sizes.iter().sum::<usize>() <= BYTES && sizes.iter().all(|size| *size < LARGEST)
}

/// Bytes of a name and its value in a block.
fn size(attribute: &Stored) -> usize {
    (3 + attribute.name.len() + attribute.value.len()).next_multiple_of(4)
}

/// Returns the block of an attribute fork that holds all attributes: the index from the front, names and values
/// from the back.
pub(super) fn block(geometry: &Geometry, inode: u64, attributes: &[Stored], at: Place) -> Vec<u8> {
    let mut block = vec![0; BYTES];
    let mut sorted: Vec<(u32, &Stored)> = attributes.iter().map(|one| (hash(&one.name), one)).collect();
    sorted.sort_by_key(|(hash, _)| *hash);
    let mut used = BYTES;
    for (number, (hash, attribute)) in sorted.iter().enumerate() {
        used -= size(attribute);
        let entry = HEADER + number * POINTER;
        big::u32(&mut block, entry, *hash);
        big::u16(&mut block, entry + 4, used as u16);
        block[entry + 6] = attribute.flags | LOCAL;
        big::u16(&mut block, used, attribute.value.len() as u16);
        block[used + 2] = attribute.name.len() as u8;
        put(&mut block, used + 3, &attribute.name);
        put(&mut block, used + 3 + attribute.name.len(), &attribute.value);
    }
    let index_end = HEADER + sorted.len() * POINTER;
    big::u16(&mut block, 8, 0x3bee);
    big::u64(&mut block, 16, geometry.address(at));
    put(&mut block, 32, geometry.uuid.as_bytes());
    big::u64(&mut block, 48, inode);
    big::u16(&mut block, 56, sorted.len() as u16);
    big::u16(&mut block, 58, (BYTES - used) as u16);
    big::u16(&mut block, 60, used as u16);
    // The one free piece: between index and values.
    big::u16(&mut block, 64, index_end as u16);
    big::u16(&mut block, 66, (used - index_end) as u16);
    let checksum = crc32c(&block);
    put(&mut block, 12, checksum.to_le_bytes());
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_list_is_turned_around() {
        // user::rw-, user:1000:r--, mask::r--, other::---
        let mut value = 2_u32.to_le_bytes().to_vec();
        for (tag, permissions, id) in
            [(1_u16, 6_u16, u32::MAX), (2, 4, 1000), (0x10, 4, u32::MAX), (0x20, 0, u32::MAX)]
        {
            value.extend(tag.to_le_bytes());
            value.extend(permissions.to_le_bytes());
            value.extend(id.to_le_bytes());
        }
        let list = access_list(&value).expect("a list");
        assert_eq!(list.len(), 4 + 4 * 12);
        assert_eq!(list[..4], [0, 0, 0, 4]);
        assert_eq!(list[16..28], [0, 0, 0, 2, 0, 0, 3, 0xe8, 0, 4, 0, 0]);
        assert_eq!(access_list(&value[..10]), None);
    }

    #[test]
    fn attributes_outside_of_all_namespaces_are_refused() {
        let refused = stored(&[(b"system.other".to_vec(), Vec::new())]);
        assert_eq!(refused, Err("XFS has no place for 'system.other'".to_owned()));
    }
}
