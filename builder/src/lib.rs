//! Bootwright turns a declarative recipe into a bootable VM image.
//!
//! ```text
//! Recipe → Plan → Locked → Verified → Tree → RawDisk → Artifact
//! ```
//!
//! Each stage is one folder with one public function that takes what the stage before it gives, so that a
//! skipped stage does not compile. [`pipeline`] is the list of stages; everything else is a stage, an axis of
//! variation inside one, or a service (`store`, `sandbox`, `progress`) that stages share.

pub mod cli;
pub mod date;
pub mod deb;
pub mod error;
pub mod pipeline;
pub mod workspace;

pub mod recipe;

pub mod plan;

pub mod resolve;

pub mod fetch;
pub mod verify;

pub mod residue;
pub mod rootfs;

pub mod boot;

pub mod disk;

pub mod output;
pub mod provenance;
pub mod sbom;
pub mod signing;

pub mod diff;
pub mod image;
pub mod inspect;

pub mod machine;
mod ordered;
mod parallel;
pub mod progress;
pub mod sandbox;
pub mod secret;
pub mod store;
pub mod upload;
