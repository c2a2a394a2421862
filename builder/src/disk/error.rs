//! Why a disk could not be made.

use std::io;

use crate::rootfs::tar_stream::TreeStreamError;

use super::toolbox::ToolError;

/// Why a disk could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The plan has no disk.
    #[error("the recipe has no `disk:`, so no disk can be made of it")]
    NoDisk,
    /// A fixed size does not hold what goes there.
    #[error(
        "{origin}: {what} is too small: {} needed, {} given; make it larger or write `size: auto`",
        size_text(*needed),
        size_text(*given)
    )]
    TooSmall {
        /// `file:line:column` of the recipe.
        origin: String,
        /// What is too small.
        what: String,
        /// Bytes needed at least.
        needed: u64,
        /// Bytes given.
        given: u64,
    },
    /// Nothing tells how big a partition is to be.
    #[error("{origin}: partition '{name}' needs a size: its content does not tell one")]
    NoSize {
        /// `file:line:column` of the recipe.
        origin: String,
        /// Name of the partition.
        name: String,
    },
    /// A filesystem's format does not allow something of the plan.
    #[error("{what}: {why}")]
    Unfit {
        /// What was to be written.
        what: String,
        /// Why it cannot be, and what to do.
        why: String,
    },
    /// The tree could not be read.
    #[error(transparent)]
    Tree(#[from] TreeStreamError),
    /// A program of the tools tree failed.
    #[error("making a filesystem")]
    Tool(#[from] ToolError),
    /// The disk could not be written.
    #[error("{doing}")]
    Io {
        /// What was being done.
        doing: String,
        /// Why it failed.
        source: io::Error,
    },
}

impl DiskError {
    pub(super) fn io(doing: impl Into<String>, source: io::Error) -> Self {
        Self::Io { doing: doing.into(), source }
    }

    pub(super) fn unfit(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Unfit { what: what.into(), why: why.into() }
    }
}

/// Writes a size in MiB, rounded up so that "needed" is never told too small.
fn size_text(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}
