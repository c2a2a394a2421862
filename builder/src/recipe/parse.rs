//! YAML text → [`Node`], within limits that no recipe of use reaches.
//!
//! The YAML itself is read by `granit-parser`; here its events become a tree, aliases are copied (they are
//! counted, so that a few lines cannot grow into gigabytes), and what recipes do not use is refused.

use std::collections::HashMap;
use std::sync::Arc;

use serde_saphyr::granit_parser::{self as yaml, Event, Parser, ScalarStyle};

use super::diagnostic::{Diagnostic, Quoted};
use super::node::{Entry, Node, Scalar, Style, Value};
use super::source::{SourceFile, Span, narrow};

/// Largest recipe file, in bytes. A recipe holds text that people write.
pub(super) const FILE_LIMIT: usize = 1 << 20;
/// Deepest nesting of lists and maps.
const DEPTH_LIMIT: usize = 32;
/// Most items of a list.
const ITEMS_LIMIT: usize = 10_000;
/// Most keys of a map.
const KEYS_LIMIT: usize = 1_000;
/// Most nodes that the aliases of one file may stand for.
const ALIAS_NODE_LIMIT: usize = 10_000;
/// Most text that the aliases of one file may stand for, in bytes.
const ALIAS_TEXT_LIMIT: usize = 1 << 20;

/// Parses the one document of `file`.
///
/// # Errors
/// Tells the first thing that is not YAML, or all that is YAML and yet has no place in a recipe.
pub(super) fn parse(file: &Arc<SourceFile>) -> Result<Node, Vec<Diagnostic>> {
    let options = yaml::options! {
        emit_comments: false,
        disallow_directives: true,
        flow_nesting_limit: DEPTH_LIMIT + 1,
        block_nesting_limit: DEPTH_LIMIT + 1,
    };
    let mut builder = Builder::new(file);
    for event in Parser::new_from_str_with_options(&file.text, options) {
        let step = match event {
            Ok((event, span)) => builder.event(event, span),
            Err(error) => Err(scan_error(file, &error)),
        };
        if let Err(fatal) = step {
            builder.problems.push(fatal);
            return Err(builder.problems);
        }
    }
    match builder.root {
        Some(root) if builder.problems.is_empty() => Ok(root),
        Some(_) => Err(builder.problems),
        None => Err(vec![Diagnostic::new(&Span::start_of(file), "the file is empty")]),
    }
}

fn scan_error(file: &Arc<SourceFile>, error: &yaml::ScanError) -> Diagnostic {
    use yaml::ErrorKind;
    let mark = error.marker();
    let at =
        Span { file: Arc::clone(file), line: narrow(mark.line()), column: narrow(mark.col() + 1), length: 1 };
    match error.kind() {
        ErrorKind::RecursionLimitExceeded => too_deep(&at),
        kind => {
            let line = file.line(at.line).unwrap_or_default();
            let hint = line.contains("${").then(|| "put text with `${…}` in quotes".to_owned());
            Diagnostic::new(&at, format!("this is not YAML: {kind}")).hint_if(hint)
        }
    }
}

fn too_deep(at: &Span) -> Diagnostic {
    Diagnostic::new(at, format!("lists and maps are nested more than {DEPTH_LIMIT} deep"))
}

/// A list or map that is still open.
struct Open {
    node: Node,
    anchor: usize,
    /// The key that waits for its value.
    key: Option<(String, Span)>,
}

struct Builder<'a> {
    file: &'a Arc<SourceFile>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    alias_nodes: usize,
    alias_text: usize,
    documents: usize,
    root: Option<Node>,
    problems: Vec<Diagnostic>,
}

impl<'a> Builder<'a> {
    fn new(file: &'a Arc<SourceFile>) -> Self {
        Self {
            file,
            open: Vec::new(),
            anchors: HashMap::new(),
            alias_nodes: 0,
            alias_text: 0,
            documents: 0,
            root: None,
            problems: Vec::new(),
        }
    }

    /// Takes one event in; an `Err` ends the parse.
    fn event(&mut self, event: Event<'_>, span: yaml::Span) -> Result<(), Diagnostic> {
        let at = self.place(span);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Diagnostic::new(&at, "a second document begins here")
                        .hint("a recipe is one document: remove the `---`"));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(&at, tag.is_some());
                let style = if style == ScalarStyle::Plain { Style::Plain } else { Style::Quoted };
                let bytes = span.start.byte_offset().zip(span.end.byte_offset());
                let value = Value::Scalar(Scalar { text: text.into_owned(), style, bytes });
                self.close_node(Node { at, value }, anchor)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(&at, tag.is_some());
                self.open_node(Node { at, value: Value::List(Vec::new()) }, anchor)?;
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(&at, tag.is_some());
                self.open_node(Node { at, value: Value::Map(Vec::new()) }, anchor)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(done) = self.open.pop() {
                    self.close_node(done.node, done.anchor)?;
                }
            }
            Event::Alias(anchor) => self.alias(&at, anchor)?,
            _ => {}
        }
        Ok(())
    }

    /// Takes the parser's own lines and columns; counting them anew for each node would be slow on hostile text.
    fn place(&self, span: yaml::Span) -> Span {
        let length = if span.start.line() == span.end.line() {
            span.end.col().saturating_sub(span.start.col())
        } else {
            let rest = span.start.byte_offset().and_then(|start| self.file.text.get(start..));
            rest.and_then(|rest| rest.lines().next()).map_or(0, |line| line.chars().count())
        };
        Span {
            file: Arc::clone(self.file),
            line: narrow(span.start.line()),
            column: narrow(span.start.col() + 1),
            length: narrow(length.max(1)),
        }
    }

    fn refuse_tag(&mut self, at: &Span, tagged: bool) {
        if tagged {
            let problem = Diagnostic::new(at, "YAML tags have no meaning in a recipe");
            self.problems.push(problem.hint("remove the word that begins with `!`; put text in quotes"));
        }
    }

    fn open_node(&mut self, node: Node, anchor: usize) -> Result<(), Diagnostic> {
        if self.open.len() >= DEPTH_LIMIT {
            return Err(too_deep(&node.at));
        }
        self.open.push(Open { node, anchor, key: None });
        Ok(())
    }

    fn close_node(&mut self, node: Node, anchor: usize) -> Result<(), Diagnostic> {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (&mut parent.node.value, parent.key.take()) {
            (Value::List(items), _) if items.len() >= ITEMS_LIMIT => {
                let message = format!("a list has more than {ITEMS_LIMIT} items");
                return Err(Diagnostic::new(&node.at, message));
            }
            (Value::Map(entries), _) if entries.len() >= KEYS_LIMIT => {
                return Err(Diagnostic::new(&node.at, format!("a map has more than {KEYS_LIMIT} keys")));
            }
            (Value::List(items), _) => items.push(node),
            (Value::Map(entries), Some((key, at))) => add_entry(entries, key, at, node, &mut self.problems),
            (Value::Map(_), None) => match node.value {
                Value::Scalar(scalar) => parent.key = Some((scalar.text, node.at)),
                _ => return Err(Diagnostic::new(&node.at, "a key must be a single word")),
            },
            (Value::Scalar(_), _) => {}
        }
        Ok(())
    }

    fn alias(&mut self, at: &Span, anchor: usize) -> Result<(), Diagnostic> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(Diagnostic::new(at, "this alias stands for a value that contains it"));
        };
        let (nodes, text) = weight(node);
        self.alias_nodes += nodes;
        self.alias_text += text;
        if self.alias_nodes > ALIAS_NODE_LIMIT || self.alias_text > ALIAS_TEXT_LIMIT {
            return Err(Diagnostic::new(at, "the aliases of this file stand for too much").hint(format!(
                "the limit is {ALIAS_NODE_LIMIT} values and {ALIAS_TEXT_LIMIT} bytes of text"
            )));
        }
        let copy = node.clone();
        self.close_node(copy, 0)
    }
}

fn add_entry(entries: &mut Vec<Entry>, key: String, at: Span, value: Node, problems: &mut Vec<Diagnostic>) {
    let replace = key.len() > 1 && key.ends_with('!');
    let key = if replace { key[..key.len() - 1].to_owned() } else { key };
    match entries.iter().find(|entry| entry.key == key) {
        Some(first) => problems.push(
            Diagnostic::new(&at, format!("the key {} is given twice", Quoted(&key)))
                .note(&first.at, "it is given here first"),
        ),
        None => entries.push(Entry { key, at, replace, value }),
    }
}

/// Counts the nodes below and including `node`, and the bytes of text in them.
fn weight(node: &Node) -> (usize, usize) {
    let add = |a: (usize, usize), b: (usize, usize)| (a.0 + b.0, a.1 + b.1);
    match &node.value {
        Value::Scalar(scalar) => (1, scalar.text.len()),
        Value::List(items) => items.iter().map(weight).fold((1, 0), add),
        Value::Map(entries) => {
            entries.iter().map(|entry| add((1, entry.key.len()), weight(&entry.value))).fold((1, 0), add)
        }
    }
}
