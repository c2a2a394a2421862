//! What the terminal can show: colours, bars, and which renderer fits.

use std::io::{IsTerminal, Write};
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::args::{ProgressStyle, Shared, When};
use crate::progress::{JsonLines, Plain, Reporter, Silent, Terminal, json_line};

/// Whether stderr is read by a program: fixed by the command line before anything is said.
static JSON: OnceLock<bool> = OnceLock::new();

/// Takes note of how progress is shown.
pub fn choose_style(shared: &Shared) {
    JSON.get_or_init(|| shared.progress == ProgressStyle::Json);
}

/// Tells whether stderr is JSON lines.
pub fn is_json() -> bool {
    JSON.get().copied().unwrap_or(false)
}

/// Writes one event on stderr as a JSON line.
pub fn event(object: Value) {
    eprintln!("{}", json_line(object));
}

/// Says something on stderr: a line, or a note where stderr is JSON lines.
pub fn say(message: &str) {
    if is_json() {
        event(json!({ "event": "note", "message": message }));
    } else {
        eprintln!("{message}");
    }
}

/// Tells whether to colour what goes to stderr.
pub fn color(when: When) -> bool {
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto => {
            std::io::stderr().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    }
}

/// Prints a result on stdout. A reader that has seen enough is no failure.
///
/// # Errors
/// When stdout cannot be written.
pub fn print(text: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Chooses the renderer that `shared` asks for.
pub fn reporter(shared: &Shared) -> Box<dyn Reporter> {
    let bar = || Box::new(Terminal::new(color(shared.color), shared.verbose)) as Box<dyn Reporter>;
    let plain = || Box::new(Plain::new(std::io::stderr(), shared.verbose)) as Box<dyn Reporter>;
    match shared.progress {
        ProgressStyle::Bar => bar(),
        ProgressStyle::Plain => plain(),
        ProgressStyle::Json => Box::new(JsonLines::new(std::io::stderr())),
        ProgressStyle::Quiet => Box::new(Silent),
        ProgressStyle::Auto if std::io::stderr().is_terminal() && std::env::var_os("CI").is_none() => bar(),
        ProgressStyle::Auto => plain(),
    }
}
