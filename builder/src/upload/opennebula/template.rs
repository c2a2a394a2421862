//! OpenNebula's templates, in the XML form, which carries any text.

use super::rpc::escaped;

/// An attribute: a text, or attributes in turn.
#[derive(Debug, Clone)]
pub(super) enum Attribute {
    Text(&'static str, String),
    Group(&'static str, Vec<Attribute>),
}

/// Writes a template.
pub(super) fn write(attributes: &[Attribute]) -> String {
    format!("<TEMPLATE>{}</TEMPLATE>", attributes.iter().map(one).collect::<String>())
}

fn one(attribute: &Attribute) -> String {
    match attribute {
        Attribute::Text(name, text) => format!("<{name}>{}</{name}>", escaped(text)),
        Attribute::Group(name, inner) => {
            format!("<{name}>{}</{name}>", inner.iter().map(one).collect::<String>())
        }
    }
}
