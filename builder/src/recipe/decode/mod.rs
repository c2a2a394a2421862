//! Tree of nodes → [`Recipe`](super::Recipe), collecting every error on the way.
//!
//! A reader returns `None` after it has told what is wrong; its caller goes on with the other keys and gives
//! up only when all are read. To add a key: declare it in [`keys`](super::keys) and take it from [`Fields`] in the
//! section's reader.

use std::cell::RefCell;

use super::diagnostic::{Diagnostic, Diagnostics, Quoted};
use super::guess;
use super::keys::Section;
use super::node::{Entry, Node, Value};
use super::source::Span;

mod content;
pub(super) mod disk;
pub(super) mod distribution;
mod firstboot;
pub(super) mod output;
mod package;
mod repository;
pub(super) mod roles;
pub(super) mod root;
mod scalar;
mod system;
mod upload;

pub(super) use distribution::parse_uri;
pub(super) use root::recipe;
pub use scalar::parse_bytes;

/// Collects the errors of one recipe.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    problems: RefCell<Diagnostics>,
}

impl Decoder {
    /// Tells an error.
    fn problem(&self, problem: Diagnostic) {
        self.problems.borrow_mut().push(problem);
    }

    /// Returns all that was told.
    pub(super) fn into_problems(self) -> Diagnostics {
        self.problems.into_inner()
    }

    /// Reads a map that has the keys of `section`.
    fn fields<'a>(&'a self, node: &'a Node, section: &'static Section) -> Option<Fields<'a>> {
        match &node.value {
            Value::Map(entries) => Some(Fields {
                decoder: self,
                at: &node.at,
                section,
                entries,
                taken: Vec::new(),
                missing: Vec::new(),
            }),
            _ => {
                self.problem(Diagnostic::new(
                    &node.at,
                    format!("{} must be a map, not {}", section.what, node.kind()),
                ));
                None
            }
        }
    }

    /// Reads the items of a list; `name` is the key that holds it.
    fn items<'a>(&self, node: &'a Node, name: &str) -> &'a [Node] {
        if let Value::List(items) = &node.value {
            return items;
        }
        let message = format!("`{name}` must be a list, not {}", node.kind());
        self.problem(Diagnostic::new(&node.at, message).hint(format!("write `{name}: [ … ]`")));
        &[]
    }

    /// Reads every item of a list; items that are wrong are left out.
    fn list<T>(&self, node: Option<&Node>, name: &str, read: impl Fn(&Node) -> Option<T>) -> Vec<T> {
        node.map_or_else(Vec::new, |node| self.items(node, name).iter().filter_map(read).collect())
    }

    /// Tells that a list needs at least one item.
    fn refuse_empty(&self, node: &Node, name: &str) {
        if matches!(&node.value, Value::List(items) if items.is_empty()) {
            self.problem(Diagnostic::new(&node.at, format!("`{name}` is empty")));
        }
    }

    /// Tells that something of the schema has no effect yet.
    fn not_yet(&self, at: &Span, what: &str, instead: Option<&str>) {
        let problem = Diagnostic::new(at, format!("{what} not supported yet"));
        self.problem(problem.hint_if(instead.map(str::to_owned)));
    }
}

/// The keys of one map, taken one by one; those left over at the end are unknown.
struct Fields<'a> {
    decoder: &'a Decoder,
    at: &'a Span,
    section: &'static Section,
    entries: &'a [Entry],
    taken: Vec<&'static str>,
    /// Keys that must be there and are not, each with an example.
    missing: Vec<(&'static str, &'static str)>,
}

impl<'a> Fields<'a> {
    /// Takes the entry of a key.
    fn entry(&mut self, key: &'static str) -> Option<&'a Entry> {
        debug_assert!(
            self.section.key(key).is_some(),
            "`{key}` of {} has no row in `keys`",
            self.section.what
        );
        self.taken.push(key);
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Takes the value of a key. A key without a value is an error.
    fn take(&mut self, key: &'static str) -> Option<&'a Node> {
        let entry = self.entry(key)?;
        if entry.value.kind() == "nothing" {
            let problem = Diagnostic::new(&entry.at, format!("`{key}` has no value"));
            self.decoder.problem(problem.hint("give it one or remove the key"));
            return None;
        }
        Some(&entry.value)
    }

    /// Takes the value of a key that must be there.
    fn need(&mut self, key: &'static str) -> Option<&'a Node> {
        let row = self.section.key(key);
        debug_assert!(self.section.needs(key), "the row of `{key}` must say that it is required");
        if !self.entries.iter().any(|entry| entry.key == key) {
            self.missing.push((key, row.map_or("…", |row| row.example)));
        }
        self.take(key)
    }

    /// Tells which keys are unknown or missing.
    fn finish(self) {
        self.finish_with(|_| None);
    }

    /// Tells which keys are unknown, with a hint of its own for some, or missing.
    fn finish_with(mut self, advice: impl Fn(&str) -> Option<&'static str>) {
        let known = self.section.names();
        debug_assert!(
            known.iter().all(|key| self.taken.contains(key)),
            "a row of {} has no reader: {known:?}, taken {:?}",
            self.section.what,
            self.taken
        );
        for entry in self.entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let hint = match (advice(&entry.key), entry.key.as_str()) {
                (Some(advice), _) => advice.to_owned(),
                (None, "<<") => "merge keys are not read; use `include`, or write the keys out".to_owned(),
                (None, key) => guess::hint(key, &known),
            };
            // A misspelt key is not missing as well.
            let meant = guess::nearest(&entry.key, known.iter().copied());
            self.missing.retain(|(key, _)| meant != Some(*key));
            let message = format!("unknown key {} in {}", Quoted(&entry.key), self.section.what);
            self.decoder.problem(Diagnostic::new(&entry.at, message).hint(hint));
        }
        for (key, example) in &self.missing {
            let problem = Diagnostic::new(self.at, format!("{} needs `{key}`", self.section.what));
            self.decoder.problem(problem.hint(format!("for example `{key}: {example}`")));
        }
    }
}
