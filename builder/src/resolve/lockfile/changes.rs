//! What differs between two locks.

use std::collections::BTreeMap;
use std::fmt;

use super::{LockedEntry, Lockfile};

/// Differences named at most; the rest is counted.
const NAMED: usize = 5;

/// Returns what is wanted anew and what no longer is, the first of each in words.
pub(super) fn of_wishes(locked: &[String], wanted: &[String]) -> Vec<String> {
    let missing = |of: &[String], from: &[String], words: &str| -> Vec<String> {
        of.iter().filter(|line| !from.contains(line)).map(|line| format!("{words} '{line}'")).collect()
    };
    let mut differences = missing(wanted, locked, "it now wants");
    differences.extend(missing(locked, wanted, "it no longer wants"));
    // The order of wishes decides as apt decides: among equals the first one wins.
    if differences.is_empty() && locked != wanted {
        differences.push("its wishes stand in another order".to_owned());
    }
    let more = differences.len().saturating_sub(NAMED);
    differences.truncate(NAMED);
    if more > 0 {
        differences.push(format!("and {more} more"));
    }
    differences
}

/// What a new lock changes, a line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    lines: Vec<String>,
}

impl Changes {
    /// Compares an old lock with a new one.
    pub fn between(old: &Lockfile, new: &Lockfile) -> Self {
        let mut lines = Vec::new();
        for release in &new.releases {
            let before =
                old.releases.iter().find(|one| one.name == release.name && one.suite == release.suite);
            if let Some(before) = before.filter(|before| before.date != release.date) {
                let (from, to) = (crate::date::show(before.date), crate::date::show(release.date));
                lines.push(format!("release {}: {from} → {to}", release.name));
            }
        }
        lines.extend(packages("", &old.packages, &new.packages));
        lines.extend(packages("tool ", &old.tools, &new.tools));
        if lines.is_empty() && old != new {
            lines.push("nothing but the recipe's wishes".to_owned());
        }
        Self { lines }
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

fn packages(kind: &str, old: &[LockedEntry], new: &[LockedEntry]) -> Vec<String> {
    type Pair<'a> = (Option<&'a LockedEntry>, Option<&'a LockedEntry>);
    let mut pairs: BTreeMap<&str, Pair<'_>> = BTreeMap::new();
    old.iter().for_each(|entry| pairs.entry(&entry.name).or_default().0 = Some(entry));
    new.iter().for_each(|entry| pairs.entry(&entry.name).or_default().1 = Some(entry));
    let line = |(name, pair): (&str, Pair<'_>)| match pair {
        (None, Some(new)) => Some(format!("+ {kind}{name} {}", new.version)),
        (Some(old), None) => Some(format!("- {kind}{name} {}", old.version)),
        (Some(old), Some(new)) if old.version != new.version => {
            Some(format!("  {kind}{name} {} → {}", old.version, new.version))
        }
        (Some(old), Some(new)) if old.sha256 != new.sha256 => {
            Some(format!("  {kind}{name} {}: the same version with other bytes", new.version))
        }
        (Some(old), Some(new)) if old != new => {
            Some(format!("  {kind}{name}: found elsewhere or wanted otherwise"))
        }
        _ => None,
    };
    pairs.into_iter().filter_map(line).collect()
}
