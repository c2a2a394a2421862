//! Plain lines, for logs: one line per finished stage, warnings as they come, nothing that moves.

use std::io::Write;
use std::sync::Mutex;

use super::{Event, Reporter, format_duration};

/// Writes one line per event worth keeping.
pub struct Plain<W: Write + Send> {
    out: Mutex<W>,
    verbose: bool,
}

impl<W: Write + Send> std::fmt::Debug for Plain<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plain").field("verbose", &self.verbose).finish_non_exhaustive()
    }
}

impl<W: Write + Send> Plain<W> {
    /// Writes to `out`; `verbose` adds starts of stages and notes.
    pub fn new(out: W, verbose: bool) -> Self {
        Self { out: Mutex::new(out), verbose }
    }

    fn line(&self, text: &str) {
        if let Ok(mut out) = self.out.lock() {
            // A closed stderr must not end a build.
            let _ = writeln!(out, "{text}");
        }
    }
}

impl<W: Write + Send> Reporter for Plain<W> {
    fn event(&self, event: Event) {
        match event {
            Event::StageFinished { stage, elapsed, summary } => {
                self.line(&format!("{stage:<18} {:>7}  {summary}", format_duration(elapsed)));
            }
            Event::Warning { message } => self.line(&format!("warning: {message}")),
            Event::Note { message } if self.verbose => self.line(&format!("note: {message}")),
            Event::StageStarted { stage } if self.verbose => self.line(&format!("{stage}…")),
            _ => {}
        }
    }
}
