//! Readers of single values.

use contract::size;

use super::Decoder;
use crate::recipe::diagnostic::{Diagnostic, Quoted};
use crate::recipe::guess;
use crate::recipe::node::{Node, Scalar, Style, Value};
use crate::recipe::source::Located;
use crate::recipe::words::SizeRule;

/// Largest size that a recipe may name, 64 TiB.
const SIZE_LIMIT: u64 = 64 << 40;
/// Longest time that a recipe may name, one day.
const TIME_LIMIT: u64 = 24 * 3600;

impl Decoder {
    /// Reads a single value of any style.
    fn scalar<'a>(&self, node: &'a Node, name: &str, wanted: &str) -> Option<&'a Scalar> {
        match &node.value {
            Value::Scalar(scalar) if scalar.style == Style::Wrong => None,
            Value::Scalar(scalar) if !scalar.is_null() => Some(scalar),
            _ => {
                let message = format!("`{name}` must be {wanted}, not {}", node.kind());
                self.problem(Diagnostic::new(&node.at, message));
                None
            }
        }
    }

    /// Reads text, which may be empty. What YAML takes for a number or a truth value must be in quotes.
    pub(super) fn any_text(&self, node: &Node, name: &str) -> Option<Located<String>> {
        let scalar = self.scalar(node, name, "text")?;
        let kind = match scalar {
            Scalar { style: Style::Plain, .. } if scalar.boolean().is_some() => "a truth value",
            _ if scalar.is_number() => "a number",
            _ => return Some(Located { value: scalar.text.clone(), at: node.at.clone() }),
        };
        let message = format!("`{name}` must be text, and {} is {kind}", Quoted(&scalar.text));
        self.problem(
            Diagnostic::new(&node.at, message).hint(format!("put it in quotes: \"{}\"", scalar.text)),
        );
        None
    }

    /// Reads one line of text that is not empty.
    pub(super) fn text(&self, node: &Node, name: &str) -> Option<Located<String>> {
        let text = self.any_text(node, name)?;
        if text.value.trim().is_empty() {
            self.problem(Diagnostic::new(&text.at, format!("`{name}` is empty")));
            return None;
        }
        if text.value.chars().any(char::is_control) {
            let message = format!("`{name}` must be one line without control characters");
            self.problem(Diagnostic::new(&text.at, message));
            return None;
        }
        Some(text)
    }

    /// Reads text that must pass a test; `wanted` says what it must be.
    pub(super) fn checked(
        &self,
        node: &Node,
        name: &str,
        wanted: &str,
        good: impl Fn(&str) -> bool,
    ) -> Option<Located<String>> {
        let text = self.text(node, name)?;
        if good(&text.value) {
            return Some(text);
        }
        let message = format!("{} is not a valid `{name}`", Quoted(&text.value));
        self.problem(Diagnostic::new(&text.at, message).hint(format!("it must be {wanted}")));
        None
    }

    /// Reads `true` or `false`.
    pub(super) fn boolean(&self, node: &Node, name: &str) -> Option<Located<bool>> {
        let scalar = self.scalar(node, name, "true or false")?;
        let Some(value) = scalar.boolean() else {
            let message = format!("`{name}` must be true or false, not {}", Quoted(&scalar.text));
            let hint = match scalar.text.to_ascii_lowercase().as_str() {
                "yes" | "on" | "1" => Some("write `true`".to_owned()),
                "no" | "off" | "0" => Some("write `false`".to_owned()),
                "true" | "false" => Some("write it without quotes".to_owned()),
                _ => None,
            };
            self.problem(Diagnostic::new(&node.at, message).hint_if(hint));
            return None;
        };
        Some(Located { value, at: node.at.clone() })
    }

    /// Reads a whole number of a range.
    pub(super) fn integer(
        &self,
        node: &Node,
        name: &str,
        range: std::ops::RangeInclusive<i64>,
    ) -> Option<Located<i64>> {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        let scalar = self.scalar(node, name, &wanted)?;
        match scalar.integer().filter(|number| range.contains(number)) {
            Some(value) => Some(Located { value, at: node.at.clone() }),
            None => {
                let message = format!("`{name}` must be {wanted}, not {}", Quoted(&scalar.text));
                let quoted = scalar.style == Style::Quoted && scalar.text.parse::<i64>().is_ok();
                let hint = quoted.then(|| "write it without quotes".to_owned());
                self.problem(Diagnostic::new(&node.at, message).hint_if(hint));
                None
            }
        }
    }

    /// Reads one word of a list; words without a value are of the schema and not supported yet.
    pub(super) fn choice<T: Copy>(
        &self,
        node: &Node,
        name: &str,
        choices: &[(&str, Option<T>)],
    ) -> Option<Located<T>> {
        let scalar = self.scalar(node, name, "a single word")?;
        let works: Vec<&str> =
            choices.iter().filter(|(_, value)| value.is_some()).map(|(word, _)| *word).collect();
        match choices.iter().find(|(word, _)| *word == scalar.text) {
            Some((_, Some(value))) => return Some(Located { value: *value, at: node.at.clone() }),
            Some((word, None)) => {
                let instead = format!("supported now: {}", works.join(", "));
                self.not_yet(&node.at, &format!("`{name}: {word}` is"), Some(&instead));
            }
            None => {
                let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
                let message = format!("unknown `{name}` {}", Quoted(&scalar.text));
                self.problem(Diagnostic::new(&node.at, message).hint(guess::hint(&scalar.text, &words)));
            }
        }
        None
    }

    /// Reads a size with its unit, or `auto`.
    pub(super) fn size(&self, node: &Node, name: &str) -> Option<Located<SizeRule>> {
        let scalar = self.scalar(node, name, "a size such as 64MiB")?;
        let parsed = if scalar.text == "auto" { Ok(SizeRule::Auto) } else { parse_size(&scalar.text) };
        match parsed {
            Ok(value) => Some(Located { value, at: node.at.clone() }),
            Err(hint) => {
                let message = format!("{} is not a size", Quoted(&scalar.text));
                self.problem(Diagnostic::new(&node.at, message).hint(hint));
                None
            }
        }
    }

    /// Reads a time with its unit, in seconds.
    pub(super) fn duration(&self, node: &Node, name: &str) -> Option<u64> {
        let scalar = self.scalar(node, name, "a time such as 90s")?;
        match parse_duration(&scalar.text) {
            Ok(seconds) => Some(seconds),
            Err(hint) => {
                let message = format!("{} is not a time", Quoted(&scalar.text));
                self.problem(Diagnostic::new(&node.at, message).hint(hint));
                None
            }
        }
    }
}

fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

/// Parses a size as recipes write it, `64MiB`, to bytes.
///
/// # Errors
/// Says how to write it.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let bytes = size::parse(text)?;
    if bytes <= SIZE_LIMIT { Ok(bytes) } else { Err("64TiB is the most".to_owned()) }
}

/// Parses `64MiB`; an `Err` is the hint for the author.
fn parse_size(text: &str) -> Result<SizeRule, String> {
    let or_auto = |hint| if hint == size::FORM { format!("{hint}, or `auto`") } else { hint };
    parse_bytes(text).map(SizeRule::Bytes).map_err(or_auto)
}

/// Parses `90s`; an `Err` is the hint for the author.
fn parse_duration(text: &str) -> Result<u64, String> {
    let (digits, unit) = split_unit(text);
    let factor = match unit {
        "s" => 1,
        "min" => 60,
        "h" => 3600,
        "" if !digits.is_empty() => return Err(format!("times have a unit: `{digits}s`?")),
        "m" => return Err(format!("minutes are written `{digits}min`")),
        _ => return Err("write a whole number and s, min or h".to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| "write a whole number before the unit".to_owned())?;
    match number.checked_mul(factor).filter(|seconds| *seconds <= TIME_LIMIT) {
        Some(0) => Err("a time is more than nothing".to_owned()),
        Some(seconds) => Ok(seconds),
        None => Err("24h is the most".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{parse_duration, parse_size};
    use crate::recipe::words::SizeRule;

    #[test]
    fn sizes_and_times_need_their_units() {
        for (text, bytes) in
            [("64MiB", 64 << 20), ("4 GiB", 4 << 30), ("1TiB", 1 << 40), ("512KiB", 512 << 10)]
        {
            assert_eq!(parse_size(text), Ok(SizeRule::Bytes(bytes)), "{text}");
        }
        for (text, hint) in [
            ("64", "sizes have a unit: `64MiB`?"),
            ("64MB", "sizes are binary: `64MiB`?"),
            ("2g", "sizes are binary: `2GiB`?"),
            ("1.5GiB", "write a whole number and KiB, MiB, GiB or TiB, or `auto`"),
            ("0MiB", "a size is more than nothing"),
            ("65TiB", "64TiB is the most"),
            ("99999999999999999999TiB", "write a whole number before the unit"),
            ("MiB", "write a whole number before the unit"),
            ("-1MiB", "write a whole number and KiB, MiB, GiB or TiB, or `auto`"),
        ] {
            assert_eq!(parse_size(text), Err(hint.to_owned()), "{text}");
        }
        assert_eq!(parse_duration("90s"), Ok(90));
        assert_eq!(parse_duration("5min"), Ok(300));
        assert_eq!(parse_duration("5m"), Err("minutes are written `5min`".to_owned()));
        assert_eq!(parse_duration("25h"), Err("24h is the most".to_owned()));
    }
}
