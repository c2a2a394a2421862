//! Settling what marking left broken: packages are scored, and the lower score gives way.
//!
//! This follows apt's problem resolver, whose outcome is what users of a release know; the comments name the reasons.

use super::install::How;
use super::marks::{Group, HOLDS_CANDIDATE, HOLDS_INSTALLED, HOLDS_NOW, Marks, Mode};
use super::records::{DependencyId, Kind, NONE, PackageId, VersionId};
use super::scores::Scores;

/// Rounds after which the resolver gives up.
const ROUNDS: u32 = 20;

const QUIETLY: How = How { dependencies: false, by_request: false, depth: 0 };

/// What happens to a package when no alternative of one of its dependencies could be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Otherwise {
    Remove,
    Keep,
}

/// What the request said of a package.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Said {
    /// It names the package.
    pub named: bool,
    /// It says never.
    pub never: bool,
}

/// The resolver at work.
#[derive(Debug)]
pub(super) struct Resolver<'m, 'u> {
    marks: &'m mut Marks<'u>,
    said: &'m [Said],
    scores: Scores,
    upgradable: Vec<bool>,
    changed: bool,
    round: u32,
}

/// A package that stands against a dependency and may have to go.
type Kill = (PackageId, Group);

/// One package under investigation.
#[derive(Debug)]
struct Case {
    package: PackageId,
    kills: Vec<Kill>,
    in_or: bool,
    otherwise: Otherwise,
}

impl<'m, 'u> Resolver<'m, 'u> {
    /// Settles what is broken; broken packages may remain.
    pub(super) fn settle(marks: &'m mut Marks<'u>, said: &'m [Said]) {
        if marks.broken().next().is_none() {
            return;
        }
        reinstate(marks);
        let was_marked: Vec<bool> =
            marks.packages().map(|package| marks.state(package).mode == Mode::Install).collect();
        let scores = Scores::new(marks, said);
        let upgradable = vec![true; marks.packages().len()];
        let mut resolver = Self { marks, said, scores, upgradable, changed: true, round: 0 };
        resolver.run();
        if resolver.marks.broken().next().is_none() {
            for package in resolver.marks.packages() {
                if resolver.marks.state(package).is_new() && !was_marked[package as usize] {
                    resolver.marks.state_mut(package).automatic = true;
                }
            }
        }
    }

    fn run(&mut self) {
        let order = self.scores.order(self.marks.universe);
        while self.round < ROUNDS && self.changed {
            self.changed = false;
            for package in &order {
                if self.marks.state(*package).install != NONE && self.marks.is_broken(*package) {
                    self.investigate(*package);
                }
            }
            self.round += 1;
        }
    }

    fn investigate(&mut self, package: PackageId) {
        let mut case = Case { package, kills: Vec::new(), in_or: false, otherwise: Otherwise::Remove };
        for group in self.marks.groups(self.marks.state(package).install) {
            if self.marks.dependency(group.start).is_critical() && !self.mend(&mut case, &group) {
                break;
            }
        }
        if self.marks.state(package).install != NONE {
            self.apply_kills(case);
        }
    }

    /// Tries to mend one dependency; answers whether the package's next dependency is to be looked at.
    fn mend(&mut self, case: &mut Case, group: &Group) -> bool {
        case.in_or = group.len() > 1;
        case.otherwise = Otherwise::Remove;
        let kills = case.kills.len();
        for dependency in group.clone() {
            if self.marks.holds(group, HOLDS_INSTALLED) {
                case.in_or = false;
                break;
            }
            if !self.mend_alternative(case, group, dependency) {
                return false;
            }
        }
        if case.in_or && kills == case.kills.len() {
            match case.otherwise {
                Otherwise::Remove if self.marks.state(case.package).protected => return true,
                Otherwise::Remove => _ = self.marks.mark_delete(case.package, false, 0),
                Otherwise::Keep => _ = self.marks.mark_keep(case.package, false),
            }
            self.changed = true;
        }
        true
    }

    fn mend_alternative(&mut self, case: &mut Case, group: &Group, dependency: DependencyId) -> bool {
        let package = case.package;
        let negative = self.marks.dependency(dependency).is_negative();
        let targets = self.targets(dependency);
        let hopeless = targets.is_empty() && !self.marks.state(package).protected && !negative;
        if hopeless && !self.marks.is_broken_now(package) {
            // With alternatives, another of them may be what holds when the package is kept.
            if case.in_or {
                return true;
            }
            self.changed = true;
            self.marks.mark_keep(package, false);
            return false;
        }
        let mut done = self.weigh(case, group, dependency, &targets);
        if hopeless {
            if !self.keep_if_that_helps(case) && !case.in_or {
                self.marks.mark_delete(package, false, 0);
            }
            self.changed = true;
            done = true;
        }
        case.in_or || !done
    }

    /// Weighs the package against each version that its dependency is about; answers whether the package gave way.
    fn weigh(
        &mut self,
        case: &mut Case,
        group: &Group,
        dependency: DependencyId,
        targets: &[VersionId],
    ) -> bool {
        let package = case.package;
        let negative = self.marks.dependency(dependency).is_negative();
        for version in targets {
            let other = self.marks.package_of(*version);
            if negative && self.marks.state(other).install != *version {
                continue;
            }
            let not_now = self.marks.answer(dependency) & HOLDS_NOW == 0;
            if self.scores.of(package) <= self.scores.of(other) || not_now && !negative {
                if self.marks.state(package).protected {
                    if self.upgrade(other) {
                        self.scores.lower(other, package);
                        return false;
                    }
                    continue;
                }
                self.give_way(case, dependency, other);
                self.changed = true;
                return true;
            }
            if self.marks.dependency(dependency).kind == Kind::Breaks
                && self.marks.holds(group, HOLDS_CANDIDATE)
            {
                self.marks.mark_install(other, QUIETLY);
                continue;
            }
            let state = self.marks.state(other);
            if state.protected && state.mode != Mode::Delete {
                continue;
            }
            case.kills.push((other, group.clone()));
            if !negative {
                break;
            }
        }
        false
    }

    /// Keeps the package as it was if it is not broken then.
    fn keep_if_that_helps(&mut self, case: &mut Case) -> bool {
        let was_marked = self.marks.state(case.package).mode == Mode::Install;
        self.marks.mark_keep(case.package, false);
        if self.marks.is_broken(case.package) {
            return false;
        }
        case.otherwise = Otherwise::Keep;
        if case.in_or && was_marked {
            self.marks.mark_install(case.package, QUIETLY);
        }
        true
    }

    fn give_way(&mut self, case: &mut Case, dependency: DependencyId, other: PackageId) {
        if self.keep_if_that_helps(case) || self.upgrade(case.package) {
            return;
        }
        if !case.in_or {
            self.marks.mark_delete(case.package, false, 0);
            if self.round > 1 {
                self.scores.raise(case.package, other);
            }
            return;
        }
        // The first solution may have been removed for a conflict of its own; before the package goes, try it.
        let target = self.marks.dependency(dependency).target;
        let state = *self.marks.state(target);
        let never = self.said[target as usize].never;
        if state.current == NONE && state.mode != Mode::Delete && !never && state.candidate != NONE {
            let broken = self.marks.broken().count();
            self.marks.mark_install(target, How { dependencies: true, by_request: false, depth: 1 });
            if self.marks.is_broken(target) || self.marks.broken().count() > broken {
                self.marks.mark_delete(target, false, 1);
            }
        }
    }

    fn apply_kills(&mut self, case: Case) {
        for (other, group) in case.kills {
            let negative = self.marks.dependency(group.start).is_negative();
            let gone = if !self.marks.holds(&group, HOLDS_NOW) {
                negative && self.marks.mark_delete(other, false, 0)
            } else {
                self.marks.mark_keep(other, false)
            };
            if (!gone || self.round > 1) && self.scores.raise(other, case.package) {
                self.changed = true;
            }
            self.changed |= gone;
        }
    }

    /// Marks a package and whatever single packages its dependencies then lack.
    fn upgrade(&mut self, package: PackageId) -> bool {
        let state = *self.marks.state(package);
        let can = state.candidate != NONE && state.candidate != state.current;
        if !self.upgradable[package as usize] || !can || self.said[package as usize].named {
            return false;
        }
        self.upgradable[package as usize] = false;
        if !self.marks.mark_install(package, QUIETLY) || self.marks.state(package).install == NONE {
            return false;
        }
        let groups: Vec<Group> = self.marks.groups(self.marks.state(package).install).collect();
        let failed = groups
            .iter()
            .filter(|group| self.marks.dependency(group.start).is_critical())
            .cloned()
            .collect::<Vec<_>>()
            .into_iter()
            .any(|group| !self.upgrade_for(&group));
        if failed {
            if state.mode == Mode::Keep {
                self.marks.mark_keep(package, false);
            } else {
                self.marks.mark_delete(package, false, 0);
            }
        }
        !failed
    }

    fn upgrade_for(&mut self, group: &Group) -> bool {
        let mut failed = false;
        for dependency in group.clone() {
            if self.marks.holds(group, HOLDS_INSTALLED) {
                break;
            }
            let target = self.likely_target(dependency);
            if self.marks.state(target).protected {
                failed = true;
            } else if self.marks.answer(dependency) & HOLDS_CANDIDATE != 0 {
                failed = !self.upgrade(target);
                if !failed {
                    break;
                }
            } else if self.marks.dependency(dependency).is_negative() {
                break;
            } else {
                failed = true;
            }
        }
        !failed
    }

    /// Returns the named package, or its provider when it is virtual.
    fn likely_target(&self, dependency: DependencyId) -> PackageId {
        let target = self.marks.dependency(dependency).target;
        if self.marks.universe.packages[target as usize].versions != NONE {
            return target;
        }
        let owner = self.marks.owner(dependency);
        let mut providers =
            self.marks.universe.provided_by(target).map(|provision| self.marks.package_of(provision.owner));
        providers.find(|provider| *provider != owner).unwrap_or(target)
    }

    /// Returns every version that a dependency is about, whether or not it is a candidate.
    fn targets(&self, number: DependencyId) -> Vec<VersionId> {
        let dependency = self.marks.dependency(number);
        let universe = self.marks.universe;
        let own = |package| self.marks.is_own(dependency, package);
        let direct = universe.versions_of(dependency.target).filter(|version| {
            !own(dependency.target) && self.marks.satisfied_by_version(dependency, *version)
        });
        let provided = universe.provided_by(dependency.target).filter(|provision| {
            !own(self.marks.package_of(provision.owner))
                && self.marks.satisfied_by_provision(dependency, provision)
        });
        direct.chain(provided.map(|provision| provision.owner)).collect()
    }
}

/// Marks what is installed but broken for its candidate.
fn reinstate(marks: &mut Marks<'_>) {
    loop {
        let broken: Vec<PackageId> =
            marks.broken().filter(|package| marks.state(*package).mode != Mode::Install).collect();
        let mut again = false;
        for package in broken {
            marks.mark_install(package, QUIETLY);
            again |= marks.state(package).mode == Mode::Install;
        }
        if !again {
            return;
        }
    }
}
