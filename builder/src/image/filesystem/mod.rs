//! What is in a partition, told by the marks and superblocks of filesystems.
//!
//! A new format is one module with a `read` that returns nothing when its mark is not there, and one line in
//! [`identify`].

mod btrfs;
mod ext4;
mod fat;
mod packed;
mod swap;
mod xfs;

use serde::Serialize;

use super::Image;

pub(super) use fat::{
    LONG_NAME as FAT_LONG_NAME, RECORD as FAT_RECORD, VOLUME as FAT_VOLUME, Volume as FatVolume,
};

/// What is in a byte range of the disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Filesystem {
    /// Its format.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// `FAT12`, `FAT16`, `FAT32`; the compression of squashfs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Its label; empty for none.
    pub label: String,
    /// Its UUID, as `blkid` prints it.
    pub uuid: Option<String>,
    /// Size in bytes.
    pub size: Option<u64>,
    /// Free bytes.
    pub free: Option<u64>,
    /// Size of its blocks or clusters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_size: Option<u64>,
    /// Number of inodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inodes: Option<u64>,
    /// Inodes that are free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_inodes: Option<u64>,
    /// Whether it was left clean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clean: Option<bool>,
    /// Its features, named as its own tools do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
}

/// A filesystem's format, named as mount(8) does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "names of formats")]
pub enum Kind {
    /// Nothing that is known.
    #[default]
    None,
    Ext2,
    Ext3,
    Ext4,
    Vfat,
    Swap,
    Xfs,
    Btrfs,
    Squashfs,
    Erofs,
}

impl Kind {
    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Ext2 => "ext2",
            Self::Ext3 => "ext3",
            Self::Ext4 => "ext4",
            Self::Vfat => "vfat",
            Self::Swap => "swap",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::Squashfs => "squashfs",
            Self::Erofs => "erofs",
        }
    }

    /// Tells whether it holds files.
    pub fn has_files(self) -> bool {
        !matches!(self, Self::None | Self::Swap)
    }

    /// Tells whether its files can be read without the kernel.
    pub fn is_readable_here(self) -> bool {
        matches!(self, Self::Ext2 | Self::Ext3 | Self::Ext4 | Self::Vfat)
    }
}

type Reader = fn(&Image, u64, u64) -> Result<Option<Filesystem>, String>;

/// Tells what is in a byte range: the first format whose mark is there. Damage is part of the answer.
pub fn identify(image: &Image, start: u64, length: u64) -> Filesystem {
    let readers: [(Kind, Reader); 7] = [
        (Kind::Xfs, xfs::read),
        (Kind::Squashfs, packed::read_squashfs),
        (Kind::Erofs, packed::read_erofs),
        (Kind::Ext4, ext4::read),
        (Kind::Btrfs, btrfs::read),
        (Kind::Vfat, fat::read),
        (Kind::Swap, swap::read),
    ];
    for (kind, read) in readers {
        match read(image, start, length) {
            Ok(Some(mut found)) => {
                let beyond = found.size.is_some_and(|size| size > length);
                if beyond && found.damage.is_none() {
                    found.damage = Some("it is larger than what it is in".to_owned());
                }
                return found;
            }
            Ok(None) => {}
            Err(why) => return Filesystem { kind, damage: Some(why), ..Filesystem::default() },
        }
    }
    Filesystem::default()
}

/// Names the set bits, from bit 0 on; one without a name is shown by the set's letter and its number.
fn names(bits: u32, known: &[&str], set: char) -> Vec<String> {
    (0..32)
        .filter(|bit| bits >> bit & 1 != 0)
        .map(|bit| match known.get(bit) {
            Some(name) if !name.is_empty() => (*name).to_owned(),
            _ => format!("{set}{bit}"),
        })
        .collect()
}
