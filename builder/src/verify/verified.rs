//! The outcome of fetching and verifying: every byte that the build will use is here.

use std::path::PathBuf;

use crate::resolve::{Locked, LockedPackage};

/// A locked plan whose packages are all on this machine, digests checked.
#[derive(Debug, Clone)]
pub struct Verified {
    /// What is to be built.
    pub locked: Locked,
    /// The image's packages, in the order of [`Locked::packages`].
    pub packages: Vec<VerifiedPackage>,
    /// The tools tree's packages, in the order of [`Locked::tools`].
    pub tools: Vec<VerifiedPackage>,
}

/// A package whose bytes are the ones that were locked.
#[derive(Debug, Clone)]
pub struct VerifiedPackage {
    /// What it is.
    pub package: LockedPackage,
    /// The .deb, in the store.
    pub path: PathBuf,
}
