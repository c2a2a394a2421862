//! The text of a Packages index: stanzas, their fields, and dependency fields.
//!
//! Everything borrows from the index; nothing is copied.

use super::version::Relation;

/// Fields of the stanza at the start of a text: name and value, continuation lines included.
///
/// It stops at the empty line that ends the stanza, so that an index is read in one pass.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Fields<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// Returns the length of the stanza up to here.
    pub(crate) fn consumed(&self) -> usize {
        self.at
    }

    /// Returns the end of the line that `from` is on, and of the continuation lines that follow.
    fn field_end(&self, from: usize) -> usize {
        let mut end = from;
        loop {
            end = self.text[end..].find('\n').map_or(self.text.len(), |length| end + length);
            if !matches!(self.text.as_bytes().get(end + 1), Some(b' ' | b'\t')) {
                return end;
            }
            end += 1;
        }
    }
}

impl<'t> Iterator for Fields<'t> {
    type Item = (&'t str, &'t str);

    fn next(&mut self) -> Option<Self::Item> {
        while self.text.as_bytes().get(self.at).is_some_and(|byte| *byte != b'\n') {
            let end = self.field_end(self.at);
            let field = &self.text[self.at..end];
            self.at = (end + 1).min(self.text.len());
            // Names are short: a look at each byte is quicker here than a search.
            if let Some(colon) = field.bytes().position(|byte| byte == b':') {
                return Some((&field[..colon], field[colon + 1..].trim_ascii()));
            }
        }
        None
    }
}

/// Finds one field of a stanza.
pub(crate) fn field<'t>(stanza: &'t str, name: &str) -> Option<&'t str> {
    Fields::new(stanza).find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// One alternative of a dependency field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Atom<'t> {
    /// Package name, an architecture qualifier included: `python3:any`.
    pub name: &'t str,
    /// How `version` is meant.
    pub relation: Relation,
    /// Version asked for; empty when `relation` is [`Relation::Any`].
    pub version: &'t str,
    /// Whether the next atom is an alternative to this one.
    pub or: bool,
}

impl<'t> Atom<'t> {
    /// Parses a dependency field into atoms; the first error ends the iteration with the text it stumbled over.
    pub(crate) fn all(field: &'t str) -> impl Iterator<Item = Result<Self, &'t str>> {
        let mut rest = field.trim_ascii();
        std::iter::from_fn(move || {
            // A comma too many is accepted, as apt and dpkg do.
            rest = rest.trim_start_matches([',', ' ', '\n', '\t']);
            if rest.is_empty() {
                return None;
            }
            match parse_atom(rest) {
                Some((atom, more)) => {
                    rest = more;
                    Some(Ok(atom))
                }
                None => Some(Err(std::mem::take(&mut rest))),
            }
        })
    }
}

fn parse_atom(text: &str) -> Option<(Atom<'_>, &str)> {
    let bytes = text.as_bytes();
    let name_end = bytes.iter().position(|byte| b" \t\n(|,[<".contains(byte)).unwrap_or(bytes.len());
    let name = &text[..name_end];
    let mut rest = text[name_end..].trim_ascii_start();
    let (mut relation, mut version) = (Relation::Any, "");
    if let Some(inside) = rest.strip_prefix('(') {
        let end = inside.find(')')?;
        let condition = inside[..end].trim_ascii();
        let operator = condition.bytes().position(|byte| !b"<>=!".contains(&byte))?;
        relation = Relation::parse(if operator == 0 { "=" } else { &condition[..operator] })?;
        version = condition[operator..].trim_ascii();
        rest = inside[end + 1..].trim_ascii_start();
    }
    let or = rest.starts_with('|');
    if name.is_empty() || !(rest.is_empty() || or || rest.starts_with(',')) {
        return None;
    }
    let rest = rest.get(1..).unwrap_or("").trim_ascii_start();
    Some((Atom { name, relation, version, or }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_fields_of_one_stanza() {
        let text =
            "Package: a\nDescription: short\n long\n .\nbroken\nTag: x::y,\n z\n\n\nPackage: b\nVersion: 1:2";
        let mut fields = Fields::new(text);
        let first: Vec<_> = fields.by_ref().collect();
        assert_eq!(first, [("Package", "a"), ("Description", "short\n long\n ."), ("Tag", "x::y,\n z")]);
        let rest = text[fields.consumed()..].trim_start_matches('\n');
        assert_eq!(field(rest, "version"), Some("1:2"));
        assert_eq!(field(rest, "Depends"), None);
        assert_eq!(Fields::new("\n\n").count(), 0);
        assert_eq!(Fields::new("").count(), 0);
    }

    #[test]
    fn parses_dependency_fields() {
        let parsed: Vec<_> = Atom::all("libc6 (>= 2.36), python3:any | python (<<3) , x(= 1:2-3)\n")
            .map(Result::unwrap)
            .collect();
        let expected = [
            ("libc6", Relation::GreaterEqual, "2.36", false),
            ("python3:any", Relation::Any, "", true),
            ("python", Relation::Less, "3", false),
            ("x", Relation::Equal, "1:2-3", false),
        ];
        let expected = expected.map(|(name, relation, version, or)| Atom { name, relation, version, or });
        assert_eq!(parsed, expected);
    }

    #[test]
    fn refuses_broken_dependency_fields() {
        for text in ["a (>= 1", "a (== 1)", "a b", "a (>= 1) c, d", "(>= 1)", "a (>=)"] {
            assert!(Atom::all(text).any(|atom| atom.is_err()), "{text}");
        }
    }
}
