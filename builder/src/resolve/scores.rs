//! Scores of packages: how much would break if a package were changed.

use super::conflicts::Said;
use super::index::Universe;
use super::marks::Marks;
use super::records::{Kind, NONE, PackageId};

/// Score of each package.
#[derive(Debug)]
pub(super) struct Scores(Vec<i32>);

/// What a package's priority is worth, from none to extra.
const PRIORITIES: [i32; 6] = [0, 3, 2, 1, -1, -2];
const ESSENTIAL: i32 = 100;
const INSTALLED: i32 = 1;
const NAMED: i32 = 10_000;
const ESSENTIAL_BONUS: i32 = 5_000;

impl Scores {
    /// Scores every package that would be installed, and what it depends on.
    pub(super) fn new(marks: &Marks<'_>, said: &[Said]) -> Self {
        let mut scores = Self(vec![0; marks.packages().len()]);
        let chosen: Vec<PackageId> =
            marks.packages().filter(|package| marks.state(*package).install != NONE).collect();
        for package in &chosen {
            scores.add_own(marks, *package);
            scores.add_to_targets(marks, *package);
        }
        let base = scores.0.clone();
        for package in &chosen {
            scores.inherit(marks, *package, &base);
        }
        scores.pass_to_providers(marks, &base);
        for package in marks.packages() {
            let record = &marks.universe.packages[package as usize];
            let bonus = if said[package as usize].named { NAMED } else { 0 };
            let essential = record.essential || record.important;
            scores.0[package as usize] += bonus + if essential { ESSENTIAL_BONUS } else { 0 };
        }
        scores
    }

    pub(super) fn of(&self, package: PackageId) -> i32 {
        self.0[package as usize]
    }

    /// Lowers the score of `package` to that of `limit` if it is higher.
    pub(super) fn lower(&mut self, package: PackageId, limit: PackageId) {
        self.0[package as usize] = self.of(package).min(self.of(limit));
    }

    /// Raises the score of `package` to that of `other` if it is lower; answers whether it was.
    pub(super) fn raise(&mut self, package: PackageId, other: PackageId) -> bool {
        let raised = self.of(other) > self.of(package);
        self.0[package as usize] = self.of(package).max(self.of(other));
        raised
    }

    /// Returns all packages, highest score first.
    pub(super) fn order(&self, universe: &Universe) -> Vec<PackageId> {
        let mut order = universe.table_order(everything(universe));
        order.sort_by_key(|package| std::cmp::Reverse(self.of(*package)));
        order
    }

    fn add_own(&mut self, marks: &Marks<'_>, package: PackageId) {
        let state = marks.state(package);
        let record = &marks.universe.packages[package as usize];
        let priority = marks.universe.versions[state.install as usize].priority;
        let mut own = PRIORITIES[usize::from(priority)];
        if record.essential || record.important {
            own += ESSENTIAL;
        }
        if state.current != NONE && state.candidate != NONE {
            own += INSTALLED;
        }
        self.0[package as usize] += own;
    }

    fn add_to_targets(&mut self, marks: &Marks<'_>, package: PackageId) {
        let (first, last) = marks.universe.versions[marks.state(package).install as usize].dependencies;
        for number in first..last {
            let dependency = marks.dependency(number);
            let worth = match dependency.kind {
                Kind::PreDepends | Kind::Depends | Kind::Recommends => 1,
                Kind::Conflicts | Kind::Breaks => -1,
                Kind::Suggests => continue,
            };
            let target = dependency.target;
            if !marks.is_own(dependency, target) {
                let versioned = !marks.universe.dependency_version(dependency).is_empty();
                if versioned && !marks.satisfied_by_version(dependency, marks.state(target).install) {
                    continue;
                }
                self.0[target as usize] += worth;
            }
            let mut providers: Vec<PackageId> = marks
                .universe
                .provided_by(target)
                .filter(|provision| {
                    let owner = marks.package_of(provision.owner);
                    !marks.is_own(dependency, owner)
                        && marks.state(owner).install == provision.owner
                        && marks.satisfied_by_provision(dependency, provision)
                })
                .map(|provision| marks.package_of(provision.owner))
                .collect();
            providers.sort_unstable();
            providers.dedup();
            providers.into_iter().for_each(|provider| self.0[provider as usize] += worth);
        }
    }

    /// Adds what is worth keeping of those that depend on the package.
    fn inherit(&mut self, marks: &Marks<'_>, package: PackageId, base: &[i32]) {
        for number in marks.universe.dependencies_on(package) {
            let dependency = marks.dependency(*number);
            let owner = marks.owner(*number);
            let positive = matches!(dependency.kind, Kind::Depends | Kind::PreDepends | Kind::Recommends);
            if positive && marks.state(owner).install == dependency.owner {
                self.0[package as usize] += base[owner as usize].max(0);
            }
        }
    }

    fn pass_to_providers(&mut self, marks: &Marks<'_>, base: &[i32]) {
        for package in marks.universe.table_order(everything(marks.universe)) {
            let gained = (self.of(package) - base[package as usize]).abs();
            if gained == 0 {
                continue;
            }
            let mut providers: Vec<PackageId> = marks
                .universe
                .provided_by(package)
                .filter(|provision| !provision.implicit)
                .filter(|provision| marks.state(marks.package_of(provision.owner)).install == provision.owner)
                .map(|provision| marks.package_of(provision.owner))
                .collect();
            providers.sort_unstable();
            providers.dedup();
            providers.into_iter().for_each(|provider| self.0[provider as usize] += gained);
        }
    }
}

fn everything(universe: &Universe) -> Vec<PackageId> {
    (0..universe.packages.len() as PackageId).collect()
}
