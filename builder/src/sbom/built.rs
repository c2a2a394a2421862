//! The bill of materials of what a build has made.

use std::collections::HashMap;

use crate::plan::Origin;
use crate::resolve::{Locked, LockedPackage};

use super::component::{Component, Distribution};
use super::document::{Subject, text};
use super::installed::Installed;

/// Returns the document of `subjects`, made from `locked`, in which `installed` is. A tree without a database has what was
/// locked.
pub fn of_build(locked: &Locked, installed: &[Installed], subjects: &[Subject]) -> String {
    let by_name: HashMap<_, _> = locked.packages.iter().map(|package| (key(package), package)).collect();
    let joined = installed.iter().map(|installed| {
        let locked_as = by_name.get(&(installed.name.as_str(), installed.architecture.as_str()));
        // A recipe's step may have put another version in its place, of whose file nothing is known.
        let locked_as = locked_as.copied().filter(|package| package.version == installed.version);
        component(locked, installed.clone(), locked_as)
    });
    let mut components: Vec<Component> = match installed.is_empty() {
        true => locked.packages.iter().map(|one| component(locked, bare(one), Some(one))).collect(),
        false => joined.collect(),
    };
    components.sort_by(|a, b| a.installed.cmp(&b.installed));
    text(&locked.plan.name, locked.epoch, subjects, &components)
}

fn key(package: &LockedPackage) -> (&str, &str) {
    (&package.name, &package.architecture)
}

fn component(locked: &Locked, installed: Installed, package: Option<&LockedPackage>) -> Component {
    let debian = || Distribution { vendor: "debian".to_owned(), codename: locked.plan.suite.clone() };
    Component {
        installed,
        distribution: package.map_or_else(debian, |package| vendor(locked, package)),
        sha256: package.map(|package| package.sha256),
        download: package.and_then(LockedPackage::address),
    }
}

/// Returns whose `package` is: of a recipe's own repository, whoever its Release file names; else Debian's. Nothing names
/// the vendor of a file of this machine, and it is taken for Debian's.
pub fn vendor(locked: &Locked, package: &LockedPackage) -> Distribution {
    let releases = locked.releases.iter().zip(&locked.plan.repositories);
    let foreign = releases
        .filter(|(facts, repository)| {
            facts.base == package.base && matches!(repository.origin, Origin::Uri(_))
        })
        .map(|(facts, _)| facts)
        .find(|facts| !facts.origin.is_empty());
    match foreign {
        Some(facts) if !facts.origin.eq_ignore_ascii_case("debian") => {
            Distribution { vendor: facts.origin.to_lowercase(), codename: facts.codename.clone() }
        }
        _ => Distribution { vendor: "debian".to_owned(), codename: locked.plan.suite.clone() },
    }
}

/// What the lock knows of a package that no database describes.
fn bare(package: &LockedPackage) -> Installed {
    Installed {
        name: package.name.clone(),
        version: package.version.clone(),
        architecture: package.architecture.clone(),
        source: (package.name.clone(), package.version.clone()),
        ..Installed::default()
    }
}
