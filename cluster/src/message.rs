//! What nodes and `cored` say to each other: JSON, one value a frame. `docs/cluster.md` describes it for others.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::address::CoreAddress;

mod cores;

pub use cores::{CoreKit, Standing, StorePlace, TokenProof, promotion, readmission};

/// Versions of this protocol that this program speaks, from the oldest to the newest.
pub const PROTOCOLS: (u32, u32) = (1, 1);
/// The name under ALPN.
pub const ALPN: &[u8] = b"firstboot-cluster";
/// The name for which every core node's certificate holds, whatever its addresses are.
pub const SERVER_NAME: &str = "cored.firstboot.internal";
/// Label of the keying material of a connection that proofs are bound to (RFC 8446, section 7.5).
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-firstboot-join";
/// A machine whose clock differs by more than this does not join, seconds.
pub const CLOCK_SKEW: u64 = 120;

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Request {
    /// What cluster is this, and do we understand each other? Anybody may ask.
    Hello {
        /// Versions of the protocol that the asker speaks.
        protocols: (u32, u32),
    },
    /// May this machine become a node? Whoever has a token may ask.
    Admit(Admit),
    /// The join takes longer: hold the place.
    Hold {
        /// Which join.
        join: String,
    },
    /// The join is complete.
    Commit {
        /// Which join.
        join: String,
    },
    /// A new certificate for the same key.
    Renew,
    /// This node lives.
    Beat(Beat),
    /// Who is in the cluster.
    Nodes,
    /// Waits until the cluster is not what it was at `revision`.
    Watch {
        /// What the asker knows.
        revision: i64,
        /// It gets an answer after this many seconds in any case.
        seconds: u64,
    },
    /// Make a token with this public key.
    CreateToken(TokenWish),
    /// All tokens.
    Tokens,
    /// Take a token back.
    RevokeToken {
        /// Its name.
        id: String,
    },
    /// Take a node out of the cluster for ever.
    Remove {
        /// Its UUID, name or address.
        node: String,
    },
    /// Leave the cluster.
    Leave,
    /// Another name for the node that asks.
    Rename {
        /// The new name.
        name: String,
    },
    /// Other roles for the node that asks.
    SetRoles {
        /// All roles that it shall have.
        roles: Vec<String>,
        /// What allows the role of a core node to a node that has it not.
        #[serde(default)]
        by_token: Option<TokenProof>,
    },
    /// What a node with the role of a core needs to be one. Its private keys: nobody else is told.
    CoreKit,
    /// Where the node that asks stands in the cluster's store; makes it one that waits for a place, if it has none.
    StorePlace,
    /// Another address for the core node that asks. That of other nodes is the one from which they are heard.
    Move {
        /// The new address.
        address: IpAddr,
    },
    /// A new certificate for a node whose last one does not hold any more. Asked without one, proven by the node's key.
    Readmit {
        /// The node's UUID.
        node: String,
        /// By the node's key (base64), over [`readmission`].
        by_node: String,
    },
}

/// What `Hello` is answered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The cluster's UUID.
    pub cluster: String,
    /// Versions of the protocol that the core speaks.
    pub protocols: (u32, u32),
    /// Version of the core's program.
    pub version: String,
    /// The core's time, seconds since 1970.
    pub time: u64,
    /// Whether its store answers now; if not, another core node is the one to ask.
    pub is_ready: bool,
}

/// A wish to join, with its proofs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Admit {
    /// A [`Claim`] as JSON: signatures are over this very text.
    pub claim: String,
    /// By the token's key (base64).
    pub by_token: String,
    /// By the node's key (base64).
    pub by_node: String,
}

/// What a machine that wants to join says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The token's name.
    pub token: String,
    /// The node's UUID.
    pub node: String,
    /// The node's public key (SubjectPublicKeyInfo, DER, base64).
    pub public_key: String,
    /// The UUID of this attempt: asked again, it gets the same answer.
    pub join: String,
    /// The node's name.
    pub name: String,
    /// Roles and groups of roles.
    pub roles: Vec<String>,
    /// Version of its program.
    pub version: String,
}

/// What a machine that may join is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admitted {
    /// Its certificate (PEM).
    pub certificate: String,
    /// The cluster's authority (PEM).
    pub authority: String,
    /// Its roles, groups resolved, in the order in which they start.
    pub roles: Vec<String>,
    /// The address under which the core sees it.
    pub address: String,
    /// It loses its place after this many seconds, unless it holds it.
    pub lease: u64,
    /// Where core nodes are.
    pub endpoints: SignedEndpoints,
}

/// Where core nodes are, signed by the cluster's authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedEndpoints {
    /// [`Endpoints`] as JSON: the signature is over this very text.
    pub text: String,
    /// ECDSA with SHA-256 (base64).
    pub signature: String,
}

/// Where core nodes are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// The cluster.
    pub cluster: String,
    /// A document of a greater epoch replaces one of a lesser.
    pub epoch: u64,
    /// The cluster's own name, under which its users know it.
    pub endpoint: String,
    /// The core nodes.
    pub cores: Vec<CoreAddress>,
}

/// How a node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// Of which boot this is.
    pub boot: String,
    /// Version of its program.
    pub version: String,
    /// Each of its roles, and what is wrong with it: nothing, if it is healthy.
    pub roles: BTreeMap<String, Option<String>>,
    /// When the certificate of the cluster's endpoint ends that it shows, seconds since 1970.
    #[serde(default)]
    pub certificate_ends: Option<u64>,
}

/// A node as others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// Its UUID, which never changes.
    pub uuid: String,
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// Its roles.
    pub roles: Vec<String>,
    /// `joining` or `member`.
    pub state: NodeState,
    /// Version of its program when it joined.
    pub version: String,
    /// What it said last; none if it is silent.
    pub beat: Option<Beat>,
}

/// How far a node has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeState {
    /// Admitted, not yet committed.
    Joining,
    /// Committed.
    Member,
}

/// All nodes at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterView {
    /// Grows with every change.
    pub revision: i64,
    /// The cluster's UUID.
    pub cluster: String,
    /// Where core nodes are.
    pub endpoints: SignedEndpoints,
    /// The nodes, by name.
    pub nodes: Vec<NodeView>,
}

/// A token to make. Its secret stays with whoever asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenWish {
    /// Its name.
    pub id: String,
    /// Ed25519, 32 bytes (base64).
    pub public_key: String,
    /// Roles and groups that it allows.
    pub roles: Vec<String>,
    /// How long it holds, seconds.
    pub seconds: u64,
    /// How many machines may join with it.
    pub uses: u32,
    /// The only name that a machine may have that joins with it.
    pub name: Option<String>,
}

/// A token as the cluster knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenView {
    /// Its name.
    pub id: String,
    /// Roles that it allows.
    pub roles: Vec<String>,
    /// When it ends, seconds since 1970.
    pub expires: u64,
    /// How many machines may join with it.
    pub uses: u32,
    /// UUIDs of those that did.
    pub used_by: Vec<String>,
    /// The only name that it allows.
    pub name: Option<String>,
}

/// Nothing to say but that it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The revision at which it is.
    pub revision: i64,
}

/// What comes back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer<T> {
    /// What was asked for.
    Ok(T),
    /// Why not.
    Refused(Refusal),
}

/// Why something is not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// For programs.
    pub code: Code,
    /// For people: what, and what to do.
    pub reason: String,
}

/// Kinds of refusals; callers branch on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// What came is not understood.
    Malformed,
    /// No version of the protocol is common.
    Version,
    /// The token is unknown, revoked, at its end, used up, or does not allow this.
    Token,
    /// A signature is wrong.
    Proof,
    /// The name, address or UUID is another node's.
    Taken,
    /// The node was removed; it must fence itself.
    Removed,
    /// The roles cannot be had.
    Roles,
    /// Whoever asks may not.
    Forbidden,
    /// The place was not held, and is gone.
    Lease,
    /// Two machines live under one identity.
    Twin,
    /// There is no such thing.
    Unknown,
    /// Not now: the store does not answer, or something else happened at the same time.
    Unavailable,
}

impl Refusal {
    /// Makes one.
    pub fn new(code: Code, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

/// The bytes that both signatures of a join are over: bound to the connection, so that they are worth nothing on another.
pub fn proof(exporter: &[u8; 32], claim: &str) -> Vec<u8> {
    [&b"firstboot join 1\0"[..], exporter, claim.as_bytes()].concat()
}
