//! What can go wrong between an address and its bytes.

use std::fmt;
use std::time::Duration;

use crate::error::ExitCode;
use crate::store::{Mismatch, StoreError};

/// One address that did not give what was wanted.
#[derive(Debug, thiserror::Error)]
#[error("fetching '{url}': {cause}{}; {}", Tries(*attempts), cause.hint())]
pub struct FetchError {
    /// The address, without a password.
    pub url: String,
    /// Why. The message holds it already, so it is no `source` of its own.
    pub cause: Cause,
    /// How often it was tried.
    pub attempts: u32,
}

/// Why an address did not give what was wanted.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// There is nothing at this address.
    #[error("there is no such file")]
    NotFound,
    /// The server answered something else than the file.
    #[error("the server answered {status}")]
    Status {
        /// HTTP status.
        status: u16,
        /// What the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// The server sends from one address to the next without end.
    #[error("too many redirects")]
    Redirects,
    /// The address cannot be used.
    #[error("{0}")]
    Address(String),
    /// The host name is unknown.
    #[error("the host name cannot be resolved")]
    HostName,
    /// Nothing came for too long.
    #[error("no answer for too long ({0})")]
    Stalled(String),
    /// The connection broke or could not be made.
    #[error("{0}")]
    Connection(String),
    /// The server cannot prove who it is.
    #[error("TLS: {0}")]
    Tls(String),
    /// The body ended early.
    #[error("the transfer ended after {found} of {expected} bytes")]
    Truncated {
        /// How many bytes there should be.
        expected: u64,
        /// How many came.
        found: u64,
    },
    /// More than a file of this kind can have.
    #[error("more than {0} bytes")]
    TooLarge(u64),
    /// The bytes are not the ones that were signed for.
    #[error("{0}")]
    Mismatch(#[from] Mismatch),
    /// The bytes are right but cannot be decompressed.
    #[error("decompressing: {0}")]
    Decode(String),
    /// The cache did not take the bytes.
    #[error("{0}")]
    Store(StoreError),
}

impl From<StoreError> for Cause {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Mismatch(mismatch) => Self::Mismatch(mismatch),
            error @ StoreError::Io { .. } => Self::Store(error),
        }
    }
}

impl Cause {
    /// Returns whether the same request may go well a moment later.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Status { status, .. } => matches!(status, 408 | 416 | 425 | 429 | 500 | 502 | 503 | 504),
            Self::HostName | Self::Stalled(_) | Self::Connection(_) | Self::Truncated { .. } => true,
            _ => false,
        }
    }

    /// Returns whether another address of the same file is worth a try.
    pub(super) fn is_of_this_address(&self) -> bool {
        matches!(self, Self::NotFound | Self::Mismatch(_) | Self::Status { .. } | Self::Redirects)
    }

    /// Returns whether the way to the server, or the server itself, does not work.
    pub(super) fn is_of_the_network(&self) -> bool {
        match self {
            Self::HostName | Self::Stalled(_) | Self::Connection(_) | Self::Truncated { .. } => true,
            // What a server with the wrong certificate sends is signed all the same.
            Self::Tls(_) | Self::Redirects | Self::Status { .. } => true,
            _ => false,
        }
    }

    /// Returns whether the mirror may be in the middle of an update.
    pub(super) fn is_of_this_moment(&self) -> bool {
        matches!(self, Self::NotFound | Self::Mismatch(_))
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::NotFound => "check the address and the suite's name, or choose another mirror (--mirror)",
            Self::Status { status: 401 | 403, .. } => {
                "name a file with the password by `auth`, or check the one that is named; as in apt, an entry is for \
                 https unless it says `machine http://HOST`"
            }
            Self::Status { status: 407, .. } => "the proxy asks for a password; put it into http_proxy",
            Self::Status { .. } | Self::Redirects => "try again later or choose another mirror (--mirror)",
            Self::Address(_) => "write it as http://HOST/PATH, https://HOST/PATH or file:///PATH",
            Self::HostName => "check the name and this machine's resolver, or set http_proxy",
            Self::Stalled(_) | Self::Connection(_) | Self::Truncated { .. } => {
                "check the network and the proxy, or choose another mirror (--mirror); what has come is kept"
            }
            Self::Tls(_) => "if the host has a private authority, name its certificate in SSL_CERT_FILE",
            Self::TooLarge(_) => "this is not an archive's file; check the address",
            Self::Mismatch(_) => {
                "the mirror is being updated, broken or hostile: try again in some minutes or choose another (--mirror)"
            }
            Self::Decode(_) => "the archive itself is broken; tell its operators",
            Self::Store(_) => "or choose another cache folder (--cache)",
        }
    }
}

impl FetchError {
    /// Returns the class of this error.
    pub fn exit_code(&self) -> ExitCode {
        match self.cause {
            Cause::Mismatch(_) | Cause::Decode(_) => ExitCode::Verify,
            Cause::Store(_) => ExitCode::Failure,
            _ => ExitCode::Fetch,
        }
    }
}

/// Several addresses that failed, at least one.
#[derive(Debug)]
pub struct Failures {
    errors: Vec<FetchError>,
}

impl Failures {
    /// Makes one of errors in the order in which they happened; none of none.
    pub(super) fn of(errors: Vec<FetchError>) -> Option<Self> {
        (!errors.is_empty()).then_some(Self { errors })
    }

    /// Returns what failed, in the order in which it did.
    pub fn errors(&self) -> &[FetchError] {
        &self.errors
    }

    /// Returns the class of the first failure.
    pub fn exit_code(&self) -> ExitCode {
        self.errors.first().map_or(ExitCode::Failure, FetchError::exit_code)
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.errors.iter().enumerate().try_for_each(|(number, error)| {
            let before = if number > 0 { "\nthen " } else { "" };
            write!(f, "{before}{error}")
        })
    }
}

impl std::error::Error for Failures {}

/// Shows how often something was tried, if more than once.
struct Tries(u32);

impl fmt::Display for Tries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 > 1 { write!(f, " (tried {} times)", self.0) } else { Ok(()) }
    }
}

/// Returns `url` without the user and password it may hold.
pub(super) fn redacted(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(user) => format!("{scheme}://{}", &rest[user + 1..]),
        None => url.to_owned(),
    }
}
