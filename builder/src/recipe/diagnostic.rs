//! What is wrong with a recipe, told so that its author can mend it.

use std::fmt::{self, Write as _};

use super::guess;
use super::source::Span;

/// Most errors that are written out; who has more has one cause for many.
const SHOWN_ERRORS: usize = 50;
/// Longest part of a source line that is shown, in characters.
const SHOWN_LINE: usize = 160;

/// One error: what is wrong, where, and what to do.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// Where it is.
    pub at: Span,
    /// What is wrong.
    pub message: String,
    /// Other places that belong to it, each with what they are.
    pub notes: Vec<(Span, String)>,
    /// What to do.
    pub hint: Option<String>,
    /// Whether the source line holds a secret and is not shown.
    pub private: bool,
}

impl Diagnostic {
    /// Makes an error without a hint.
    pub fn new(at: &Span, message: impl Into<String>) -> Self {
        Self { at: at.clone(), message: message.into(), notes: Vec::new(), hint: None, private: false }
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what to do, if that is known.
    #[must_use]
    pub fn hint_if(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }

    /// Asks whether the nearest of `known` was meant, or lists them.
    #[must_use]
    pub fn hint_nearest(self, word: &str, known: &[&str]) -> Self {
        self.hint(guess::hint(word, known))
    }

    /// Keeps the source line to itself.
    #[must_use]
    pub fn private(mut self) -> Self {
        self.private = true;
        self
    }

    /// Points at another place.
    #[must_use]
    pub fn note(mut self, at: &Span, message: impl Into<String>) -> Self {
        self.notes.push((at.clone(), message.into()));
        self
    }
}

/// All errors of a recipe, in the order of their places. Never empty where it is an `Err`.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Adds all of another list.
    pub fn extend(&mut self, others: Diagnostics) {
        self.0.extend(others.0);
    }

    /// Tells whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the errors.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// Returns `value` if nothing is wrong, else the errors in the order of their places, each told once.
    pub fn into_result<T>(mut self, value: Option<T>) -> Result<T, Diagnostics> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => {
                self.sort();
                Err(self)
            }
        }
    }

    /// Orders within a file by place; files stay in the order in which they were first named.
    fn sort(&mut self) {
        let mut files: Vec<String> = Vec::new();
        for one in &self.0 {
            if !files.contains(&one.at.file.name) {
                files.push(one.at.file.name.clone());
            }
        }
        let rank = |name: &String| files.iter().position(|file| file == name);
        self.0.sort_by_key(|one| (rank(&one.at.file.name), one.at.line, one.at.column));
        self.0.dedup_by(|a, b| a.message == b.message && a.at.to_string() == b.at.to_string());
    }

    /// Writes all errors as people read them, with colours if asked.
    pub fn render(&self, color: bool) -> String {
        let paint = Paint { color };
        let mut out = String::new();
        for (index, one) in self.0.iter().take(SHOWN_ERRORS).enumerate() {
            if index > 0 {
                out.push('\n');
            }
            render_one(&mut out, one, paint);
        }
        if let Some(more) = self.0.len().checked_sub(SHOWN_ERRORS).filter(|more| *more > 0) {
            put(&mut out, format_args!("\nand {more} more"));
        }
        out
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(one: Diagnostic) -> Self {
        Self(vec![one])
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render(false).trim_end_matches('\n'))
    }
}

impl std::error::Error for Diagnostics {}

#[derive(Clone, Copy)]
struct Paint {
    color: bool,
}

impl Paint {
    fn apply(self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

fn render_one(out: &mut String, one: &Diagnostic, paint: Paint) {
    let place = printable(&one.at.to_string());
    let message = printable(&one.message);
    put(out, format_args!("{}: {}: {}", paint.apply("1", &place), paint.apply("1;31", "error"), message));
    if !one.private {
        render_line(out, &one.at, "1;31", paint);
    }
    for (at, note) in &one.notes {
        let place = printable(&at.to_string());
        put(out, format_args!("{place}: {}: {}", paint.apply("1;36", "note"), printable(note)));
        render_line(out, at, "1;36", paint);
    }
    if let Some(hint) = &one.hint {
        put(out, format_args!("  {} {}", paint.apply("1;32", "hint:"), printable(hint)));
    }
}

/// Shows the source line and marks the place in it.
fn render_line(out: &mut String, at: &Span, code: &str, paint: Paint) {
    let Some(line) = at.file.line(at.line) else { return };
    let column = at.column as usize - 1;
    // A very long line is cut so that the place stays in sight.
    let cut = if column > SHOWN_LINE / 2 { column - SHOWN_LINE / 4 } else { 0 };
    let shown: String = line.chars().skip(cut).take(SHOWN_LINE).map(visible).collect();
    let lead: String = shown.chars().take(column - cut).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let room = shown.chars().count().saturating_sub(column - cut).max(1);
    let marks = "^".repeat((at.length as usize).min(room));
    let number = at.line.to_string();
    let gutter = " ".repeat(number.len());
    put(out, format_args!(" {number} | {}", shown.trim_end()));
    put(out, format_args!(" {gutter} | {lead}{}", paint.apply(code, &marks)));
}

fn put(out: &mut String, line: fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{line}");
}

/// Replaces control characters, so that no recipe writes to a terminal as it likes.
fn visible(c: char) -> char {
    if c.is_control() && c != '\t' { '\u{fffd}' } else { c }
}

fn printable(text: &str) -> String {
    text.chars().map(visible).collect()
}

/// A value inside a message: in back quotes, cut to a length that is read at a glance.
#[derive(Debug, Clone, Copy)]
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.0.lines().next().unwrap_or_default();
        let short: String = line.chars().take(60).collect();
        let cut = if short.len() < self.0.trim_end_matches('\n').len() { "…" } else { "" };
        write!(f, "`{short}{cut}`")
    }
}
