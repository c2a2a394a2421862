//! `firstboot`: what a clone does when it first boots, judged by the code that the clone reads it with.
//!
//! Its readers know lines of one text, while a recipe may be put together from several files: each node gets a number in
//! place of its line, and the number leads back to the place.

use contract::native;
use contract::yaml;

use super::Decoder;
use crate::recipe::diagnostic::{Diagnostic, Quoted};
use crate::recipe::node::{Node, Scalar, Style, Value};
use crate::recipe::source::{Located, Span};

impl Decoder {
    /// Reads `firstboot`; gives the document as the image holds it.
    pub(super) fn firstboot(&self, node: &Node) -> Option<Located<String>> {
        let Value::Map(entries) = &node.value else {
            let message = format!("`firstboot` must be a map, not {}", node.kind());
            self.problem(Diagnostic::new(&node.at, message));
            return None;
        };
        for entry in entries.iter().filter(|entry| !native::KEYS.contains(&entry.key.as_str())) {
            let message = format!("unknown key {} in `firstboot`", Quoted(&entry.key));
            self.problem(Diagnostic::new(&entry.at, message).hint_nearest(&entry.key, native::KEYS));
        }
        let mut places = Places::default();
        let mut document = places.copy(node);
        if let yaml::Value::Map(entries) = &mut document.value {
            entries.retain(|entry| native::KEYS.contains(&entry.key.as_str()));
        }
        for finding in native::read(&document).findings {
            let at = finding.line.and_then(|number| places.0.get(number)).unwrap_or(&node.at);
            self.problem(Diagnostic::new(at, format!("in `firstboot`, {}", finding.message)));
        }
        Some(Located { value: format!("{:#}\n", document.to_json()), at: node.at.clone() })
    }
}

/// The places of nodes and keys, by number.
#[derive(Default)]
struct Places(Vec<Span>);

impl Places {
    fn number(&mut self, at: &Span) -> usize {
        self.0.push(at.clone());
        self.0.len() - 1
    }

    fn copy(&mut self, node: &Node) -> yaml::Node {
        let line = self.number(&node.at);
        let value = match &node.value {
            Value::Scalar(scalar) => {
                yaml::Value::Scalar { text: scalar.text.clone(), quoted: is_text(scalar) }
            }
            Value::List(items) => yaml::Value::List(items.iter().map(|item| self.copy(item)).collect()),
            Value::Map(entries) => {
                let entries = entries.iter().map(|entry| yaml::Entry {
                    key: entry.key.clone(),
                    line: self.number(&entry.at),
                    column: entry.at.column as usize,
                    value: self.copy(&entry.value),
                });
                yaml::Value::Map(entries.collect())
            }
        };
        yaml::Node { line, column: node.at.column as usize, value }
    }
}

/// Tells whether a scalar is text and nothing else, as recipes have it: `yes` is a word there.
fn is_text(scalar: &Scalar) -> bool {
    scalar.style == Style::Quoted
        || !(scalar.is_null() || scalar.boolean().is_some() || scalar.integer().is_some())
}
