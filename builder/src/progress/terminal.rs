//! A terminal: one moving line per running stage, one kept line per finished stage.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Event, Reporter, Unit, format_duration};

/// How often spinners turn.
const TICK: Duration = Duration::from_millis(120);

/// Draws bars on stderr.
pub struct Terminal {
    bars: MultiProgress,
    running: Mutex<HashMap<&'static str, ProgressBar>>,
    color: bool,
    verbose: bool,
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal").field("color", &self.color).finish_non_exhaustive()
    }
}

impl Terminal {
    /// Draws on stderr, with colours if `color`; `verbose` keeps notes.
    pub fn new(color: bool, verbose: bool) -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(12));
        Self { bars, running: Mutex::new(HashMap::new()), color, verbose }
    }

    fn print(&self, line: String) {
        // A terminal that went away must not end a build.
        let _ = self.bars.println(line);
    }

    fn with_bar(&self, stage: &str, act: impl FnOnce(&ProgressBar)) {
        if let Ok(running) = self.running.lock()
            && let Some(bar) = running.get(stage)
        {
            act(bar);
        }
    }

    fn start(&self, stage: &'static str) {
        let bar = self.bars.add(ProgressBar::new_spinner());
        bar.set_style(style("{spinner} {prefix:<18} {elapsed:>7}  {wide_msg}"));
        bar.set_prefix(stage);
        bar.enable_steady_tick(TICK);
        if let Ok(mut running) = self.running.lock() {
            running.insert(stage, bar);
        }
    }

    fn finish(&self, stage: &'static str, elapsed: Duration, summary: &str) {
        if let Ok(mut running) = self.running.lock()
            && let Some(bar) = running.remove(stage)
        {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
        let mark = if self.color { "\x1b[32m✓\x1b[0m" } else { "✓" };
        self.print(format!("{mark} {stage:<18} {:>7}  {summary}", format_duration(elapsed)));
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
        .progress_chars("━━─")
}

impl Reporter for Terminal {
    fn event(&self, event: Event) {
        match event {
            Event::StageStarted { stage } => self.start(stage),
            Event::Total { stage, total, unit } => self.with_bar(stage, |bar| {
                if bar.length().is_none() {
                    bar.set_style(style(match unit {
                        Unit::Bytes => {
                            "{spinner} {prefix:<18} {elapsed:>7}  {percent:>3} % {bytes}/{total_bytes} {bytes_per_sec} {eta} left {wide_bar} {msg}"
                        }
                        Unit::Items => "{spinner} {prefix:<18} {elapsed:>7}  {bar:24} {pos}/{len} {wide_msg}",
                    }));
                }
                bar.set_length(total);
            }),
            Event::Advanced { stage, amount } => self.with_bar(stage, |bar| bar.inc(amount)),
            Event::Working { stage, on } => self.with_bar(stage, |bar| bar.set_message(on)),
            Event::StageFinished { stage, elapsed, summary } => self.finish(stage, elapsed, &summary),
            Event::Warning { message } => {
                let word = if self.color { "\x1b[33mwarning\x1b[0m" } else { "warning" };
                self.print(format!("{word}: {message}"));
            }
            Event::Note { message } if self.verbose => self.print(format!("note: {message}")),
            Event::Note { .. } => {}
        }
    }
}
