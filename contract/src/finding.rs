//! What a reader of documents has to say about them besides their meaning.

use serde::{Deserialize, Serialize};

use crate::yaml::{Entry, Node};

/// One thing about a document that its author should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// What became of it.
    pub kind: FindingKind,
    /// Where, counted from 1; none for the document as a whole.
    pub line: Option<usize>,
    /// What is the matter, without values that may be secret.
    pub message: String,
}

/// What became of the part of a document that a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// It is not known here and has no effect.
    Ignored,
    /// It is known, but its value cannot be used and has no effect.
    Invalid,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// Collects findings while a document is read, and reads values with them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// Adds that something is not known and has no effect.
    pub fn ignored(&mut self, line: impl Into<Option<usize>>, message: impl Into<String>) {
        self.0.push(Finding { kind: FindingKind::Ignored, line: line.into(), message: message.into() });
    }

    /// Adds that a value cannot be used.
    pub fn invalid(&mut self, line: impl Into<Option<usize>>, message: impl Into<String>) {
        self.0.push(Finding { kind: FindingKind::Invalid, line: line.into(), message: message.into() });
    }

    /// Adds that a key is not known.
    pub fn unknown_key(&mut self, entry: &Entry, place: &str) {
        let key = entry.key.escape_debug();
        self.ignored(entry.line, format!("the key '{key}' of {place} is not known here and has no effect"));
    }

    /// Reads text; numbers and truth values are text as well, in the form that they are written.
    pub fn text(&mut self, node: &Node, name: &str) -> Option<String> {
        let text = node.text().map(str::to_owned);
        if text.is_none() {
            self.wrong_kind(node, name, "text");
        }
        text
    }

    /// Reads a truth value.
    pub fn boolean(&mut self, node: &Node, name: &str) -> Option<bool> {
        let boolean = node.boolean();
        if boolean.is_none() {
            self.wrong_kind(node, name, "true or false");
        }
        boolean
    }

    /// Reads a whole number that is not negative.
    pub fn number<T: std::str::FromStr>(&mut self, node: &Node, name: &str) -> Option<T> {
        let number = node.text().and_then(|text| text.parse().ok());
        if number.is_none() {
            self.wrong_kind(node, name, "a whole number in its range");
        }
        number
    }

    /// Reads a list of anything.
    pub fn list<'n>(&mut self, node: &'n Node, name: &str) -> &'n [Node] {
        if node.items().is_none() && !node.is_null() {
            self.wrong_kind(node, name, "a list");
        }
        node.items().unwrap_or_default()
    }

    /// Reads a map.
    pub fn map<'n>(&mut self, node: &'n Node, name: &str) -> &'n [Entry] {
        if node.entries().is_none() && !node.is_null() {
            self.wrong_kind(node, name, "a map");
        }
        node.entries().unwrap_or_default()
    }

    /// Reads a list of texts, or one text as a list of one.
    pub fn texts(&mut self, node: &Node, name: &str) -> Vec<String> {
        match node.text() {
            Some(text) => vec![text.to_owned()],
            None => self.list(node, name).iter().filter_map(|item| self.text(item, name)).collect(),
        }
    }

    fn wrong_kind(&mut self, node: &Node, name: &str, wanted: &str) {
        self.invalid(node.line, format!("'{name}' must be {wanted}, not {}", node.kind()));
    }
}
