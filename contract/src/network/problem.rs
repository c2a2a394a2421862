//! What is wrong with a description of a network, and where.

use std::fmt;

use super::Network;

/// Where something was written: line and column from 1, or nowhere (line 0).
///
/// Places do not count when things are compared: the same network is the same wherever it was written.
#[derive(Debug, Clone, Copy, Default, Eq)]
pub struct Place {
    /// From 1; 0 where the description has no lines.
    pub line: u32,
    /// From 1.
    pub column: u32,
}

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// Whether a problem keeps the network from being set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The network cannot be what the description says.
    Error,
    /// A part of the description has no effect.
    Warning,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Whether it keeps the network from being set.
    pub severity: Severity,
    /// Where it is.
    pub place: Place,
    /// What is wrong, with the value as written, on one line.
    pub message: String,
}

impl Problem {
    /// Makes an error.
    pub fn error(place: Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, place, message: message.into() }
    }

    /// Makes a warning.
    pub fn warning(place: Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, place, message: message.into() }
    }

    /// Returns the message without its place. Foreign text is shown as one line that cannot steer a terminal.
    pub fn to_line(&self) -> String {
        let mut line = String::new();
        for letter in self.message.chars() {
            if letter.is_control() { line.extend(letter.escape_default()) } else { line.push(letter) }
        }
        line
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.line > 0 {
            write!(f, "line {}, column {}: ", self.place.line, self.place.column)?;
        }
        f.write_str(&self.to_line())
    }
}

/// All that is wrong with one description, errors first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            let word = if problem.severity == Severity::Warning { "warning: " } else { "" };
            write!(f, "{separator}{word}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// What a document says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The network; valid.
    pub network: Network,
    /// The document says that the network is to be left alone.
    pub disabled: bool,
    /// Parts of the document that have no effect.
    pub warnings: Vec<Problem>,
}
