//! Clusters of clones: the core's service, joining, roles.
//!
//! `docs/cluster.md` says what operators see of it. A crate of its own, because what talks to etcd brings an event loop
//! and gRPC, which the rest of `firstboot` has no use for and must not wait for when it is built.

pub mod address;
pub mod attach;
pub mod authority;
pub mod certificate;
pub mod channel;
pub mod cli;
pub mod clock;
pub mod command;
pub mod core;
pub mod elevation;
pub mod endpoint;
pub mod engine;
pub mod fence;
pub mod frame;
pub mod hold;
pub mod message;
pub mod migration;
pub mod names;
pub mod node;
pub mod paths;
pub mod place;
pub mod plan;
pub mod random;
pub mod readmission;
pub mod record;
pub mod roles;
pub mod services;
pub mod setup;
pub mod token;
pub mod units;
