//! Artifact → Receipt: puts an image into a cloud, once, verified, and tells what it is called there.
//!
//! ```text
//! SourceImage + settings ─ Target::calls ─▶ UploadPlan (pure; its hash is the idempotency key)
//!    UploadPlan ─ drive::upload ─▶ find ▸ create ▸ send ▸ verify ▸ publish ─▶ Receipt
//!                                    └─ Journal: every remote id, before data flows
//! ```
//!
//! `drive` is the list of steps and knows no cloud; a cloud is one folder with a [`Target`] in it. The plan's hash is
//! written to the remote object, so a second run finds what the first one made, also without the journal. The
//! journal lies beside the image and finds what a run left that was killed.
//!
//! To add a cloud: a folder beside `glance`, its settings, a [`Target`], and a word in the command line.

mod answer;
// What needs none of AWS's crates is tested without them: to compile these takes longer than all else together.
#[cfg(any(feature = "aws", test))]
#[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "who uses it needs AWS's crates"))]
pub mod aws;
mod clean;
mod drive;
mod error;
mod facts;
pub mod glance;
mod http;
mod interrupt;
mod journal;
mod listening;
pub mod opennebula;
mod patience;
mod plan;
mod receipt;
mod sending;
mod source;
mod target;
mod trust;
mod verify;

#[cfg(test)]
mod tests;

pub use crate::secret::Secret;
pub use clean::clean;
pub use drive::{Job, upload};
pub use error::{Kind, UploadError};
pub use facts::ImageFacts;
pub use http::{Http, HttpOptions};
pub use interrupt::Interrupt;
pub use journal::{Entry, Journal, State};
pub use patience::{Limits, Patience};
pub use plan::{PlannedCall, UploadPlan};
pub use receipt::Receipt;
pub use source::{Format, SourceImage};
pub use target::{Creation, Digests, ObjectState, Publication, RemoteDigest, RemoteObject, Target, Told};
pub use trust::Trust;
