//! Why an image could not be looked into.

use std::io;
use std::path::{Path, PathBuf};

/// Why an image could not be looked into.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A file could not be read.
    #[error("{doing} '{}'", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// An image is damaged, or not one.
    #[error("'{}' is not a usable image: {why}", path.display())]
    Image {
        /// The image.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl ImageError {
    pub(crate) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }

    pub(crate) fn image(path: &Path, why: impl Into<String>) -> Self {
        Self::Image { path: path.to_owned(), why: why.into() }
    }
}
