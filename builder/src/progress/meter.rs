//! How far a stage is, how fast it goes, and how long it will still take.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Unit;

/// The rate is that of so much time, so that it follows the network and does not jump with each buffer.
const WINDOW: Duration = Duration::from_secs(10);
/// Time between two samples; what comes between them changes nothing that anybody sees.
const SPACING: Duration = Duration::from_millis(250);

/// Measures one running stage.
#[derive(Debug)]
pub(super) struct Meter {
    unit: Unit,
    total: Option<u64>,
    done: u64,
    /// When how much was done; the first is the beginning of the window.
    samples: VecDeque<(Instant, u64)>,
}

/// What a meter shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reading {
    pub(super) done: u64,
    pub(super) total: Option<u64>,
    /// Units in a second; none before there is anything to tell it from.
    pub(super) per_second: Option<f64>,
    /// Seconds until all is done, at this rate; none while nothing moves.
    pub(super) seconds_left: Option<f64>,
}

impl Meter {
    pub(super) fn new(now: Instant) -> Self {
        Self { unit: Unit::Items, total: None, done: 0, samples: VecDeque::from([(now, 0)]) }
    }

    /// Takes note of how much there is to do; it may turn out to be less.
    pub(super) fn set_total(&mut self, total: u64, unit: Unit) {
        (self.total, self.unit) = (Some(total), unit);
    }

    pub(super) fn advance(&mut self, amount: u64, now: Instant) {
        self.done += amount;
        let last = self.samples.back().map(|(when, _)| *when);
        if last.is_none_or(|last| now.duration_since(last) >= SPACING) {
            self.samples.push_back((now, self.done));
        }
        while self.samples.get(1).is_some_and(|(when, _)| now.duration_since(*when) >= WINDOW) {
            self.samples.pop_front();
        }
    }

    pub(super) fn unit(&self) -> Unit {
        self.unit
    }

    pub(super) fn read(&self, now: Instant) -> Reading {
        // What is done twice, since the connection broke, is no more than the whole.
        let done = self.total.map_or(self.done, |total| self.done.min(total));
        let per_second = self.samples.front().and_then(|(when, before)| {
            let seconds = now.duration_since(*when).as_secs_f64();
            (seconds > 0.0).then(|| (self.done - before) as f64 / seconds)
        });
        let left = self.total.map(|total| total - done);
        let seconds_left = match (left, per_second) {
            (Some(0), _) => Some(0.0),
            (Some(left), Some(rate)) if rate > 0.0 => Some(left as f64 / rate),
            _ => None,
        };
        Reading { done, total: self.total, per_second, seconds_left }
    }
}

impl Reading {
    /// Returns how much is done in hundredths of the whole, rounded down; none if the whole is not known.
    pub(super) fn percent(&self) -> Option<u64> {
        let total = self.total?;
        if total == 0 {
            Some(100)
        } else {
            u64::try_from(u128::from(self.done) * 100 / u128::from(total)).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A meter of 1000 bytes, and the moment of its beginning.
    fn begun() -> (Meter, Instant) {
        let began = Instant::now();
        let mut meter = Meter::new(began);
        meter.set_total(1000, Unit::Bytes);
        (meter, began)
    }

    #[test]
    fn rate_and_rest_follow_from_what_moved() {
        let (mut meter, began) = begun();
        let first = meter.read(began);
        assert_eq!((first.percent(), first.per_second, first.seconds_left), (Some(0), None, None));
        meter.advance(250, began + Duration::from_secs(5));
        let later = meter.read(began + Duration::from_secs(5));
        assert_eq!(
            (later.percent(), later.per_second, later.seconds_left),
            (Some(25), Some(50.0), Some(15.0))
        );
    }

    #[test]
    fn what_is_long_ago_does_not_count() {
        let (mut meter, began) = begun();
        let second = |number| began + Duration::from_secs(number);
        (1..=5).for_each(|number| meter.advance(100, second(number)));
        (6..=25).for_each(|number| meter.advance(10, second(number)));
        let reading = meter.read(second(25));
        assert_eq!((reading.done, reading.per_second, reading.seconds_left), (700, Some(10.0), Some(30.0)));
    }

    #[test]
    fn a_stall_takes_the_rate_down() {
        let (mut meter, began) = begun();
        meter.advance(500, began + Duration::from_secs(1));
        let reading = meter.read(began + Duration::from_secs(100));
        assert_eq!((reading.per_second, reading.seconds_left), (Some(5.0), Some(100.0)));
        assert_eq!(Meter::new(began).read(began + Duration::from_secs(9)).seconds_left, None);
    }

    #[test]
    fn it_ends_with_the_whole() {
        let (mut meter, began) = begun();
        meter.advance(990, began + Duration::from_millis(1));
        assert_eq!(meter.read(began + Duration::from_millis(1)).percent(), Some(99));
        meter.advance(900, began + Duration::from_millis(2));
        let reading = meter.read(began + Duration::from_millis(2));
        assert_eq!((reading.done, reading.percent(), reading.seconds_left), (1000, Some(100), Some(0.0)));
        meter.set_total(0, Unit::Bytes);
        assert_eq!(meter.read(began).percent(), Some(100));
    }
}
