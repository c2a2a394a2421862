//! Whether a signal came; looked at between requests, between chunks and while waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::UploadError;

/// How long a wait goes on without a look.
const SLICE: Duration = Duration::from_millis(50);

/// A flag that is raised when a signal came. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Raises the flag.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Takes the flag down, for the requests that clean up.
    pub(super) fn lift(&self) {
        self.0.store(false, Ordering::Release);
    }

    /// Returns an error once the flag is raised.
    ///
    /// # Errors
    /// [`super::Kind::Interrupted`].
    pub fn check(&self) -> Result<(), UploadError> {
        if self.0.load(Ordering::Acquire) { Err(UploadError::interrupted()) } else { Ok(()) }
    }

    /// Waits for `time`, or until the flag is raised.
    ///
    /// # Errors
    /// As [`Interrupt::check`].
    pub fn sleep(&self, time: Duration) -> Result<(), UploadError> {
        let end = Instant::now() + time;
        loop {
            self.check()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(SLICE));
        }
    }
}
