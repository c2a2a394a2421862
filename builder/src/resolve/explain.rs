//! Finding out why a request cannot be met.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::conflicts::Said;
use super::error::ResolveError;
use super::index::Universe;
use super::install::How;
use super::marks::{Group, HOLDS_CANDIDATE, Marks};
use super::records::{Kind, NONE, PackageId, VersionId};
use super::request::{Wishes, available};

/// More would only repeat the first ones in other words.
const MOST_CHAINS: usize = 5;

/// Tells why the packages in `roots` cannot be had.
pub(super) fn explain(
    universe: &Universe,
    recommends: bool,
    installed: &[(VersionId, bool)],
    roots: &[PackageId],
    said: &[Said],
    wishes: &Wishes,
) -> ResolveError {
    let mut marks = Marks::new(universe, recommends, installed);
    for version in &wishes.fixed {
        marks.set_candidate(version.0);
    }
    let mut search = Search { marks, said, from: BTreeMap::new(), chosen: BTreeSet::new() };
    let mut chains = search.missing(roots);
    if chains.is_empty() {
        chains = search.conflicts();
    }
    if chains.is_empty() {
        chains = vec![search.undecided(roots)];
    }
    chains.truncate(MOST_CHAINS);
    ResolveError::Unsatisfiable { chains }
}

struct Search<'u, 's> {
    marks: Marks<'u>,
    said: &'s [Said],
    /// How each package was come to: from which, by which dependency.
    from: BTreeMap<PackageId, Option<(PackageId, Group)>>,
    chosen: BTreeSet<PackageId>,
}

impl Search<'_, '_> {
    /// Walks hard dependencies, breadth first, and collects those that no candidate meets.
    fn missing(&mut self, roots: &[PackageId]) -> Vec<String> {
        let mut chains = Vec::new();
        let mut queue: VecDeque<PackageId> = roots.iter().copied().collect();
        roots.iter().for_each(|root| _ = self.from.insert(*root, None));
        while let Some(package) = queue.pop_front() {
            self.chosen.insert(package);
            let candidate = self.marks.state(package).candidate;
            if candidate == NONE {
                continue;
            }
            for group in self.marks.groups(candidate).collect::<Vec<_>>() {
                let first = self.marks.dependency(group.start);
                if !first.is_critical() || first.is_negative() {
                    continue;
                }
                match self.way_on(&group) {
                    None => chains.push(format!(
                        "{}, but {}",
                        self.chain(package, Some(&group)),
                        self.lack(&group)
                    )),
                    Some(next) => {
                        if let std::collections::btree_map::Entry::Vacant(slot) = self.from.entry(next) {
                            slot.insert(Some((package, group)));
                            queue.push_back(next);
                        }
                    }
                }
            }
        }
        chains
    }

    /// Returns the package that would meet a dependency: one already come to, else the first that is not ruled out.
    fn way_on(&mut self, group: &Group) -> Option<PackageId> {
        let mut solutions = Vec::new();
        for number in group.clone() {
            if self.marks.answer(number) & HOLDS_CANDIDATE != 0 {
                solutions.extend(self.marks.solutions(number, |state| state.candidate));
            }
        }
        let packages: Vec<PackageId> = solutions
            .into_iter()
            .map(|version| self.marks.package_of(version))
            .filter(|package| !self.said[*package as usize].never)
            .collect();
        packages.iter().copied().find(|package| self.from.contains_key(package)).or_else(|| {
            let (working, _): (Vec<PackageId>, Vec<PackageId>) =
                packages.iter().partition(|package| self.is_installable(**package, &mut BTreeSet::new()));
            working.first().or(packages.first()).copied()
        })
    }

    fn is_installable(&self, package: PackageId, seen: &mut BTreeSet<PackageId>) -> bool {
        let candidate = self.marks.state(package).candidate;
        if candidate == NONE || self.said[package as usize].never {
            return false;
        }
        if !seen.insert(package) {
            return true;
        }
        self.marks.groups(candidate).all(|group| {
            let first = self.marks.dependency(group.start);
            !first.is_critical()
                || first.is_negative()
                || group.clone().any(|number| {
                    let solutions = self.marks.solutions(number, |state| state.candidate);
                    solutions
                        .into_iter()
                        .any(|version| self.is_installable(self.marks.package_of(version), seen))
                })
        })
    }

    /// Collects the conflicts among the packages that were come to.
    fn conflicts(&self) -> Vec<String> {
        let mut chains = Vec::new();
        for package in &self.chosen {
            let candidate = self.marks.state(*package).candidate;
            for group in self.marks.groups(candidate) {
                let conflict = self.marks.dependency(group.start);
                if !conflict.is_negative() {
                    continue;
                }
                for version in self.marks.solutions(group.start, |state| state.candidate) {
                    let other = self.marks.package_of(version);
                    if self.chosen.contains(&other) {
                        let verb = match conflict.kind {
                            Kind::Breaks => "breaks",
                            _ => "conflicts with",
                        };
                        let (one, other) = (self.chain(*package, None), self.chain(other, None));
                        let which = if one.contains(' ') { ", which" } else { "" };
                        chains
                            .push(format!("{one}{which} {verb} {}, and {other}", self.alternatives(&group)));
                    }
                }
            }
        }
        chains
    }

    /// Falls back to naming what marking alone leaves broken.
    fn undecided(&mut self, roots: &[PackageId]) -> String {
        for root in roots {
            self.marks.mark_install(*root, How { dependencies: true, by_request: true, depth: 0 });
        }
        let names: Vec<&str> = self.marks.broken().map(|package| self.marks.universe.name(package)).collect();
        let names = if names.is_empty() { "the request as a whole".to_owned() } else { names.join(", ") };
        format!("no choice of packages leaves these whole: {names}")
    }

    /// Describes how the request leads to a package, and to a dependency of it.
    fn chain(&self, package: PackageId, last: Option<&Group>) -> String {
        let mut links = vec![last.map(|group| self.alternatives(group))];
        let mut at = package;
        let mut names = vec![self.marks.universe.name(at).to_owned()];
        while let Some(Some((from, group))) = self.from.get(&at) {
            links.push(Some(self.alternatives(group)));
            names.push(self.marks.universe.name(*from).to_owned());
            at = *from;
        }
        let mut text = names.pop().unwrap_or_default();
        while let Some(link) = links.pop() {
            let Some(link) = link else { break };
            text.push_str(" depends on ");
            text.push_str(&link);
            if let Some(name) = names.pop() {
                if !link.starts_with(&name) {
                    text.push_str(&format!(" ({name})"));
                }
                if !links.iter().all(Option::is_none) {
                    text.push_str(", which");
                }
            }
        }
        text
    }

    /// Writes a dependency as its field does.
    fn alternatives(&self, group: &Group) -> String {
        let write = |number: u32| {
            let dependency = self.marks.dependency(number);
            let name = self.marks.universe.name(dependency.target);
            match self.marks.universe.dependency_version(dependency) {
                "" => name.to_owned(),
                version => format!("{name} ({} {version})", dependency.relation.operator()),
            }
        };
        group.clone().map(write).collect::<Vec<_>>().join(" | ")
    }

    /// Tells what there is instead of what a dependency asks for.
    fn lack(&self, group: &Group) -> String {
        let universe = self.marks.universe;
        let tell = |number: u32| {
            let target = self.marks.dependency(number).target;
            let name = universe.name(target);
            if self.said[target as usize].never {
                return format!("{name} is ruled out by '{name}-'");
            }
            match &available(universe, target)[..] {
                [] => format!("{name} is not available"),
                versions => format!("of {name} there is only {}", versions.join(", ")),
            }
        };
        group.clone().map(tell).collect::<Vec<_>>().join(" and ")
    }
}
