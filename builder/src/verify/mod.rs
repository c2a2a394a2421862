//! bytes → [`Verified`]: signatures against pinned keys, digests, dates. Knows no network and no packages' contents.
//!
//! ```text
//! SignedRelease ─ clearsign ─→ text + signatures ─ openpgp ─→ accepted key ─ release ─→ Release ─→ IndexFile…
//! ```
//!
//! [`release()`] is the whole of it: it returns a [`Release`] only for a text that an allowed key signed, for the
//! suite that was asked for, at a date that is neither past nor to come. [`packages()`] is the same for .debs: it
//! returns a [`VerifiedPackage`] only for bytes that have their locked digest.

mod clearsign;
mod deb822;
mod error;
mod keyring;
mod openpgp;
mod packages;
mod release;
mod verified;

#[cfg(test)]
mod openpgp_tests;
#[cfg(test)]
mod release_tests;
#[cfg(test)]
pub(crate) mod testing;

pub use error::{Problem, SignatureProblem, VerifyError};
pub use keyring::Keyring;
pub use packages::packages;
pub use release::{Release, release};
pub use verified::*;
