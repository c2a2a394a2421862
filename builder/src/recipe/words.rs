//! The words of a recipe that later stages use as they are.

use std::fmt;
use std::path::PathBuf;

/// Processor architecture, in Debian's spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// x86, 64 bits.
    Amd64,
}

impl Architecture {
    /// Returns Debian's name.
    pub fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
        }
    }
}

/// Debian's base sets, by `Essential` and `Priority` fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// Nothing but what is named; for trees that are only unpacked.
    Custom,
    /// `Essential: yes` and what they depend on.
    Essential,
    /// Essential, `Priority: required`, and apt.
    Minbase,
    /// Minbase and `Priority: important`.
    Important,
    /// Important and `Priority: standard`.
    Standard,
}

/// What is wanted of a named package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want {
    /// `name`: the candidate version.
    Install,
    /// `name=version`: exactly this version.
    Version(String),
    /// `name/suite`: the version of this suite.
    Suite(String),
    /// `name-`: never.
    Never,
    /// `./file.deb`: this file, resolved against the recipe file that names it.
    File(PathBuf),
}

/// Where a file's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileContent {
    /// Written in the recipe.
    Inline(String),
    /// Copied from this host file.
    Host(PathBuf),
    /// A symbolic link with this target.
    Link(String),
}

/// Kind of partition table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// GUID partition table.
    Gpt,
    /// MBR, the table of the BIOS: four primary partitions, 2 TiB.
    Msdos,
}

impl TableKind {
    /// Returns the recipe's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gpt => "gpt",
            Self::Msdos => "msdos",
        }
    }
}

/// How big something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizeRule {
    /// Content and a margin; `disk` completes it from the tree.
    Auto,
    /// Exactly this many bytes.
    Bytes(u64),
}

impl fmt::Display for SizeRule {
    /// Writes the size as a recipe does, in the largest unit that is exact.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Bytes(bytes) = *self else { return f.pad("auto") };
        let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
        match units.into_iter().find(|(shift, _)| bytes.is_multiple_of(1 << shift)) {
            Some((shift, unit)) => f.pad(&format!("{}{unit}", bytes >> shift)),
            None => f.pad(&format!("{bytes} bytes")),
        }
    }
}

/// What a partition is for; decides its type in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionKind {
    /// Holds GRUB's core image; no filesystem.
    BiosBoot,
    /// EFI system partition.
    Esp,
    /// Extended boot loader partition: `/boot`, kernels and GRUB's files.
    Xbootldr,
    /// The root filesystem (x86-64 root of the Discoverable Partitions Specification).
    Root,
    /// `/home`.
    Home,
    /// `/srv`.
    Srv,
    /// `/var`.
    Var,
    /// Any Linux filesystem.
    Linux,
    /// Swap space.
    Swap,
}

impl PartitionKind {
    /// Returns the recipe's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::BiosBoot => "bios-boot",
            Self::Esp => "esp",
            Self::Xbootldr => "xbootldr",
            Self::Root => "root",
            Self::Home => "home",
            Self::Srv => "srv",
            Self::Var => "var",
            Self::Linux => "linux",
            Self::Swap => "swap",
        }
    }
}

/// Filesystem formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilesystemKind {
    /// ext2: no journal.
    Ext2,
    /// ext3: ext2 and a journal.
    Ext3,
    /// ext4.
    Ext4,
    /// XFS.
    Xfs,
    /// btrfs, with or without subvolumes.
    Btrfs,
    /// squashfs: compressed, never written to.
    Squashfs,
    /// EROFS: never written to, made for fast reading.
    Erofs,
    /// FAT, 16 or 32 bits by size.
    Vfat,
    /// Swap space.
    Swap,
}

impl FilesystemKind {
    /// Returns the recipe's word, which is also the kernel's and `blkid`'s.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext2 => "ext2",
            Self::Ext3 => "ext3",
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::Squashfs => "squashfs",
            Self::Erofs => "erofs",
            Self::Vfat => "vfat",
            Self::Swap => "swap",
        }
    }

    /// Tells whether it is ext2 or one of its heirs, which share mke2fs, e2fsck, their driver and GRUB's module.
    pub fn is_ext(self) -> bool {
        matches!(self, Self::Ext2 | Self::Ext3 | Self::Ext4)
    }

    /// Tells whether Linux can make it larger while it is mounted.
    pub fn can_grow(self) -> bool {
        self.is_ext() || matches!(self, Self::Xfs | Self::Btrfs)
    }

    /// Returns GRUB's module that reads it, for formats on which `/boot` may be.
    pub fn grub_module(self) -> Option<&'static str> {
        match self {
            Self::Ext2 | Self::Ext3 | Self::Ext4 => Some("ext2"),
            Self::Xfs => Some("xfs"),
            Self::Btrfs => Some("btrfs"),
            // GRUB reads squashfs but not every compression, and no release's reads EROFS; nor could a kernel be renewed.
            Self::Squashfs | Self::Erofs | Self::Vfat | Self::Swap => None,
        }
    }

    /// Tells whether it is made once and never written to.
    pub fn is_read_only(self) -> bool {
        matches!(self, Self::Squashfs | Self::Erofs)
    }

    /// Returns the smallest filesystem that is made, in bytes; 0 for formats that know no such limit.
    pub fn smallest(self) -> u64 {
        match self {
            // mkfs.xfs makes none that is smaller.
            Self::Xfs => 300 << 20,
            // Smaller ones leave the kernel no room for chunks of its own.
            Self::Btrfs => 128 << 20,
            _ => 0,
        }
    }
}

/// Kinds of quotas; a clone knows the same words.
pub use contract::quota::Whose as QuotaKind;

/// What a guest test does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestAction {
    /// A command that must exit with 0, run by `/bin/sh -ec`.
    Run(String),
    /// A TCP port of the guest that must accept a connection.
    Port(u16),
}

/// A mirror of the Debian archive that is used for building.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MirrorChoice {
    /// A Debian host's own apt sources, else the archive's public address.
    Auto,
    /// The Debian archive at this address (the folder that holds `dists/`), without a trailing slash.
    Uri(String),
}
