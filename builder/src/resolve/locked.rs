//! The outcome of resolving: exact packages with digests and origins.

use crate::plan::{Origin, Plan};
pub use crate::store::Sha256Digest;

/// A plan with every package fixed to its bytes.
#[derive(Debug, Clone)]
pub struct Locked {
    /// What is to be built.
    pub plan: Plan,
    /// The image's packages, in the order in which apt unpacks them: the essential ones and what they need first.
    pub packages: Vec<LockedPackage>,
    /// The tools tree's packages.
    pub tools: Vec<LockedPackage>,
    /// What is known of each repository's Release file, in the order of the plan's repositories.
    pub releases: Vec<ReleaseFacts>,
    /// What is known of the Release file that the tools tree was chosen from; none without a disk.
    pub tools_release: Option<ReleaseFacts>,
    /// Seconds since 1970 that stand for "now" in the image: the newest Release date of its repositories.
    pub epoch: i64,
}

impl Locked {
    /// Returns which archive is at `base`, where this build found it; none for the files that a recipe names by their path.
    pub fn origin(&self, base: &str) -> Option<&Origin> {
        let repositories = self.plan.repositories.iter().chain([&self.plan.tools.repository]);
        let releases = self.releases.iter().chain(&self.tools_release).zip(repositories);
        releases.filter(|(facts, _)| facts.base == base).map(|(_, repository)| &repository.origin).last()
    }

    /// Returns the same with every archive at the address by which everybody knows it. What is told of an image names no
    /// mirror: through which one the bytes came is a matter of the machine, and their digests are the same.
    #[must_use]
    pub fn published(&self) -> Self {
        let mut told = self.clone();
        let base = |base: &mut String| {
            if let Some(origin) = self.origin(base) {
                origin.address().clone_into(base);
            }
        };
        told.packages.iter_mut().chain(&mut told.tools).for_each(|package| base(&mut package.base));
        told.releases.iter_mut().chain(&mut told.tools_release).for_each(|facts| base(&mut facts.base));
        told
    }
}

/// One package, exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedPackage {
    /// Name.
    pub name: String,
    /// Version, in full.
    pub version: String,
    /// Architecture field: `amd64` or `all`.
    pub architecture: String,
    /// Base address of the repository it comes from, without a trailing slash.
    pub base: String,
    /// Path below the base address (the index's `Filename`).
    pub filename: String,
    /// Size in bytes.
    pub size: u64,
    /// Digest of the whole file.
    pub sha256: Sha256Digest,
    /// Whether it was chosen with the essential packages, which are installed and configured before the rest.
    pub base_set: bool,
    /// Whether it came only as a dependency; apt's `Auto-Installed`.
    pub automatic: bool,
}

impl LockedPackage {
    /// Returns where the file is; none for a file of this machine, whose path means nothing elsewhere.
    pub fn address(&self) -> Option<String> {
        (!is_local(&self.base)).then(|| format!("{}/{}", self.base, self.filename))
    }
}

/// What is known of a repository's signed Release file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseFacts {
    /// Short name, as in the plan.
    pub name: String,
    /// Base address it was fetched from.
    pub base: String,
    /// Suite asked for.
    pub suite: String,
    /// `Codename` field.
    pub codename: String,
    /// `Origin` field; empty where there is none.
    pub origin: String,
    /// `Label` field; empty where there is none.
    pub label: String,
    /// `Suite` field, which may differ from the suite asked for; empty where there is none.
    pub archive: String,
    /// `Date`, seconds since 1970.
    pub date: i64,
    /// Fingerprint of the key whose signature was accepted, upper-case hex.
    pub signed_by: String,
    /// Digest of the signed text.
    pub sha256: Sha256Digest,
}

impl ReleaseFacts {
    /// Returns name and base address as others may see them: of an archive of this machine's files, neither means anything
    /// elsewhere.
    pub fn public(&self) -> (&str, &str) {
        if is_local(&self.base) { ("file:", "file:") } else { (&self.name, &self.base) }
    }

    /// Returns where the signed text is; none for a file of this machine.
    pub fn address(&self) -> Option<String> {
        let Self { base, suite, .. } = self;
        let inside = if suite.ends_with('/') { suite.clone() } else { format!("dists/{suite}/") };
        (!is_local(base)).then(|| format!("{base}/{inside}Release"))
    }
}

fn is_local(base: &str) -> bool {
    base.starts_with("file:")
}
