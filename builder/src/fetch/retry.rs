//! How long to wait before the next try: exponential back-off with full jitter, or what the server asks for.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use super::error::Cause;

/// Bytes that must have come for an attempt to count as progress, after which tries are counted anew.
pub(super) const PROGRESS_BYTES: u64 = 64 * 1024;

/// How often and how fast to try again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retry {
    /// Attempts without progress before giving up.
    pub attempts: u32,
    /// Upper bound of the first wait; doubles with each.
    pub base: Duration,
    /// Upper bound of any wait that we choose.
    pub cap: Duration,
    /// Longest wait that a server may ask for; a longer one ends the tries.
    pub longest_asked: Duration,
}

/// Tries of an address when another one is left.
const IMPATIENT_ATTEMPTS: u32 = 2;

impl Retry {
    /// Returns the same with few tries, for an address that is not the last one known.
    pub(super) fn impatient(self) -> Self {
        Self { attempts: self.attempts.min(IMPATIENT_ATTEMPTS), ..self }
    }

    /// Returns how long to wait after attempt number `attempt` (from 1) failed by `cause`; none to give up.
    pub(super) fn wait(&self, attempt: u32, cause: &Cause) -> Option<Duration> {
        if !cause.is_transient() || attempt >= self.attempts {
            return None;
        }
        if let Cause::Status { retry_after: Some(asked), .. } = cause {
            return (*asked <= self.longest_asked).then_some(*asked);
        }
        let bound = self.base.saturating_mul(1 << (attempt - 1).min(16)).min(self.cap);
        Some(bound.mul_f64(random_fraction()))
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

    const RETRY: Retry = Retry {
        attempts: 4,
        base: Duration::from_millis(100),
        cap: Duration::from_millis(150),
        longest_asked: Duration::from_secs(60),
    };

    #[test]
    fn waits_are_bounded_and_end() {
        let broken = Cause::Connection("reset".into());
        for _ in 0..100 {
            assert!(RETRY.wait(1, &broken).unwrap() <= Duration::from_millis(100));
            assert!(RETRY.wait(3, &broken).unwrap() <= Duration::from_millis(150));
        }
        assert_eq!(RETRY.wait(4, &broken), None);
        assert_eq!(RETRY.wait(1, &Cause::NotFound), None);
    }

    #[test]
    fn a_server_is_obeyed_within_reason() {
        let busy = |seconds| Cause::Status { status: 503, retry_after: Some(Duration::from_secs(seconds)) };
        assert_eq!(RETRY.wait(1, &busy(7)), Some(Duration::from_secs(7)));
        assert_eq!(RETRY.wait(1, &busy(3600)), None);
    }

    #[test]
    fn jitter_spreads() {
        let draws: Vec<f64> = (0..100).map(|_| random_fraction()).collect();
        assert!(draws.iter().all(|draw| (0.0..1.0).contains(draw)));
        assert!(draws.iter().any(|draw| *draw < 0.3) && draws.iter().any(|draw| *draw > 0.7));
    }
}
