//! What can go wrong while a tree is made bootable.

use std::path::PathBuf;

/// Why a tree could not be made bootable.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The plan asks for something that the layout cannot carry.
    #[error("{reason}; {hint}")]
    Layout {
        /// What does not fit.
        reason: String,
        /// What to change in the recipe.
        hint: &'static str,
    },
    /// A file that a package of the image should bring is missing.
    #[error(
        "the tree has no '{path}', which booting by {purpose} needs; add the package {package} to `packages`"
    )]
    MissingFile {
        /// Absolute path inside the image.
        path: String,
        /// Kind of boot that needs it.
        purpose: &'static str,
        /// Package that has it.
        package: &'static str,
    },
    /// No kernel is installed.
    #[error(
        "the tree has no kernel (no '/boot/vmlinuz-*'); set `kernel:` in the recipe, for example `kernel: linux-image-cloud-amd64`"
    )]
    NoKernel,
    /// A kernel has no initramfs.
    #[error(
        "kernel {version} has no '/boot/initrd.img-{version}'; the initramfs stage was not run or `initramfs-tools` is not installed"
    )]
    NoInitramfs {
        /// Kernel release.
        version: String,
    },
    /// GRUB's files are not what they are expected to be.
    #[error(
        "reading '{file}' of GRUB for BIOS: {reason}; the package grub-pc-bin of this release is not one this program knows"
    )]
    Grub {
        /// File name below `/usr/lib/grub/i386-pc`.
        file: String,
        /// What is odd about it.
        reason: String,
    },
    /// A file of the tree could not be read or written.
    #[error("{action} '{path}': {source}", path = path.display())]
    Io {
        /// What was tried, a gerund.
        action: &'static str,
        /// The file on the host.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A program of the image failed.
    #[error("making the initramfs of kernel {version}")]
    Initramfs {
        /// Kernel release.
        version: String,
        /// The cause.
        #[source]
        source: anyhow::Error,
    },
}

impl BootError {
    /// Returns a function that turns an I/O error on `path` into this type.
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// Returns an error about one of GRUB's files.
    pub(super) fn grub(file: &str, reason: impl Into<String>) -> Self {
        Self::Grub { file: file.to_owned(), reason: reason.into() }
    }
}
