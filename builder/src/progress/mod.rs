//! What stages tell about their work, apart from how it is shown.
//!
//! A stage gets a `&dyn Reporter` and sends [`Event`]s. The renderers (terminal, plain lines, JSON lines) are
//! chosen by `cli`; only they know the terminal.

use std::time::Duration;

mod json;
mod meter;
mod plain;
mod terminal;
#[cfg(test)]
mod tests;

pub use json::{JsonLines, line as json_line};
pub use plain::Plain;
pub use terminal::Terminal;

/// One thing worth telling. Past tense for what happened; quantities are totals of the running stage.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A stage began. The name is a short noun phrase, for example `fetch packages`.
    StageStarted {
        /// Name of the stage.
        stage: &'static str,
    },
    /// The running stage knows how much there is to do, in `unit`s; another time, that it is less.
    Total {
        /// Name of the stage.
        stage: &'static str,
        /// Amount of work.
        total: u64,
        /// What is counted.
        unit: Unit,
    },
    /// The running stage did `amount` more.
    Advanced {
        /// Name of the stage.
        stage: &'static str,
        /// Amount done since the last event.
        amount: u64,
    },
    /// What the stage works on just now, for example a package name.
    Working {
        /// Name of the stage.
        stage: &'static str,
        /// The object in hand.
        on: String,
    },
    /// The stage ended well.
    StageFinished {
        /// Name of the stage.
        stage: &'static str,
        /// Wall time it took.
        elapsed: Duration,
        /// One line worth reading, for example `81 packages, 47 MiB`.
        summary: String,
    },
    /// Something a user should know though the work goes on.
    Warning {
        /// What, why and what to do.
        message: String,
    },
    /// A detail for the log.
    Note {
        /// One sentence.
        message: String,
    },
}

/// What a stage counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Things: packages, files, scripts.
    Items,
}

/// Takes events; must be cheap and callable from several threads.
pub trait Reporter: Send + Sync {
    /// Shows or drops one event.
    fn event(&self, event: Event);
}

/// Drops every event; for tests and for callers without an audience.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn event(&self, _event: Event) {}
}

/// A stage in progress: sends its start, and its end when [`Stage::finish`] is called.
pub struct Stage<'a> {
    reporter: &'a dyn Reporter,
    name: &'static str,
    started: std::time::Instant,
}

impl std::fmt::Debug for Stage<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<'a> Stage<'a> {
    /// Announces the stage `name`.
    pub fn start(reporter: &'a dyn Reporter, name: &'static str) -> Self {
        reporter.event(Event::StageStarted { stage: name });
        Self { reporter, name, started: std::time::Instant::now() }
    }

    /// Tells how much there is to do.
    pub fn total(&self, total: u64, unit: Unit) {
        self.reporter.event(Event::Total { stage: self.name, total, unit });
    }

    /// Tells that `amount` more is done.
    pub fn advance(&self, amount: u64) {
        self.reporter.event(Event::Advanced { stage: self.name, amount });
    }

    /// Tells what is worked on.
    pub fn working(&self, on: impl Into<String>) {
        self.reporter.event(Event::Working { stage: self.name, on: on.into() });
    }

    /// Writes a detail to the log.
    pub fn note(&self, message: impl Into<String>) {
        self.reporter.event(Event::Note { message: message.into() });
    }

    /// Warns.
    pub fn warn(&self, message: impl Into<String>) {
        self.reporter.event(Event::Warning { message: message.into() });
    }

    /// Announces the end of the stage.
    pub fn finish(self, summary: impl Into<String>) {
        let elapsed = self.started.elapsed();
        self.reporter.event(Event::StageFinished { stage: self.name, elapsed, summary: summary.into() });
    }
}

/// Writes a duration as people read it: `0.42 s`, `12.3 s`, `2 min 05 s`, `1 h 07 min`.
pub fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 10.0 {
        format!("{seconds:.2} s")
    } else if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else if seconds < 3600.0 {
        format!("{} min {:02} s", duration.as_secs() / 60, duration.as_secs() % 60)
    } else {
        format!("{} h {:02} min", duration.as_secs() / 3600, duration.as_secs() / 60 % 60)
    }
}

/// Writes a size as people read it, in binary units.
pub fn format_bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if value < 10.0 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

/// Keeps every finished stage's time and passes each event on; the source of the summary at the end.
pub struct Ledger {
    inner: Box<dyn Reporter>,
    finished: std::sync::Mutex<Vec<(&'static str, Duration)>>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("finished", &self.finished).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Wraps `inner`.
    pub fn new(inner: Box<dyn Reporter>) -> Self {
        Self { inner, finished: std::sync::Mutex::default() }
    }

    /// Returns the finished stages in the order in which they ended.
    pub fn finished(&self) -> Vec<(&'static str, Duration)> {
        self.finished.lock().map(|finished| finished.clone()).unwrap_or_default()
    }
}

impl Reporter for Ledger {
    fn event(&self, event: Event) {
        if let Event::StageFinished { stage, elapsed, .. } = &event
            && let Ok(mut finished) = self.finished.lock()
        {
            finished.push((stage, *elapsed));
        }
        self.inner.event(event);
    }
}
