//! The plan's data: what later stages obey.

use std::path::PathBuf;

use uuid::Uuid;

pub use crate::recipe::{
    Architecture, Credential, FileContent, FilesystemKind, LocalPackage, MirrorChoice, OutputKind,
    PartitionKind, Qcow2Compression, QuotaKind, SizeRule, TableKind, TarCompression, TestAction, Variant,
    VhdSubformat, Want,
};

/// Everything that the recipe alone decides about an image.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The recipe's name; artifacts are called after it.
    pub name: String,
    /// SHA-256 over the recipe's resolved text (includes merged, variables replaced), lower-case hex.
    pub recipe_digest: String,
    /// What that text says, as JSON.
    pub recipe: serde_json::Value,
    /// Version 5 UUID from which every other identifier of the image is derived.
    pub seed: Uuid,
    /// Processor architecture of the image.
    pub architecture: Architecture,
    /// Where packages come from, the release first, then updates, security and the recipe's own.
    pub repositories: Vec<Repository>,
    /// The mirrors through which the Debian archive is reached, in the order in which they are tried.
    pub mirrors: Vec<MirrorChoice>,
    /// Names and passwords that archives ask for.
    pub credentials: Vec<Credential>,
    /// The release the image is made from.
    pub suite: String,
    /// What is to be installed.
    pub packages: PackageRequest,
    /// The .debs among it that are files of this machine.
    pub local: Vec<LocalPackage>,
    /// The tools tree: packages of a fixed release, unpacked only, that make filesystems.
    pub tools: ToolsRequest,
    /// `debconf:` lines, preseeded before anything is configured.
    pub debconf: Vec<String>,
    /// What is done to the tree after its packages are configured.
    pub customise: Customise,
    /// The partition table and its filesystems; none for `tar` and `tree` outputs.
    pub disk: Option<DiskPlan>,
    /// How the image boots; none without a disk.
    pub boot: Option<BootPlan>,
    /// What is written at the end.
    pub outputs: Vec<OutputKind>,
    /// Tests that run in the booted guest; their presence lets the image accept a test bundle.
    pub tests: Vec<GuestTest>,
    /// Clouds that the image is put into when that is asked: arguments of `bootwright upload`, less the image.
    pub uploads: Vec<Vec<String>>,
}

impl Plan {
    /// Tells whether the image holds the program `firstboot`.
    pub fn holds_firstboot(&self) -> bool {
        !self.tests.is_empty() || self.customise.firstboot.is_some()
    }
}

/// One suite of one archive.
#[derive(Debug, Clone)]
pub struct Repository {
    /// Short name for messages, for example `bookworm-security`.
    pub name: String,
    /// Where it is.
    pub origin: Origin,
    /// The suite as written below `dists/`, for example `bookworm-security`; one that ends in a slash is the path of a
    /// flat repository below the base address.
    pub suite: String,
    /// Components, for example `main`; none of a flat repository.
    pub components: Vec<String>,
    /// Keys that may sign its Release file.
    pub signed_by: SignedBy,
    /// apt pin priority; apt's default of 500 when none is given.
    pub pin: Option<i32>,
    /// Name of the files by which the image's own apt knows it, without their endings; none when apt is not to know
    /// it, or knows it by [`Customise::apt_sources`].
    pub in_image: Option<String>,
}

impl Repository {
    /// Returns whether it has no `dists/`: lists and packages lie where the suite, then a path, says.
    pub fn is_flat(&self) -> bool {
        self.suite.ends_with('/')
    }
}

/// Where a repository is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The Debian archive, through whichever mirror applies.
    Debian,
    /// The Debian security archive, through whichever mirror applies.
    DebianSecurity,
    /// A fixed base address (the folder that holds `dists/`, or in which a flat repository is).
    Uri(String),
}

impl Origin {
    /// Returns the base address by which everybody knows it, without a trailing slash: Debian's own servers, whichever mirror
    /// serves a build.
    pub fn address(&self) -> &str {
        match self {
            Self::Debian => "http://ftp.debian.org/debian",
            Self::DebianSecurity => "http://security.debian.org/debian-security",
            Self::Uri(uri) => uri.trim_end_matches('/'),
        }
    }
}

/// Which keys may sign a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedBy {
    /// The Debian archive keys shipped with the program.
    DebianArchive,
    /// A keyring file (binary or armoured), path already resolved against the recipe.
    File(PathBuf),
}

/// What the package set must satisfy.
#[derive(Debug, Clone)]
pub struct PackageRequest {
    /// The base set.
    pub variant: Variant,
    /// Further wishes in the recipe's order, the kernel and what booting needs included.
    pub terms: Vec<PackageTerm>,
    /// Whether Recommends are installed.
    pub recommends: bool,
}

/// One wish, in apt's forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageTerm {
    /// Package name, possibly virtual.
    pub name: String,
    /// What is wanted of it.
    pub want: Want,
    /// `file:line:column` of the wish, for messages.
    pub origin: String,
}

/// The unpack-only tree that holds mke2fs and its like.
#[derive(Debug, Clone)]
pub struct ToolsRequest {
    /// Where it comes from: always one fixed release.
    pub repository: Repository,
    /// Names wanted; hard dependencies follow.
    pub packages: Vec<String>,
}

/// What is done to a configured tree, in this order of fields.
#[derive(Debug, Clone, Default)]
pub struct Customise {
    /// Folders copied as they are.
    pub overlays: Vec<Overlay>,
    /// Single files.
    pub files: Vec<FileEntry>,
    /// Users.
    pub users: Vec<User>,
    /// Value of `LANG`, for example `C.UTF-8`.
    pub locale: Option<String>,
    /// Zone name, for example `Etc/UTC`.
    pub timezone: Option<String>,
    /// What a clone does when it first boots: the document that firstboot reads, as JSON.
    pub firstboot: Option<String>,
    /// systemd units.
    pub services: Services,
    /// Commands run in the tree.
    pub run: Vec<RunStep>,
    /// What may be found in the finished tree.
    pub residue: Vec<Residue>,
    /// Lines of the image's own `/etc/apt/sources.list.d/debian.sources`, already rendered.
    pub apt_sources: String,
}

/// Something that images must not hold without a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Residue {
    /// The file in the image, or a folder of such files.
    pub path: String,
    /// Why it is there.
    pub reason: String,
}

/// A folder of the recipe's that is laid over the tree.
#[derive(Debug, Clone)]
pub struct Overlay {
    /// Folder on the host, resolved against the recipe file that named it.
    pub from: PathBuf,
    /// Owner of everything in it: a user of the image.
    pub owner: String,
    /// Owners of single paths below it (relative, no leading slash), deeper paths win.
    pub map: Vec<(String, String)>,
}

/// A single file to be written.
#[derive(Debug, Clone)]
pub struct FileEntry {
    /// Absolute path in the image.
    pub path: String,
    /// What it holds.
    pub content: FileContent,
    /// Permission bits.
    pub mode: u32,
    /// Owner, a user of the image.
    pub owner: String,
    /// Group, a group of the image.
    pub group: String,
}

/// A user of the image. Passwords are locked.
#[derive(Debug, Clone)]
pub struct User {
    /// Login name.
    pub name: String,
    /// Supplementary groups, which must exist.
    pub groups: Vec<String>,
    /// Lines of `authorized_keys`.
    pub ssh_keys: Vec<String>,
    /// Login shell; `/bin/bash` unless given.
    pub shell: String,
    /// Whether it is a system user (no home unless given, uid below 1000).
    pub system: bool,
    /// Home folder; `/home/NAME` unless given.
    pub home: Option<String>,
}

/// Units to enable, disable and mask; names with a suffix (`ssh.service`).
#[derive(Debug, Clone, Default)]
pub struct Services {
    /// Enabled now and after the first boot's preset run.
    pub enable: Vec<String>,
    /// Disabled now and after the first boot's preset run.
    pub disable: Vec<String>,
    /// Masked.
    pub mask: Vec<String>,
}

/// A command run in the tree by `/bin/sh -ec`.
#[derive(Debug, Clone)]
pub struct RunStep {
    /// What it is for; shown while it runs.
    pub name: String,
    /// The script.
    pub command: String,
    /// Whether it may use the network.
    pub network: bool,
    /// `file:line:column`, for messages.
    pub origin: String,
}

/// The partition table.
#[derive(Debug, Clone)]
pub struct DiskPlan {
    /// Kind of table.
    pub table: TableKind,
    /// The table's own GUID; an msdos table has a signature made of it.
    pub guid: Uuid,
    /// Size of the whole disk.
    pub size: SizeRule,
    /// Partitions in the order of the recipe, which is their order on disk and their numbers from 1.
    pub partitions: Vec<PartitionPlan>,
}

impl DiskPlan {
    /// Returns the disk signature of an msdos table: the first four bytes of the GUID, little endian. Zero would
    /// stand for none.
    pub fn signature(&self) -> u32 {
        let b = self.guid.as_bytes();
        u32::from_le_bytes([b[0], b[1], b[2], b[3]]).max(1)
    }

    /// Returns the table's identifier as `blkid` prints it (`PTUUID`).
    pub fn identifier(&self) -> String {
        match self.table {
            TableKind::Gpt => self.guid.to_string(),
            TableKind::Msdos => format!("{:08x}", self.signature()),
        }
    }

    /// Returns the identifier of the partition with this number (from 1) as `blkid` prints it (`PARTUUID`).
    pub fn partition_identifier(&self, number: usize) -> String {
        match self.table {
            TableKind::Gpt => {
                let partition = number.checked_sub(1).and_then(|index| self.partitions.get(index));
                partition.map(|partition| partition.guid.to_string()).unwrap_or_default()
            }
            TableKind::Msdos => format!("{:08x}-{number:02x}", self.signature()),
        }
    }

    /// Returns the filesystem mounted at `mount` and the number of its partition, from 1.
    pub fn mounted(&self, mount: &str) -> Option<(usize, &FilesystemPlan)> {
        let numbered = (1..).zip(&self.partitions);
        numbered
            .filter_map(|(number, partition)| Some((number, partition.filesystem.as_ref()?)))
            .find(|(_, filesystem)| filesystem.mounts().any(|known| known.point == mount))
    }

    /// Returns the filesystem that holds `/boot`, and with it GRUB's files, and the number of its partition.
    pub fn boot_filesystem(&self) -> Option<(usize, &FilesystemPlan)> {
        self.mounted("/boot").or_else(|| self.mounted("/"))
    }
}

/// One partition.
#[derive(Debug, Clone)]
pub struct PartitionPlan {
    /// What it is for.
    pub kind: PartitionKind,
    /// GPT partition name; an msdos table has no place for it.
    pub name: String,
    /// Its GUID; an msdos table numbers its partitions instead (see [`DiskPlan::partition_identifier`]).
    pub guid: Uuid,
    /// Its size.
    pub size: SizeRule,
    /// What is in it; none for bios-boot.
    pub filesystem: Option<FilesystemPlan>,
    /// Whether the clone grows it to fill the disk.
    pub grow: bool,
    /// Where the recipe says so, `file:line:column`.
    pub origin: String,
}

/// A filesystem and where it is mounted.
#[derive(Debug, Clone)]
pub struct FilesystemPlan {
    /// Its format.
    pub kind: FilesystemKind,
    /// Its UUID; a vfat volume id is the first four bytes, `XXXX-XXXX`.
    pub uuid: Uuid,
    /// Its label, empty for none.
    pub label: String,
    /// Absolute mount point; none for swap.
    pub mount: Option<String>,
    /// Mount options for fstab.
    pub options: Vec<String>,
    /// Quotas that are enabled in the filesystem.
    pub quota: Vec<QuotaKind>,
    /// Subvolumes, which are mounted instead of the whole; none where the whole is.
    pub subvolumes: Vec<SubvolumePlan>,
}

/// A subvolume of btrfs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubvolumePlan {
    /// Its name at the top of the filesystem, without slashes.
    pub path: String,
    /// Absolute mount point; none for one that is made empty and not mounted.
    pub mount: Option<String>,
    /// Mount options for fstab beside the filesystem's, `subvol=` not among them.
    pub options: Vec<String>,
}

/// A place at which a filesystem, or a subvolume of it, is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MountPlan<'a> {
    /// Absolute path.
    pub point: &'a str,
    /// The subvolume; none for the whole.
    pub subvolume: Option<&'a SubvolumePlan>,
}

impl FilesystemPlan {
    /// Returns every place at which it or a subvolume of it is mounted.
    pub fn mounts(&self) -> impl Iterator<Item = MountPlan<'_>> {
        let whole = self.mount.as_deref().map(|point| MountPlan { point, subvolume: None });
        let parts = self.subvolumes.iter().filter_map(|subvolume| {
            Some(MountPlan { point: subvolume.mount.as_deref()?, subvolume: Some(subvolume) })
        });
        whole.into_iter().chain(parts)
    }

    /// Returns the UUID as `blkid` prints it for this format.
    pub fn uuid_text(&self) -> String {
        match self.kind {
            FilesystemKind::Vfat => {
                let id = self.volume_id();
                format!("{:04X}-{:04X}", id >> 16, id & 0xffff)
            }
            _ => self.uuid.to_string(),
        }
    }

    /// Returns the 32-bit volume id of a FAT filesystem.
    pub fn volume_id(&self) -> u32 {
        let b = self.uuid.as_bytes();
        u32::from_be_bytes([b[0], b[1], b[2], b[3]])
    }
}

/// How the image boots.
#[derive(Debug, Clone)]
pub struct BootPlan {
    /// GRUB in the BIOS boot partition.
    pub bios: bool,
    /// GRUB on the ESP.
    pub uefi: bool,
    /// Debian's signed shim and GRUB rather than an unsigned GRUB.
    pub secure: bool,
    /// Kernel arguments of the recipe, `root=` not among them.
    pub kernel_command_line: Vec<String>,
}

/// A test that runs in the booted guest.
#[derive(Debug, Clone)]
pub struct GuestTest {
    /// Its name in reports.
    pub name: String,
    /// What it does.
    pub action: TestAction,
    /// Limit in seconds.
    pub timeout: u64,
}
