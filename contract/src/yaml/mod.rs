//! YAML as a tree whose nodes know their lines, read within limits that no document of use reaches.
//!
//! Documents come from clouds and from people, so nothing is decoded by type here: [`parse()`] gives [`Node`]s, and the
//! readers in this crate take from them what they know and report the rest with its line.

mod parse;
#[cfg(test)]
mod tests;

pub use parse::{DEPTH_LIMIT, TEXT_LIMIT, YamlError, parse};

/// A value and where it begins, lines and columns counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it is written; for an alias, where the alias is.
    pub line: usize,
    /// Where in the line.
    pub column: usize,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text, a number, a truth value or nothing: decided by who reads it.
    Scalar {
        /// The text, escapes resolved.
        text: String,
        /// Whether it was in quotes or a block, and so can only be text.
        quoted: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A map in the order of its text; keys are unique.
    Map(Vec<Entry>),
}

/// One key of a map and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key is written.
    pub line: usize,
    /// Where in the line.
    pub column: usize,
    /// The value.
    pub value: Node,
}

impl Node {
    /// Names the kind of the node for messages.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Scalar { .. } if self.is_null() => "nothing",
            Value::Scalar { .. } => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// Tells whether the node stands for nothing.
    pub fn is_null(&self) -> bool {
        matches!(self.plain(), Some("" | "~" | "null" | "Null" | "NULL"))
    }

    /// Returns the truth value that the node is, in the spellings of YAML 1.1, which clouds still write.
    pub fn boolean(&self) -> Option<bool> {
        match self.plain()?.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => None,
        }
    }

    /// Returns the text of a scalar, whatever it looks like; none for lists, maps and nothing.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } if !self.is_null() => Some(text),
            _ => None,
        }
    }

    /// Returns the entries of a map; none for what is no map.
    pub fn entries(&self) -> Option<&[Entry]> {
        if let Value::Map(entries) = &self.value { Some(entries) } else { None }
    }

    /// Returns the items of a list; none for what is no list.
    pub fn items(&self) -> Option<&[Node]> {
        if let Value::List(items) = &self.value { Some(items) } else { None }
    }

    /// Returns the value of a key of a map.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries()?.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// Returns the node as JSON: a part of a document that another reader takes whole.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Scalar { .. } if self.is_null() => serde_json::Value::Null,
            Value::Scalar { text, quoted } => scalar_to_json(text, *quoted, self.boolean()),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => {
                entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect()
            }
        }
    }

    fn plain(&self) -> Option<&str> {
        if let Value::Scalar { text, quoted: false } = &self.value { Some(text) } else { None }
    }
}

fn scalar_to_json(text: &str, quoted: bool, boolean: Option<bool>) -> serde_json::Value {
    if let Some(boolean) = boolean {
        return boolean.into();
    }
    match text.parse::<i64>() {
        // `007` and `+7` are text: a number would lose their form.
        Ok(number) if !quoted && number.to_string() == text => number.into(),
        _ => text.into(),
    }
}
