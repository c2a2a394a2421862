//! Packages whose bytes are the locked ones.

use crate::resolve::LockedPackage;
use crate::store::{Mismatch, Store, StoreError};

use super::error::{Problem, VerifyError};
use super::verified::VerifiedPackage;

/// Returns where `store` has each of `packages`, in their order. Bytes that this process has not hashed yet, while
/// they streamed in or afterwards, are hashed now.
///
/// # Errors
/// [`Problem::Absent`] when one is not there (any more), [`Problem::Mismatch`] when its size is not the locked one.
pub fn packages(store: &Store, packages: &[LockedPackage]) -> Result<Vec<VerifiedPackage>, VerifyError> {
    packages.iter().map(|package| verified(store, package)).collect()
}

fn verified(store: &Store, package: &LockedPackage) -> Result<VerifiedPackage, VerifyError> {
    let url = || format!("{}/{}", package.base, package.filename);
    let path = store
        .checked(&package.sha256)
        .map_err(|error| Problem::Store(error).of(&url()))?
        .ok_or_else(|| Problem::Absent.of(&url()))?;
    let io = |source| StoreError::Io { doing: "examining", path: path.clone(), source };
    let found = std::fs::metadata(&path).map_err(|error| Problem::Store(io(error)).of(&url()))?.len();
    if found != package.size {
        return Err(Problem::Mismatch(Mismatch::Size { expected: package.size, found }).of(&url()));
    }
    Ok(VerifiedPackage { package: package.clone(), path })
}
