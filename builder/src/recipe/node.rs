//! The tree of a YAML text, each node with its place.

use super::source::Span;

/// A value and where it is written.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it is written; for an alias, where its anchor is.
    pub at: Span,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum Value {
    /// Text, a number, a truth value or nothing: decided by who reads it.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of its text. Keys are unique.
    Map(Vec<Entry>),
}

/// One key of a map and its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key, without the `!` of `key!:`.
    pub key: String,
    /// Where the key is written.
    pub at: Span,
    /// Whether it was written `key!:` and so replaces what was included.
    pub replace: bool,
    /// The value.
    pub value: Node,
}

/// A scalar as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// The text, escapes resolved.
    pub text: String,
    /// How it was written.
    pub style: Style,
    /// Bytes of the source that it was read from; none for values made otherwise.
    pub bytes: Option<(usize, usize)>,
}

/// How a scalar was written, which decides what it may stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without quotes: may be text, a number, a truth value or nothing.
    Plain,
    /// In quotes or as a block: text.
    Quoted,
    /// Nothing but one `${name}`: whatever its reader wants.
    Variable,
    /// Wrong, and told so: whoever reads it says no more.
    Wrong,
}

impl Node {
    /// Names the kind of the node for messages.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Scalar(scalar) if scalar.is_null() => "nothing",
            Value::Scalar(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// Returns the entry of a map with this key.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }
}

impl Scalar {
    /// Tells whether it stands for nothing.
    pub fn is_null(&self) -> bool {
        self.style == Style::Plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    /// Tells whether it is a truth value, and which. Other spellings than YAML 1.2's are text.
    pub fn boolean(&self) -> Option<bool> {
        match (self.style, self.text.as_str()) {
            (Style::Quoted | Style::Wrong, _) => None,
            (_, "true" | "True" | "TRUE") => Some(true),
            (_, "false" | "False" | "FALSE") => Some(false),
            _ => None,
        }
    }

    /// Tells whether it is a whole number, and which.
    pub fn integer(&self) -> Option<i64> {
        let digits = self.text.strip_prefix(['-', '+']).unwrap_or(&self.text);
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if self.style == Style::Quoted || !plain { None } else { self.text.parse().ok() }
    }

    /// Tells whether readers of YAML would take it for a number.
    pub fn is_number(&self) -> bool {
        self.style == Style::Plain
            && self.text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'))
            && (self.text.parse::<f64>().is_ok()
                || self.text.strip_prefix("0x").is_some_and(|hex| i64::from_str_radix(hex, 16).is_ok())
                || self.text.strip_prefix("0o").is_some_and(|oct| i64::from_str_radix(oct, 8).is_ok()))
    }
}
