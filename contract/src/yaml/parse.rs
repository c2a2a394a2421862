//! YAML text → [`Node`].
//!
//! Aliases are copied, and the copies are counted: a few lines cannot grow into gigabytes. Keys given twice, tags with a
//! meaning of their own and second documents are refused, because readers of YAML differ in what they make of them.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{self as granit, Event, Parser, ScalarStyle};

use super::{Entry, Node, Value};

/// Longest text that is read, in bytes.
pub const TEXT_LIMIT: usize = 1 << 20;
/// Deepest nesting of lists and maps.
pub const DEPTH_LIMIT: usize = 32;
/// Most items of a list and keys of a map.
const WIDTH_LIMIT: usize = 10_000;
/// Most keys of a map; each is compared with those before it.
const KEY_LIMIT: usize = 1_000;
/// Most nodes, and most bytes of text, that the aliases of one document may stand for.
const ALIAS_LIMIT: (usize, usize) = (10_000, TEXT_LIMIT);

/// Why a text is not one YAML document that is read here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct YamlError {
    /// Where, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub reason: String,
}

/// Parses the one document of `text`; an empty text is a node that stands for nothing.
///
/// # Errors
///
/// When the text is no YAML, is longer or deeper than the limits, or holds what is refused.
pub fn parse(text: &str) -> Result<Node, YamlError> {
    if text.len() > TEXT_LIMIT {
        let reason = format!("the text has {} bytes; at most {TEXT_LIMIT} are read", text.len());
        return Err(YamlError { line: 1, reason });
    }
    let options = granit::options! {
        emit_comments: false,
        disallow_directives: true,
        flow_nesting_limit: DEPTH_LIMIT + 1,
        block_nesting_limit: DEPTH_LIMIT + 1,
    };
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| YamlError {
            line: error.marker().line(),
            reason: format!("this is not YAML: {}", error.kind()),
        })?;
        let (line, column) = (span.start.line(), span.start.col().saturating_add(1));
        builder.take(event, (line, column)).map_err(|reason| YamlError { line, reason })?;
    }
    let nothing = Value::Scalar { text: String::new(), quoted: false };
    Ok(builder.root.unwrap_or(Node { line: 1, column: 1, value: nothing }))
}

/// Line and column.
type At = (usize, usize);

/// A list or map that is still open.
struct Open {
    node: Node,
    anchor: usize,
    /// The key that waits for its value, and its place.
    key: Option<(String, At)>,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    copied: (usize, usize),
    documents: usize,
    root: Option<Node>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, at: At) -> Result<(), String> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err("a second document begins here; only one is read".into());
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.map(|tag| tag.to_string());
                // `!!str` and `!!binary` are the two that clouds write; the second is base64 text for its reader.
                let textual = matches!(
                    tag.as_deref(),
                    Some("tag:yaml.org,2002:str" | "tag:yaml.org,2002:binary" | "!!str" | "!!binary")
                );
                if tag.is_some() && !textual {
                    return Err("a tag (the word that begins with '!') has no meaning here".into());
                }
                let quoted = textual || style != ScalarStyle::Plain;
                self.close(node(at, Value::Scalar { text: text.into_owned(), quoted }), anchor)?;
            }
            Event::SequenceStart(_, anchor, _) => self.begin(at, Value::List(Vec::new()), anchor)?,
            Event::MappingStart(_, anchor, _) => self.begin(at, Value::Map(Vec::new()), anchor)?,
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(done) = self.open.pop() {
                    self.close(done.node, done.anchor)?;
                }
            }
            Event::Alias(anchor) => self.copy(anchor, at)?,
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, at: At, value: Value, anchor: usize) -> Result<(), String> {
        if self.open.len() >= DEPTH_LIMIT {
            return Err(format!("lists and maps are nested more than {DEPTH_LIMIT} deep"));
        }
        self.open.push(Open { node: node(at, value), anchor, key: None });
        Ok(())
    }

    fn close(&mut self, node: Node, anchor: usize) -> Result<(), String> {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (&mut parent.node.value, parent.key.take()) {
            (Value::List(items), _) if items.len() >= WIDTH_LIMIT => {
                return Err(format!("a list has more than {WIDTH_LIMIT} items"));
            }
            (Value::List(items), _) => items.push(node),
            (Value::Map(entries), Some((key, (line, column)))) => {
                add(entries, Entry { key, line, column, value: node })?;
            }
            (Value::Map(_), None) => match node.value {
                Value::Scalar { text, .. } => parent.key = Some((text, (node.line, node.column))),
                _ => return Err("a key must be a single word".into()),
            },
            (Value::Scalar { .. }, _) => {}
        }
        Ok(())
    }

    fn copy(&mut self, anchor: usize, at: At) -> Result<(), String> {
        let Some(original) = self.anchors.get(&anchor) else {
            return Err("this alias stands for a value that contains it".into());
        };
        let (nodes, bytes) = weight(original);
        self.copied = (self.copied.0 + nodes, self.copied.1 + bytes);
        if self.copied.0 > ALIAS_LIMIT.0 || self.copied.1 > ALIAS_LIMIT.1 {
            let (nodes, bytes) = ALIAS_LIMIT;
            return Err(format!("the aliases stand for more than {nodes} values or {bytes} bytes"));
        }
        let copy = node(at, original.value.clone());
        self.close(copy, 0)
    }
}

fn node((line, column): At, value: Value) -> Node {
    Node { line, column, value }
}

fn add(entries: &mut Vec<Entry>, entry: Entry) -> Result<(), String> {
    if entries.len() >= KEY_LIMIT {
        return Err(format!("a map has more than {KEY_LIMIT} keys"));
    }
    if let Some(first) = entries.iter().find(|first| first.key == entry.key) {
        let (key, line) = (&entry.key, first.line);
        return Err(format!("the key '{}' is given twice, first on line {line}", key.escape_debug()));
    }
    entries.push(entry);
    Ok(())
}

/// Counts the nodes below and including `node`, and the bytes of text in them.
fn weight(node: &Node) -> (usize, usize) {
    let sum = |total: (usize, usize), more: (usize, usize)| (total.0 + more.0, total.1 + more.1);
    match &node.value {
        Value::Scalar { text, .. } => (1, text.len()),
        Value::List(items) => items.iter().map(weight).fold((1, 0), sum),
        Value::Map(entries) => {
            entries.iter().map(|entry| sum((1, entry.key.len()), weight(&entry.value))).fold((1, 0), sum)
        }
    }
}
