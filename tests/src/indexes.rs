//! Packages indexes as apt fetched them, and the solver's universe of them.

use std::path::Path;

use anyhow::{Context, Result, bail};
use bootwright::plan::Architecture;
use bootwright::resolve::{IndexSource, Universe};

/// A suite's index of packages.
#[derive(Debug)]
pub struct Index {
    /// `Suite` of its Release file.
    pub suite: String,
    /// `Codename` of its Release file.
    pub codename: String,
    /// The index itself.
    pub text: String,
}

impl Index {
    /// Reads the index of `suite` from apt's folder of lists.
    ///
    /// # Errors
    /// When apt fetched no such list.
    pub fn load(lists: &Path, suite: &str) -> Result<Self> {
        let find = |end: &str| -> Result<String> {
            let wanted = format!("_dists_{suite}_{end}");
            for entry in std::fs::read_dir(lists).with_context(|| format!("listing '{}'", lists.display()))? {
                let entry = entry?;
                if entry.file_name().to_string_lossy().ends_with(&wanted) {
                    return Ok(std::fs::read_to_string(entry.path())?);
                }
            }
            bail!("apt fetched no list that ends in '{wanted}'")
        };
        let release = find("InRelease")?;
        let field = |name: &str| {
            let line = release.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.trim().to_owned()
        };
        Ok(Self {
            suite: field("Suite:"),
            codename: field("Codename:"),
            text: find("main_binary-amd64_Packages")?,
        })
    }

    /// Reads the indexes of a release, its updates and its security updates.
    ///
    /// # Errors
    /// As [`Index::load`].
    pub fn load_release(lists: &Path, suite: &str) -> Result<Vec<Self>> {
        let suites = [suite.to_owned(), format!("{suite}-updates"), format!("{suite}-security")];
        suites.iter().map(|name| Self::load(lists, name)).collect()
    }
}

/// Makes what the solver chooses from; `pins` are of suites, by the end of their codename.
///
/// # Errors
/// An index that cannot be read.
pub fn universe(indexes: &[Index], pins: &[(&str, i32)]) -> Result<Universe> {
    let mut universe = Universe::new(Architecture::Amd64);
    for (repository, index) in indexes.iter().enumerate() {
        let pin = pins.iter().find(|(suffix, _)| index.codename.ends_with(suffix)).map(|(_, pin)| *pin);
        let source = IndexSource {
            repository,
            base: "http://debian.example".to_owned(),
            suite: index.suite.clone(),
            codename: index.codename.clone(),
            component: "main".to_owned(),
            local: false,
            pin,
            not_automatic: false,
            but_automatic_upgrades: false,
        };
        universe.add_index(source, index.text.clone().into_bytes())?;
    }
    Ok(universe)
}
