//! What all readers of documents share: opening a map by a table of its keys, and reading single values.

use std::fmt::Display;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::name::nearest;
use super::{Cidr, Place, Problem};
use crate::yaml::{Node, Value};

/// Collects what is wrong while a document is read.
pub(super) type Report = Vec<Problem>;

/// The keys of one kind of map.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys {
    /// What the map is, for messages.
    pub what: &'static str,
    /// Those that are read, and those whose absence of effect nobody minds.
    pub read: &'static [&'static str],
    /// Those that exist in the format and have no effect here.
    pub without_effect: &'static [&'static str],
}

/// Tells whether `node` is a map, and reports every key that `keys` does not have.
pub(super) fn open(node: &Node, keys: Keys, report: &mut Report) -> bool {
    let Value::Map(entries) = &node.value else {
        report.push(Problem::error(node.place(), format!("{} is a map, not {}", keys.what, node.kind())));
        return false;
    };
    for entry in entries {
        let key = &entry.key;
        if keys.read.contains(&key.as_str()) {
            continue;
        }
        let message = if keys.without_effect.contains(&key.as_str()) {
            format!("'{key}' of {} has no effect: firstboot does not set it", keys.what)
        } else {
            let guess = nearest(key, keys.read.iter().copied());
            let guess = guess.map_or(String::new(), |guess| format!("; perhaps '{guess}' is meant"));
            format!("{} has no key '{key}'{guess}", keys.what)
        };
        report.push(Problem::warning(entry.place(), message));
    }
    true
}

/// The items of a list; a single value counts as a list of one. Others are reported.
pub(super) fn items<'n>(node: Option<&'n Node>, report: &mut Report) -> Vec<&'n Node> {
    let Some(node) = node.filter(|node| !node.is_null()) else { return Vec::new() };
    match &node.value {
        Value::List(items) => items.iter().collect(),
        Value::Scalar { .. } => vec![node],
        Value::Map(_) => {
            report.push(Problem::error(node.place(), "a list is wanted, not a map"));
            Vec::new()
        }
    }
}

/// The entries of a map of things with names.
pub(super) fn entries<'n>(
    node: Option<&'n Node>,
    what: &str,
    report: &mut Report,
) -> Vec<(&'n str, Place, &'n Node)> {
    let Some(node) = node.filter(|node| !node.is_null()) else { return Vec::new() };
    let Some(entries) = node.entries() else {
        report.push(Problem::error(node.place(), format!("'{what}' is a map of names")));
        return Vec::new();
    };
    entries.iter().map(|entry| (entry.key.as_str(), entry.place(), &entry.value)).collect()
}

/// The text of a single value; others are reported.
pub(super) fn text<'n>(node: Option<&'n Node>, report: &mut Report) -> Option<&'n str> {
    let node = node?;
    let text = node.text();
    if text.is_none() {
        report.push(Problem::error(node.place(), format!("a single value is wanted, not {}", node.kind())));
    }
    text
}

/// Any value that is read from a text.
pub(super) fn parsed<T: FromStr<Err: Display>>(node: Option<&Node>, report: &mut Report) -> Option<T> {
    let written = text(node, report)?;
    let result = written.trim().parse();
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            report.push(Problem::error(node?.place(), error.to_string()));
            None
        }
    }
}

/// An address without a prefix.
pub(super) fn address(node: Option<&Node>, report: &mut Report) -> Option<IpAddr> {
    let written = text(node, report)?;
    let result = written.trim().parse();
    if result.is_err() {
        report.push(Problem::error(node?.place(), format!("'{written}' is no IPv4 or IPv6 address")));
    }
    result.ok()
}

/// Addresses, each an item of its own or several in one text.
pub(super) fn addresses(node: Option<&Node>, report: &mut Report) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for item in words(node, report) {
        match item.1.parse() {
            Ok(address) => found.push(address),
            Err(_) => report.push(Problem::error(item.0, format!("'{}' is no IPv4 or IPv6 address", item.1))),
        }
    }
    found
}

/// Words, each an item of its own or several in one text, with blanks or commas between them.
pub(super) fn words<'n>(node: Option<&'n Node>, report: &mut Report) -> Vec<(Place, &'n str)> {
    let mut found = Vec::new();
    for item in items(node, report) {
        if let Some(written) = text(Some(item), report) {
            let split = written.split(|letter: char| letter.is_whitespace() || letter == ',');
            found.extend(split.filter(|word| !word.is_empty()).map(|word| (item.place(), word)));
        }
    }
    found
}

/// Yes or no, in the words of YAML 1.1 and of ifupdown.
pub(super) fn flag(node: Option<&Node>, report: &mut Report) -> Option<bool> {
    let written = text(node, report)?;
    match written.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" | "y" => Some(true),
        "false" | "no" | "off" | "0" | "n" => Some(false),
        _ => {
            report.push(Problem::error(node?.place(), format!("'{written}' is neither true nor false")));
            None
        }
    }
}

/// A whole number within `range`.
pub(super) fn number<T>(node: Option<&Node>, range: RangeInclusive<T>, report: &mut Report) -> Option<T>
where
    T: FromStr + PartialOrd + Display,
{
    let written = text(node, report)?;
    let plain = !written.is_empty() && written.bytes().all(|byte| byte.is_ascii_digit());
    let value = written.parse().ok().filter(|value| plain && range.contains(value));
    if value.is_none() {
        let message = format!("'{written}' is no whole number from {} to {}", range.start(), range.end());
        report.push(Problem::error(node?.place(), message));
    }
    value
}

/// A destination: `default`, a network, or one address. Host bits are cleared, with a warning.
pub(super) fn destination(
    written: &str,
    mask: Option<&str>,
    place: Place,
    report: &mut Report,
) -> Option<Cidr> {
    let result = match (written, mask) {
        ("default" | "0/0", _) => "0.0.0.0/0".parse(),
        ("default6", _) => "::/0".parse(),
        (written, Some(mask)) if !written.contains('/') => address_with_mask(written, mask),
        (written, _) if written.contains('/') => written.parse(),
        (written, _) => address_with_mask(written, if written.contains(':') { "128" } else { "32" }),
    };
    match result {
        Ok(cidr) => {
            let network = cidr.network();
            if network.address != cidr.address {
                report.push(Problem::warning(
                    place,
                    format!("the route to {cidr} is taken as one to {network}"),
                ));
            }
            Some(network.at(place))
        }
        Err(error) => {
            report.push(Problem::error(place, error.to_string()));
            None
        }
    }
}

/// Joins an address and a mask, both as written.
pub(super) fn address_with_mask(address: &str, mask: &str) -> Result<Cidr, super::CidrError> {
    let parsed = address.parse().map_err(|_| super::CidrError::Address(address.to_owned()))?;
    Cidr::with_mask(parsed, mask)
}
