//! `docs/recipe.md`: the reference of a recipe's keys.

use std::fmt::Write as _;

use super::super::keys::{Key, Kind, Section};
use super::{Place, places};

/// What the page says before its tables.
const INTRODUCTION: &str = "\
# Recipe reference

<!-- Written by `scripts/generate-docs` from the table that the decoder reads by; do not edit. -->

Editors complete and check recipes by the JSON Schema that `bootwright schema` prints (`bootwright schema --fragment` for files that are
included). With the YAML language server:

```sh
bootwright schema > recipe.schema.json
```

```yaml
# yaml-language-server: $schema=recipe.schema.json
version: 1
```

`bootwright check RECIPE` says every error at once, each with its file, line and column.
";

/// Returns the page in Markdown.
pub fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    let places = places();
    for place in &places {
        write_section(&mut page, place);
    }
    page
}

fn write_section(page: &mut String, place: &Place) {
    let Place { path, section, item } = place;
    let title = match (path.as_str(), item) {
        ("", _) => "The recipe".to_owned(),
        (path, _) => path.to_owned(),
    };
    put(page, format_args!("\n## {title}\n"));
    if *item {
        put(page, format_args!("Each item of `{path}`, where it is a map.\n"));
    }
    if !section.about.is_empty() {
        put(page, format_args!("{}\n", section.about));
    }
    if !section.one_of.is_empty() {
        let keys: Vec<String> = section.one_of.iter().map(|key| format!("`{key}`")).collect();
        put(page, format_args!("Exactly one of {} must be there.\n", keys.join(", ")));
    }
    put(page, format_args!("| Key | Value | Without it | What it is for |\n|---|---|---|---|"));
    for key in section.keys {
        write_key(page, section, path, key);
    }
}

fn write_key(page: &mut String, section: &Section, path: &str, key: &Key) {
    let path = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
    let without = match (key.required, key.default) {
        (true, _) => "an error".to_owned(),
        (false, Some(default)) => default.to_owned(),
        (false, None) if section.one_of.contains(&key.name) => "another of them".to_owned(),
        (false, None) => "–".to_owned(),
    };
    let cell = |text: &str| text.replace('|', "\\|");
    put(
        page,
        format_args!(
            "| `{}` | {} | {} | {} For example `{}`. |",
            key.name,
            cell(&kind(&key.kind, &path)),
            cell(&without),
            cell(key.about),
            cell(key.example)
        ),
    );
}

/// Says what a value is; maps are linked to their own tables.
fn kind(kind: &Kind, path: &str) -> String {
    match kind {
        Kind::Text(text) => text.name.to_owned(),
        Kind::Boolean => "`true` or `false`".to_owned(),
        Kind::BooleanOr(word) => format!("`true`, `false` or `{word}`"),
        Kind::Integer(from, to) => format!("number, {from} to {to}"),
        Kind::Choice(words) => choice(&words.words()),
        Kind::Size => "size such as `64MiB`, or `auto`".to_owned(),
        Kind::Duration => "time such as `90s`, `5min` or `1h`".to_owned(),
        Kind::List(inner, _) => format!("list of: {}", self::kind(inner, path)),
        Kind::Map(_) => format!("[map](#{})", anchor(path)),
        Kind::Table(_, inner) => format!("map of names to: {}", self::kind(inner, path)),
        Kind::Either(one, other) => format!("{}, or {}", self::kind(one, path), self::kind(other, path)),
        Kind::Scalar => "single value".to_owned(),
        Kind::Version => "`1`".to_owned(),
        Kind::Document(_) => "map".to_owned(),
    }
}

fn choice(words: &[(&'static str, bool)]) -> String {
    let listed = |works: bool| {
        let chosen = words.iter().filter(|(_, state)| *state == works);
        chosen.map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ")
    };
    let later = listed(false);
    if later.is_empty() { listed(true) } else { format!("{} (not yet: {later})", listed(true)) }
}

/// GitHub's anchor of a heading: lower case, without dots.
fn anchor(path: &str) -> String {
    path.replace('.', "")
}

fn put(page: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(page, "{line}");
}
