//! Why a request cannot be met, told so that the reader can change it.

use std::fmt;
use std::path::PathBuf;

/// A request that cannot be met.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// No index was added.
    #[error("choosing packages: there is no package index to choose from")]
    NoIndex,
    /// No package of that name is known.
    #[error("{origin}: there is no package '{name}'{}", Hint(near))]
    UnknownPackage {
        /// The name.
        name: String,
        /// Where it was asked for, `file:line:column`.
        origin: String,
        /// Names that are written nearly like it.
        near: Vec<String>,
    },
    /// The package exists, but not in that version.
    #[error("{origin}: '{name}' has no version '{version}'; available: {}", available.join(", "))]
    UnknownVersion {
        /// The package.
        name: String,
        /// The version asked for.
        version: String,
        /// Where it was asked for.
        origin: String,
        /// Versions and the suites that have them.
        available: Vec<String>,
    },
    /// The package's own file was not among the indexes.
    #[error("{origin}: the package '{name}' of '{}' was not read", path.display())]
    NoFile {
        /// The package.
        name: String,
        /// Its file.
        path: PathBuf,
        /// Where it was asked for.
        origin: String,
    },
    /// The package exists, but not in that suite.
    #[error("{origin}: '{name}' is not in suite '{suite}'; available: {}", available.join(", "))]
    UnknownSuite {
        /// The package.
        name: String,
        /// The suite asked for.
        suite: String,
        /// Where it was asked for.
        origin: String,
        /// Versions and the suites that have them.
        available: Vec<String>,
    },
    /// The name is virtual and more than one package provides it.
    #[error("{origin}: '{name}' is provided by several packages, name one of them: {}", providers.join(", "))]
    Ambiguous {
        /// The virtual name.
        name: String,
        /// Where it was asked for.
        origin: String,
        /// Packages that provide it.
        providers: Vec<String>,
    },
    /// The name is known, but nothing of it can be installed.
    #[error(
        "{origin}: '{name}' is mentioned by other packages but is in none of the repositories (or pinned away)"
    )]
    NoCandidate {
        /// The name.
        name: String,
        /// Where it was asked for.
        origin: String,
    },
    /// Dependencies or conflicts stand against it.
    #[error("choosing packages: these cannot be had together:{}", Lines(chains))]
    Unsatisfiable {
        /// One line per package that stays broken: how the request leads to it and what fails there.
        chains: Vec<String>,
    },
    /// A stanza lacks what fetching needs.
    #[error("package '{package}': its stanza in {index} has no usable '{field}' field")]
    BadStanza {
        /// The package.
        package: String,
        /// The index it is in.
        index: String,
        /// The field.
        field: &'static str,
    },
}

struct Hint<'a>(&'a [String]);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => write!(f, " in the repositories"),
            near => write!(f, "; did you mean {}?", near.join(", ")),
        }
    }
}

struct Lines<'a>(&'a [String]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}
