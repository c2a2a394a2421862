//! `Locked` → bytes: gets files from archives. Knows addresses, digests and sizes; no packages, no signatures.
//!
//! ```text
//! Repository ─ Mirrors::source ─→ Source ─ releases ─→ SignedRelease ─(check)─→ IndexFile ─→ FetchedIndex
//! LockedPackage ─ packages ─→ the store
//! ```
//!
//! [`Archives`] runs the first line for all repositories at once. It is given the check that stands in its middle
//! as a function, because judging a Release file is the work of `verify`; it asks for no index that the check
//! did not name, and hands out no byte of one whose digest is not the one that was named.
//!
//! Everything that is fetched to be kept goes through [`Client::object`]: it is hashed while it streams into the
//! store, resumed after a break, and tried at the next address when one has the wrong bytes.

mod client;
mod decode;
mod error;
mod forward;
mod index;
mod mirror;
mod names;
mod packages;
mod proxy;
mod release;
mod retry;
mod transfer;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use client::{Client, ClientOptions, Validators};
pub use decode::Compression;
pub use error::{Cause, Failures, FetchError};
pub use index::{Announced, Archives, FetchedIndex, IndexFile, Listed};
pub use mirror::{AptSource, MirrorOverrides, Mirrors, load_host_sources, parse_deb822, parse_one_line};
pub use packages::packages;
pub use release::{SignedContent, SignedRelease, Source};
pub use transfer::Wanted;
