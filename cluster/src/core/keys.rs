//! Keys of the cluster in etcd, and what is below them. `docs/cluster.md` shows them to operators.

use serde::{Deserialize, Serialize};

use crate::message::{Beat, NodeState};

/// Everything of ours.
pub const ALL: &str = "/fb/";
/// Which cluster this is.
pub const CLUSTER: &str = "/fb/cluster";
/// Where core nodes are, signed.
pub const ENDPOINTS: &str = "/fb/endpoints";
/// Nodes by UUID.
pub const NODES: &str = "/fb/nodes/";
/// Node UUIDs by name.
pub const NAMES: &str = "/fb/names/";
/// Node UUIDs by address.
pub const ADDRESSES: &str = "/fb/addresses/";
/// Nodes by role: `/fb/roles/ROLE/UUID`.
pub const ROLES: &str = "/fb/roles/";
/// Tokens by name.
pub const TOKENS: &str = "/fb/tokens/";
/// Uses of tokens: `/fb/uses/ID/NUMBER`.
pub const USES: &str = "/fb/uses/";
/// Nodes that were removed.
pub const TOMBSTONES: &str = "/fb/tombstones/";
/// What nodes said last; gone when they are silent.
pub const LIVE: &str = "/fb/live/";
/// Boots of nodes, to notice two machines of one identity.
pub const BOOTS: &str = "/fb/boots/";
/// Core nodes that wait for a place in etcd; gone when they do not ask any more.
pub const WAITING: &str = "/fb/waiting/";
/// Who did what: `/fb/audit/TIME-UUID-WHAT`.
pub const AUDIT: &str = "/fb/audit/";

/// What is below [`CLUSTER`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterRecord {
    /// The cluster's UUID.
    pub uuid: String,
    /// When it was made.
    pub created: u64,
}

/// What is below [`NODES`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Its UUID.
    pub uuid: String,
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// Its roles, in the order in which they start.
    pub roles: Vec<String>,
    /// How far it has come.
    pub state: NodeState,
    /// Which attempt to join this was.
    pub join: String,
    /// The key of the token's use, if there was a token.
    pub token_use: Option<String>,
    /// Its public key (SubjectPublicKeyInfo, DER, base64).
    pub public_key: String,
    /// Version of its program.
    pub version: String,
}

/// What is below [`TOKENS`]. There is no secret in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// Ed25519, 32 bytes (base64).
    pub public_key: String,
    /// Roles and groups that it allows.
    pub roles: Vec<String>,
    /// When it ends, seconds since 1970.
    pub expires: u64,
    /// How many machines may join with it.
    pub uses: u32,
    /// The only name that it allows.
    pub name: Option<String>,
}

/// What is below [`USES`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UseRecord {
    /// The node's UUID.
    pub node: String,
    /// Which attempt.
    pub join: String,
}

/// What is below [`TOMBSTONES`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TombstoneRecord {
    /// The name that it had.
    pub name: String,
    /// When it was removed.
    pub removed: u64,
}

/// What is below [`LIVE`].
pub type LiveRecord = Beat;

/// What is below [`BOOTS`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootsRecord {
    /// Boots that said something, the newest last.
    pub boots: Vec<String>,
    /// Whether an earlier boot spoke again after a later one, which only another machine can do.
    pub is_twin: bool,
}
