//! What can go wrong between an image and a cloud, and whether another try may help.

use std::fmt::Display;
use std::time::Duration;

use crate::error::ExitCode;

/// An upload that did not come to its end.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{doing}: {why}; {hint}")]
pub struct UploadError {
    /// What may be done about it.
    pub kind: Kind,
    /// What was done, with the object's name or address.
    doing: String,
    /// Why it failed.
    why: String,
    /// What to do.
    hint: String,
}

/// What may be done about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The same request may go well a moment later.
    Transient {
        /// What the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// The service does not know who asks.
    Unauthorized,
    /// The object is in a state that does not allow it.
    Conflict,
    /// The service does not have it, or does not show it.
    NotFound,
    /// The service refuses, and would refuse again.
    Refused,
    /// What the user said, or a file that it names, cannot be used.
    Input,
    /// The image changed, or this machine did not do its part.
    Local,
    /// The service has other bytes than were sent.
    Mismatch,
    /// A signal came.
    Interrupted,
}

impl UploadError {
    /// Makes one of what was done, why it failed and what to do.
    pub fn new(kind: Kind, doing: impl Into<String>, why: impl Display, hint: impl Into<String>) -> Self {
        Self { kind, doing: doing.into(), why: why.to_string(), hint: hint.into() }
    }

    /// Makes one of what the user said.
    pub fn input(doing: impl Into<String>, why: impl Display, hint: impl Into<String>) -> Self {
        Self::new(Kind::Input, doing, why, hint)
    }

    /// Makes the one of a signal.
    pub fn interrupted() -> Self {
        Self::new(Kind::Interrupted, "uploading", "a signal came", "nothing was left behind")
    }

    /// Returns whether the same may go well a moment later.
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, Kind::Transient { .. })
    }

    /// Adds how often it was tried.
    #[must_use]
    pub fn tried(mut self, times: u32) -> Self {
        if times > 1 {
            self.why = format!("{} (tried {times} times)", self.why);
        }
        self
    }

    /// Adds to what to do.
    #[must_use]
    pub fn and_hint(mut self, hint: &str) -> Self {
        self.hint = format!("{}; {hint}", self.hint);
        self
    }

    /// Turns it into one of another kind, when more is known.
    #[cfg(feature = "aws")]
    #[must_use]
    pub(super) fn of_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// Returns what to do.
    pub fn hint(&self) -> &str {
        &self.hint
    }

    /// Returns the class of this error.
    pub fn exit_code(&self) -> ExitCode {
        match self.kind {
            Kind::Input => ExitCode::Usage,
            Kind::Mismatch => ExitCode::Verify,
            Kind::Local | Kind::Interrupted => ExitCode::Failure,
            _ => ExitCode::Fetch,
        }
    }
}
