//! The schema of a recipe as JSON Schema, draft 2020-12.
//!
//! It says of one file what can be said of it alone. A file that includes others may leave to them what must be
//! there; whether the whole fits together is decided by `check`.

use serde_json::{Map, Value, json};

use super::super::keys::{Case, Key, Kind, Length, RECIPE, Section, Then};
use super::places;

/// Which files the schema is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// Recipes: what must be there is asked for, unless the file includes others.
    Recipe,
    /// Files that recipes include, which may leave out everything.
    Fragment,
}

/// Text that holds a variable may become anything.
const VARIABLE: &str = r"\$\{";

/// Returns the schema.
pub fn json_schema(coverage: Coverage) -> Value {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Bootwright recipe",
    });
    let mut definitions = Map::new();
    definitions.insert(
        "variable".to_owned(),
        json!({ "description": "Text with a variable.", "type": "string", "pattern": VARIABLE }),
    );
    for place in places() {
        let object = object(place.section, place.item);
        if place.path.is_empty() {
            merge(&mut schema, object);
        } else {
            definitions.insert(definition_name(place.section), object);
        }
    }
    if coverage == Coverage::Recipe {
        definitions.insert("whole".to_owned(), needs(&RECIPE));
        merge(
            &mut schema,
            json!({
                "if": { "not": { "anyOf": [{ "required": ["include"] }, { "required": ["include!"] }] } },
                "then": { "$ref": "#/$defs/whole" },
            }),
        );
    }
    merge(&mut schema, json!({ "$defs": definitions }));
    schema
}

/// Describes the keys of a section. What an item of a list needs must be in it; a map may get it by an include.
fn object(section: &Section, item: bool) -> Value {
    let mut properties = Map::new();
    let mut replacing = Map::new();
    for key in section.keys {
        properties.insert(key.name.to_owned(), property(key));
        replacing.insert(format!("^{}!$", key.name), value(&key.kind));
    }
    let mut object = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !section.about.is_empty() {
        merge(&mut object, json!({ "description": section.about }));
    }
    if !item {
        merge(&mut object, json!({ "patternProperties": replacing }));
        return object;
    }
    let required: Vec<_> = section.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    if !required.is_empty() {
        merge(&mut object, json!({ "required": required }));
    }
    let cases: Vec<_> = section.cases.iter().map(case).collect();
    if !cases.is_empty() {
        merge(&mut object, json!({ "allOf": cases }));
    }
    let one_of: Vec<_> = section.one_of.iter().map(|key| json!({ "required": [key] })).collect();
    if !one_of.is_empty() {
        merge(&mut object, json!({ "oneOf": one_of }));
    }
    object
}

/// Says what holds of a key where another is like this.
fn case(case: &Case) -> Value {
    let then = match case.then {
        Then::OneOf(words) => json!({ "properties": { case.option: value(&Kind::Choice(words)) } }),
        Then::Absent => json!({ "properties": { case.option: false } }),
        Then::Needed => json!({ "required": [case.option] }),
    };
    let matches = json!({ "type": "string", "pattern": case.pattern });
    json!({ "if": { "properties": { case.key: matches }, "required": [case.key] }, "then": then })
}

/// Says what a file without includes must hold: required keys of the maps that would be merged.
fn needs(section: &Section) -> Value {
    let mut all = Vec::new();
    let mut properties = Map::new();
    for key in section.keys {
        if key.required {
            let replacing = format!("{}!", key.name);
            all.push(json!({ "anyOf": [{ "required": [key.name] }, { "required": [replacing] }] }));
        }
        if let Kind::Map(inner) = &key.kind {
            let inner = needs(inner);
            if inner != json!({}) {
                properties.insert(key.name.to_owned(), inner);
            }
        }
    }
    let mut needs = json!({});
    if !all.is_empty() {
        merge(&mut needs, json!({ "allOf": all }));
    }
    if !properties.is_empty() {
        merge(&mut needs, json!({ "properties": properties }));
    }
    needs
}

fn property(key: &Key) -> Value {
    let mut description = key.about.replace('`', "");
    if let Some(default) = key.default {
        description.push_str(&format!(" Default: {}.", default.replace('`', "")));
    }
    let mut property = json!({ "description": description });
    if let Ok(example) = serde_saphyr::from_str::<Value>(key.example) {
        merge(&mut property, json!({ "examples": [example] }));
    }
    merge(&mut property, value(&key.kind));
    property
}

/// Describes a value.
fn value(kind: &Kind) -> Value {
    match kind {
        Kind::Text(text) if text.pattern.is_empty() => json!({ "type": "string" }),
        Kind::Text(text) => json!({ "type": "string", "pattern": or_variable(text.pattern) }),
        Kind::Size => {
            json!({ "type": "string", "pattern": or_variable(r"^(auto|0*[1-9][0-9]*\s*[KMGT]iB)$") })
        }
        Kind::Duration => json!({ "type": "string", "pattern": or_variable(r"^0*[1-9][0-9]*\s*(s|min|h)$") }),
        Kind::Boolean => variable_or(json!({ "type": "boolean" })),
        Kind::BooleanOr(word) => variable_or(json!({ "enum": [true, false, word] })),
        Kind::Integer(from, to) => variable_or(json!({ "type": "integer", "minimum": from, "maximum": to })),
        Kind::Choice(words) => {
            let working: Vec<_> = words.words().into_iter().filter(|(_, works)| *works).collect();
            variable_or(json!({ "enum": working.iter().map(|(word, _)| *word).collect::<Vec<_>>() }))
        }
        Kind::List(inner, length) => {
            let mut list = json!({ "type": "array", "items": value(inner) });
            if *length == Length::NotEmpty {
                merge(&mut list, json!({ "minItems": 1 }));
            }
            list
        }
        Kind::Map(section) => json!({ "$ref": format!("#/$defs/{}", definition_name(section)) }),
        Kind::Table(pattern, inner) => {
            let inner = value(inner);
            json!({ "type": "object", "patternProperties": { *pattern: inner }, "additionalProperties": false })
        }
        Kind::Either(one, other) => json!({ "anyOf": [value(one), value(other)] }),
        Kind::Scalar => json!({ "type": ["string", "number", "boolean"] }),
        Kind::Version => json!({ "const": 1 }),
        Kind::Document(keys) => {
            let properties: serde_json::Map<_, _> =
                keys.iter().map(|key| ((*key).to_owned(), json!(true))).collect();
            json!({ "type": "object", "properties": properties, "additionalProperties": false })
        }
    }
}

fn or_variable(pattern: &str) -> String {
    format!("{VARIABLE}|{pattern}")
}

fn variable_or(value: Value) -> Value {
    json!({ "anyOf": [value, { "$ref": "#/$defs/variable" }] })
}

/// Names a section's definition: what messages call it, without article and quotes.
fn definition_name(section: &Section) -> String {
    let name = section.what.trim_start_matches("the ").trim_start_matches("an ").trim_start_matches("a ");
    name.replace('`', "").replace(' ', "_")
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}
