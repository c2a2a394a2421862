//! What a recipe says, decoded and with places. Only words of the schema are left here; whether they fit
//! together is decided by `plan`.

use std::path::PathBuf;

use super::credentials::Credential;
use super::output_kind::OutputKind;
use super::source::{Located, Span};
use crate::store::Sha256Digest;

use super::words::{
    Architecture, FileContent, FilesystemKind, MirrorChoice, PartitionKind, QuotaKind, SizeRule, TableKind,
    TestAction, Variant, Want,
};

/// A whole recipe, includes merged and variables replaced.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Place of the recipe's file, for errors about what is missing.
    pub at: Span,
    /// SHA-256 of the merged text in a normal form, lower-case hex.
    pub digest: String,
    /// What the same tree says as JSON, without what may be a secret.
    pub resolved: serde_json::Value,
    /// `name`.
    pub name: Located<String>,
    /// `architecture`; amd64 unless given.
    pub architecture: Architecture,
    /// `distribution`.
    pub distribution: Distribution,
    /// `packages`.
    pub packages: Vec<PackageWish>,
    /// The .debs that `packages` and `kernel` name by their path, each once.
    pub local: Vec<LocalPackage>,
    /// `recommends`.
    pub recommends: bool,
    /// `kernel`.
    pub kernel: Option<PackageWish>,
    /// `debconf`.
    pub debconf: Vec<String>,
    /// `disk`.
    pub disk: Option<Disk>,
    /// `boot`.
    pub boot: Option<Boot>,
    /// `overlays`.
    pub overlays: Vec<Overlay>,
    /// `files`.
    pub files: Vec<File>,
    /// `users`.
    pub users: Vec<User>,
    /// `locale`.
    pub locale: Option<Located<String>>,
    /// `timezone`.
    pub timezone: Option<Located<String>>,
    /// `firstboot`: the document that a clone reads, as JSON.
    pub firstboot: Option<Located<String>>,
    /// `services`.
    pub services: Services,
    /// `run`.
    pub run: Vec<Run>,
    /// `residue`.
    pub residue: Vec<Residue>,
    /// `apt_sources`.
    pub apt_sources: Option<Vec<AptSource>>,
    /// `outputs`.
    pub outputs: Vec<Located<OutputKind>>,
    /// `tests`.
    pub tests: Vec<Test>,
    /// `upload`.
    pub uploads: Vec<Upload>,
}

/// One cloud of `upload`.
#[derive(Debug, Clone)]
pub struct Upload {
    /// Where it is asked for.
    pub at: Span,
    /// The cloud's word.
    pub cloud: &'static str,
    /// What is asked, as `bootwright upload` takes it.
    pub flags: Vec<String>,
}

/// `distribution`: what the image is made from.
#[derive(Debug, Clone)]
pub struct Distribution {
    /// `debian.suite`.
    pub suite: Located<String>,
    /// `debian.variant`; minbase unless given.
    pub variant: Variant,
    /// `debian.components`; main unless given.
    pub components: Vec<String>,
    /// `debian.security`; true unless given, where the suite has security updates.
    pub security: Option<Located<bool>>,
    /// `debian.updates`; true unless given, where the suite has updates.
    pub updates: Option<Located<bool>>,
    /// `mirror`, in the order in which they are tried; auto unless given.
    pub mirrors: Vec<MirrorChoice>,
    /// `auth`, resolved against the file that names it.
    pub auth: Option<Located<PathBuf>>,
    /// What the auth files hold, in the order of their keys.
    pub credentials: Vec<Credential>,
    /// `repositories`.
    pub repositories: Vec<ExtraRepository>,
}

/// One of `distribution.repositories`.
#[derive(Debug, Clone)]
pub struct ExtraRepository {
    /// Where the entry is.
    pub at: Span,
    /// `uri`, without a trailing slash.
    pub uri: String,
    /// `suite`; one that ends in a slash is the path of a flat repository.
    pub suite: String,
    /// `components`; none of a flat repository.
    pub components: Vec<String>,
    /// `signed_by`, resolved against the file that names it.
    pub signed_by: Option<Located<PathBuf>>,
    /// `pin`.
    pub pin: Option<i32>,
    /// `auth`, resolved against the file that names it.
    pub auth: Option<Located<PathBuf>>,
    /// `in_image`.
    pub in_image: Option<Located<bool>>,
}

/// A .deb that the recipe names by its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalPackage {
    /// The file, absolute.
    pub path: PathBuf,
    /// `Package` field.
    pub name: String,
    /// `Version` field.
    pub version: String,
    /// `Architecture` field: the image's or `all`.
    pub architecture: String,
    /// Its whole control file.
    pub control: String,
    /// Size in bytes.
    pub size: u64,
    /// Digest of the whole file.
    pub sha256: Sha256Digest,
}

/// One of `packages`, or `kernel`.
#[derive(Debug, Clone)]
pub struct PackageWish {
    /// Name, possibly virtual; of a file, the name in its control file.
    pub name: String,
    /// What is wanted of it.
    pub want: Want,
    /// Where it is.
    pub at: Span,
}

/// `disk`.
#[derive(Debug, Clone)]
pub struct Disk {
    /// Where it is.
    pub at: Span,
    /// `table`; gpt unless given.
    pub table: TableKind,
    /// `size`; auto unless given.
    pub size: Located<SizeRule>,
    /// `partitions`.
    pub partitions: Vec<Partition>,
}

/// One of `disk.partitions`, as written.
#[derive(Debug, Clone)]
pub struct Partition {
    /// Where the entry is.
    pub at: Span,
    /// `type`.
    pub kind: PartitionKind,
    /// `filesystem`.
    pub filesystem: Option<Located<FilesystemKind>>,
    /// `mount`.
    pub mount: Option<Located<String>>,
    /// `size`.
    pub size: Option<Located<SizeRule>>,
    /// `label`.
    pub label: Option<Located<String>>,
    /// `grow`, where it is true.
    pub grow: Option<Span>,
    /// `quota`.
    pub quota: Vec<Located<QuotaKind>>,
    /// `options`.
    pub options: Option<Located<Vec<String>>>,
    /// `subvolumes`, and where they are; none if the key is not given.
    pub subvolumes: Option<Located<Vec<Subvolume>>>,
}

/// One of a partition's `subvolumes`.
#[derive(Debug, Clone)]
pub struct Subvolume {
    /// `path`: its name at the top of the filesystem.
    pub path: Located<String>,
    /// `mount`.
    pub mount: Option<Located<String>>,
    /// `options`, beside the partition's.
    pub options: Vec<String>,
}

/// `boot`.
#[derive(Debug, Clone)]
pub struct Boot {
    /// Where it is.
    pub at: Span,
    /// `grub.bios`; true unless given.
    pub bios: Located<bool>,
    /// `grub.uefi`; true unless given.
    pub uefi: Located<bool>,
    /// `grub.secure`; none stands for auto.
    pub secure: Located<Option<bool>>,
    /// `kernel_command_line`.
    pub kernel_command_line: Vec<String>,
}

/// One of `overlays`.
#[derive(Debug, Clone)]
pub struct Overlay {
    /// `from`, resolved against the file that names it.
    pub from: Located<PathBuf>,
    /// `owner`; root unless given.
    pub owner: String,
    /// `map`.
    pub map: Vec<(Located<String>, String)>,
}

/// One of `files`.
#[derive(Debug, Clone)]
pub struct File {
    /// `path`.
    pub path: Located<String>,
    /// `content`, `from` or `link`.
    pub content: Located<FileContent>,
    /// `mode`.
    pub mode: u32,
    /// `owner`; root unless given.
    pub owner: String,
    /// `group`; root unless given.
    pub group: String,
}

/// One of `users`.
#[derive(Debug, Clone)]
pub struct User {
    /// `name`.
    pub name: Located<String>,
    /// `groups`.
    pub groups: Vec<String>,
    /// `ssh_keys`.
    pub ssh_keys: Vec<String>,
    /// `shell`.
    pub shell: Option<String>,
    /// `system`.
    pub system: bool,
    /// `home`.
    pub home: Option<String>,
}

/// `services`; units with their suffix.
#[derive(Debug, Clone, Default)]
pub struct Services {
    /// `enable`.
    pub enable: Vec<Located<String>>,
    /// `disable`.
    pub disable: Vec<Located<String>>,
    /// `mask`.
    pub mask: Vec<Located<String>>,
}

/// One of `run`.
#[derive(Debug, Clone)]
pub struct Run {
    /// `name`.
    pub name: Located<String>,
    /// `command`.
    pub command: String,
    /// `network`.
    pub network: bool,
}

/// One of `residue`.
#[derive(Debug, Clone)]
pub struct Residue {
    /// `path`.
    pub path: Located<String>,
    /// `reason`.
    pub reason: Located<String>,
}

/// One of `apt_sources`.
#[derive(Debug, Clone)]
pub struct AptSource {
    /// `uri`.
    pub uri: String,
    /// `suites`.
    pub suites: Vec<String>,
    /// `components`.
    pub components: Vec<String>,
    /// `signed_by`, a path in the image.
    pub signed_by: Option<String>,
}

/// One of `tests`.
#[derive(Debug, Clone)]
pub struct Test {
    /// `name`.
    pub name: Located<String>,
    /// `port` or `run`.
    pub action: TestAction,
    /// `timeout`, in seconds.
    pub timeout: Option<u64>,
}
