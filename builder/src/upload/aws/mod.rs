//! AWS: a snapshot by the EBS direct API, and the machine image (AMI) that is registered of it.
//!
//! ```text
//! Image ─ blocks (read, hash, leave out what is free) ─▶ send (in parallel, as many as the way bears) ─▶ snapshot
//!    settings + facts ─ calls ─▶ PlannedCall…      snapshot ─ images ─▶ AMI, its copies, who may start it
//! ```
//!
//! AWS gives the ids. So an upload has an id of its own, which follows from the plan: it is the client token of the
//! snapshot and stands in a tag of all that is made, given by the very call that makes it. By it a later run and
//! `upload clean` find everything. Every block goes with its SHA-256, and the snapshot is only completed if the service
//! counts the same blocks and comes to the same hash of all their hashes.

#[cfg(feature = "aws")]
mod blocks;
#[cfg(feature = "aws")]
mod buffers;
mod calls;
mod codes;
#[cfg(feature = "aws")]
mod connection;
#[cfg(feature = "aws")]
mod failure;
mod free;
#[cfg(feature = "aws")]
mod images;
mod record;
#[cfg(feature = "aws")]
mod send;
mod settings;
#[cfg(feature = "aws")]
mod snapshots;
#[cfg(feature = "aws")]
mod target;
mod window;

#[cfg(feature = "aws")]
pub use connection::{Access, region};
pub use settings::{BootMode, Settings, Share};
#[cfg(feature = "aws")]
pub use target::Aws;

/// Tag with the plan's hash.
const PLAN_TAG: &str = "bootwright_plan";
/// Tag with the upload's id.
const ID_TAG: &str = "bootwright_upload";
/// Tag with the name that was asked for, by which older images are found.
const NAME_TAG: &str = "bootwright_name";
/// Bytes of a block of a snapshot.
const BLOCK: usize = 512 << 10;
const GIB: u64 = 1 << 30;
