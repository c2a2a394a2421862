//! The packages of two systems.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::inspect::{Package, PackagesReport};

/// Packages that differ.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PackagesChange {
    /// Packages that only the second system has.
    pub added: Vec<Package>,
    /// Packages that only the first system has.
    pub removed: Vec<Package>,
    /// Packages that both have, in other versions.
    pub changed: Vec<PackageChange>,
}

/// A package that both systems have, in other versions.
#[derive(Debug, Clone, Serialize)]
pub struct PackageChange {
    /// Its name.
    pub name: String,
    /// Its architecture.
    pub architecture: String,
    /// Its version in the first system.
    pub a: String,
    /// Its version in the second system.
    pub b: String,
}

impl PackagesChange {
    pub(super) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

pub(super) fn compare(a: Option<&PackagesReport>, b: Option<&PackagesReport>) -> PackagesChange {
    let by_name = |report: Option<&PackagesReport>| -> BTreeMap<(String, String), Package> {
        let list = report.map(|report| report.list.clone()).unwrap_or_default();
        list.into_iter()
            .map(|package| ((package.name.clone(), package.architecture.clone()), package))
            .collect()
    };
    let (a, b) = (by_name(a), by_name(b));
    let only = |these: &BTreeMap<_, Package>, those: &BTreeMap<_, Package>| {
        these
            .iter()
            .filter(|(key, _)| !those.contains_key(*key))
            .map(|(_, package)| package.clone())
            .collect()
    };
    let both = a.iter().filter_map(|(key, one)| Some((one, b.get(key)?)));
    let changed =
        both.filter(|(one, other)| one.version != other.version).map(|(one, other)| PackageChange {
            name: one.name.clone(),
            architecture: one.architecture.clone(),
            a: one.version.clone(),
            b: other.version.clone(),
        });
    PackagesChange { added: only(&b, &a), removed: only(&a, &b), changed: changed.collect() }
}
