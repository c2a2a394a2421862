//! One thing that has one value here and another there.

use std::fmt::Display;

use serde::Serialize;

/// One thing that has one value in the first image and another in the second; none where it is not there at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What differs.
    pub what: String,
    /// Its value in the first image.
    pub a: Option<String>,
    /// Its value in the second image.
    pub b: Option<String>,
}

/// Collects what differs.
#[derive(Debug, Default)]
pub(super) struct Changes(pub(super) Vec<Change>);

impl Changes {
    /// Compares two values.
    pub(super) fn value<T: PartialEq + Display>(&mut self, what: &str, a: T, b: T) {
        self.optional(what, Some(a), Some(b));
    }

    /// Compares two values that may be missing.
    pub(super) fn optional<T: PartialEq + Display>(&mut self, what: &str, a: Option<T>, b: Option<T>) {
        if a != b {
            let text = |value: Option<T>| value.map(|value| value.to_string());
            self.0.push(Change { what: what.to_owned(), a: text(a), b: text(b) });
        }
    }

    /// Compares two sets of words; only those that one side alone has are told.
    pub(super) fn words(&mut self, what: &str, a: &[String], b: &[String]) {
        let only = |these: &[String], those: &[String]| {
            let words: Vec<&str> =
                these.iter().filter(|word| !those.contains(word)).map(String::as_str).collect();
            (!words.is_empty()).then(|| words.join(" "))
        };
        self.optional(what, only(a, b), only(b, a));
    }
}
