//! Plain lines, for logs: one line per finished stage, warnings as they come, and how far a long transfer is.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::meter::{Meter, Reading};
use super::{Event, Reporter, Unit, format_bytes, format_duration};

/// A transfer says how far it is after so many further hundredths, if so much time has gone by: some twenty lines.
const STEP: u64 = 5;
const PACE: Duration = Duration::from_secs(2);
/// And at least so often, as long as anything moves.
const PATIENCE: Duration = Duration::from_secs(60);

/// Writes one line per event worth keeping.
pub struct Plain<W: Write + Send> {
    state: Mutex<State<W>>,
    verbose: bool,
}

struct State<W> {
    out: W,
    running: HashMap<&'static str, Running>,
}

/// A stage that has not ended.
struct Running {
    meter: Meter,
    /// When it last said how far it is, or began.
    last: Instant,
    /// What it said, in hundredths.
    said: Option<u64>,
}

impl<W: Write + Send> std::fmt::Debug for Plain<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plain").field("verbose", &self.verbose).finish_non_exhaustive()
    }
}

impl<W: Write + Send> Plain<W> {
    /// Writes to `out`; `verbose` adds starts of stages and notes.
    pub fn new(out: W, verbose: bool) -> Self {
        Self { state: Mutex::new(State { out, running: HashMap::new() }), verbose }
    }
}

impl<W: Write + Send> Reporter for Plain<W> {
    fn event(&self, event: Event) {
        if let Ok(mut state) = self.state.lock() {
            state.take(event, self.verbose, Instant::now());
        }
    }
}

impl<W: Write> State<W> {
    fn take(&mut self, event: Event, verbose: bool, now: Instant) {
        match event {
            Event::StageStarted { stage } => {
                self.running.insert(stage, Running { meter: Meter::new(now), last: now, said: None });
                if verbose {
                    self.line(&format!("{stage}…"));
                }
            }
            Event::Total { stage, total, unit } => {
                if let Some(running) = self.running.get_mut(stage) {
                    running.meter.set_total(total, unit);
                }
            }
            Event::Advanced { stage, amount } => self.advanced(stage, amount, now),
            Event::StageFinished { stage, elapsed, summary } => {
                // What was left out at the end makes the rest the whole.
                self.advanced(stage, 0, now);
                self.running.remove(stage);
                self.line(&format!("{stage:<18} {:>7}  {summary}", format_duration(elapsed)));
            }
            Event::Warning { message } => self.line(&format!("warning: {message}")),
            Event::Note { message } if verbose => self.line(&format!("note: {message}")),
            Event::Note { .. } | Event::Working { .. } => {}
        }
    }

    fn advanced(&mut self, stage: &'static str, amount: u64, now: Instant) {
        let Some(running) = self.running.get_mut(stage) else { return };
        running.meter.advance(amount, now);
        if running.meter.unit() != Unit::Bytes {
            return;
        }
        let reading = running.meter.read(now);
        let Some(percent) = reading.percent().filter(|percent| running.is_due(*percent, now)) else { return };
        (running.last, running.said) = (now, Some(percent));
        self.line(&format!("{stage:<18} {percent:>5} %  {}", words(&reading)));
    }

    fn line(&mut self, text: &str) {
        // A closed stderr must not end a build.
        let _ = writeln!(self.out, "{text}");
    }
}

impl Running {
    fn is_due(&self, percent: u64, now: Instant) -> bool {
        let waited = now.duration_since(self.last);
        let step = percent >= self.said.unwrap_or(0) + STEP;
        let passed = waited >= PACE && (step || waited >= PATIENCE);
        // Who has begun to say it says the end too; a quick stage has one line.
        let ended = percent == 100 && self.said.is_some_and(|said| said < 100);
        ended || passed && percent < 100
    }
}

fn words(reading: &Reading) -> String {
    let mut words = format_bytes(reading.done);
    if let Some(total) = reading.total {
        words += &format!(" of {}", format_bytes(total));
    }
    if let Some(rate) = reading.per_second {
        words += &format!(", {}/s", format_bytes(rate as u64));
    }
    if let Some(left) = reading.seconds_left.filter(|left| *left > 0.0) {
        words += &format!(
            ", {} left",
            format_duration(Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX))
        );
    }
    words
}
