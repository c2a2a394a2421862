//! The steps in which apt unpacks and configures packages.
//!
//! Packages come in apt's order ([`crate::resolve`]); walking it, apt configures early what pre-dependencies and
//! essential packages need, and leaves everything else to one last `dpkg --configure --pending`. The order shows in the
//! tree: numbers of accounts, lines of registers and what scripts find of each other follow from it. The witness is
//! dpkg's log of mmdebstrap's runs.

use std::collections::HashMap;

use super::control::Control;

/// Something to be done with the package of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Unpack it.
    Unpack(usize),
    /// Configure it, before other packages are unpacked.
    Configure(usize),
}

/// Returns apt's steps for the packages numbered in `order`, on top of those in `base`, which are configured.
pub fn steps(controls: &[&Control], base: &[usize], order: &[usize]) -> Vec<Step> {
    let graph = Graph::new(controls, base, order);
    let mut stepper = Stepper::new(&graph);
    for &index in order {
        if stepper.state[index] == State::Absent {
            stepper.unpack(index, graph.immediate[index]);
        }
    }
    stepper.steps
}

/// A dependency on any one of some alternatives.
#[derive(Debug)]
struct Group {
    /// Whether it must hold before the package is unpacked.
    before: bool,
    /// The packages of these names, provided or not.
    named: Vec<usize>,
    /// Everything that satisfies it, best first.
    targets: Vec<usize>,
}

/// Packages and what they need of each other, pre-dependencies first.
struct Graph {
    groups: Vec<Vec<Group>>,
    /// There and configured from the beginning.
    in_base: Vec<bool>,
    /// To be configured as soon as possible: what essential packages need.
    immediate: Vec<bool>,
}

impl Graph {
    fn new(controls: &[&Control], base: &[usize], order: &[usize]) -> Self {
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
        for &index in base.iter().chain(order) {
            for name in &controls[index].provides {
                by_name.entry(name).or_default().push(index);
            }
        }
        // apt puts each newly read provider before those it knew.
        by_name.values_mut().for_each(|list| list.sort_by(|a, b| controls[*b].name.cmp(&controls[*a].name)));
        // A package is itself before all that provide it.
        for &index in base.iter().chain(order) {
            let list = by_name.entry(&controls[index].name).or_default();
            list.retain(|&other| other != index);
            list.insert(0, index);
        }
        let group = |before: bool, names: &Vec<String>| {
            let known = |name: &String| by_name.get(name.as_str()).into_iter().flatten().copied();
            let is_named = |name: &String| known(name).next().filter(|&index| controls[index].name == *name);
            Group {
                before,
                named: names.iter().filter_map(is_named).collect(),
                targets: names.iter().flat_map(known).collect(),
            }
        };
        let groups = |control: &&Control| {
            let before = control.pre_depends.iter().map(|names| group(true, names));
            before.chain(control.depends.iter().map(|names| group(false, names))).collect()
        };
        let mut graph = Self {
            groups: controls.iter().map(groups).collect(),
            in_base: vec![false; controls.len()],
            immediate: vec![false; controls.len()],
        };
        base.iter().for_each(|&index| graph.in_base[index] = true);
        for index in (0..controls.len()).filter(|&index| controls[index].essential) {
            graph.immediate[index] = true;
            graph.mark_immediate(index);
        }
        graph
    }

    /// Marks what `index` names and what that names.
    fn mark_immediate(&mut self, index: usize) {
        let named: Vec<usize> = self.groups[index].iter().flat_map(|group| &group.named).copied().collect();
        for other in named {
            if !std::mem::replace(&mut self.immediate[other], true) {
                self.mark_immediate(other);
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Absent,
    Unpacked,
    Configured,
}

/// Walks an order and writes down steps.
struct Stepper<'a> {
    graph: &'a Graph,
    state: Vec<State>,
    /// Packages whose needs are being met further up.
    open: Vec<bool>,
    steps: Vec<Step>,
}

impl<'a> Stepper<'a> {
    fn new(graph: &'a Graph) -> Self {
        let state = |&there: &bool| if there { State::Configured } else { State::Absent };
        let state = graph.in_base.iter().map(state).collect();
        Self { graph, state, open: vec![false; graph.groups.len()], steps: Vec::new() }
    }

    /// Works on `other` for the sake of `index`; returns whether that may have changed something.
    fn within(&mut self, index: usize, other: usize, work: impl FnOnce(&mut Self, usize)) -> bool {
        let was_open = std::mem::replace(&mut self.open[index], true);
        work(self, other);
        self.open[index] = was_open;
        !self.open[other]
    }

    /// Unpacks a package when what it pre-depends on is configured.
    fn unpack(&mut self, index: usize, immediate: bool) {
        let is_loop = self.open[index];
        while self.meet_pre_dependencies(index, is_loop) {}
        if is_loop {
            return;
        }
        self.state[index] = State::Unpacked;
        self.steps.push(Step::Unpack(index));
        if immediate {
            self.configure(index);
        }
    }

    /// Configures what `index` pre-depends on; returns whether to look again.
    fn meet_pre_dependencies(&mut self, index: usize, is_loop: bool) -> bool {
        let graph = self.graph;
        let mut changed = false;
        for group in graph.groups[index].iter().filter(|group| group.before) {
            if group.targets.iter().any(|&target| graph.in_base[target]) {
                continue;
            }
            for &target in &group.targets {
                match self.state[target] {
                    State::Configured => {}
                    State::Absent if self.open[target] && is_loop => continue,
                    State::Absent => {
                        changed |= self.within(index, target, |stepper, other| stepper.unpack(other, true));
                    }
                    State::Unpacked => {
                        changed |= self.within(index, target, Self::configure);
                    }
                }
                break;
            }
        }
        changed
    }

    /// Configures a package after all that it depends on.
    fn configure(&mut self, index: usize) {
        let is_loop = self.open[index];
        let mut waiting = Vec::new();
        while self.unpack_dependencies(index, is_loop, &mut waiting) {}
        while self.configure_dependencies(index, is_loop, &waiting) {}
        if !is_loop && self.state[index] != State::Configured {
            self.steps.push(Step::Configure(index));
            self.state[index] = State::Configured;
        }
    }

    /// Unpacks what `index` depends on, and adds to `waiting` the groups that are to be configured.
    fn unpack_dependencies(&mut self, index: usize, is_loop: bool, waiting: &mut Vec<usize>) -> bool {
        let graph = self.graph;
        let mut changed = false;
        for (number, group) in graph.groups[index].iter().enumerate() {
            if group.targets.iter().any(|&target| graph.in_base[target]) {
                continue;
            }
            let absent = group.targets.iter().copied().find(|&target| self.state[target] == State::Absent);
            match absent {
                Some(target) if !is_loop => {
                    changed |= self.within(index, target, |stepper, other| stepper.unpack(other, true));
                }
                _ => waiting.push(number),
            }
        }
        changed
    }

    fn configure_dependencies(&mut self, index: usize, is_loop: bool, waiting: &[usize]) -> bool {
        let graph = self.graph;
        let mut changed = false;
        for &number in waiting {
            for &target in &graph.groups[index][number].targets {
                match self.state[target] {
                    State::Absent => continue,
                    State::Unpacked if self.open[target] && is_loop => {}
                    State::Unpacked => changed |= self.within(index, target, Self::configure),
                    State::Configured => {}
                }
                break;
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::Step::{Configure, Unpack};
    use super::*;

    fn control(name: &str, pre_depends: &[&str], depends: &[&str]) -> Control {
        let groups = |list: &[&str]| list.iter().map(|n| n.split('|').map(str::to_owned).collect()).collect();
        Control {
            name: name.into(),
            pre_depends: groups(pre_depends),
            depends: groups(depends),
            ..Control::default()
        }
    }

    fn steps_of(list: &[Control], base: &[usize]) -> Vec<Step> {
        let order: Vec<usize> = (0..list.len()).filter(|index| !base.contains(index)).collect();
        steps(&list.iter().collect::<Vec<_>>(), base, &order)
    }

    #[test]
    fn pre_dependencies_are_configured_with_all_they_need() {
        let list = [
            control("app", &["lib"], &["extra"]),
            control("extra", &[], &[]),
            control("lib", &[], &["data|base"]),
            control("data", &[], &[]),
        ];
        assert_eq!(
            steps_of(&list, &[]),
            [Unpack(2), Unpack(3), Configure(3), Configure(2), Unpack(0), Unpack(1)]
        );
        assert_eq!(steps_of(&list, &[2, 3]), [Unpack(0), Unpack(1)], "what is there needs no step");
    }

    #[test]
    fn what_essential_packages_name_is_configured_at_once() {
        let mut list = [
            control("shell", &[], &["editor|vi"]),
            control("vi", &[], &["plugin"]),
            control("plugin", &[], &[]),
        ];
        list[0].essential = true;
        assert_eq!(steps_of(&list, &[0]), [Unpack(1), Unpack(2), Configure(2), Configure(1)]);
    }

    #[test]
    fn circles_end() {
        let list = [control("app", &["a"], &[]), control("a", &[], &["b"]), control("b", &[], &["a"])];
        assert_eq!(steps_of(&list, &[]), [Unpack(1), Unpack(2), Configure(2), Configure(1), Unpack(0)]);
        let list = [control("a", &["b"], &[]), control("b", &["a"], &[])];
        assert_eq!(steps_of(&list, &[]), [Unpack(1), Configure(1), Unpack(0)], "nobody can do better");
    }

    #[test]
    fn providers_satisfy() {
        let mut list = [control("app", &["agent"], &[]), control("post", &[], &[])];
        list[1].provides = vec!["agent".into()];
        assert_eq!(steps_of(&list, &[]), [Unpack(1), Configure(1), Unpack(0)]);
    }
}
