//! Why something that was fetched is not used.

use crate::date;
use crate::error::ExitCode;
use crate::store::Mismatch;

/// Something that was fetched and is not what was signed for.
#[derive(Debug, thiserror::Error)]
#[error("verifying '{url}': {problem}; {}", problem.hint())]
pub struct VerifyError {
    /// Address or path of what was judged.
    pub url: String,
    /// What is wrong with it. The message holds it already, so it is no `source` of its own.
    pub problem: Problem,
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The text is not what such a file must be.
    #[error("{0}")]
    Malformed(String),
    /// The keyring cannot be used.
    #[error("keyring: {0}")]
    Keyring(String),
    /// None of the signatures was made by an allowed key.
    #[error("signed only by keys that are not allowed here ({})", .0.join(", "))]
    UnknownKey(Vec<String>),
    /// Signatures by allowed keys exist, but none is good.
    #[error("no good signature: {}", list(.0))]
    BadSignature(Vec<SignatureProblem>),
    /// The file is of another suite.
    #[error("it is of suite '{suite}' (code name '{codename}'), not of '{asked}'")]
    WrongSuite {
        /// What was asked for.
        asked: String,
        /// Its `Suite` field.
        suite: String,
        /// Its `Codename` field.
        codename: String,
    },
    /// The file is past its `Valid-Until`.
    #[error("it was valid until {}", date::show(*.until))]
    Expired {
        /// When it ended, seconds since 1970.
        until: i64,
    },
    /// The file's `Date` is to come.
    #[error("it is dated {}, and now it is {}", date::show(*.date), date::show(*.now))]
    FromTheFuture {
        /// Its date, seconds since 1970.
        date: i64,
        /// This machine's clock.
        now: i64,
    },
    /// The suite does not hold an index that is needed.
    #[error("it lists no {0}")]
    Missing(String),
    /// A file does not have its digest or size.
    #[error("{0}")]
    Mismatch(#[from] Mismatch),
    /// A file that was verified is not there any more.
    #[error("it is not in the cache")]
    Absent,
    /// The cache cannot be read.
    #[error("{0}")]
    Store(crate::store::StoreError),
}

/// Why one signature does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureProblem {
    /// Its key is not in the keyring.
    #[error("key {0} is not allowed here")]
    UnknownKey(String),
    /// The mathematics do not fit: another text or another key.
    #[error("the signature of key {0} does not fit the text")]
    Bad(String),
    /// The key's time is over.
    #[error("key {key} expired on {}", date::show(*.at))]
    KeyExpired {
        /// Fingerprint.
        key: String,
        /// When, seconds since 1970.
        at: i64,
    },
    /// The key's owner withdrew it.
    #[error("key {0} is revoked")]
    KeyRevoked(String),
    /// The key may not sign, or nothing valid binds it to its owner.
    #[error("key {key} may not sign: {why}")]
    KeyUnfit {
        /// Fingerprint.
        key: String,
        /// What is missing.
        why: String,
    },
    /// The signature itself is past its time.
    #[error("the signature of key {key} expired on {}", date::show(*.at))]
    Expired {
        /// Fingerprint.
        key: String,
        /// When, seconds since 1970.
        at: i64,
    },
    /// The signature was made at a time to come.
    #[error("the signature of key {key} is dated {}", date::show(*.at))]
    FromTheFuture {
        /// Fingerprint.
        key: String,
        /// When, seconds since 1970.
        at: i64,
    },
    /// It rests on a hash that can be forged.
    #[error("it uses {0}, which can be forged")]
    WeakHash(String),
    /// It is of a kind that we do not judge.
    #[error("it is of an unsupported kind: {0}")]
    Unsupported(String),
}

impl SignatureProblem {
    fn is_of_the_future(&self) -> bool {
        matches!(self, Self::FromTheFuture { .. })
    }

    fn is_over(&self) -> bool {
        matches!(self, Self::Expired { .. } | Self::KeyExpired { .. })
    }
}

impl VerifyError {
    /// Returns the class of this error.
    pub fn exit_code(&self) -> ExitCode {
        match self.problem {
            Problem::Store(_) => ExitCode::Failure,
            _ => ExitCode::Verify,
        }
    }
}

impl Problem {
    fn hint(&self) -> &'static str {
        match self {
            Self::Malformed(_) => {
                "the mirror is broken, or something between answers in its place; try another"
            }
            Self::Keyring(_) => "check the file that `signed_by` names",
            Self::UnknownKey(_) => {
                "if you trust this archive, name its keyring in the repository's `signed_by`"
            }
            Self::BadSignature(problems) if problems.iter().any(SignatureProblem::is_of_the_future) => {
                "set this machine's clock"
            }
            Self::BadSignature(problems) if problems.iter().any(SignatureProblem::is_over) => {
                "the mirror or the keyring is out of date, or this machine's clock is wrong"
            }
            Self::BadSignature(_) => "the mirror or the keyring is out of date, or somebody forged the file",
            Self::WrongSuite { .. } => "check the suite's name and the mirror",
            Self::Expired { .. } => "the mirror is stale (choose another), or this machine's clock is wrong",
            Self::FromTheFuture { .. } => "set this machine's clock",
            Self::Missing(_) => "check the components and the architecture in the recipe",
            Self::Mismatch(_) | Self::Absent | Self::Store(_) => "build again; the cache fetches it anew",
        }
    }

    /// Makes an error of what was judged.
    pub(super) fn of(self, url: &str) -> VerifyError {
        VerifyError { url: url.to_owned(), problem: self }
    }
}

fn list(problems: &[SignatureProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
