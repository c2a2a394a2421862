//! The base set: what is configured before everything else.

use std::collections::HashMap;

use crate::verify::VerifiedPackage;

use super::control::Control;

/// Returns the numbers of the packages that are installed and configured before the rest: those chosen with the
/// essential packages. Where nothing was chosen in two steps (a variant without a base), it is the essential packages
/// that are there and what they need.
pub fn base_set(controls: &[&Control], packages: &[VerifiedPackage]) -> Vec<usize> {
    let chosen: Vec<usize> = (0..packages.len()).filter(|&index| packages[index].package.base_set).collect();
    if chosen.is_empty() { essential(controls) } else { chosen }
}

/// Returns the numbers of the essential packages and of what they need, each behind what it pre-depends and depends on.
/// Cycles are cut where they close.
fn essential(controls: &[&Control]) -> Vec<usize> {
    let members: Vec<usize> = (0..controls.len()).collect();
    let roots: Vec<usize> = members.iter().copied().filter(|&index| controls[index].essential).collect();
    walk(controls, &members, &roots)
}

/// Visits `roots` and what they need among `members`.
fn walk(controls: &[&Control], members: &[usize], roots: &[usize]) -> Vec<usize> {
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    for &index in members {
        for provided in &controls[index].provides {
            by_name.entry(provided).or_insert(index);
        }
    }
    // Real packages win over those that provide the name.
    by_name.extend(members.iter().map(|&index| (controls[index].name.as_str(), index)));
    let mut walk = Walk { controls, by_name: &by_name, seen: vec![false; controls.len()], order: Vec::new() };
    roots.iter().for_each(|&index| walk.visit(index));
    walk.order
}

struct Walk<'a> {
    controls: &'a [&'a Control],
    by_name: &'a HashMap<&'a str, usize>,
    seen: Vec<bool>,
    order: Vec<usize>,
}

impl Walk<'_> {
    /// Appends `index` behind its dependencies. The depth is bounded by the number of packages.
    fn visit(&mut self, index: usize) {
        if std::mem::replace(&mut self.seen[index], true) {
            return;
        }
        let control = self.controls[index];
        for group in control.pre_depends.iter().chain(&control.depends) {
            let found = group.iter().find_map(|name| self.by_name.get(name.as_str()));
            if let Some(&dependency) = found {
                self.visit(dependency);
            }
        }
        self.order.push(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(name: &str, pre: &[&str], depends: &[&str]) -> Control {
        let groups = |list: &[&str]| list.iter().map(|n| n.split('|').map(str::to_owned).collect()).collect();
        Control {
            name: name.into(),
            pre_depends: groups(pre),
            depends: groups(depends),
            ..Control::default()
        }
    }

    #[test]
    fn essential_packages_bring_what_they_need() {
        let mut list = [
            control("app", &[], &["shell"]),
            control("shell", &["library"], &["other|either"]),
            control("either", &[], &[]),
            control("library", &[], &[]),
        ];
        list[1].essential = true;
        let list: Vec<&Control> = list.iter().collect();
        assert_eq!(essential(&list), [3, 2, 1]);
    }
}
