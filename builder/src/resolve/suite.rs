//! `name/suite`: the dependencies of a version from another suite may need versions from there too.

use super::marks::{Group, HOLDS_INSTALLED, Marks};
use super::records::{Kind, NONE, VersionId};
use super::request::in_suite;

/// Makes versions of `suite` the candidates where the dependencies of `version` are not met by what is there.
///
/// As in apt, "met" asks for a candidate whose own dependencies are installed or marked already, so that on an empty
/// system whatever is depended on with a version comes from the suite.
pub(super) fn follow(marks: &mut Marks<'_>, version: VersionId, suite: &str) {
    switch(marks, version, suite, &mut Vec::new());
}

/// Switches one version and what it needs; answers whether all that could be done was.
fn switch(marks: &mut Marks<'_>, version: VersionId, suite: &str, switched: &mut Vec<VersionId>) -> bool {
    marks.set_candidate(version);
    let groups: Vec<Group> = marks.groups(version).collect();
    for group in groups {
        let kind = marks.dependency(group.start).kind;
        let negative = matches!(kind, Kind::Conflicts | Kind::Breaks);
        if negative || !marks.is_important(group.start) || group.clone().any(|number| is_met(marks, number)) {
            continue;
        }
        if !switch_one(marks, group, suite, switched) && matches!(kind, Kind::Depends | Kind::PreDepends) {
            return false;
        }
    }
    true
}

fn is_met(marks: &Marks<'_>, number: u32) -> bool {
    let dependency = marks.dependency(number);
    let state = marks.state(dependency.target);
    let ready = |version: VersionId| {
        version != NONE
            && marks.groups(version).all(|group| {
                !marks.dependency(group.start).is_critical() || marks.holds(&group, HOLDS_INSTALLED)
            })
    };
    if marks.satisfied_by_version(dependency, state.current) {
        return true;
    }
    if !marks.universe.dependency_version(dependency).is_empty() {
        return marks.satisfied_by_version(dependency, state.candidate) && ready(state.candidate);
    }
    let mut provided = marks.universe.provided_by(dependency.target).peekable();
    if provided.peek().is_none() {
        return ready(state.candidate);
    }
    provided.any(|provision| {
        marks.state(marks.package_of(provision.owner)).candidate == provision.owner && ready(provision.owner)
    })
}

fn switch_one(marks: &mut Marks<'_>, group: Group, suite: &str, switched: &mut Vec<VersionId>) -> bool {
    let last = group.end - 1;
    for number in group {
        let dependency = marks.dependency(number);
        if marks.universe.dependency_version(dependency).is_empty() {
            continue;
        }
        let Some(version) = in_suite(marks.universe, dependency.target, suite) else { continue };
        if !marks.satisfied_by_version(dependency, version) {
            continue;
        }
        let before = marks.state(dependency.target).candidate;
        let known = |other: &VersionId| marks.package_of(*other) == dependency.target;
        if version == before && switched.iter().any(known) {
            return true;
        }
        switched.push(version);
        if switch(marks, version, suite, switched) {
            return true;
        }
        if number == last {
            return false;
        }
        if before != NONE {
            marks.set_candidate(before);
        }
        switched.pop();
    }
    false
}
