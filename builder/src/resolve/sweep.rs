//! Dropping what was marked on the way but is needed by nothing in the end.

use std::collections::{BTreeMap, BTreeSet};

use super::control::field;
use super::install::How;
use super::marks::{Marks, Mode};
use super::records::{Kind, NONE, PackageId, VersionId};
use super::version::compare;

/// Takes new packages out that nothing chosen by hand leads to.
pub(super) fn sweep(marks: &mut Marks<'_>) {
    let needed = needed(marks);
    let mut dropped: BTreeSet<PackageId> = marks
        .packages()
        .filter(|package| marks.state(*package).is_new() && !needed[*package as usize])
        .collect();
    if dropped.is_empty() {
        return;
    }
    for package in &dropped {
        marks.mark_delete(*package, false, 0);
    }
    while let Some(package) = first_missed(marks, &dropped) {
        marks.mark_install(package, How { dependencies: false, by_request: false, depth: 0 });
        dropped.remove(&package);
    }
}

/// Returns, for each package, whether something chosen by hand leads to it.
fn needed(marks: &Marks<'_>) -> Vec<bool> {
    let mut needed = vec![false; marks.packages().len()];
    let mut queue: Vec<PackageId> = marks
        .packages()
        .filter(|package| {
            let record = &marks.universe.packages[*package as usize];
            marks.state(*package).install != NONE
                && (!marks.state(*package).automatic || record.essential || record.important)
        })
        .collect();
    queue.iter().for_each(|package| needed[*package as usize] = true);
    while let Some(package) = queue.pop() {
        let (first, last) = marks.universe.versions[marks.state(package).install as usize].dependencies;
        for number in first..last {
            for next in followed(marks, number) {
                if !std::mem::replace(&mut needed[next as usize], true) {
                    queue.push(next);
                }
            }
        }
    }
    needed
}

/// Returns the chosen packages that a dependency keeps; of one source, only those built from its latest version.
fn followed(marks: &Marks<'_>, number: u32) -> Vec<PackageId> {
    let dependency = marks.dependency(number);
    if matches!(dependency.kind, Kind::Conflicts | Kind::Breaks) {
        return Vec::new();
    }
    let own = marks.state(dependency.target).install;
    let direct = marks.satisfied_by_version(dependency, own).then_some(own);
    let provided = marks.universe.provided_by(dependency.target).filter(|provision| {
        marks.state(marks.package_of(provision.owner)).install == provision.owner
            && marks.satisfied_by_provision(dependency, provision)
    });
    let versions: Vec<VersionId> =
        direct.into_iter().chain(provided.map(|provision| provision.owner)).collect();
    let latest = if versions.len() > 1 { of_latest_source(marks, versions) } else { versions };
    latest.into_iter().map(|version| marks.package_of(version)).collect()
}

fn of_latest_source(marks: &Marks<'_>, versions: Vec<VersionId>) -> Vec<VersionId> {
    let mut by_source: BTreeMap<&str, Vec<(&str, VersionId)>> = BTreeMap::new();
    for version in versions {
        let (name, source_version) = source(marks, version);
        by_source.entry(name).or_default().push((source_version, version));
    }
    let mut latest = Vec::new();
    for versions in by_source.into_values() {
        let Some(newest) = versions.iter().map(|(text, _)| *text).max_by(|a, b| compare(a, b)) else {
            continue;
        };
        latest.extend(versions.into_iter().filter(|(text, _)| *text == newest).map(|(_, version)| version));
    }
    latest
}

/// Returns the name and version of the source that a version was built from.
fn source<'u>(marks: &Marks<'u>, version: VersionId) -> (&'u str, &'u str) {
    let universe = marks.universe;
    let own = universe.version_text(version);
    match field(universe.stanza(version), "Source") {
        None => (universe.name(marks.package_of(version)), own),
        Some(text) => match text.split_once('(') {
            Some((name, rest)) => (name.trim(), rest.trim_end_matches([')', ' '])),
            None => (text, own),
        },
    }
}

/// Returns the first dropped package that one still chosen depends on, if anything lacks something.
fn first_missed(marks: &Marks<'_>, dropped: &BTreeSet<PackageId>) -> Option<PackageId> {
    if !marks.packages().any(|package| marks.lacks_anything(package)) {
        return None;
    }
    dropped.iter().copied().find(|package| {
        let candidate = marks.state(*package).candidate;
        let provided =
            (candidate != NONE).then(|| marks.universe.provides_of(candidate)).into_iter().flatten();
        let names = std::iter::once(*package).chain(provided.map(|provision| provision.package));
        names.flat_map(|name| marks.universe.dependencies_on(name)).any(|number| {
            let dependency = marks.dependency(*number);
            let owner = marks.state(marks.owner(*number));
            let chosen = owner.current == dependency.owner && owner.mode == Mode::Keep
                || owner.candidate == dependency.owner && owner.mode == Mode::Install;
            chosen && !dependency.is_negative() && marks.is_important(*number)
        })
    })
}
