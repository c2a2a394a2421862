//! Index text + Plan → [`Locked`]: chooses packages as apt does.
//!
//! [`Universe`] holds the indexes (`control` splits their text, `reader` makes `records` of it); [`select`] chooses from
//! it: `request` looks the terms up, `marks` knows what holds, `install` marks packages with their dependencies
//! (`providers` says which is tried first), `conflicts` (by `scores`) settles what does not fit together, `sweep` drops
//! the superfluous, `unpack_order` sorts what is left, `explain` tells why a request fails. The witness is the suite's own apt: `tests/tests/solver`.

mod conflicts;
mod control;
mod error;
mod explain;
mod index;
mod install;
mod local;
mod locked;
mod lockfile;
mod marks;
mod names;
mod providers;
mod reader;
mod records;
mod request;
mod scores;
mod solver;
mod source;
mod suite;
mod sweep;
mod unpack_order;
mod version;

pub(crate) use control::{Atom, Fields};
pub use error::ResolveError;
pub use index::Universe;
pub use local::local_index;
pub use locked::*;
pub use lockfile::{Changes, LockError, LockedEntry, LockedRelease, Lockfile};
pub use solver::{Selection, select};
pub use source::{IndexError, IndexSource};
pub use version::{Relation, compare};

#[cfg(test)]
mod tests;
