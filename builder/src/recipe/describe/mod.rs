//! What a recipe may say, for editors and for people: both are written from the rows of [`keys`](super::keys), which
//! are also what the decoder reads by.

mod json_schema;
mod reference;

pub use json_schema::{Coverage, json_schema};
pub use reference::reference;

use super::keys::{Kind, RECIPE, Section};

/// A section and where it is: keys from the recipe's root, joined by dots.
struct Place {
    path: String,
    section: &'static Section,
    /// Whether it is an item of a list, which is never merged with another.
    item: bool,
}

/// Returns every section of the schema that has an effect, the recipe itself first.
fn places() -> Vec<Place> {
    let mut places = vec![Place { path: String::new(), section: &RECIPE, item: false }];
    collect(&RECIPE, "", &mut places);
    places
}

fn collect(section: &'static Section, path: &str, places: &mut Vec<Place>) {
    for key in section.keys {
        let path = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
        for (section, item) in maps_of(&key.kind, false) {
            places.push(Place { path: path.clone(), section, item });
            collect(section, &path, places);
        }
    }
}

/// Returns the sections that a value of this kind may be, and whether they are items of a list.
fn maps_of(kind: &'static Kind, item: bool) -> Vec<(&'static Section, bool)> {
    match kind {
        Kind::Map(section) => vec![(section, item)],
        Kind::List(inner, _) => maps_of(inner, true),
        Kind::Table(_, inner) => maps_of(inner, item),
        Kind::Either(one, other) => [maps_of(one, item), maps_of(other, item)].concat(),
        _ => Vec::new(),
    }
}
