//! The outcome of the rootfs stage.

use std::path::{Path, PathBuf};

use crate::resolve::Locked;

/// A configured root tree on the workspace's tmpfs.
#[derive(Debug)]
pub struct Tree {
    /// What it was made from.
    pub locked: Locked,
    root: PathBuf,
}

impl Tree {
    /// Names `root` as the tree of `locked`.
    pub fn new(locked: Locked, root: PathBuf) -> Self {
        Self { locked, root }
    }

    /// Returns the folder that is the image's `/`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the host path of an absolute path of the image.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside.trim_start_matches('/'))
    }
}
