//! Roles: what a node of a cluster can be, as data of the image.
//!
//! A recipe's `roles:` becomes one JSON file a role below [`FOLDER`]. Packages of a role are in every clone; its units
//! are disabled until a node takes the role.

use serde::{Deserialize, Serialize};

mod catalogue;
pub mod template;

pub use catalogue::Catalogue;

/// Where an image has its roles, one file `NAME.json` each.
pub const FOLDER: &str = "/etc/firstboot/roles.d";

/// The role of nodes that hold the cluster: etcd and `cored`.
pub const CONTROLLER: &str = "controller";
/// The role of the one controller that is asked first.
pub const PRIMARY: &str = "primary";

/// A role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Packages that every clone has for it.
    pub packages: Vec<String>,
    /// Units that run while a node has it.
    pub units: Vec<String>,
    /// Ports on which it is reached.
    pub ports: Vec<Port>,
    /// Files that follow the cluster.
    pub files: Vec<RoleFile>,
    /// Lines for `/bin/sh` that make keys and databases of this very clone, once, before the units start.
    pub prepare: Vec<String>,
    /// How it is known to work.
    pub health: Option<Health>,
    /// Roles that cannot be on the same node.
    pub conflicts: Vec<String>,
    /// Roles that are on the same node as well, and start before.
    pub requires: Vec<String>,
    /// Names under which several roles are meant at once.
    pub groups: Vec<String>,
    /// Whether it shows the certificate of the cluster's endpoint; one is made where nobody imported any.
    pub certificate: bool,
    /// Whether a node that has it has no other role.
    pub exclusive: bool,
    /// Whether it works only while the cluster has one node.
    pub single_node: bool,
}

/// A port that a role listens on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Its number.
    pub port: u16,
    /// The protocol.
    #[serde(default)]
    pub protocol: Protocol,
    /// Who may reach it.
    #[serde(default)]
    pub from: PortSource,
}

/// A protocol with ports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

/// Who may reach a port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PortSource {
    /// Anybody.
    Any,
    /// Nodes of the cluster.
    #[default]
    Cluster,
    /// Nodes with one of these roles.
    Roles(Vec<String>),
}

/// A file of a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleFile {
    /// Where it is.
    pub path: String,
    /// A [`template`] over facts of the cluster.
    pub content: String,
    /// Permission bits.
    pub mode: u32,
    /// A command that says whether the file can be used, for example `nginx -t`; if not, the one before comes back.
    #[serde(default)]
    pub validate: Option<String>,
}

/// How a role is known to work; both have to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Health {
    /// A TCP port of this node that takes connections.
    pub port: Option<u16>,
    /// A line for `/bin/sh` that ends with 0.
    pub run: Option<String>,
    /// How long after its start it may take, seconds.
    pub within: u64,
}

/// Checks the name of a role or group: as a label of a host name, beginning with a letter; `_` may stand as well.
///
/// # Errors
///
/// Says what is wrong with it.
pub fn check_name(name: &str) -> Result<(), String> {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if begins && name.len() <= 40 && name.bytes().all(good) {
        return Ok(());
    }
    Err(format!(
        "'{:.80}' is no name of a role: it begins with a-z, has only a-z, 0-9, '-' and '_', and at most 40 characters",
        name.escape_debug()
    ))
}
