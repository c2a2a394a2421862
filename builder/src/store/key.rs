//! What a result was made from.

use serde_json::{Value, json};

use super::Sha256Digest;

/// A stage and its real inputs: whoever has the same key has the same result.
///
/// Inputs are JSON that a person can read, since `--explain` shows them; secrets have no place in them. Their order
/// counts.
#[derive(Debug, Clone)]
pub struct Key {
    pub(super) stage: &'static str,
    pub(super) subject: String,
    pub(super) inputs: Value,
    digest: Sha256Digest,
}

impl Key {
    /// Makes the key of `stage` for `inputs`. `subject`, the recipe's name, is no input: it only helps to find the
    /// result that an earlier run of the same recipe had.
    pub fn new(stage: &'static str, subject: &str, inputs: Value) -> Self {
        let text = json!({ "stage": stage, "inputs": &inputs }).to_string();
        Self { stage, subject: subject.to_owned(), inputs, digest: Sha256Digest::of(text.as_bytes()) }
    }

    /// Returns the digest of stage and inputs.
    pub fn digest(&self) -> Sha256Digest {
        self.digest
    }

    /// Returns the stage's name.
    pub fn stage(&self) -> &'static str {
        self.stage
    }
}

/// Returns the first input in which `before` and `now` differ, in words; none if they are the same.
pub fn first_difference(before: &Value, now: &Value) -> Option<String> {
    match (before, now) {
        (Value::Object(before), Value::Object(now)) => {
            let changed = now.iter().find_map(|(name, value)| match before.get(name) {
                Some(old) => first_difference(old, value).map(|difference| place(name, &difference)),
                None => Some(format!("{name} is new")),
            });
            let gone =
                || before.keys().find(|name| !now.contains_key(*name)).map(|name| format!("{name} is gone"));
            // Objects are written in an order, and the order counts as well.
            changed
                .or_else(gone)
                .or_else(|| (before != now || !before.keys().eq(now.keys())).then(|| "the order".to_owned()))
        }
        (Value::Array(before), Value::Array(now)) => {
            let pairs = before.iter().zip(now).enumerate();
            let changed = pairs.filter_map(|(at, (old, new))| {
                first_difference(old, new).map(|difference| place(&format!("[{at}]"), &difference))
            });
            let mut changed = changed;
            changed.next().or_else(|| {
                (before.len() != now.len())
                    .then(|| format!("{} entries instead of {}", now.len(), before.len()))
            })
        }
        _ => (before != now).then(|| format!(": {} instead of {}", short(now), short(before))),
    }
}

/// Puts the name of an input before a difference inside it.
fn place(name: &str, difference: &str) -> String {
    match difference.chars().next() {
        Some(':') => format!("{name}{difference}"),
        Some('[') => format!("{name}{difference}"),
        _ => format!("{name}.{difference}"),
    }
}

/// Returns a value as text that fits on a line.
fn short(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_of_stage_and_inputs_only() {
        let key = |stage, subject, inputs| Key::new(stage, subject, inputs).digest();
        let first = key("tree", "a", json!({ "epoch": 1 }));
        assert_eq!(first, key("tree", "b", json!({ "epoch": 1 })));
        assert_ne!(first, key("tree", "a", json!({ "epoch": 2 })));
        assert_ne!(first, key("tools", "a", json!({ "epoch": 1 })));
    }

    #[test]
    fn the_first_difference_is_named_with_its_place() {
        let before =
            json!({ "epoch": 1, "packages": { "curl": { "version": "7" }, "dash": {} }, "debconf": ["a"] });
        let with = |change: fn(&mut Value)| {
            let mut now = before.clone();
            change(&mut now);
            first_difference(&before, &now)
        };
        assert_eq!(with(|_| {}), None);
        let curl = with(|now| now["packages"]["curl"]["version"] = "8".into());
        assert_eq!(curl.as_deref(), Some("packages.curl.version: 8 instead of 7"));
        assert_eq!(with(|now| now["epoch"] = 2.into()).as_deref(), Some("epoch: 2 instead of 1"));
        let new = with(|now| now["packages"]["zsh"] = json!({}));
        assert_eq!(new.as_deref(), Some("packages.zsh is new"));
        let gone = with(|now| drop(now["packages"].as_object_mut().unwrap().remove("dash")));
        assert_eq!(gone.as_deref(), Some("packages.dash is gone"));
        assert_eq!(with(|now| now["debconf"][0] = "b".into()).as_deref(), Some("debconf[0]: b instead of a"));
        let longer = with(|now| now["debconf"].as_array_mut().unwrap().push("c".into()));
        assert_eq!(longer.as_deref(), Some("debconf.2 entries instead of 1"));
    }
}
