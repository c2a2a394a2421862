//! Reading a recipe with all that it includes, merged into one tree.
//!
//! Included files come first, in the order of the list; the includer is laid over them. Maps merge key by
//! key, lists append, single values are replaced, and `key!:` replaces whatever was there. A file that is
//! reached twice counts once, at its first place. Every node keeps the place where it is written.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Diagnostics, Quoted};
use super::node::{Entry, Node, Style, Value};
use super::parse::{FILE_LIMIT, parse};
use super::source::{SourceFile, Span, join_shown};
use super::variables;

/// Most files that one recipe may consist of.
const FILES_LIMIT: usize = 64;

/// Reads `path` and what it includes; none if a part of it could not be read, since what is missing then would
/// give errors that are none.
pub(super) fn load_merged(path: &Path, problems: &mut Diagnostics) -> Option<Node> {
    let mut loader = Loader { problems, chain: Vec::new(), seen: Vec::new(), complete: true };
    let node = loader.load(path, None);
    node.filter(|_| loader.complete)
}

struct Loader<'a> {
    problems: &'a mut Diagnostics,
    /// The files that are being read, outermost first: real path and shown name.
    chain: Vec<(PathBuf, String)>,
    /// The real paths of all files read so far.
    seen: Vec<PathBuf>,
    /// Whether all that is included could be read.
    complete: bool,
}

impl Loader<'_> {
    /// Tells an error after which the recipe is not complete.
    fn lose(&mut self, problem: Diagnostic) -> Option<Node> {
        self.problems.push(problem);
        self.complete = false;
        None
    }

    fn load(&mut self, path: &Path, from: Option<&Span>) -> Option<Node> {
        let shown = path.display().to_string();
        let place = from.cloned().unwrap_or_else(|| Span::start_of(&SourceFile::new(shown.clone(), "", "")));
        let real = match fs::canonicalize(path) {
            Ok(real) => real,
            Err(error) => return self.lose(Diagnostic::new(&place, cannot_read(&shown, &error))),
        };
        if let Some(first) = self.chain.iter().position(|(open, _)| *open == real) {
            let mut circle: Vec<&str> = self.chain[first..].iter().map(|(_, name)| name.as_str()).collect();
            circle.push(&shown);
            let message = format!("this include goes in a circle: {}", circle.join(" → "));
            return self.lose(Diagnostic::new(&place, message));
        }
        if self.seen.contains(&real) {
            return None;
        }
        if self.seen.len() >= FILES_LIMIT {
            let message = format!("the recipe consists of more than {FILES_LIMIT} files");
            return self.lose(Diagnostic::new(&place, message));
        }
        self.seen.push(real.clone());
        let file = match read_source(path, &shown) {
            Ok(file) => file,
            Err(message) => return self.lose(Diagnostic::new(&place, message)),
        };
        self.chain.push((real, shown));
        let node = self.parse_with_includes(&file);
        self.chain.pop();
        node
    }

    fn parse_with_includes(&mut self, file: &Arc<SourceFile>) -> Option<Node> {
        let own = match parse(file) {
            Ok(node) => node,
            Err(problems) => {
                problems.into_iter().for_each(|problem| self.problems.push(problem));
                self.complete = false;
                return None;
            }
        };
        if !matches!(own.value, Value::Map(_)) {
            let message = format!("a recipe must be a map, not {}", own.kind());
            return self.lose(Diagnostic::new(&own.at, message).hint("begin with `version: 1`"));
        }
        self.check_version(&own);
        let mut merged: Option<Node> = None;
        for (included, at) in self.includes(&own) {
            let path = join_shown(&file.folder, &included);
            if let Some(node) = self.load(&path, Some(&at)) {
                merged = Some(self.lay_over(merged, node));
            }
        }
        Some(self.lay_over(merged, own))
    }

    /// Checks `version` where it is given; that the recipe gives one is checked when all is merged.
    fn check_version(&mut self, node: &Node) {
        let Some(entry) = node.entry("version") else { return };
        let problem = match &entry.value.value {
            Value::Scalar(scalar) if scalar.is_null() => return,
            Value::Scalar(scalar) if scalar.style == Style::Plain && scalar.text == "1" => return,
            Value::Scalar(scalar) if scalar.integer().is_some() => {
                let message = format!("version {} of recipes is not known", scalar.text);
                Diagnostic::new(&entry.value.at, message).hint("this program reads `version: 1`")
            }
            _ => {
                Diagnostic::new(&entry.value.at, "`version` must be the number 1").hint("write `version: 1`")
            }
        };
        self.problems.push(problem);
    }

    /// Reads the `include:` of one file.
    fn includes(&mut self, node: &Node) -> Vec<(String, Span)> {
        let Some(entry) = node.entry("include") else { return Vec::new() };
        let Value::List(items) = &entry.value.value else {
            let message = format!("`include` must be a list, not {}", entry.value.kind());
            self.problems
                .push(Diagnostic::new(&entry.value.at, message).hint("write `include: [file.yaml]`"));
            return Vec::new();
        };
        let mut found = Vec::new();
        for item in items {
            match &item.value {
                Value::Scalar(scalar) if !scalar.is_null() => match variables::first_use(&item.at, scalar) {
                    Some(at) => self.problems.push(
                        Diagnostic::new(&at, "variables cannot be used in `include`")
                            .hint("files are put together before variables are known"),
                    ),
                    None => found.push((scalar.text.clone(), item.at.clone())),
                },
                _ => {
                    let message = format!("`include` lists paths; this is {}", item.kind());
                    self.problems.push(Diagnostic::new(&item.at, message));
                }
            }
        }
        found
    }

    fn lay_over(&mut self, below: Option<Node>, above: Node) -> Node {
        match below {
            Some(below) => merge(below, above, "the recipe", self.problems),
            None => above,
        }
    }
}

fn read_source(path: &Path, shown: &str) -> Result<Arc<SourceFile>, String> {
    let metadata = fs::metadata(path).map_err(|error| cannot_read(shown, &error))?;
    if !metadata.is_file() {
        return Err(format!("{} is not a file", Quoted(shown)));
    }
    if metadata.len() > FILE_LIMIT as u64 {
        return Err(format!("{} is larger than {} KiB, which no recipe is", Quoted(shown), FILE_LIMIT >> 10));
    }
    let bytes = fs::read(path).map_err(|error| cannot_read(shown, &error))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("{} is not UTF-8 text in line {line}", Quoted(shown))
    })?;
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    Ok(SourceFile::new(shown, folder, text))
}

/// Says what the system says, without its number.
fn cannot_read(shown: &str, error: &std::io::Error) -> String {
    let reason = match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission is denied".to_owned(),
        _ => error.to_string(),
    };
    format!("cannot read {}: {reason}", Quoted(shown))
}

/// Lays `above` over `below`.
fn merge(below: Node, above: Node, name: &str, problems: &mut Diagnostics) -> Node {
    match (below.value, above.value) {
        (Value::Map(mut entries), Value::Map(over)) => {
            for entry in over {
                merge_entry(&mut entries, entry, problems);
            }
            Node { at: above.at, value: Value::Map(entries) }
        }
        (Value::List(mut items), Value::List(over)) => {
            items.extend(over);
            Node { at: above.at, value: Value::List(items) }
        }
        (Value::Scalar(_), value @ Value::Scalar(_)) => Node { at: above.at, value },
        (old, value) => {
            let below = Node { at: below.at, value: old };
            let above = Node { at: above.at, value };
            problems.push(
                Diagnostic::new(&above.at, format!("{name} is {} here", above.kind()))
                    .note(&below.at, format!("and {} where it is included", below.kind()))
                    .hint(format!("write `{}!:` to replace it", name.trim_matches('`'))),
            );
            above
        }
    }
}

fn merge_entry(entries: &mut Vec<Entry>, over: Entry, problems: &mut Diagnostics) {
    let Some(slot) = entries.iter_mut().find(|entry| entry.key == over.key) else {
        entries.push(over);
        return;
    };
    // `include:` of an included file is done with; it must not be read again.
    let value = if over.replace || over.key == "include" {
        over.value
    } else {
        let hole = Node { at: slot.at.clone(), value: Value::List(Vec::new()) };
        let below = std::mem::replace(&mut slot.value, hole);
        merge(below, over.value, &Quoted(&over.key).to_string(), problems)
    };
    *slot = Entry { key: over.key, at: over.at, replace: false, value };
}
