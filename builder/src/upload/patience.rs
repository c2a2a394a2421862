//! How long an upload waits for a service that fails for the moment: exponential back-off with full jitter, within a
//! budget of waiting for the whole upload.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::{Interrupt, Kind, UploadError};

/// Bounds of waiting.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Upper bound of the first wait; doubles with each.
    pub base: Duration,
    /// Upper bound of any wait that we choose.
    pub cap: Duration,
    /// Sum of all waits of one upload.
    pub budget: Duration,
    /// Time between looks at an object that somebody else is filling.
    pub poll: Duration,
    /// How long an object may stand half filled by somebody else.
    pub stale: Duration,
    /// How long one may stand half filled whose sender is known to be gone.
    pub orphan: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            base: Duration::from_millis(200),
            cap: Duration::from_secs(20),
            budget: Duration::from_secs(180),
            poll: Duration::from_secs(2),
            stale: Duration::from_secs(30 * 60),
            orphan: Duration::from_secs(15),
        }
    }
}

/// The waits of one upload.
#[derive(Debug)]
pub struct Patience {
    /// Its bounds.
    pub limits: Limits,
    /// What ends each wait early.
    pub interrupt: Interrupt,
    spent_milliseconds: AtomicU64,
    retries: AtomicU32,
}

impl Patience {
    /// Begins with the whole budget.
    pub fn new(limits: Limits, interrupt: Interrupt) -> Self {
        let (spent_milliseconds, retries) = (AtomicU64::default(), AtomicU32::default());
        Self { limits, interrupt, spent_milliseconds, retries }
    }

    /// Returns how often something was tried again.
    pub fn retries(&self) -> u32 {
        self.retries.load(Ordering::Relaxed)
    }

    /// Waits before the next try, after try number `attempt` (from 1) failed by `error`.
    ///
    /// # Errors
    /// `error` itself, when it is not transient or the budget is spent.
    pub fn wait(&self, attempt: u32, error: UploadError) -> Result<(), UploadError> {
        let Kind::Transient { retry_after } = error.kind else { return Err(error) };
        let wait = retry_after.unwrap_or_else(|| self.jitter(attempt));
        let spent = Duration::from_millis(self.spent_milliseconds.load(Ordering::Relaxed));
        if spent + wait > self.limits.budget {
            return Err(error.tried(attempt));
        }
        tracing::debug!("trying again in {wait:?}: {error}");
        // At least a little is counted, so that no-wait jitter cannot go on for ever.
        let counted = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(10);
        self.spent_milliseconds.fetch_add(counted, Ordering::Relaxed);
        self.retries.fetch_add(1, Ordering::Relaxed);
        self.interrupt.sleep(wait)
    }

    /// Counts a retry and returns how long to wait before it, for one of many requests at once: these share no budget.
    #[cfg(feature = "aws")]
    pub(super) fn pause(&self, attempt: u32) -> Duration {
        self.retries.fetch_add(1, Ordering::Relaxed);
        self.jitter(attempt)
    }

    fn jitter(&self, attempt: u32) -> Duration {
        let bound = self.limits.base.saturating_mul(1 << (attempt - 1).min(16)).min(self.limits.cap);
        bound.mul_f64(random_fraction())
    }
}

/// Returns a number from 0 to 1. The standard library's hasher keys are random per instance; that is enough here.
fn random_fraction() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 40;
    bits as f64 / f64::from(1u32 << 24)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(retry_after: Option<Duration>) -> UploadError {
        UploadError::new(Kind::Transient { retry_after }, "sending", "reset", "wait")
    }

    #[test]
    fn waits_end_with_the_budget() {
        let limits = Limits {
            base: Duration::from_millis(1),
            cap: Duration::from_millis(2),
            budget: Duration::from_millis(100),
            ..Limits::default()
        };
        let patience = Patience::new(limits, Interrupt::default());
        let failed =
            (1..1000).find_map(|attempt| patience.wait(attempt, broken(None)).err()).expect("it ends");
        assert_eq!(patience.retries(), 10);
        assert!(failed.to_string().contains("tried 11 times"), "{failed}");
        assert!(patience.wait(1, broken(Some(Duration::from_secs(60)))).is_err(), "longer than the budget");
    }

    #[test]
    fn what_is_refused_is_not_tried_again() {
        let patience = Patience::new(Limits::default(), Interrupt::default());
        let refused = UploadError::new(Kind::Refused, "creating", "quota", "free some");
        assert_eq!(patience.wait(1, refused).unwrap_err().kind, Kind::Refused);
        assert_eq!(patience.retries(), 0);
        patience.interrupt.raise();
        assert_eq!(patience.wait(1, broken(None)).unwrap_err().kind, Kind::Interrupted);
    }
}
