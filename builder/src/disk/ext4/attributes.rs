//! Extended attributes: behind the fields of an inode, or in a block of their own.
//!
//! After the kernel's `Documentation/filesystems/ext4` (attributes) and `fs/ext4/xattr.c`.

use super::BLOCK;
use super::checksum::Checksums;
use super::inode::ROOM;
use crate::disk::block::{little, put};

const MAGIC: u32 = 0xea02_0000;
/// Bytes of a block's header, of the magic number in an inode, of an entry without its name, of the end of entries.
const HEADER: usize = 32;
const MAGIC_LENGTH: usize = 4;
const ENTRY: usize = 16;
const END: usize = 4;
const CHECKSUM: usize = 16;

/// What the beginning of a name is stored as.
const CLASSES: [(&[u8], u8); 5] = [
    (b"user.", 1),
    (b"system.posix_acl_access", 2),
    (b"system.posix_acl_default", 3),
    (b"trusted.", 4),
    (b"security.", 6),
];
/// Classes of access lists, whose names have nothing further.
const ACCESS_LISTS: [u8; 2] = [2, 3];

/// An attribute as it is stored. They are sorted as the kernel sorts those of a block.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stored {
    class: u8,
    length: usize,
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Stored {
    fn of(name: &[u8], value: &[u8]) -> Result<Self, String> {
        let shown = || String::from_utf8_lossy(name);
        let found = CLASSES.iter().find_map(|(start, class)| Some((*class, name.strip_prefix(*start)?)));
        let (class, name) = found.ok_or_else(|| format!("ext4 has no place for '{}'", shown()))?;
        let value = if ACCESS_LISTS.contains(&class) {
            if !name.is_empty() {
                return Err(format!("ext4 has no place for '{}'", shown()));
            }
            access_list(value).ok_or("its access list makes no sense; remove it and set it again")?
        } else {
            value.to_vec()
        };
        Ok(Self { class, length: name.len(), name: name.to_vec(), value })
    }

    fn entry_size(&self) -> usize {
        (ENTRY + self.length).next_multiple_of(4)
    }

    fn size(&self) -> usize {
        self.entry_size() + self.value.len().next_multiple_of(4)
    }

    /// Returns the hash of name and value.
    fn hash(&self) -> u32 {
        let name = self.name.iter().fold(0_u32, |hash, byte| hash.rotate_left(5) ^ u32::from(*byte));
        self.value.chunks(4).fold(name, |hash, part| {
            let mut word = [0; 4];
            put(&mut word, 0, part);
            hash.rotate_left(16) ^ u32::from_le_bytes(word)
        })
    }
}

/// Turns an access list from the form that `getxattr` gives (version 2: tag, permissions, id) into that on disk
/// (version 1), which has no ids where they mean nothing.
fn access_list(value: &[u8]) -> Option<Vec<u8>> {
    /// Tags of entries for a user and for a group other than the owner.
    const NAMED: [u8; 2] = [2, 8];
    let entries = value.strip_prefix(&2_u32.to_le_bytes())?;
    if entries.is_empty() || !entries.len().is_multiple_of(8) {
        return None;
    }
    let mut list = 1_u32.to_le_bytes().to_vec();
    for entry in entries.chunks_exact(8) {
        let length = if NAMED.contains(&entry[0]) { 8 } else { 4 };
        list.extend(&entry[..length]);
    }
    Some(list)
}

/// The attributes of an inode, each in its place.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    inside: Vec<Stored>,
    block: Vec<Stored>,
}

impl Attributes {
    /// Finds places: all in the inode, all in a block, or as many in the inode as fit there.
    ///
    /// # Errors
    /// Why not, if one cannot be stored.
    pub(super) fn of(xattrs: &[(Vec<u8>, Vec<u8>)]) -> Result<Self, String> {
        let mut all = xattrs
            .iter()
            .map(|(name, value)| Stored::of(name, value))
            .collect::<Result<Vec<Stored>, String>>()?;
        all.sort();
        if fits(&all, ROOM - MAGIC_LENGTH) {
            return Ok(Self { inside: all, block: Vec::new() });
        }
        let in_block = BLOCK as usize - HEADER;
        if fits(&all, in_block) {
            return Ok(Self { inside: Vec::new(), block: all });
        }
        let mut room = ROOM - MAGIC_LENGTH - END;
        let (inside, block): (Vec<Stored>, Vec<Stored>) = all.into_iter().partition(|one| {
            let fits = one.size() <= room;
            room -= if fits { one.size() } else { 0 };
            fits
        });
        if fits(&block, in_block) {
            return Ok(Self { inside, block });
        }
        Err("ext4 cannot hold more than 4 KiB of extended attributes of one file; remove some".into())
    }

    /// Tells whether there is a block of them.
    pub(super) fn has_block(&self) -> bool {
        !self.block.is_empty()
    }

    /// Returns what is behind the fields of the inode.
    pub(super) fn inside(&self) -> Vec<u8> {
        if self.inside.is_empty() {
            return Vec::new();
        }
        let mut bytes = vec![0; ROOM];
        little::u32(&mut bytes, 0, MAGIC);
        // Values are found from the first entry on.
        fill(&mut bytes[MAGIC_LENGTH..], 0, &self.inside);
        bytes
    }

    /// Returns the block, which will be at `at`.
    pub(super) fn block(&self, at: u64, checksums: Checksums) -> Vec<u8> {
        let mut block = vec![0; BLOCK as usize];
        fill(&mut block, HEADER, &self.block);
        little::u32(&mut block, 0, MAGIC);
        // One inode refers to it, and it is one block.
        little::u32(&mut block, 4, 1);
        little::u32(&mut block, 8, 1);
        let hash = self.block.iter().fold(0_u32, |hash, one| hash.rotate_left(16) ^ one.hash());
        little::u32(&mut block, 12, hash);
        let checksum = checksums.of_parts(&[&at.to_le_bytes(), &block]);
        little::u32(&mut block, CHECKSUM, checksum);
        block
    }
}

fn fits(attributes: &[Stored], room: usize) -> bool {
    attributes.is_empty() || attributes.iter().map(Stored::size).sum::<usize>() + END <= room
}

/// Puts entries into `bytes` from `at` on, and their values at its end.
fn fill(bytes: &mut [u8], mut at: usize, attributes: &[Stored]) {
    let mut values = bytes.len();
    for attribute in attributes {
        values -= attribute.value.len().next_multiple_of(4);
        bytes[at] = attribute.length as u8;
        bytes[at + 1] = attribute.class;
        little::u16(bytes, at + 2, if attribute.value.is_empty() { 0 } else { values as u16 });
        little::u32(bytes, at + 8, attribute.value.len() as u32);
        little::u32(bytes, at + 12, attribute.hash());
        put(bytes, at + ENTRY, &attribute.name);
        put(bytes, values, &attribute.value);
        at += attribute.entry_size();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_list_loses_ids_that_mean_nothing() {
        // user::rw-, user:1000:r--, mask::r--, other::---
        let mut value = 2_u32.to_le_bytes().to_vec();
        for (tag, permissions, id) in
            [(1_u16, 6_u16, u32::MAX), (2, 4, 1000), (0x10, 4, u32::MAX), (0x20, 0, u32::MAX)]
        {
            value.extend(tag.to_le_bytes());
            value.extend(permissions.to_le_bytes());
            value.extend(id.to_le_bytes());
        }
        let expected = [1, 0, 0, 0, 1, 0, 6, 0, 2, 0, 4, 0, 0xe8, 3, 0, 0, 0x10, 0, 4, 0, 0x20, 0, 0, 0];
        assert_eq!(access_list(&value).expect("a list"), expected);
        assert_eq!(access_list(&value[..10]), None);
    }

    #[test]
    fn places_follow_sizes() {
        let named = |name: &str, length: usize| (format!("user.{name}").into_bytes(), vec![1; length]);
        let places = |xattrs: &[(Vec<u8>, Vec<u8>)]| {
            Attributes::of(xattrs).map(|found| (found.inside.len(), found.block.len()))
        };
        assert_eq!(places(&[]), Ok((0, 0)));
        assert_eq!(places(&[named("a", 60)]), Ok((1, 0)));
        assert_eq!(places(&[named("a", 60), named("b", 60)]), Ok((0, 2)));
        assert_eq!(places(&[named("a", 60), named("b", 4000)]), Ok((1, 1)));
        assert!(places(&[named("a", 4096)]).is_err());
        let refused = places(&[(b"system.other".to_vec(), Vec::new())]);
        assert_eq!(refused, Err("ext4 has no place for 'system.other'".to_owned()));
    }
}
