//! The state of every package while a selection is made, and which dependencies hold in it.
//!
//! A dependency's answer is remembered from the moment the packages it concerns last changed, as apt remembers it:
//! taking away a package's candidate (in [`super::install`]) does not refresh answers, which shows in what is chosen.

use std::cell::Cell;

use super::index::Universe;
use super::records::{Dependency, DependencyId, Kind, NONE, PackageId, VersionId};

/// The dependency holds with what is installed now.
pub(super) const HOLDS_NOW: u8 = 1;
/// It holds with what would be installed.
pub(super) const HOLDS_INSTALLED: u8 = 2;
/// It would hold if the candidates were installed.
pub(super) const HOLDS_CANDIDATE: u8 = 4;
/// Nothing is remembered yet.
const UNKNOWN: u8 = 8;

/// What is to become of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Keep,
    Install,
    Delete,
}

/// State of one package.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    /// Version installed before this selection.
    pub current: VersionId,
    /// Version that would be installed if the package were marked.
    pub candidate: VersionId,
    /// Version installed after this selection.
    pub install: VersionId,
    pub mode: Mode,
    /// The mode was decided and is not to be changed by the solver.
    pub protected: bool,
    /// Came as a dependency.
    pub automatic: bool,
    /// Position in the order of marking.
    pub sequence: u32,
}

impl State {
    pub(super) fn is_new(&self) -> bool {
        self.mode == Mode::Install && self.current == NONE
    }
}

/// Which state of packages a dependency is checked against.
#[derive(Debug, Clone, Copy)]
enum Against {
    Now,
    Installed,
    Candidate,
}

/// All states.
#[derive(Debug)]
pub(super) struct Marks<'u> {
    pub universe: &'u Universe,
    pub recommends: bool,
    states: Vec<State>,
    /// What is remembered of each dependency; `HOLDS_*` bits.
    answers: Vec<Cell<u8>>,
    /// Candidates as policy gives them, before any was changed.
    pristine: Vec<VersionId>,
    sequence: u32,
}

/// Alternatives of a dependency: a range of dependencies, the last without `or`.
pub(super) type Group = std::ops::Range<DependencyId>;

impl<'u> Marks<'u> {
    /// Starts with `installed` in place, each by hand or automatically, and nothing marked.
    pub(super) fn new(universe: &'u Universe, recommends: bool, installed: &[(VersionId, bool)]) -> Self {
        let pristine: Vec<VersionId> =
            (0..universe.packages.len()).map(|package| universe.candidate(package as PackageId)).collect();
        let fresh = |candidate: &VersionId| State {
            current: NONE,
            candidate: *candidate,
            install: NONE,
            mode: Mode::Keep,
            protected: false,
            automatic: false,
            sequence: 0,
        };
        let mut states: Vec<State> = pristine.iter().map(fresh).collect();
        let mut pristine = pristine;
        for (version, automatic) in installed {
            let package = universe.versions[*version as usize].package as usize;
            let state = &mut states[package];
            (state.current, state.install, state.automatic) = (*version, *version, *automatic);
            (state.candidate, pristine[package]) = (*version, *version);
        }
        let answers = vec![Cell::new(UNKNOWN); universe.dependencies.len()];
        Self { universe, recommends, states, answers, pristine, sequence: 0 }
    }

    pub(super) fn state(&self, package: PackageId) -> &State {
        &self.states[package as usize]
    }

    pub(super) fn state_mut(&mut self, package: PackageId) -> &mut State {
        &mut self.states[package as usize]
    }

    pub(super) fn packages(&self) -> std::ops::Range<PackageId> {
        0..self.states.len() as PackageId
    }

    pub(super) fn package_of(&self, version: VersionId) -> PackageId {
        self.universe.versions[version as usize].package
    }

    pub(super) fn dependency(&self, dependency: DependencyId) -> &'u Dependency {
        &self.universe.dependencies[dependency as usize]
    }

    /// Returns the package that a dependency belongs to.
    pub(super) fn owner(&self, dependency: DependencyId) -> PackageId {
        self.package_of(self.dependency(dependency).owner)
    }

    /// Returns the dependencies of a version, alternatives together.
    pub(super) fn groups(&self, version: VersionId) -> impl Iterator<Item = Group> + use<'u> {
        let universe = self.universe;
        let (mut at, end) = universe.versions[version as usize].dependencies;
        std::iter::from_fn(move || {
            let start = (at < end).then_some(at)?;
            while at + 1 < end && universe.dependencies[at as usize].or {
                at += 1;
            }
            at += 1;
            Some(start..at)
        })
    }

    /// Returns whether the solver acts on this kind of dependency.
    pub(super) fn is_important(&self, dependency: DependencyId) -> bool {
        match self.dependency(dependency).kind {
            Kind::Recommends => self.recommends,
            Kind::Suggests => false,
            _ => true,
        }
    }

    pub(super) fn satisfied_by_version(&self, dependency: &Dependency, version: VersionId) -> bool {
        version != NONE
            && dependency
                .relation
                .holds(self.universe.version_text(version), self.universe.dependency_version(dependency))
    }

    pub(super) fn satisfied_by_provision(
        &self,
        dependency: &Dependency,
        provision: &super::records::Provision,
    ) -> bool {
        dependency
            .relation
            .holds(self.universe.provision_version(provision), self.universe.dependency_version(dependency))
    }

    /// Returns whether a negative dependency does not concern `package`: a package never conflicts with itself.
    pub(super) fn is_own(&self, dependency: &Dependency, package: PackageId) -> bool {
        dependency.is_negative() && self.package_of(dependency.owner) == package
    }

    /// Returns what is remembered of a dependency; for a negative one, whether it is *not* hit.
    pub(super) fn answer(&self, number: DependencyId) -> u8 {
        let cell = &self.answers[number as usize];
        if cell.get() == UNKNOWN {
            cell.set(self.pristine_answer(number));
        }
        cell.get()
    }

    /// Returns whether any alternative holds in the sense of `bit`.
    pub(super) fn holds(&self, group: &Group, bit: u8) -> bool {
        group.clone().any(|dependency| self.answer(dependency) & bit != 0)
    }

    fn pristine_answer(&self, number: DependencyId) -> u8 {
        let now = self.check(number, |package| self.states[package as usize].current);
        let candidate = self.check(number, |package| self.pristine[package as usize]);
        let bits = bit(now, HOLDS_NOW | HOLDS_INSTALLED) | bit(candidate, HOLDS_CANDIDATE);
        self.directed(number, bits)
    }

    fn directed(&self, number: DependencyId, bits: u8) -> u8 {
        if self.dependency(number).is_negative() { !bits & 7 } else { bits }
    }

    fn fresh_answer(&self, number: DependencyId) -> u8 {
        let against = |against| {
            self.check(number, |package| {
                let state = &self.states[package as usize];
                match against {
                    Against::Now => state.current,
                    Against::Installed => state.install,
                    Against::Candidate => state.candidate,
                }
            })
        };
        let bits = bit(against(Against::Now), HOLDS_NOW)
            | bit(against(Against::Installed), HOLDS_INSTALLED)
            | bit(against(Against::Candidate), HOLDS_CANDIDATE);
        self.directed(number, bits)
    }

    /// Returns whether the versions that `version_of` gives meet a dependency, by name or by what they provide.
    fn check(&self, number: DependencyId, version_of: impl Fn(PackageId) -> VersionId) -> bool {
        let dependency = self.dependency(number);
        let target = dependency.target;
        if !self.is_own(dependency, target) && self.satisfied_by_version(dependency, version_of(target)) {
            return true;
        }
        self.universe.provided_by(target).any(|provision| {
            let owner = self.package_of(provision.owner);
            !self.is_own(dependency, owner)
                && version_of(owner) == provision.owner
                && self.satisfied_by_provision(dependency, provision)
        })
    }

    /// Refreshes what is remembered of the dependencies that a package's change concerns.
    pub(super) fn refresh(&mut self, package: PackageId) {
        self.refresh_on(package);
        let State { current, candidate, .. } = *self.state(package);
        for version in [current, if candidate == current { NONE } else { candidate }] {
            if version != NONE {
                self.universe.provides_of(version).for_each(|provision| self.refresh_on(provision.package));
            }
        }
    }

    fn refresh_on(&self, package: PackageId) {
        for number in self.universe.dependencies_on(package) {
            self.answers[*number as usize].set(self.fresh_answer(*number));
        }
    }

    /// Returns whether what would be installed of a package lacks a hard dependency or hits a conflict.
    pub(super) fn is_broken(&self, package: PackageId) -> bool {
        self.first_broken(package).is_some()
    }

    /// Returns the first hard dependency that does not hold for what would be installed.
    pub(super) fn first_broken(&self, package: PackageId) -> Option<Group> {
        let install = self.state(package).install;
        let mut groups = (install != NONE).then(|| self.groups(install)).into_iter().flatten();
        groups.find(|group| self.dependency(group.start).is_critical() && !self.holds(group, HOLDS_INSTALLED))
    }

    /// Returns whether what would be installed lacks anything that the solver acts on, Recommends included.
    pub(super) fn lacks_anything(&self, package: PackageId) -> bool {
        let install = self.state(package).install;
        install != NONE
            && self
                .groups(install)
                .any(|group| self.is_important(group.start) && !self.holds(&group, HOLDS_INSTALLED))
    }

    /// Returns whether what is installed now is broken.
    pub(super) fn is_broken_now(&self, package: PackageId) -> bool {
        let current = self.state(package).current;
        current != NONE
            && self
                .groups(current)
                .any(|group| self.dependency(group.start).is_critical() && !self.holds(&group, HOLDS_NOW))
    }

    /// Returns the packages that would be installed but broken, in the order of their numbers.
    pub(super) fn broken(&self) -> impl Iterator<Item = PackageId> {
        self.packages().filter(|package| self.state(*package).install != NONE && self.is_broken(*package))
    }

    /// Sets what becomes of a package.
    pub(super) fn set(&mut self, package: PackageId, mode: Mode, install: VersionId) {
        self.sequence += 1;
        let sequence = self.sequence;
        let state = self.state_mut(package);
        if state.install != install {
            state.sequence = sequence;
        }
        (state.mode, state.install) = (mode, install);
        self.refresh(package);
    }

    /// Makes another version the candidate of its package.
    pub(super) fn set_candidate(&mut self, version: VersionId) {
        let package = self.package_of(version);
        let state = self.state_mut(package);
        if state.candidate == version {
            return;
        }
        if state.candidate == state.install && state.mode == Mode::Install {
            state.install = version;
        }
        state.candidate = version;
        self.refresh(package);
    }

    /// Takes a package's candidate away without refreshing what is remembered.
    pub(super) fn discard_candidate(&mut self, package: PackageId) {
        let state = self.state_mut(package);
        state.candidate = state.install;
    }
}

fn bit(set: bool, bits: u8) -> u8 {
    if set { bits } else { 0 }
}
