//! A tree as one file: what the store keeps of a tree, and puts back faster than the tree was made.
//!
//! The file is a tar archive, compressed; `tar --zstd -xf` reads it. It is the stream of [`super::tar_stream`] in
//! another order (folders, then everything else, then hard links) and in zstd frames of some MiB, so that all cores
//! write and read it. Frames have checksums: a damaged one is an error, never other content. A frame with a large file
//! passes through in pieces, so that memory does not follow the largest file.
//!
//! Times end at the epoch and are whole seconds. [`settle_times`] makes the tree so as well, so that what is done to it
//! afterwards finds the same whether it was made or put back.

mod keep;
mod restore;

#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::tar_stream::TreeStreamError;

pub use keep::{keep, settle_times};
pub use restore::restore;

/// Content of a frame that is held in memory as a whole, in bytes, compressed or not; larger ones pass in pieces.
const HELD: u64 = 16 << 20;

/// One zstd frame of the file, lengths in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// In the file.
    pub stored: u64,
    /// Decompressed.
    pub plain: u64,
}

/// Why a tree could not be kept or put back.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The tree cannot be read.
    #[error(transparent)]
    Tree(#[from] TreeStreamError),
    /// The file cannot be read or written.
    #[error("{doing} the file of a stored tree: {source}")]
    File {
        /// What was tried.
        doing: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A path of the tree cannot be made.
    #[error("putting back '{}': {source}", path.display())]
    Path {
        /// The path on this machine.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl SnapshotError {
    fn file(doing: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::File { doing, source }
    }
}

impl From<io::Error> for SnapshotError {
    fn from(source: io::Error) -> Self {
        Self::File { doing: "passing on", source }
    }
}
