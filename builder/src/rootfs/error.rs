//! What can go wrong between verified packages and a configured tree.

use std::io;
use std::path::{Path, PathBuf};

use crate::sandbox::SandboxError;

use crate::deb::DebError;

/// A failed bootstrap, naming the package, script or file concerned.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// A package file is damaged or uses something that is not supported.
    #[error("reading package {package} from '{path}'")]
    Package {
        /// Package name.
        package: String,
        /// The .deb.
        path: PathBuf,
        /// What is wrong with it.
        source: DebError,
    },
    /// Two packages ship the same path and neither replaces the other.
    #[error(
        "packages {owner} and {package} both ship '/{path}' and neither declares Replaces on the other; \
         leave one of them out of the recipe (`name-`)"
    )]
    Conflict {
        /// The package that was there first.
        owner: String,
        /// The package that came second.
        package: String,
        /// The path, without its leading slash.
        path: String,
    },
    /// A path of a package cannot be put into the tree.
    #[error("unpacking package {package}: '/{path}': {reason}")]
    Path {
        /// Package name.
        package: String,
        /// The path inside the tree, without its leading slash.
        path: String,
        /// Why not.
        reason: String,
    },
    /// A maintainer script failed.
    #[error("{script} of package {package} ended with status {status}; its last output was:\n{output}")]
    Script {
        /// Package name.
        package: String,
        /// Name of the script, for example `preinst`.
        script: &'static str,
        /// Exit status as the shell reports it.
        status: String,
        /// Last lines that it wrote.
        output: String,
    },
    /// A program run inside the tree failed.
    #[error("{action}")]
    Program {
        /// What it was to do.
        action: String,
        /// Command, status and output.
        source: SandboxError,
    },
    /// `debconf:` lines were given but nothing reads them.
    #[error(
        "the recipe has `debconf:` lines but the package debconf is not installed; add it to `packages:`"
    )]
    NoDebconf,
    /// Reading or writing a file failed.
    #[error("{action} '{path}'")]
    File {
        /// Gerund, for example `creating`.
        action: &'static str,
        /// The file, as the host sees it.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl BootstrapError {
    /// Wraps an I/O error; for `map_err`.
    pub(super) fn file(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::File { action, path, source }
    }

    /// Wraps a sandbox error; for `map_err`.
    pub(super) fn program(action: impl Into<String>) -> impl FnOnce(SandboxError) -> Self {
        let action = action.into();
        move |source| Self::Program { action, source }
    }
}

/// Result of this stage.
pub type Result<T> = std::result::Result<T, BootstrapError>;
