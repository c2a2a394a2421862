//! Why an image could not be written or looked into.

use std::io;
use std::path::{Path, PathBuf};

use crate::image::ImageError;
use crate::rootfs::tar_stream::TreeStreamError;

/// Why an image could not be written or looked into.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// A file could not be read or written.
    #[error("{doing} '{}'", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The tree could not be read.
    #[error(transparent)]
    Tree(#[from] TreeStreamError),
    /// An image could not be opened.
    #[error(transparent)]
    Source(#[from] ImageError),
    /// An image is damaged, or not one.
    #[error("'{}' is not a usable image: {why}", path.display())]
    Image {
        /// The image.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl OutputError {
    pub(super) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }

    pub(super) fn image(path: &Path, why: impl Into<String>) -> Self {
        Self::Image { path: path.to_owned(), why: why.into() }
    }
}
