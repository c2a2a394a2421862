//! Fields of a single stanza, as in a Release file.

/// The fields of one stanza, in order.
#[derive(Debug)]
pub(super) struct Stanza<'a> {
    fields: Vec<(&'a str, Vec<&'a str>)>,
}

impl<'a> Stanza<'a> {
    /// Parses the one stanza that `text` must be; says what is wrong otherwise.
    pub(super) fn parse(text: &'a str) -> Result<Self, String> {
        let mut fields: Vec<(&str, Vec<&str>)> = Vec::new();
        for (number, line) in text.trim_end_matches('\n').lines().enumerate() {
            let wrong = |what: &str| format!("line {} {what}", number + 1);
            if line.starts_with([' ', '\t']) {
                fields.last_mut().ok_or_else(|| wrong("continues nothing"))?.1.push(line.trim());
                continue;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| wrong("is not a field"))?;
            if fields.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                return Err(wrong("repeats a field"));
            }
            fields.push((name, vec![value.trim()]));
        }
        Ok(Self { fields })
    }

    /// Returns the first line of a field's value, if it is there and not empty.
    pub(super) fn value(&self, name: &str) -> Option<&'a str> {
        self.lines(name).first().copied().filter(|value| !value.is_empty())
    }

    /// Returns all lines of a field's value.
    pub(super) fn lines(&self, name: &str) -> &[&'a str] {
        let field = self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        field.map_or(&[], |(_, lines)| lines)
    }

    /// Returns whether a field says `yes`.
    pub(super) fn says_yes(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| value.eq_ignore_ascii_case("yes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stanza_is_read() {
        let stanza = Stanza::parse("A: b\nC:\n d\n  e f\nNotAutomatic: yes\n").unwrap();
        assert_eq!(stanza.value("a"), Some("b"));
        assert_eq!(stanza.value("C"), None);
        assert_eq!(stanza.lines("C"), ["", "d", "e f"]);
        assert!(stanza.says_yes("NotAutomatic") && !stanza.says_yes("A"));
        assert_eq!(stanza.lines("X"), [] as [&str; 0]);
    }

    #[test]
    fn doubtful_stanzas_are_refused() {
        for text in [" a\n", "A: b\n\nC: d\n", "A: b\nA: c\n", "A: b\na: c\n", "A\n"] {
            assert!(Stanza::parse(text).is_err(), "{text:?}");
        }
    }
}
