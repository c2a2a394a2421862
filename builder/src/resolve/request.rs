//! A request's terms, made into versions: apt's forms `name`, `name=version`, `name/suite`, `name-`.

use crate::plan::{PackageRequest, PackageTerm, Variant, Want};

use super::error::ResolveError;
use super::index::Universe;
use super::records::{NONE, PackageId, Provision, VersionId};

/// What the request comes to.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    /// `Essential: yes` packages, chosen and configured before all others.
    pub essential: Vec<VersionId>,
    /// The variant's further packages.
    pub base: Vec<VersionId>,
    /// The recipe's own packages.
    pub named: Vec<VersionId>,
    /// Versions that the recipe fixes, with the suite that their dependencies should come from too.
    pub fixed: Vec<(VersionId, Option<String>)>,
    /// Packages that must not be chosen.
    pub never: Vec<PackageId>,
}

/// Looks up every term of a request.
pub(super) fn wishes(universe: &Universe, request: &PackageRequest) -> Result<Wishes, ResolveError> {
    let mut wishes = Wishes::default();
    for term in &request.terms {
        add_term(universe, term, &mut wishes)?;
    }
    add_variant(universe, request.variant, &mut wishes);
    Ok(wishes)
}

fn add_term(universe: &Universe, term: &PackageTerm, wishes: &mut Wishes) -> Result<(), ResolveError> {
    let plain = term.name.strip_suffix(universe.architecture()).and_then(|name| name.strip_suffix(':'));
    let name = plain.unwrap_or(&term.name);
    let unknown = || ResolveError::UnknownPackage {
        name: name.to_owned(),
        origin: term.origin.clone(),
        near: near(universe, name),
    };
    let package = universe.find(name).ok_or_else(unknown)?;
    match &term.want {
        Want::Never => wishes.never.push(package),
        Want::Install => wishes.named.push(candidate(universe, package, term)?),
        Want::File(path) => {
            let is_local = |id: &VersionId| universe.source(universe.versions[*id as usize].files[0]).local;
            let found = universe.versions_of(package).find(is_local).ok_or_else(|| {
                let (name, path) = (name.to_owned(), path.clone());
                ResolveError::NoFile { name, path, origin: term.origin.clone() }
            })?;
            wishes.named.push(found);
            wishes.fixed.push((found, None));
        }
        Want::Version(version) => {
            let found = universe.versions_of(package).find(|id| universe.version_text(*id) == version);
            let provided = |provision: &Provision| universe.provision_version(provision) == version;
            let found = found.or_else(|| only_provider(universe, package, provided));
            let found = found.ok_or_else(|| ResolveError::UnknownVersion {
                name: name.to_owned(),
                version: version.clone(),
                origin: term.origin.clone(),
                available: available(universe, package),
            })?;
            wishes.named.push(found);
            wishes.fixed.push((found, None));
        }
        Want::Suite(suite) => {
            let provided = |provision: &Provision| is_in_suite(universe, provision.owner, suite);
            let found = in_suite(universe, package, suite);
            let found = found.or_else(|| only_provider(universe, package, provided));
            let found = found.ok_or_else(|| ResolveError::UnknownSuite {
                name: name.to_owned(),
                suite: suite.clone(),
                origin: term.origin.clone(),
                available: available(universe, package),
            })?;
            wishes.named.push(found);
            wishes.fixed.push((found, Some(suite.clone())));
        }
    }
    Ok(())
}

/// Returns the newest version of a package that a suite has.
pub(super) fn in_suite(universe: &Universe, package: PackageId, suite: &str) -> Option<VersionId> {
    universe.versions_of(package).find(|version| is_in_suite(universe, *version, suite))
}

fn is_in_suite(universe: &Universe, version: VersionId, suite: &str) -> bool {
    let files = &universe.versions[version as usize].files;
    files.iter().any(|file| universe.source(*file).is_called(suite))
}

/// Returns the version that provides a virtual name in the wanted way, when no other does.
fn only_provider(
    universe: &Universe,
    package: PackageId,
    wanted: impl Fn(&Provision) -> bool,
) -> Option<VersionId> {
    let virtual_name = universe.packages[package as usize].versions == NONE;
    let mut owners = universe.provided_by(package).filter(|provision| wanted(provision)).map(|p| p.owner);
    let first = owners.next().filter(|_| virtual_name)?;
    owners.all(|other| other == first).then_some(first)
}

/// Returns the candidate of a name; a virtual name stands for its only provider.
fn candidate(universe: &Universe, package: PackageId, term: &PackageTerm) -> Result<VersionId, ResolveError> {
    let candidate = universe.candidate(package);
    if candidate != NONE {
        return Ok(candidate);
    }
    let mut providers: Vec<VersionId> = universe
        .provided_by(package)
        .map(|provision| provision.owner)
        .filter(|owner| universe.candidate(universe.versions[*owner as usize].package) == *owner)
        .collect();
    providers.sort_unstable();
    providers.dedup();
    let (name, origin) = (term.name.clone(), term.origin.clone());
    match providers[..] {
        [only] => Ok(only),
        [] => Err(ResolveError::NoCandidate { name, origin }),
        _ => {
            let name_of =
                |owner: &VersionId| universe.name(universe.versions[*owner as usize].package).to_owned();
            Err(ResolveError::Ambiguous { name, origin, providers: providers.iter().map(name_of).collect() })
        }
    }
}

/// Adds the variant's packages: those of the release by their fields, in the candidate version.
fn add_variant(universe: &Universe, variant: Variant, wishes: &mut Wishes) {
    let lowest = match variant {
        Variant::Custom => return,
        Variant::Essential => 0,
        Variant::Minbase => 1,
        Variant::Important => 2,
        Variant::Standard => 3,
    };
    let Some(release) = universe.release() else { return };
    let interesting = |package: &PackageId| {
        let record = &universe.packages[*package as usize];
        let listed = |version| (1..=3).contains(&universe.versions[version as usize].priority);
        record.essential || universe.versions_of(*package).any(listed) || universe.name(*package) == "apt"
    };
    let packages = (0..universe.packages.len() as PackageId).filter(interesting).collect();
    for package in universe.table_order(packages) {
        let candidate = universe.candidate(package);
        if candidate == NONE || wishes.never.contains(&package) {
            continue;
        }
        let mut of_release = universe.versions_of(package).filter(|version| {
            let files = &universe.versions[*version as usize].files;
            files.iter().any(|file| universe.source(*file).is_called(&release.codename))
        });
        let fixed =
            wishes.fixed.iter().find(|(version, _)| universe.versions[*version as usize].package == package);
        let chosen = fixed.map_or(candidate, |(version, _)| *version);
        if universe.packages[package as usize].essential {
            if of_release.next().is_some() {
                wishes.essential.push(chosen);
            }
        } else if of_release
            .any(|version| (1..=lowest).contains(&universe.versions[version as usize].priority))
            || lowest > 0 && universe.name(package) == "apt"
        {
            wishes.base.push(chosen);
        }
    }
}

/// Returns a package's versions with the suites that have them.
pub(super) fn available(universe: &Universe, package: PackageId) -> Vec<String> {
    let describe = |version: VersionId| {
        let files = &universe.versions[version as usize].files;
        let suites: Vec<&str> = files.iter().map(|file| universe.source(*file).codename.as_str()).collect();
        format!("{} ({})", universe.version_text(version), suites.join(", "))
    };
    universe.versions_of(package).map(describe).collect()
}

/// Returns real packages whose names are written nearly like `name`, nearest first.
fn near(universe: &Universe, name: &str) -> Vec<String> {
    let limit = (name.len() / 4).clamp(1, 3);
    let mut found: Vec<(usize, &str)> = (0..universe.packages.len() as PackageId)
        .filter(|package| universe.packages[*package as usize].versions != NONE)
        .map(|package| universe.name(package))
        .filter(|other| other.len().abs_diff(name.len()) <= limit)
        .map(|other| (distance(name.as_bytes(), other.as_bytes()), other))
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    found.sort_unstable();
    found.into_iter().take(3).map(|(_, other)| other.to_owned()).collect()
}

/// Counts the single-byte edits between two names.
fn distance(left: &[u8], right: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, byte) in left.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, other) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(byte != other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}
