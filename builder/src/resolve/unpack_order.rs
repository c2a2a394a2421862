//! The order in which apt unpacks what was chosen.
//!
//! It shows in the tree: numbers of accounts and lines of registers follow from it. Packages are sorted by a score, then
//! four runs move what a package needs in front of it, asking for less and less. Only what can happen on a new system is
//! here: nothing is removed or upgraded, and the set is free of conflicts. When packages are configured in between is
//! decided by `rootfs`, which walks this order. The witness is dpkg's log of mmdebstrap's runs.

use std::cmp::Reverse;

use super::marks::Marks;
use super::records::{DependencyId, Kind, NONE, PackageId, VersionId};

/// Sorts `chosen`, packages that are to be installed, as apt would unpack them.
pub(super) fn unpack_order(marks: &Marks<'_>, mut chosen: Vec<PackageId>) -> Vec<PackageId> {
    let count = marks.universe.packages.len();
    let mut in_list = vec![false; count];
    chosen.iter().for_each(|&package| in_list[package as usize] = true);
    let immediate = Immediate::mark(marks);
    chosen.sort_by_key(|&package| (Reverse(score(marks, &immediate, package)), marks.universe.name(package)));
    for (rule, with_depends) in
        [(Rule::Critical, true), (Rule::Critical, false), (Rule::Critical, false), (Rule::Last, false)]
    {
        let (pending, added) = (vec![false; count], vec![false; count]);
        let (in_list, immediate) = (&in_list, &immediate);
        let order = Vec::with_capacity(chosen.len());
        let mut run = Run { marks, in_list, immediate, rule, with_depends, depth: 0, pending, added, order };
        chosen.iter().for_each(|&package| run.visit(package));
        chosen = run.order;
    }
    chosen
}

/// Returns how early a package is to come; more is earlier. The numbers are apt's.
fn score(marks: &Marks<'_>, immediate: &Immediate, package: PackageId) -> u32 {
    let version = marks.state(package).install;
    let points = |holds: bool, points: u32| if holds { points } else { 0 };
    let pre_depends = needs(marks, version).any(|number| marks.dependency(number).kind == Kind::PreDepends);
    let priority = match marks.universe.versions[version as usize].priority {
        1 => 5,
        2 => 4,
        3 => 3,
        4 => 1,
        _ => 0,
    };
    points(marks.universe.packages[package as usize].essential, 200)
        + points(immediate.0[package as usize], 10)
        + points(pre_depends, 50)
        + priority
}

/// Returns the alternatives of all dependencies that must be met for a version to work.
fn needs<'u>(marks: &Marks<'u>, version: VersionId) -> impl Iterator<Item = DependencyId> + use<'u> {
    let (start, end) = marks.universe.versions[version as usize].dependencies;
    let universe = marks.universe;
    (start..end).filter(|number| {
        matches!(universe.dependencies[*number as usize].kind, Kind::PreDepends | Kind::Depends)
    })
}

/// What is to be configured as soon as it is unpacked: essential packages and all that they name, chosen or not.
struct Immediate(Vec<bool>);

impl Immediate {
    fn mark(marks: &Marks<'_>) -> Self {
        let mut immediate = Self(vec![false; marks.universe.packages.len()]);
        for package in marks.packages() {
            let known = &marks.universe.packages[package as usize];
            if known.essential && known.versions != NONE {
                immediate.0[package as usize] = true;
                immediate.spread(marks, package);
            }
        }
        immediate
    }

    fn spread(&mut self, marks: &Marks<'_>, package: PackageId) {
        let version = marks.state(package).install;
        if version == NONE {
            return;
        }
        for number in needs(marks, version) {
            let target = marks.dependency(number).target;
            if !std::mem::replace(&mut self.0[target as usize], true) {
                self.spread(marks, target);
            }
        }
    }
}

/// What a run lets a package bring in front of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Its pre-dependencies, and all that those need.
    Critical,
    /// All dependencies that nothing in front of it satisfies.
    All,
    /// The same, but of a package that nothing has brought along only its pre-dependencies, unless it is immediate.
    Last,
}

/// One run over the list.
struct Run<'a, 'u> {
    marks: &'a Marks<'u>,
    in_list: &'a [bool],
    immediate: &'a Immediate,
    rule: Rule,
    /// Whether dependencies come along although the rule does not ask for them.
    with_depends: bool,
    /// How many packages are being visited, one for the sake of the other.
    depth: usize,
    pending: Vec<bool>,
    added: Vec<bool>,
    order: Vec<PackageId>,
}

impl Run<'_, '_> {
    fn visit(&mut self, package: PackageId) {
        let at = package as usize;
        if !self.in_list[at] || self.added[at] || self.pending[at] {
            return;
        }
        self.depth += 1;
        self.pending[at] = true;
        let before = self.rule;
        if self.immediate.0[at] && self.rule != Rule::Last {
            self.rule = Rule::All;
        }
        let version = self.marks.state(package).install;
        let numbers: Vec<DependencyId> = needs(self.marks, version).collect();
        numbers.iter().for_each(|&number| self.visit_need(number, package));
        let depends = |number: &DependencyId| self.marks.dependency(*number).kind == Kind::Depends;
        let along: Vec<DependencyId> =
            if self.with_depends { numbers.into_iter().filter(depends).collect() } else { Vec::new() };
        for number in along {
            self.targets(number).into_iter().for_each(|target| self.visit(target));
        }
        self.pending[at] = false;
        self.added[at] = true;
        self.order.push(package);
        self.rule = before;
        self.depth -= 1;
    }

    /// Visits what meets one alternative of `package`, if the rule asks for it and nothing meets it already.
    fn visit_need(&mut self, number: DependencyId, package: PackageId) {
        let dependency = self.marks.dependency(number);
        let wanted = match self.rule {
            Rule::Critical => dependency.kind == Kind::PreDepends,
            Rule::All => true,
            Rule::Last => {
                dependency.kind == Kind::PreDepends || self.depth > 1 || self.immediate.0[package as usize]
            }
        };
        let named = dependency.target as usize;
        if !wanted || self.added[named] || self.pending[named] {
            return;
        }
        let targets = self.targets(number);
        if targets.iter().any(|&target| self.added[target as usize] || !self.in_list[target as usize]) {
            return;
        }
        let before = self.rule;
        if self.rule == Rule::Critical {
            self.rule = Rule::All;
        }
        targets.into_iter().for_each(|target| self.visit(target));
        self.rule = before;
    }

    /// Returns the packages that meet an alternative in the end.
    fn targets(&self, number: DependencyId) -> Vec<PackageId> {
        let solutions = self.marks.solutions(number, |state| state.install);
        solutions.into_iter().map(|version| self.marks.package_of(version)).collect()
    }
}
