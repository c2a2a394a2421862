//! Verified → [`Tree`]: unpack, dpkg database, configure, customise, normalise.
//!
//! ```text
//! deb, control ─ unpack ─▶ staged packages ─ place, dpkg_database ─▶ unpacked tree ─ guest ─▶ configured tree
//! ```
//!
//! [`bootstrap()`] makes the image's tree; [`unpack_tools`] a tree of tools that is never configured.

mod accounts;
mod apt_state;
mod base_set;
mod bootstrap;
mod changes;
mod control;
mod customise;
mod data_archives;
mod dpkg_database;
mod error;
mod familiar;
mod guest;
mod java_keystore;
mod merged_usr;
mod normalise;
mod overrides;
mod place;
mod resolve_path;
pub mod seed;
pub mod snapshot;
mod steps;
pub mod tar_stream;
#[cfg(test)]
pub(crate) mod test_support;
mod tree;
mod triggers;
mod unpack;

pub use crate::deb::DebError;
pub use bootstrap::{bootstrap, unpack_tools};
pub use changes::Stamps;
pub use customise::{customise, keep_services, write_apt_sources};
pub use data_archives::DataArchives;
pub use error::BootstrapError;
pub use normalise::normalise;
pub use tree::*;
