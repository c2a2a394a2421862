//! Which versions meet a dependency, and which of them is tried first.

use super::marks::{Group, HOLDS_CANDIDATE, Marks, Mode, State};
use super::records::{DependencyId, NONE, PackageId, VersionId};

/// Which versions count as solutions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Among {
    Candidates,
    Installed,
}

impl Marks<'_> {
    /// Returns the versions that meet a dependency, best first: in the order of the alternatives, what is installed
    /// before what is new, then by [`Self::preference`].
    pub(super) fn possible(&self, group: &Group, among: Among) -> Vec<VersionId> {
        let (mut installed, mut new) = (Vec::new(), Vec::new());
        for number in group.clone() {
            let negative = self.dependency(number).is_negative();
            if among == Among::Candidates && (self.answer(number) & HOLDS_CANDIDATE == 0) != negative {
                continue;
            }
            let mut versions = match among {
                Among::Candidates => self.solutions(number, |state| state.candidate),
                Among::Installed => self.solutions(number, |state| state.current),
            };
            let target = self.dependency(number).target;
            versions.sort_by_key(|version| self.preference(*version, target));
            for version in versions {
                let is_installed = self.state(self.package_of(version)).current != NONE;
                if is_installed { &mut installed } else { &mut new }.push(version);
            }
        }
        installed.append(&mut new);
        installed.dedup();
        if !self.dependency(group.start).is_negative() {
            self.drop_forbidden(&mut installed);
        }
        installed
    }

    /// Drops versions of packages that were ruled out.
    pub(super) fn drop_forbidden(&self, versions: &mut Vec<VersionId>) {
        versions.retain(|version| {
            let state = self.state(self.package_of(*version));
            let out = state.mode == Mode::Delete || state.mode == Mode::Keep && state.current == NONE;
            !(state.protected && out)
        });
    }

    /// Orders providers of one name, best first: the name itself, what is needed most, then the latest mentioned.
    fn preference(&self, version: VersionId, target: PackageId) -> impl Ord + use<> {
        let record = &self.universe.versions[version as usize];
        let package = &self.universe.packages[record.package as usize];
        let state = self.state(record.package);
        let installed = state.current != NONE;
        (
            !state.protected,
            !(record.multi_arch_same && installed),
            !installed,
            record.package != target,
            !package.essential,
            !package.important,
            record.priority,
            std::cmp::Reverse(record.package),
        )
    }

    /// Returns the versions that meet a dependency among the candidates (or what `version_of` gives).
    pub(super) fn solutions(
        &self,
        number: DependencyId,
        version_of: impl Fn(&State) -> VersionId,
    ) -> Vec<VersionId> {
        let dependency = self.dependency(number);
        let mut found = Vec::new();
        let direct = version_of(self.state(dependency.target));
        if !self.is_own(dependency, dependency.target) && self.satisfied_by_version(dependency, direct) {
            found.push(direct);
        }
        for provision in self.universe.provided_by(dependency.target) {
            let owner = self.package_of(provision.owner);
            if !self.is_own(dependency, owner)
                && version_of(self.state(owner)) == provision.owner
                && self.satisfied_by_provision(dependency, provision)
            {
                found.push(provision.owner);
            }
        }
        found
    }
}
