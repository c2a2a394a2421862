//! What can go wrong with a virtual machine, so that callers may branch on it.

use std::path::PathBuf;

use crate::error::ExitCode;

/// Why a machine did not start or did not do what was expected.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// A program or file of the host is missing.
    #[error("{what} was not found; looked at: {looked_at}. On Debian: apt install {packages}")]
    Missing {
        /// What is missing.
        what: String,
        /// Where it was looked for.
        looked_at: String,
        /// The Debian packages that have it.
        packages: &'static str,
    },
    /// KVM was asked for and does not work here.
    #[error("KVM does not work on this machine: {reason}; leave the accelerator to 'auto' or choose 'tcg'")]
    NoKvm {
        /// What was seen.
        reason: String,
    },
    /// KVM gave the guest up while it ran.
    #[error(
        "KVM gave the guest up with an internal error; choose the accelerator 'tcg'\n  QEMU said: {said}\n  the last lines of the serial console:\n{serial}"
    )]
    KvmFailed {
        /// The end of QEMU's stderr.
        said: String,
        /// The end of the serial console's text.
        serial: String,
    },
    /// The image cannot be read.
    #[error("reading image '{}'", path.display())]
    Image {
        /// The image.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A disk made from the caller's input cannot be made.
    #[error("{what}: {reason}")]
    Input {
        /// The input.
        what: String,
        /// Why it cannot be used.
        reason: String,
    },
    /// QEMU could not be started or ended by itself.
    #[error("QEMU {what}\n  command: {command}\n  it said: {said}")]
    Qemu {
        /// What happened.
        what: String,
        /// The command in a form to copy.
        command: String,
        /// The end of its stderr.
        said: String,
    },
    /// The guest did not do what was expected.
    #[error("{what}; the last lines of the serial console:\n{serial}")]
    Guest {
        /// What was expected and what happened.
        what: String,
        /// The end of the serial console's text.
        serial: String,
    },
    /// The host refused something.
    #[error("{doing}")]
    Host {
        /// What was being done.
        doing: &'static str,
        /// Why not.
        source: std::io::Error,
    },
}

impl MachineError {
    /// Returns the class of the exit code.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Missing { .. } | Self::NoKvm { .. } | Self::KvmFailed { .. } | Self::Host { .. } => {
                ExitCode::Host
            }
            Self::Image { .. } | Self::Input { .. } | Self::Qemu { .. } => ExitCode::Failure,
            Self::Guest { .. } => ExitCode::Guest,
        }
    }

    /// Wraps an I/O error with what was being done.
    pub(super) fn host(doing: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |source| Self::Host { doing, source }
    }
}
