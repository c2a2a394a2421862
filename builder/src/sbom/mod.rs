//! Bills of materials: what is in an image, as an SPDX 2.3 document in JSON.
//!
//! ```text
//! dpkg's status ─ installed ─▶ [Installed] ─┐
//! Locked, or an image's os-release ─────────┴─ document ─▶ spdx::Document ─▶ text
//! ```
//!
//! [`of_build`] describes what a build has made: who maintains a package and what it was built from comes from dpkg's
//! database in the tree, digest and address from the lock. [`of_image`] describes any image that keeps such a database.
//! Neither asks a clock or draws a number: the same input gives the same bytes. [`beside`] finds the document of a build
//! again.
//!
//! Sources: <https://spdx.github.io/spdx-spec/v2.3/> and its JSON schema; package addresses are those of
//! <https://github.com/package-url/purl-spec>, type `deb`.

mod agent;
pub mod beside;
mod built;
mod component;
mod document;
mod found;
mod installed;
mod links;
pub mod purl;
mod spdx;

pub use built::{of_build, vendor};
pub use component::{Component, Distribution};
pub use document::{Subject, text};
pub use found::{NoPackages, of_image};
pub use installed::{Installed, STATUS, parse};

/// The names under which the project describes what it makes. `.invalid` never resolves (RFC 2606): they tell apart and
/// lead nowhere.
pub const NAMES: &str = "https://bootwright.invalid";
