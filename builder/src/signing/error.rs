//! Why a key does not sign.

use std::io;
use std::path::PathBuf;

use crate::verify::SignatureProblem;

/// A key that does not sign.
#[derive(Debug, thiserror::Error)]
#[error("signing with the key '{}': {problem}; {}", path.display(), problem.hint())]
pub struct SigningError {
    /// The key's file.
    pub path: PathBuf,
    /// What is wrong. The message holds it already, so it is no `source` of its own.
    pub problem: Problem,
}

/// What is wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(io::Error),
    /// The file holds something else.
    #[error("it is no OpenPGP secret key: {0}")]
    NotASecretKey(String),
    /// A password protects the key, and another one, or none, was given.
    #[error("the password that protects it is missing or wrong")]
    Locked,
    /// What it signs counts for nothing.
    #[error("nobody would accept its signature: {0}")]
    Unfit(SignatureProblem),
    /// The mathematics failed.
    #[error("{0}")]
    Failed(String),
}

impl Problem {
    fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "check the path after --sign-key",
            Self::NotASecretKey(_) => "export one by 'gpg --export-secret-keys --armor KEY'",
            Self::Locked => "put it into BOOTWRIGHT_SIGN_KEY_PASSWORD",
            Self::Unfit(_) => "give a key that may sign now",
            Self::Failed(_) => "give another key, for example one of Ed25519 or RSA",
        }
    }
}
