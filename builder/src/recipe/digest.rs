//! The identity of a recipe: a digest of what it says, apart from how it is laid out.

use sha2::{Digest, Sha256};

use super::node::{Node, Style, Value};

/// Returns what a merged tree says as JSON, scalars as text. `include` and `variables`, whose effect is in the rest, are
/// left out, and so is `debconf`, which may hold passwords.
pub(super) fn resolved(root: &Node) -> serde_json::Value {
    match &root.value {
        Value::Map(entries) => {
            let shown =
                entries.iter().filter(|entry| !is_without_effect(&entry.key) && entry.key != "debconf");
            shown.map(|entry| (entry.key.clone(), json(&entry.value))).collect()
        }
        _ => json(root),
    }
}

fn json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Scalar(scalar) => scalar.text.clone().into(),
        Value::List(items) => items.iter().map(json).collect(),
        Value::Map(entries) => entries.iter().map(|entry| (entry.key.clone(), json(&entry.value))).collect(),
    }
}

fn is_without_effect(key: &str) -> bool {
    matches!(key, "include" | "variables")
}

/// Returns the SHA-256 of a merged tree in a normal form, lower-case hex.
///
/// The order of keys, comments, quotes and the files it is spread over do not count; neither do `include`
/// and `variables`, whose effect is in the rest.
pub(super) fn digest(root: &Node) -> String {
    let mut normal = String::from("bootwright recipe 1\n");
    write(&mut normal, root, true);
    Sha256::digest(normal.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write(out: &mut String, node: &Node, top: bool) {
    match &node.value {
        Value::Scalar(scalar) => {
            // Quoted text is the same as plain text unless a reader could take the plain one for another thing.
            let odd = scalar.style == Style::Quoted
                && (scalar.boolean().is_some() || scalar.text.is_empty() || is_bare(&scalar.text));
            out.push_str(if odd { "q" } else { "s" });
            text(out, &scalar.text);
        }
        Value::List(items) => {
            out.push('[');
            items.iter().for_each(|item| write(out, item, false));
            out.push(']');
        }
        Value::Map(entries) => {
            let mut sorted: Vec<_> =
                entries.iter().filter(|entry| !(top && is_without_effect(&entry.key))).collect();
            sorted.sort_by(|a, b| a.key.cmp(&b.key));
            out.push('{');
            for entry in sorted {
                text(out, &entry.key);
                write(out, &entry.value, false);
            }
            out.push('}');
        }
    }
}

/// Tells whether plain text of these letters would be a number, a truth value or nothing.
fn is_bare(text: &str) -> bool {
    text.parse::<f64>().is_ok() || matches!(text, "true" | "false" | "null" | "~")
}

/// Writes text with its length, so that no two trees give the same bytes.
fn text(out: &mut String, text: &str) {
    out.push_str(&format!("{}:{text};", text.len()));
}
