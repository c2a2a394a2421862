//! The lock: a file beside the recipe that holds what [`Locked`] holds, so that a build needs no index.
//!
//! It is YAML with one entry a line, each line a JSON object, sorted by name, so that a change of one package is a
//! change of one line. The order in which packages were chosen decides the order in which they are configured; it
//! stands apart, names only.
//!
//! ```text
//! Plan + Locked ─ Lockfile::of ─▶ Lockfile ─ to_text ─▶ file ─ parse ─▶ Lockfile ─ lock ─▶ Locked
//! ```
//!
//! A lock names no mirror. It says of each package which archive it is from, and the digest decides, whatever
//! place the bytes come from.

mod archives;
mod changes;
mod entries;
mod text;
mod wanted;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use super::{Locked, LockedPackage, ReleaseFacts};
use crate::plan::{Origin, Plan};

pub use changes::Changes;
pub use entries::{LockedEntry, LockedRelease};

/// Version of the format; raised when a key changes its meaning or goes away.
const FORMAT: u32 = 1;

/// What a lock file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lockfile {
    /// What the recipe asked for when it was locked, in words; a recipe that asks for something else has drifted.
    pub wanted: Vec<String>,
    /// The signed lists that the packages were chosen from; the tools tree's last.
    pub releases: Vec<LockedRelease>,
    /// The image's packages, by name.
    pub packages: Vec<LockedEntry>,
    /// The tools tree's packages, by name.
    pub tools: Vec<LockedEntry>,
    /// Names of the image's packages in the order in which they were chosen.
    pub order: Vec<String>,
}

/// Why a lock does not serve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// The file is not a lock.
    #[error("{place} is not a lock: {reason}; `bootwright lock --update` writes it anew")]
    Malformed {
        /// `file:line:column`.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// The recipe asks for something else than what was locked.
    #[error("the recipe has changed since it was locked: {}; `bootwright lock --update` renews the lock", differences.join("; "))]
    Drift {
        /// The first differences, in words.
        differences: Vec<String>,
    },
    /// The archive is older than the lock.
    #[error(
        "the Release file of '{name}' is of {found}, older than the lock's of {locked}: a mirror that lags, or one that replays; \
         choose another mirror, or remove the lock to accept it"
    )]
    Older {
        /// The repository.
        name: String,
        /// The lock's date.
        locked: String,
        /// The date found.
        found: String,
    },
}

impl Lockfile {
    /// Describes `locked`.
    pub fn of(locked: &Locked) -> Self {
        let plan = &locked.plan;
        let entry = |package: &LockedPackage| LockedEntry::of(package, archives::name(locked, &package.base));
        let sorted = |packages: &[LockedPackage]| {
            let mut entries: Vec<LockedEntry> = packages.iter().map(entry).collect();
            entries.sort_by(|a, b| (&a.name, &a.architecture).cmp(&(&b.name, &b.architecture)));
            entries
        };
        Self {
            wanted: wanted::of(plan),
            releases: locked.releases.iter().chain(&locked.tools_release).map(LockedRelease::of).collect(),
            packages: sorted(&locked.packages),
            tools: sorted(&locked.tools),
            order: locked.packages.iter().map(|package| package.name.clone()).collect(),
        }
    }

    /// Returns what `plan` asks for, in words: as long as it is the same and the lists are, the same is chosen.
    pub fn wanted(plan: &Plan) -> Vec<String> {
        wanted::of(plan)
    }

    /// Refuses a plan that asks for something else than what was locked.
    ///
    /// # Errors
    /// [`LockError::Drift`] with the first differences.
    pub fn check(&self, plan: &Plan) -> Result<(), LockError> {
        let differences = changes::of_wishes(&self.wanted, &wanted::of(plan));
        if differences.is_empty() { Ok(()) } else { Err(LockError::Drift { differences }) }
    }

    /// Makes a plan exact by what the lock says. `base` gives an archive's address.
    ///
    /// # Errors
    /// [`LockError::Drift`] when the plan asks for something else than what was locked.
    pub fn lock(&self, plan: Plan, base: impl Fn(&Origin) -> String) -> Result<Locked, LockError> {
        self.check(&plan)?;
        let package = |entry: &LockedEntry| {
            let base = archives::address(&entry.from, &entry.name, &plan, &base);
            base.map(|base| entry.package(base)).ok_or_else(|| LockError::Drift {
                differences: vec![format!(
                    "it no longer names the file that '{}' was locked from",
                    entry.name
                )],
            })
        };
        let mut packages = HashMap::new();
        for entry in &self.packages {
            packages.insert(entry.name.as_str(), package(entry)?);
        }
        let chosen: Vec<LockedPackage> =
            self.order.iter().filter_map(|name| packages.remove(name.as_str())).collect();
        if !packages.is_empty() || chosen.len() != self.order.len() {
            return Err(LockError::Drift { differences: vec!["`order` and `packages` disagree".to_owned()] });
        }
        let tools = self.tools.iter().map(package).collect::<Result<_, _>>()?;
        let mut releases = self.facts(&plan, &base);
        let tools_release = if releases.len() > plan.repositories.len() { releases.pop() } else { None };
        let epoch = releases.iter().map(|facts| facts.date).max().unwrap_or_default();
        Ok(Locked { plan, packages: chosen, tools, releases, tools_release, epoch })
    }

    fn facts(&self, plan: &Plan, base: impl Fn(&Origin) -> String) -> Vec<ReleaseFacts> {
        let repositories = plan.repositories.iter().chain([&plan.tools.repository]);
        let pairs = self.releases.iter().zip(repositories);
        pairs.map(|(release, repository)| release.facts(base(&repository.origin))).collect()
    }

    /// Refuses to go back in time: no list of `newer` may be older than ours of the same name.
    ///
    /// # Errors
    /// [`LockError::Older`] for the first that is.
    pub fn refuse_older(&self, newer: &Self) -> Result<(), LockError> {
        for old in &self.releases {
            let found = newer.releases.iter().find(|new| new.name == old.name && new.suite == old.suite);
            if let Some(new) = found.filter(|new| new.date < old.date) {
                return Err(LockError::Older {
                    name: old.name.clone(),
                    locked: crate::date::show(old.date),
                    found: crate::date::show(new.date),
                });
            }
        }
        Ok(())
    }
}
