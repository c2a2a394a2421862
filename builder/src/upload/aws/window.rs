//! How many blocks are on their way at once: as many as the way bears, found out while sending.
//!
//! The number doubles with every round trip as long as blocks do not take longer for it, as TCP's slow start does. When
//! they do, the way is full and it stays. When the service says that it is too much, or blocks do not come through,
//! it is halved and grows by one per round trip from then on.

use std::time::{Duration, Instant};

/// Where it begins.
const FIRST: f64 = 32.0;
/// What is always allowed.
const LEAST: f64 = 2.0;
/// The most: with 512 KiB each this is 96 MiB of memory, and 1000 blocks a second (AWS's limit for a snapshot) at 192 ms.
const MOST: f64 = 192.0;
/// A block may take so many times as long as the quickest before the way counts as full.
const FULL: u32 = 2;

/// The number of blocks that may be on their way.
#[derive(Debug)]
pub(super) struct Window {
    size: f64,
    /// Whether it was never too much.
    starting: bool,
    quickest: Duration,
    halved: Option<Instant>,
}

impl Window {
    pub(super) fn new() -> Self {
        Self { size: FIRST, starting: true, quickest: Duration::MAX, halved: None }
    }

    /// Returns the number of blocks.
    pub(super) fn size(&self) -> usize {
        self.size as usize
    }

    /// A block came through in `time`.
    pub(super) fn came(&mut self, time: Duration) {
        self.quickest = self.quickest.min(time);
        if time > self.quickest.saturating_mul(FULL) {
            return;
        }
        self.size = (self.size + if self.starting { 1.0 } else { 1.0 / self.size }).min(MOST);
    }

    /// It was too much, at `now`. What the same crowd of blocks meets counts once.
    pub(super) fn too_much(&mut self, now: Instant) {
        let crowd = self.quickest.min(Duration::from_secs(1)).saturating_mul(FULL);
        if self.halved.is_some_and(|at| now.duration_since(at) < crowd) {
            return;
        }
        self.size = (self.size / 2.0).max(LEAST);
        (self.starting, self.halved) = (false, Some(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_while_the_way_is_not_full() {
        let mut window = Window::new();
        for _ in 0..1000 {
            window.came(Duration::from_millis(100));
        }
        assert_eq!(window.size(), 192);
        let mut narrow = Window::new();
        narrow.came(Duration::from_millis(1));
        for _ in 0..1000 {
            narrow.came(Duration::from_millis(3));
        }
        assert_eq!(narrow.size(), 33);
    }

    #[test]
    fn a_crowd_that_is_refused_halves_it_once() {
        let (mut window, now) = (Window::new(), Instant::now());
        for _ in 0..68 {
            window.came(Duration::from_millis(100));
        }
        for after in 0..50 {
            window.too_much(now + Duration::from_millis(after));
        }
        assert_eq!(window.size(), 50);
        for _ in 0..50 {
            window.came(Duration::from_millis(100));
        }
        assert!((50..=51).contains(&window.size()), "it grows slowly now: {}", window.size());
        for after in 1..20 {
            window.too_much(now + Duration::from_secs(after));
        }
        assert_eq!(window.size(), 2);
    }
}
