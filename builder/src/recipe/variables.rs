//! `${name}` in the strings of a recipe, replaced at build time.
//!
//! A value never contains another variable, so that no text grows by being replaced again.
//! `$${name}` stays as `${name}`; `{{name}}` is the clone's and is left alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Diagnostics, Quoted};
use super::guess;
use super::node::{Entry, Node, Scalar, Style, Value};
use super::source::{SourceFile, Span};

/// Most text that replacing may add to a recipe, in bytes.
const GROWTH_LIMIT: usize = 4 << 20;

/// Names and values of a recipe's variables.
#[derive(Debug, Default)]
pub(super) struct Variables {
    values: BTreeMap<String, Variable>,
}

#[derive(Debug)]
struct Variable {
    text: String,
    /// Whether the value was in quotes, and so is text and nothing else.
    quoted: bool,
}

impl Variables {
    /// Reads `variables:` of a merged recipe and what `--set` says of them.
    pub(super) fn read(root: &Node, set: &[(String, String)], problems: &mut Diagnostics) -> Self {
        let mut variables = Self::default();
        match root.entry("variables").map(|entry| &entry.value) {
            None => {}
            Some(Node { value: Value::Map(entries), .. }) => {
                for entry in entries {
                    variables.declare(entry, problems);
                }
            }
            Some(other) => problems.push(
                Diagnostic::new(&other.at, format!("`variables` must be a map, not {}", other.kind()))
                    .hint("write `variables: { name: value }`"),
            ),
        }
        for (key, value) in set {
            variables.set(key, value, problems);
        }
        variables
    }

    fn declare(&mut self, entry: &Entry, problems: &mut Diagnostics) {
        if !is_name(&entry.key) {
            let message = format!("{} cannot name a variable", Quoted(&entry.key));
            problems.push(
                Diagnostic::new(&entry.at, message).hint("use letters, digits and `_`, a letter first"),
            );
            return;
        }
        match &entry.value.value {
            Value::Scalar(scalar) if !scalar.is_null() => {
                if let Some(at) = references(&scalar.text).into_iter().find(|found| !found.escaped) {
                    let span = locate(&entry.value.at, scalar, &scalar.text, &at);
                    problems.push(
                        Diagnostic::new(&span, "the value of a variable cannot use another variable")
                            .hint("write the value out, or `$${` for a plain `${`"),
                    );
                }
                let text = scalar.text.replace("$${", "${");
                let variable = Variable { text, quoted: scalar.style == Style::Quoted };
                self.values.insert(entry.key.clone(), variable);
            }
            _ => {
                let kind = entry.value.kind();
                let message =
                    format!("the variable {} must be a single value, not {kind}", Quoted(&entry.key));
                problems.push(Diagnostic::new(&entry.value.at, message).hint("for an empty text write \"\""));
            }
        }
    }

    fn set(&mut self, key: &str, value: &str, problems: &mut Diagnostics) {
        if let Some(variable) = self.values.get_mut(key) {
            *variable = Variable { text: value.to_owned(), quoted: false };
            return;
        }
        let source = SourceFile::new("--set", "", format!("{key}={value}"));
        let at = Span::of_bytes(&source, 0..key.len());
        let message = format!("the recipe has no variable {} to set", Quoted(key));
        problems.push(Diagnostic::new(&at, message).hint(self.known(key)));
    }

    fn known(&self, word: &str) -> String {
        let names: Vec<&str> = self.values.keys().map(String::as_str).collect();
        if names.is_empty() {
            return "the recipe declares no variables; add `variables: { name: value }`".to_owned();
        }
        guess::hint(word, &names)
    }

    /// Replaces every `${name}` in the values of a recipe.
    pub(super) fn replace(&self, node: &mut Node, problems: &mut Diagnostics) {
        let mut budget = GROWTH_LIMIT;
        let Value::Map(entries) = &mut node.value else { return };
        // These two are read before variables are known.
        for entry in entries.iter_mut().filter(|entry| !matches!(entry.key.as_str(), "include" | "variables"))
        {
            self.replace_within(&mut entry.value, &mut budget, problems);
        }
    }

    fn replace_within(&self, node: &mut Node, budget: &mut usize, problems: &mut Diagnostics) {
        match &mut node.value {
            Value::Scalar(scalar) if scalar.text.contains("${") => {
                self.replace_scalar(&node.at, scalar, budget, problems);
            }
            Value::Scalar(_) => {}
            Value::List(items) => {
                items.iter_mut().for_each(|item| self.replace_within(item, budget, problems));
            }
            Value::Map(entries) => {
                for entry in entries {
                    if references(&entry.key).iter().any(|found| !found.escaped) {
                        problems.push(Diagnostic::new(&entry.at, "variables cannot be used in keys"));
                    }
                    self.replace_within(&mut entry.value, budget, problems);
                }
            }
        }
    }

    fn replace_scalar(&self, at: &Span, scalar: &mut Scalar, budget: &mut usize, problems: &mut Diagnostics) {
        let text = std::mem::take(&mut scalar.text);
        let found = references(&text);
        let whole = found.len() == 1 && !found[0].escaped && found[0].bytes == (0..text.len());
        let mut out = String::new();
        let mut done = 0;
        for reference in &found {
            out.push_str(&text[done..reference.bytes.start]);
            done = reference.bytes.end;
            if reference.escaped {
                out.push_str(&text[reference.bytes.start + 1..reference.bytes.end]);
                continue;
            }
            match self.values.get(&reference.name) {
                Some(variable) => {
                    if whole && !variable.quoted {
                        scalar.style = Style::Variable;
                    }
                    out.push_str(&variable.text);
                }
                None => {
                    problems.push(self.unknown(&locate(at, scalar, &text, reference), reference));
                    scalar.style = Style::Wrong;
                }
            }
            if out.len().saturating_sub(text.len()) > *budget {
                problems.push(Diagnostic::new(at, "the variables of this recipe stand for too much text"));
                scalar.style = Style::Wrong;
                break;
            }
        }
        out.push_str(&text[done..]);
        *budget = budget.saturating_sub(out.len().saturating_sub(text.len()));
        scalar.text = out;
    }

    fn unknown(&self, at: &Span, reference: &Reference) -> Diagnostic {
        let name = reference.name.as_str();
        let message = match (reference.closed, is_name(name)) {
            (false, _) => "this `${` has no `}` on its line".to_owned(),
            (true, false) => format!("{} is not the name of a variable", Quoted(name)),
            (true, true) => format!("unknown variable {}", Quoted(name)),
        };
        let near = guess::nearest(name, self.values.keys().map(String::as_str));
        let hint = match near {
            Some(near) if reference.closed => format!("did you mean `{near}`?"),
            _ if reference.closed && is_name(name) => {
                format!("declare it in `variables`, or write `$${{{name}}}` for the text `${{{name}}}`")
            }
            _ => "write `$${` for the text `${`".to_owned(),
        };
        Diagnostic::new(at, message).hint(hint)
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// One `${name}` or `$${` in a text.
struct Reference {
    bytes: std::ops::Range<usize>,
    name: String,
    /// Whether it is `$${`.
    escaped: bool,
    /// Whether it ends in `}`.
    closed: bool,
}

fn references(text: &str) -> Vec<Reference> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find("${").map(|at| from + at) {
        if at > from && text.as_bytes()[at - 1] == b'$' {
            found.push(Reference { bytes: at - 1..at + 2, name: String::new(), escaped: true, closed: true });
            from = at + 2;
            continue;
        }
        let end = text[at..].find(['}', '\n']).map_or(text.len(), |end| at + end);
        let name = text[at + 2..end].to_owned();
        let closed = text[end..].starts_with('}');
        let end = if closed { end + 1 } else { end };
        found.push(Reference { bytes: at..end, name, escaped: false, closed });
        from = end;
    }
    found
}

/// Finds the place of a reference in the source: the n-th of its kind in the scalar's own text.
fn locate(at: &Span, scalar: &Scalar, text: &str, reference: &Reference) -> Span {
    let Some((start, end)) = scalar.bytes else { return at.clone() };
    let written = &text[reference.bytes.clone()];
    let before = text[..reference.bytes.start].matches(written).count();
    let source: &Arc<SourceFile> = &at.file;
    let raw = source.text.get(start..end).unwrap_or_default();
    match raw.match_indices(written).nth(before) {
        Some((offset, _)) => Span::of_bytes(source, start + offset..start + offset + written.len()),
        None => at.clone(),
    }
}

/// Tells where a text uses a variable, for places that are read before variables are known.
pub(super) fn first_use(at: &Span, scalar: &Scalar) -> Option<Span> {
    let found = references(&scalar.text).into_iter().find(|found| !found.escaped)?;
    Some(locate(at, scalar, &scalar.text, &found))
}
