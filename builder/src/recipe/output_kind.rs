//! What a build can give, with the options of each format.

/// Output formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutputKind {
    /// Sparse raw disk.
    Raw,
    /// qcow2, version 3.
    Qcow2(Qcow2Compression),
    /// VMDK, stream-optimised.
    Vmdk,
    /// VHD.
    Vhd(VhdSubformat),
    /// The tree as a tar archive.
    Tar(TarCompression),
    /// The tree as a folder.
    Tree,
}

/// How the clusters of a qcow2 image are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Qcow2Compression {
    /// As they are.
    #[default]
    None,
    /// Deflate, which every reader of qcow2 knows.
    Zlib,
    /// Zstandard: faster; QEMU 5.1 or later.
    Zstd,
}

/// The two kinds of VHD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum VhdSubformat {
    /// The whole disk and a footer: what Azure takes. The file is sparse.
    #[default]
    Fixed,
    /// Blocks of 2 MiB as needed.
    Dynamic,
}

/// How a tar archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TarCompression {
    /// Not at all.
    #[default]
    None,
    /// gzip.
    Gzip,
    /// xz.
    Xz,
    /// Zstandard.
    Zstd,
}

impl OutputKind {
    /// Returns the format's name, as a recipe has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2(_) => "qcow2",
            Self::Vmdk => "vmdk",
            Self::Vhd(_) => "vhd",
            Self::Tar(_) => "tar",
            Self::Tree => "tree",
        }
    }

    /// Returns the option that is not the format's default, key and value as a recipe has them.
    pub fn option(self) -> Option<(&'static str, &'static str)> {
        let compression = match self {
            Self::Qcow2(compression) => compression.name(),
            Self::Tar(compression) => compression.name(),
            Self::Vhd(VhdSubformat::Dynamic) => return Some(("subformat", "dynamic")),
            Self::Raw | Self::Vmdk | Self::Vhd(VhdSubformat::Fixed) | Self::Tree => None,
        };
        compression.map(|value| ("compression", value))
    }

    /// Returns what the names of its files end in.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Tar(TarCompression::Gzip) => "tar.gz",
            Self::Tar(TarCompression::Xz) => "tar.xz",
            Self::Tar(TarCompression::Zstd) => "tar.zst",
            other => other.name(),
        }
    }

    /// Tells whether it is a disk, rather than the tree that would be on one.
    pub fn is_disk(self) -> bool {
        !matches!(self, Self::Tar(_) | Self::Tree)
    }
}

impl Qcow2Compression {
    fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Zlib => Some("zlib"),
            Self::Zstd => Some("zstd"),
        }
    }
}

impl TarCompression {
    fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Gzip => Some("gz"),
            Self::Xz => Some("xz"),
            Self::Zstd => Some("zstd"),
        }
    }
}
