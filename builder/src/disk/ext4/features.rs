//! Features of ext4, ext3 and ext2, by the release that will mount the filesystem.

use crate::plan::{FilesystemKind, QuotaKind};
use crate::resolve::Locked;

/// A feature: its name as e2fsprogs has it, and its number in the kernel's `Documentation/filesystems/ext4`.
type Feature = (&'static str, Number);

/// What it means for who does not know the feature: nothing, no mount, or no mount for writing.
#[derive(Debug, Clone, Copy)]
enum Number {
    Compatible(u32),
    Incompatible(u32),
    ReadOnly(u32),
}
use Number::{Compatible, Incompatible, ReadOnly};

/// ext2 as the ext3 of 2001 and every system since has it.
const EXT2: &[Feature] = &[
    ("ext_attr", Compatible(0x8)),
    ("resize_inode", Compatible(0x10)),
    ("dir_index", Compatible(0x20)),
    ("filetype", Incompatible(0x2)),
    ("sparse_super", ReadOnly(0x1)),
    ("large_file", ReadOnly(0x2)),
];

/// What ext3 adds.
const EXT3: &[Feature] = &[("has_journal", Compatible(0x4))];

/// What ext4 adds that every release since bullseye mounts and its own tools check.
const EXT4: &[Feature] = &[
    ("extent", Incompatible(0x40)),
    ("64bit", Incompatible(0x80)),
    ("flex_bg", Incompatible(0x200)),
    ("huge_file", ReadOnly(0x8)),
    ("dir_nlink", ReadOnly(0x20)),
    ("extra_isize", ReadOnly(0x40)),
    ("metadata_csum", ReadOnly(0x400)),
];

/// On by default from trixie on; bookworm's e2fsprogs knows them, its GRUB and older tools do not.
const SINCE_TRIXIE: &[Feature] =
    &[("metadata_csum_seed", Incompatible(0x2000)), ("orphan_file", Compatible(0x1000))];

/// Limits for the files of a project, which are marked in their inodes.
const PROJECT: &[Feature] = &[("project", ReadOnly(0x2000))];

/// Releases whose own mke2fs sets the newer features.
const NEW_RELEASES: &[&str] = &["trixie", "forky", "sid"];

/// What the target's kernel, GRUB and e2fsprogs are known to cope with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// Up to bookworm, and anything unknown.
    Conservative,
    /// Trixie and later.
    Trixie,
}

impl Release {
    /// Tells which features fit what is being built: the codename of its base repository decides, the suite's
    /// name if there is no Release file.
    pub fn of(locked: &Locked) -> Self {
        let codename =
            locked.releases.first().map_or(locked.plan.suite.as_str(), |release| &release.codename);
        if NEW_RELEASES.contains(&codename) { Self::Trixie } else { Self::Conservative }
    }
}

/// The features of a filesystem.
#[derive(Debug)]
pub(super) struct Features(Vec<Feature>);

impl Features {
    pub(super) fn of(kind: FilesystemKind, release: Release, quota: &[QuotaKind]) -> Self {
        let ext4 = kind == FilesystemKind::Ext4;
        let sets = [
            (true, EXT2),
            (kind != FilesystemKind::Ext2, EXT3),
            (ext4, EXT4),
            (ext4 && release == Release::Trixie, SINCE_TRIXIE),
            (ext4 && quota.contains(&QuotaKind::Project), PROJECT),
        ];
        Self(sets.iter().filter(|(wanted, _)| *wanted).flat_map(|(_, set)| set.iter().copied()).collect())
    }

    /// Returns the argument of mke2fs's `-O`: first nothing, then each feature by name.
    pub(super) fn list(&self) -> String {
        self.0.iter().fold("none".to_owned(), |list, (name, _)| format!("{list},{name}"))
    }

    /// Tells whether one is among them.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| *known == name)
    }

    /// Returns the superblock's three words: compatible, incompatible, compatible for reading.
    pub(super) fn words(&self) -> [u32; 3] {
        self.0.iter().fold([0; 3], |[compatible, incompatible, read_only], (_, number)| match number {
            Compatible(bit) => [compatible | bit, incompatible, read_only],
            Incompatible(bit) => [compatible, incompatible | bit, read_only],
            ReadOnly(bit) => [compatible, incompatible, read_only | bit],
        })
    }
}
