//! JSON lines, one object per event, for programs that watch a build.
//!
//! Every object has `"event"` (snake case) and `"v": 1`; durations are in seconds, amounts in the stage's unit.
//! `docs/progress.md` is the contract.

use std::io::Write;
use std::sync::Mutex;

use serde_json::{Value, json};

use super::{Event, Reporter, Unit};

/// Version of the line format.
const FORMAT_VERSION: u32 = 1;

/// Returns the line of an event that is no stage's own: `object` with the format's version.
pub fn line(mut object: Value) -> String {
    object["v"] = json!(FORMAT_VERSION);
    object.to_string()
}

/// Writes one JSON object per line.
pub struct JsonLines<W: Write + Send> {
    out: Mutex<W>,
}

impl<W: Write + Send> std::fmt::Debug for JsonLines<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JsonLines").finish_non_exhaustive()
    }
}

impl<W: Write + Send> JsonLines<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out: Mutex::new(out) }
    }
}

impl<W: Write + Send> Reporter for JsonLines<W> {
    fn event(&self, event: Event) {
        let line = line(describe(event));
        if let Ok(mut out) = self.out.lock() {
            // A closed stderr must not end a build.
            let _ = writeln!(out, "{line}");
        }
    }
}

fn describe(event: Event) -> Value {
    match event {
        Event::StageStarted { stage } => json!({"event": "stage_started", "stage": stage}),
        Event::Total { stage, total, unit } => {
            let unit = match unit {
                Unit::Bytes => "bytes",
                Unit::Items => "items",
            };
            json!({"event": "total", "stage": stage, "total": total, "unit": unit})
        }
        Event::Advanced { stage, amount } => json!({"event": "advanced", "stage": stage, "amount": amount}),
        Event::Working { stage, on } => json!({"event": "working", "stage": stage, "on": on}),
        Event::StageFinished { stage, elapsed, summary } => {
            json!({"event": "stage_finished", "stage": stage, "seconds": elapsed.as_secs_f64(), "summary": summary})
        }
        Event::Warning { message } => json!({"event": "warning", "message": message}),
        Event::Note { message } => json!({"event": "note", "message": message}),
    }
}
