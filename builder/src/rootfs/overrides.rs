//! What an administrator, or a maintainer script, changed about packages' files: diversions and stat overrides.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::dpkg_database::read_optional;
use super::error::Result;

/// `/var/lib/dpkg/diversions`.
#[derive(Debug, Default)]
pub struct Diversions {
    by_source: HashMap<PathBuf, (PathBuf, String)>,
}

impl Diversions {
    /// Reads the diversions of the tree at `root`.
    ///
    /// # Errors
    /// An unreadable file.
    pub fn load(root: &Path) -> Result<Self> {
        Ok(Self::parse(&read_optional(&root.join("var/lib/dpkg/diversions"))?))
    }

    /// Parses records of three lines: path, where it goes, and the package whose own file stays.
    fn parse(text: &str) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        let path = |line: &str| PathBuf::from(line.trim_start_matches('/'));
        let record = |record: &[&str]| (path(record[0]), (path(record[1]), record[2].to_owned()));
        Self { by_source: lines.chunks_exact(3).map(record).collect() }
    }

    /// Returns where `path` of `package` really goes.
    pub fn target<'a>(&'a self, path: &'a Path, package: &str) -> &'a Path {
        match self.by_source.get(path) {
            Some((target, owner)) if owner != package => target,
            _ => path,
        }
    }

    /// Returns the paths that are diverted to `target`.
    pub fn sources<'a>(&'a self, target: &'a Path) -> impl Iterator<Item = &'a Path> {
        let diverted = self.by_source.iter().filter(move |(_, (to, _))| to == target);
        diverted.map(|(source, _)| source.as_path())
    }
}

/// A line of `/var/lib/dpkg/statoverride`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatOverride {
    /// User name or `#number`.
    pub user: String,
    /// Group name or `#number`.
    pub group: String,
    /// Permission bits.
    pub mode: u32,
}

/// `/var/lib/dpkg/statoverride`.
#[derive(Debug, Default)]
pub struct StatOverrides {
    by_path: HashMap<PathBuf, StatOverride>,
}

impl StatOverrides {
    /// Reads the overrides of the tree at `root`.
    ///
    /// # Errors
    /// An unreadable file.
    pub fn load(root: &Path) -> Result<Self> {
        Ok(Self::parse(&read_optional(&root.join("var/lib/dpkg/statoverride"))?))
    }

    fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let mut words = line.splitn(4, ' ');
            let (user, group) = (words.next()?.to_owned(), words.next()?.to_owned());
            let mode = u32::from_str_radix(words.next()?, 8).ok()?;
            Some((PathBuf::from(words.next()?.trim_start_matches('/')), StatOverride { user, group, mode }))
        };
        Self { by_path: text.lines().filter_map(line).collect() }
    }

    /// Returns the override for a path, if any.
    pub fn get(&self, path: &Path) -> Option<&StatOverride> {
        self.by_path.get(path)
    }

    /// Returns whether a path is overridden.
    pub fn contains(&self, path: &Path) -> bool {
        self.by_path.contains_key(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diversion_moves_everyone_but_its_owner() {
        let diversions = Diversions::parse("/bin/sh\n/bin/sh.distrib\ndash\n/etc/x\n/etc/x.local\n:\n");
        let path = Path::new("bin/sh");
        assert_eq!(diversions.target(path, "bash"), Path::new("bin/sh.distrib"));
        assert_eq!(diversions.target(path, "dash"), path);
        assert_eq!(diversions.target(Path::new("etc/x"), "any"), Path::new("etc/x.local"));
        assert_eq!(diversions.target(Path::new("etc/y"), "any"), Path::new("etc/y"));
    }

    #[test]
    fn an_override_keeps_blanks_in_its_path() {
        let overrides = StatOverrides::parse("root messagebus 4754 /usr/lib/a b\nroot #7 755 /x\nbroken\n");
        let wanted = StatOverride { user: "root".into(), group: "messagebus".into(), mode: 0o4754 };
        assert_eq!(overrides.get(Path::new("usr/lib/a b")), Some(&wanted));
        assert!(overrides.contains(Path::new("x")));
        assert!(!overrides.contains(Path::new("broken")));
    }
}
