//! Marking packages for installation or not: dependencies follow depth first, in the order of their fields.
//!
//! The rules are those of apt's marking (2.6 and 3.0 agree): the first alternative that can be installed wins,
//! a real package before its providers, and a branch that fails takes its candidate out of the game.

use super::marks::{Group, HOLDS_CANDIDATE, HOLDS_INSTALLED, Marks, Mode};
use super::providers::Among;
use super::records::{DependencyId, NONE, PackageId, VersionId};

/// How a package is marked.
#[derive(Debug, Clone, Copy)]
pub(super) struct How {
    /// Whether dependencies are marked too.
    pub dependencies: bool,
    /// Whether the request names it.
    pub by_request: bool,
    pub depth: u32,
}

impl How {
    fn deeper(self, dependencies: bool) -> Self {
        Self { dependencies, by_request: false, depth: self.depth + 1 }
    }
}

/// Deeper chains are given up, as apt gives them up.
const DEEPEST: u32 = 3000;

/// Dependencies of a version that marking has to act on.
#[derive(Debug, Default)]
struct Duties {
    install: Vec<Group>,
    remove: Vec<DependencyId>,
}

impl Marks<'_> {
    /// Returns whether the mode of a package may be changed.
    fn may_become(&self, mode: Mode, package: PackageId, how: How) -> bool {
        let record = &self.universe.packages[package as usize];
        if how.depth > DEEPEST || record.versions == NONE {
            return false;
        }
        let state = self.state(package);
        how.by_request
            || state.mode == mode
            || !(state.protected || mode == Mode::Delete && (record.essential || record.important))
    }

    /// Leaves a package as it is.
    pub(super) fn mark_keep(&mut self, package: PackageId, by_request: bool) -> bool {
        let how = How { dependencies: false, by_request, depth: 0 };
        if !self.may_become(Mode::Keep, package, how) {
            return false;
        }
        if self.state(package).mode != Mode::Keep {
            self.set(package, Mode::Keep, self.state(package).current);
        }
        true
    }

    /// Takes a package out: removes what is installed, forgets what was to be installed.
    pub(super) fn mark_delete(&mut self, package: PackageId, by_request: bool, depth: u32) -> bool {
        if !self.may_become(Mode::Delete, package, How { dependencies: false, by_request, depth }) {
            return false;
        }
        let state = self.state(package);
        if state.mode == Mode::Delete || state.install == NONE {
            return true;
        }
        if !by_request && self.is_requested(package) {
            return false;
        }
        let mode = if state.current == NONE { Mode::Keep } else { Mode::Delete };
        self.set(package, mode, NONE);
        true
    }

    /// Returns whether a package is to be newly installed because the request says so.
    fn is_requested(&self, package: PackageId) -> bool {
        let state = self.state(package);
        state.current == NONE && state.install != NONE && !state.automatic
    }

    /// Marks the candidate of a package for installation; answers whether that worked.
    pub(super) fn mark_install(&mut self, package: PackageId, how: How) -> bool {
        let state = *self.state(package);
        let only_protects = state.protected
            && state.mode == Mode::Keep
            && state.candidate != NONE
            && state.candidate == state.current;
        if !only_protects && !self.may_become(Mode::Install, package, how) || state.candidate == NONE {
            return false;
        }
        if !state.protected && !self.lacks_anything(package) {
            if state.candidate == state.current {
                return state.install != NONE || self.mark_keep(package, how.by_request);
            }
            if state.mode == Mode::Install {
                return true;
            }
        }
        if how.dependencies && !self.is_satisfiable(package) {
            return false;
        }
        if how.by_request {
            self.take_candidate(package, how);
        }
        if !how.dependencies {
            if !how.by_request {
                self.take_candidate(package, how);
            }
            return true;
        }
        self.mark_with_dependencies(package, how)
    }

    fn mark_with_dependencies(&mut self, package: PackageId, how: How) -> bool {
        let was_protected = self.state(package).protected;
        let fails_early = !was_protected && !how.by_request;
        let version = self.state(package).candidate;
        let mut duties = self.duties(version);
        let (mut upgrades, mut removals) = (Vec::new(), Vec::new());
        let mut good = self.remove_conflicts(&mut duties, &mut upgrades, &mut removals, was_protected, how);
        if !good && fails_early {
            return false;
        }
        if !how.by_request {
            self.take_candidate(package, how);
        }
        // While its dependencies are looked for, nothing may undo the package itself.
        self.state_mut(package).protected = true;
        for step in 0..3 {
            let done = match step {
                0 => self.upgrade_or_remove(&upgrades, was_protected, how),
                1 => self.install_dependencies(package, &duties.install, was_protected, how),
                _ => self.remove_all(&removals, fails_early, how),
            };
            if !done && fails_early {
                self.discard_install(package);
                self.state_mut(package).protected = was_protected;
                return false;
            }
            good &= done;
        }
        self.state_mut(package).protected = was_protected;
        good
    }

    fn remove_all(&mut self, removals: &[PackageId], fails_early: bool, how: How) -> bool {
        let mut good = true;
        for removal in removals {
            good &= self.mark_delete(*removal, false, how.depth);
            if !good && fails_early {
                break;
            }
        }
        good
    }

    /// Sets the package to its candidate.
    fn take_candidate(&mut self, package: PackageId, how: How) {
        let state = *self.state(package);
        if state.protected && state.install == state.candidate {
            return;
        }
        let mode = if state.candidate == state.current { Mode::Keep } else { Mode::Install };
        if state.current == NONE {
            self.state_mut(package).automatic = !how.by_request;
        } else if how.by_request {
            self.state_mut(package).automatic = false;
        }
        self.set(package, mode, state.candidate);
    }

    /// Undoes a mark that failed and takes the candidate away.
    fn discard_install(&mut self, package: PackageId) {
        let state = *self.state(package);
        if state.mode == Mode::Keep && state.install == state.candidate && state.candidate == state.current {
            return;
        }
        self.set(package, Mode::Keep, state.current);
        self.discard_candidate(package);
    }

    /// Returns whether every hard dependency of the candidate has a solution at all; if not, the candidate is dropped.
    fn is_satisfiable(&mut self, package: PackageId) -> bool {
        let state = *self.state(package);
        if state.candidate == state.current {
            return true;
        }
        let hopeless = self.groups(state.candidate).any(|group| {
            let first = self.dependency(group.start);
            first.is_critical()
                && !first.is_negative()
                && !self.holds(&group, HOLDS_INSTALLED | HOLDS_CANDIDATE)
        });
        if hopeless && !state.protected {
            if state.current != NONE {
                self.set_candidate(state.current);
            } else {
                self.state_mut(package).candidate = NONE;
            }
            let state = self.state_mut(package);
            if state.mode != Mode::Delete {
                state.mode = Mode::Keep;
            }
        }
        !hopeless
    }

    fn duties(&self, version: VersionId) -> Duties {
        let protected = self.state(self.package_of(version)).protected;
        let mut duties = Duties::default();
        for group in self.groups(version) {
            if self.holds(&group, HOLDS_INSTALLED) && !protected || !self.is_important(group.start) {
                continue;
            }
            if self.dependency(group.start).is_negative() {
                duties.remove.push(group.start);
            } else {
                duties.install.push(group);
            }
        }
        duties
    }

    /// Gets conflicting packages out of the way: candidates are given up, installed packages upgraded or removed.
    fn remove_conflicts(
        &mut self,
        duties: &mut Duties,
        upgrades: &mut Vec<PackageId>,
        removals: &mut Vec<PackageId>,
        protects: bool,
        how: How,
    ) -> bool {
        let goes_on = protects || how.by_request;
        let mut good = true;
        let mut bad_candidates = Vec::new();
        for conflict in duties.remove.drain(..) {
            let group = conflict..conflict + 1;
            for version in self.possible(&group, Among::Candidates) {
                let package = self.package_of(version);
                let state = *self.state(package);
                if state.candidate != version {
                    continue;
                }
                if state.current != version {
                    if state.mode == Mode::Install && !self.mark_keep(package, false) {
                        good = false;
                    } else if protects {
                        self.discard_candidate(package);
                        if state.current == NONE {
                            self.state_mut(package).protected = true;
                        }
                    } else {
                        bad_candidates.push(package);
                    }
                } else {
                    good &= self.remove_installed(package, protects, removals, how);
                }
                if !good && !goes_on {
                    return false;
                }
            }
            for version in self.possible(&group, Among::Installed) {
                let package = self.package_of(version);
                let state = *self.state(package);
                if state.candidate != version && state.candidate != NONE && !bad_candidates.contains(&package)
                {
                    upgrades.push(package);
                } else if state.candidate != state.current {
                    good &= self.remove_installed(package, protects, removals, how);
                    if !good && !goes_on {
                        return false;
                    }
                }
            }
        }
        good
    }

    fn remove_installed(
        &mut self,
        package: PackageId,
        protects: bool,
        removals: &mut Vec<PackageId>,
        how: How,
    ) -> bool {
        let state = *self.state(package);
        if !protects {
            if state.mode == Mode::Delete {
                return true;
            }
            let allowed = self.may_become(Mode::Delete, package, How { by_request: false, ..how });
            if allowed && !self.is_requested(package) {
                removals.push(package);
                return true;
            }
            return false;
        }
        if state.mode != Mode::Delete && !self.mark_delete(package, false, how.depth + 1) {
            return false;
        }
        self.discard_candidate(package);
        self.state_mut(package).protected = true;
        true
    }

    fn upgrade_or_remove(&mut self, upgrades: &[PackageId], protects: bool, how: How) -> bool {
        let mut good = true;
        for package in upgrades {
            if self.state(*package).mode == Mode::Install || self.mark_install(*package, how.deeper(true)) {
                continue;
            }
            if !self.mark_delete(*package, false, how.depth + 1) {
                good = false;
                if !protects && !how.by_request {
                    break;
                }
            } else if protects {
                self.state_mut(*package).protected = true;
            }
        }
        good
    }

    fn install_dependencies(
        &mut self,
        package: PackageId,
        groups: &[Group],
        protects: bool,
        how: How,
    ) -> bool {
        let mut good = true;
        for group in groups {
            let critical = self.dependency(group.start).is_critical();
            if self.holds(group, HOLDS_INSTALLED) {
                if protects && critical {
                    good &= self.protect_only_solution(group, how);
                }
                continue;
            }
            // What an installed package recommends and never had is not brought in later.
            if !critical && self.state(package).current != NONE {
                continue;
            }
            if !self.install_solution(group, protects && critical, how) && critical {
                good = false;
                if !protects && !how.by_request {
                    break;
                }
            }
        }
        good
    }

    /// Protects what meets a dependency of a protected package, when nothing else could.
    fn protect_only_solution(&mut self, group: &Group, how: How) -> bool {
        let mut solutions: Vec<VersionId> = Vec::new();
        for dependency in group.clone() {
            if self.answer(dependency) & HOLDS_CANDIDATE != 0 {
                solutions.extend(self.solutions(dependency, |state| state.candidate));
            }
            solutions.extend(self.solutions(dependency, |state| state.current));
        }
        solutions.sort_unstable();
        solutions.dedup();
        self.drop_forbidden(&mut solutions);
        let [only] = solutions[..] else { return true };
        let package = self.package_of(only);
        if self.state(package).protected {
            return true;
        }
        self.state_mut(package).protected = true;
        self.mark_install(package, how.deeper(true))
    }

    fn install_solution(&mut self, group: &Group, protects: bool, how: How) -> bool {
        let solutions = self.possible(group, Among::Candidates);
        for version in &solutions {
            let package = self.package_of(*version);
            if self.state(package).candidate != *version {
                continue;
            }
            if protects && solutions.len() == 1 {
                if !self.mark_install(package, how.deeper(false)) {
                    continue;
                }
                self.state_mut(package).protected = true;
            }
            if self.mark_install(package, how.deeper(true)) {
                return true;
            }
        }
        false
    }
}
