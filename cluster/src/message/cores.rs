//! What is said about core nodes, their keys and their places, and by nodes that were away.

use contract::state::Secret;
use serde::{Deserialize, Serialize};

/// A token's word for roles that a node wants to have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenProof {
    /// The token's name.
    pub token: String,
    /// By the token's key (base64), over [`promotion`].
    pub signature: String,
}

/// What makes a node one that can hold the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoreKit {
    /// The private key of the authority of nodes (PEM).
    pub authority_key: Secret,
    /// The authority of etcd (PEM).
    pub store_authority: String,
    /// Its private key (PEM).
    pub store_authority_key: Secret,
    /// The port of `cored`.
    pub port: u16,
    /// The cluster's own name.
    pub endpoint: String,
    /// How long a node's certificate holds, seconds.
    pub certificate_seconds: u64,
    /// How long a place is held for a join, seconds.
    pub join_seconds: u64,
}

/// Where a core node stands in etcd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorePlace {
    /// How far it has come.
    pub standing: Standing,
    /// The number of its member in etcd; 0 if it has none.
    pub member: u64,
    /// All members, as etcd's `initial-cluster` wants them.
    pub peers: String,
}

/// How far a core node has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It has no place in etcd yet: another one is given first.
    Waiting,
    /// It has one, and its etcd is to be started.
    Joining,
    /// It has all data and no vote, until a third or fifth core node comes.
    Standby,
    /// It votes, and nodes ask it.
    Voter,
}

/// The bytes by which a token allows a node roles, on one connection.
pub fn promotion(exporter: &[u8; 32], node: &str, roles: &[String]) -> Vec<u8> {
    [&b"firstboot roles 1\0"[..], exporter, node.as_bytes(), b"\0", roles.join(",").as_bytes()].concat()
}

/// The bytes by which a node whose certificate is at its end proves which node it is, on one connection.
pub fn readmission(exporter: &[u8; 32], node: &str) -> Vec<u8> {
    [&b"firstboot readmit 1\0"[..], exporter, node.as_bytes()].concat()
}
