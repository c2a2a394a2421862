//! What a clone shall become, whoever says so.
//!
//! Every source gives a [`DesiredState`] in which only what it speaks of is filled in; [`crate::merge`] makes one of
//! all. A state may hold secrets: it is serialised to recognise it again, never to show it.

use serde::{Deserialize, Serialize};

use crate::quota::Quota;

/// What one document, or all documents together, ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DesiredState {
    /// What the cloud calls this machine; another value on the same disk means a new machine.
    pub instance_id: Option<String>,
    /// The host name; may be a full name, of which the first label is then the host name.
    pub hostname: Option<String>,
    /// The full name.
    pub fqdn: Option<String>,
    /// Who gets [`Self::ssh_keys`]; else the image's first ordinary user, else root.
    pub default_user: Option<String>,
    /// Users to make or to change.
    pub users: Vec<User>,
    /// Keys of the default user.
    pub ssh_keys: Vec<String>,
    /// Files to write, in order.
    pub files: Vec<FileEntry>,
    /// Commands to run once, in order.
    pub commands: Vec<CommandEntry>,
    /// Filesystems to mount, now and at each boot.
    pub mounts: Vec<Mount>,
    /// A swap file.
    pub swap: Option<Swap>,
    /// What users, groups and projects may store.
    pub quotas: Vec<Quota>,
    /// Whether the root partition and its filesystem take the free space behind them.
    pub grow: Option<bool>,
    /// A zone of the IANA database, for example `Europe/Berlin`.
    pub timezone: Option<String>,
    /// A locale, for example `de_DE.UTF-8`.
    pub locale: Option<String>,
    /// Certificates that the machine trusts, in PEM.
    pub ca_certificates: Vec<String>,
    /// The certificate that the machine's own services show.
    pub certificate: Option<Certificate>,
    /// Whom to tell that the machine is ready.
    pub phone_home: Option<PhoneHome>,
    /// What the network shall be.
    pub network: Option<NetworkDocument>,
    /// What the machine becomes in a cluster.
    pub cluster: Option<crate::cluster::ClusterWish>,
}

/// A user to make or to change; none means that nothing is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct User {
    /// The login name.
    pub name: String,
    /// The full name, the comment field of passwd(5).
    pub comment: Option<String>,
    /// The number.
    pub uid: Option<u32>,
    /// The name of the primary group; else one of the user's own name.
    pub primary_group: Option<String>,
    /// Groups that the user is a member of as well.
    pub groups: Vec<String>,
    /// The home folder; else `/home/NAME`.
    pub home: Option<String>,
    /// Whether the home folder is made; it is, where nothing is said.
    pub create_home: Option<bool>,
    /// The login shell; else `/bin/bash`, or `/bin/sh` where there is none.
    pub shell: Option<String>,
    /// Whether the user has a number below those of people.
    pub system: bool,
    /// The hash of the password as crypt(5) writes it; without one the password is locked.
    pub password_hash: Option<Secret>,
    /// Whether the password is locked even if there is a hash.
    pub lock_password: Option<bool>,
    /// Rules of sudoers(5) without the user's name, for example `ALL=(ALL) NOPASSWD:ALL`.
    pub sudo: Vec<String>,
    /// Public keys that may log in.
    pub ssh_keys: Vec<String>,
}

/// A file to write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// An absolute path without `..`.
    pub path: String,
    /// What it shall hold.
    pub content: Content,
    /// Permission bits.
    pub mode: u32,
    /// `user:group`, both by name or number.
    pub owner: String,
    /// Whether the content is put at the end of what is there, if it does not end so already.
    pub append: bool,
    /// Whether it is written after users were made and packages installed, not before.
    pub late: bool,
}

/// Bytes that are not shown: they may hold secrets.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Content(pub Vec<u8>);

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "({} bytes)", self.0.len())
    }
}

/// Text that is never shown.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

/// A command that runs once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandEntry {
    /// What reports call it.
    pub name: String,
    /// What runs.
    pub action: Action,
    /// When it runs.
    pub phase: Phase,
}

/// What a command is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A line for `/bin/sh -c`.
    Shell(Content),
    /// A program and its arguments, no shell between.
    Program(Vec<String>),
    /// A script that begins with `#!` and runs by itself.
    Script(Content),
}

/// When a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Before the network is up.
    Early,
    /// After everything else is done.
    Final,
}

/// A filesystem to mount, in the words of fstab(5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// The device, for example `UUID=…` or `/dev/vdb1`.
    pub device: String,
    /// Where it is mounted.
    pub target: String,
    /// The filesystem, or `auto`.
    pub filesystem: String,
    /// Options with commas between.
    pub options: String,
    /// Whether a device with nothing on it gets a filesystem; one with something on it never does.
    pub format: bool,
}

/// A swap file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Swap {
    /// Where it is.
    pub path: String,
    /// How many bytes it has.
    pub bytes: u64,
}

/// A certificate that the machine signs itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// Names and addresses that it is for, beside the machine's own names.
    pub names: Vec<String>,
}

/// Whom to tell that the machine is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhoneHome {
    /// An `http://` address.
    pub url: String,
    /// What is told: `instance_id`, `hostname`, `fqdn`, `pub_key_ed25519`.
    pub post: Vec<String>,
    /// How often it is tried.
    pub tries: u32,
}

/// A description of the network, read by whoever knows its format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkDocument {
    /// How it is written.
    pub format: NetworkFormat,
    /// The text, as it came.
    pub text: String,
}

/// How a description of the network is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkFormat {
    /// The `network:` of a native document, as JSON.
    Native,
    /// network-config version 1 or 2, as YAML.
    NetworkConfig,
    /// `network_data.json` of OpenStack.
    NetworkData,
    /// The variables `ETHn_…`, `DNS` and `SEARCH_DOMAIN` of an OpenNebula context, as `context.sh`.
    Context,
}
