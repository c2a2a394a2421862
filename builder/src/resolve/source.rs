//! Where indexes come from, and what can be wrong with them.

/// Where an index comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexSource {
    /// Position in the plan's list of repositories.
    pub repository: usize,
    /// Base address of the archive, without a trailing slash.
    pub base: String,
    /// `Suite` of its Release file (or as written in the recipe), for example `oldstable`.
    pub suite: String,
    /// `Codename` of its Release file, for example `bookworm`.
    pub codename: String,
    /// Component, for example `main`; empty for a flat repository.
    pub component: String,
    /// Whether these are files of this machine that the recipe names. They are preferred to files of the same version
    /// that an archive has, and belong to no suite.
    pub local: bool,
    /// The recipe's pin for it.
    pub pin: Option<i32>,
    /// `NotAutomatic: yes` in its Release file.
    pub not_automatic: bool,
    /// `ButAutomaticUpgrades: yes` in its Release file.
    pub but_automatic_upgrades: bool,
}

impl IndexSource {
    /// Returns the priority of its versions, by the rules of apt_preferences(5).
    pub fn priority(&self) -> i32 {
        match self.pin {
            Some(pin) => pin,
            None if self.but_automatic_upgrades => 100,
            None if self.not_automatic => 1,
            None => 500,
        }
    }

    /// Returns whether `name` names this suite, by suite or codename.
    pub fn is_called(&self, name: &str) -> bool {
        !self.local && (self.suite == name || self.codename == name)
    }
}

/// An index that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// It is not text.
    #[error("index of {suite}/{component} at {base}: byte {offset} is not UTF-8")]
    NotText {
        /// Base address of the archive.
        base: String,
        /// Its suite.
        suite: String,
        /// Its component.
        component: String,
        /// Where the first bad byte is.
        offset: usize,
    },
    /// It is too big for the records.
    #[error("index of {suite}/{component} at {base}: larger than 4 GiB")]
    TooBig {
        /// Base address of the archive.
        base: String,
        /// Its suite.
        suite: String,
        /// Its component.
        component: String,
    },
    /// A stanza that is broken.
    #[error("index of {suite}/{component} at {base}: package '{package}': {problem}")]
    BadStanza {
        /// Base address of the archive.
        base: String,
        /// Its suite.
        suite: String,
        /// Its component.
        component: String,
        /// The package, as far as known.
        package: String,
        /// What is wrong.
        problem: String,
    },
}
