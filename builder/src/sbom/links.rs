//! Which installed package meets which dependency.

use std::collections::{BTreeSet, HashMap};

use crate::resolve::Relation;

use super::installed::{Installed, Need};

/// A name with more providers is decided by the first of them.
const MOST_PROVIDERS: usize = 100;

/// What answers to a name: index of the package, and the version that it answers with.
type Answers<'p> = HashMap<&'p str, Vec<(usize, &'p str)>>;

/// Returns pairs of indexes: the first needs the second. Of alternatives it is the first that is met, as dpkg asks no more;
/// what nothing meets has no pair.
pub(super) fn links(packages: &[&Installed]) -> BTreeSet<(usize, usize)> {
    let (mut real, mut virtual_): (Answers<'_>, Answers<'_>) = Default::default();
    for (index, package) in packages.iter().enumerate() {
        real.entry(&package.name).or_default().push((index, &package.version));
        for (name, version) in &package.provides {
            virtual_.entry(name).or_default().push((index, version));
        }
    }
    let mut found = BTreeSet::new();
    for (index, package) in packages.iter().enumerate() {
        for group in &package.needs {
            let mut met = group.iter().filter_map(|need| {
                let here = |answers: &Answers<'_>| meets(need, answers, packages, &package.architecture);
                here(&real).or_else(|| here(&virtual_))
            });
            found.extend(met.next().filter(|other| *other != index).map(|other| (index, other)));
        }
    }
    found
}

/// Returns the package that meets `need`; where several architectures do, that of the package that asks.
fn meets(need: &Need, answers: &Answers<'_>, packages: &[&Installed], architecture: &str) -> Option<usize> {
    let relation = Relation::parse(&need.relation)?;
    let candidates = answers.get(need.name.as_str())?;
    let fit = candidates.iter().take(MOST_PROVIDERS).filter(|(_, has)| relation.holds(has, &need.version));
    let fit: Vec<usize> = fit.map(|(index, _)| *index).collect();
    let own = fit.iter().find(|index| packages[**index].architecture == architecture);
    own.or(fit.first()).copied()
}

#[cfg(test)]
mod tests {
    use super::super::installed::parse;
    use super::*;

    /// Writes each pair as `a>b`.
    fn of(stanzas: &[(&str, &str)]) -> Vec<String> {
        let text = |(name, fields): &(&str, &str)| {
            format!(
                "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2\n{fields}\n\n"
            )
        };
        let packages = parse(&stanzas.iter().map(text).collect::<String>());
        let packages: Vec<&Installed> = packages.iter().collect();
        links(&packages).iter().map(|(a, b)| format!("{}>{}", packages[*a].name, packages[*b].name)).collect()
    }

    #[test]
    fn the_first_alternative_that_is_met_counts() {
        let b = ("b", "Provides: v (= 5), w");
        assert_eq!(of(&[("a", "Depends: x | b, b (>= 2)"), b]), ["a>b"]);
        assert_eq!(of(&[("a", "Depends: b (>= 3)"), b]), [""; 0]);
        assert_eq!(of(&[("a", "Depends: v (>= 4)"), b]), ["a>b"]);
        assert_eq!(of(&[("a", "Depends: w (>= 1)"), b]), [""; 0]);
        assert_eq!(of(&[("a", "Depends: a, w"), b]), ["a>b"]);
    }
}
