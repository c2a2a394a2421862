//! JSON lines, one object per event, for programs that watch a build.
//!
//! Every object has `"event"` (snake case) and `"v": 1`; durations are in seconds, amounts in the stage's unit.
//! `docs/progress.md` is the contract. Stages advance thousands of times in a second; a line is written for what came
//! in some time.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::meter::Meter;
use super::{Event, Reporter, Unit};

/// Version of the line format.
const FORMAT_VERSION: u32 = 1;
/// Time between two lines that tell how far a stage is.
const PACE: Duration = Duration::from_millis(200);

/// Returns the line of an event that is no stage's own: `object` with the format's version.
pub fn line(mut object: Value) -> String {
    object["v"] = json!(FORMAT_VERSION);
    object.to_string()
}

/// Writes one JSON object per line.
pub struct JsonLines<W: Write + Send> {
    state: Mutex<State<W>>,
}

struct State<W> {
    out: W,
    running: HashMap<&'static str, Running>,
}

/// A stage that has not ended.
struct Running {
    meter: Meter,
    /// What no line has told yet.
    pending: u64,
    /// The whole as the last line told it.
    told: Option<u64>,
    last: Instant,
}

impl<W: Write + Send> std::fmt::Debug for JsonLines<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JsonLines").finish_non_exhaustive()
    }
}

impl<W: Write + Send> JsonLines<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { state: Mutex::new(State { out, running: HashMap::new() }) }
    }
}

impl<W: Write + Send> Reporter for JsonLines<W> {
    fn event(&self, event: Event) {
        if let Ok(mut state) = self.state.lock() {
            state.take(event, Instant::now());
        }
    }
}

impl<W: Write> State<W> {
    fn take(&mut self, event: Event, now: Instant) {
        match event {
            Event::StageStarted { stage } => {
                let running = Running { meter: Meter::new(now), pending: 0, told: None, last: now };
                self.running.insert(stage, running);
                self.write(json!({"event": "stage_started", "stage": stage}));
            }
            Event::Total { stage, total, unit } => self.total(stage, total, unit),
            Event::Advanced { stage, amount } => self.advanced(stage, amount, now),
            Event::StageFinished { stage, elapsed, summary } => {
                if let Some(running) = self.running.remove(stage) {
                    self.rest(stage, running, now);
                }
                let seconds = elapsed.as_secs_f64();
                self.write(
                    json!({"event": "stage_finished", "stage": stage, "seconds": seconds, "summary": summary}),
                );
            }
            Event::Working { stage, on } => self.write(json!({"event": "working", "stage": stage, "on": on})),
            Event::Warning { message } => self.write(json!({"event": "warning", "message": message})),
            Event::Note { message } => self.write(json!({"event": "note", "message": message})),
        }
    }

    /// Tells the whole when it is first known; what becomes of it later comes with how far the stage is.
    fn total(&mut self, stage: &'static str, total: u64, unit: Unit) {
        let Some(running) = self.running.get_mut(stage) else { return };
        running.meter.set_total(total, unit);
        if running.told.is_none() {
            running.told = Some(total);
            let unit = match unit {
                Unit::Bytes => "bytes",
                Unit::Items => "items",
            };
            self.write(json!({"event": "total", "stage": stage, "total": total, "unit": unit}));
        }
    }

    fn advanced(&mut self, stage: &'static str, amount: u64, now: Instant) {
        let Some(running) = self.running.get_mut(stage) else { return };
        running.meter.advance(amount, now);
        running.pending += amount;
        if now.duration_since(running.last) >= PACE {
            let line = running.line(stage, now);
            self.write(line);
        }
    }

    /// Tells what is not told when a stage ends.
    fn rest(&mut self, stage: &'static str, mut running: Running, now: Instant) {
        if running.pending > 0 || running.meter.read(now).total != running.told {
            let line = running.line(stage, now);
            self.write(line);
        }
    }

    fn write(&mut self, object: Value) {
        // A closed stderr must not end a build.
        let _ = writeln!(self.out, "{}", line(object));
    }
}

impl Running {
    fn line(&mut self, stage: &str, now: Instant) -> Value {
        let reading = self.meter.read(now);
        let tenths = |seconds: f64| (seconds * 10.0).round() / 10.0;
        let line = json!({
            "event": "advanced", "stage": stage, "amount": self.pending, "done": reading.done, "total": reading.total,
            "per_second": reading.per_second.map(tenths), "seconds_left": reading.seconds_left.map(tenths),
        });
        (self.pending, self.told, self.last) = (0, reading.total, now);
        line
    }
}
