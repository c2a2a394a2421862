//! The time, which tests may shift.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::UnixTime;

/// Says what time it is, in seconds since 1970.
pub trait Clock: std::fmt::Debug + Send + Sync {
    /// The time now.
    fn now(&self) -> u64;
}

/// The kernel's clock, some seconds ahead or behind.
#[derive(Debug, Clone, Copy, Default)]
pub struct ShiftedClock {
    /// Seconds that are added.
    pub offset: i64,
}

impl Clock for ShiftedClock {
    fn now(&self) -> u64 {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        seconds.saturating_add_signed(self.offset)
    }
}

/// Lets TLS see the same time as the rest of the program.
#[derive(Debug)]
pub struct TlsTime(pub Arc<dyn Clock>);

impl rustls::time_provider::TimeProvider for TlsTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.now())))
    }
}
