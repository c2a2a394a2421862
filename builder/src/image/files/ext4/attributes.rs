//! Extended attributes: behind an inode's fields, in a block of their own, or in inodes of their own.

use super::inode::Inode;
use super::{Attributes, Ext4};
use crate::image::bytes::{u16_le, u32_le};

const MAGIC: u32 = 0xea02_0000;
/// Where entries begin in a block.
const BLOCK_HEADER: usize = 32;
/// Largest value (`XATTR_SIZE_MAX`).
const VALUE_LIMIT: u64 = 65536;

/// What the number of a name's class stands for.
const CLASSES: [(u8, &str); 8] = [
    (0, ""),
    (1, "user."),
    (2, "system.posix_acl_access"),
    (3, "system.posix_acl_default"),
    (4, "trusted."),
    (6, "security."),
    (7, "system."),
    (8, "system.richacl"),
];

/// The attribute that holds what does not fit into an inode with inline content.
const INLINE_REST: &str = "system.data";

pub(super) fn read(volume: &Ext4<'_>, inode: &Inode) -> Result<Attributes, String> {
    let mut attributes = all(volume, inode)?;
    attributes.remove(INLINE_REST);
    Ok(attributes)
}

impl Ext4<'_> {
    /// Returns a content that is kept in the inode itself.
    pub(super) fn inline_content(&self, inode: &Inode) -> Result<Vec<u8>, String> {
        let mut content = inode.block_map().to_vec();
        content.extend(all(self, inode)?.remove(INLINE_REST).unwrap_or_default());
        let size = usize::try_from(inode.size).unwrap_or(usize::MAX);
        if size > content.len() {
            return Err(format!("the content of its inode {} is cut short", inode.number));
        }
        content.truncate(size);
        Ok(content)
    }
}

fn all(volume: &Ext4<'_>, inode: &Inode) -> Result<Attributes, String> {
    let wrong = || format!("the attributes of its inode {} are damaged", inode.number);
    let mut found = Attributes::new();
    let tail = inode.tail();
    if u32_le(tail, 0) == Some(MAGIC) {
        entries(volume, &tail[4..], &tail[4..], &mut found)?.ok_or_else(wrong)?;
    }
    if inode.attribute_block != 0 {
        let block = volume.block(inode.attribute_block)?;
        if u32_le(&block, 0) != Some(MAGIC) {
            return Err(wrong());
        }
        entries(volume, &block[BLOCK_HEADER..], &block, &mut found)?.ok_or_else(wrong)?;
    }
    Ok(found)
}

/// Reads a list of entries; offsets of values count from the start of `values`. None if it breaks the rules.
fn entries(
    volume: &Ext4<'_>,
    mut list: &[u8],
    values: &[u8],
    found: &mut Attributes,
) -> Result<Option<()>, String> {
    while u32_le(list, 0).is_some_and(|head| head != 0) {
        let Some((name, value, rest)) = entry(list) else { return Ok(None) };
        let value = match value {
            Value::Here { offset, length } => {
                let Some(value) = offset.checked_add(length).and_then(|end| values.get(offset..end)) else {
                    return Ok(None);
                };
                value.to_vec()
            }
            Value::Inode(number) => volume.whole(&volume.inode(number)?, VALUE_LIMIT)?,
        };
        found.insert(name, value);
        list = rest;
    }
    Ok(Some(()))
}

enum Value {
    Here { offset: usize, length: usize },
    Inode(u64),
}

/// Takes one entry off the list: name, value, and what follows.
fn entry(list: &[u8]) -> Option<(String, Value, &[u8])> {
    let name_length = usize::from(*list.first()?);
    let class =
        CLASSES.iter().find(|(number, _)| Some(number) == list.get(1)).map_or("unknown.", |(_, class)| class);
    let offset = usize::from(u16_le(list, 2)?);
    let inode = u32_le(list, 4)?;
    let length = usize::try_from(u32_le(list, 8)?).ok()?;
    let name = String::from_utf8_lossy(list.get(16..16 + name_length)?).into_owned();
    let value = if inode == 0 { Value::Here { offset, length } } else { Value::Inode(u64::from(inode)) };
    let rest = list.get((16 + name_length).next_multiple_of(4)..)?;
    Some((format!("{class}{name}"), value, rest))
}
