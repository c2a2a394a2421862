//! The control file of a package: one paragraph of fields (deb-control(5)).

use super::{Deb, DebError};

impl Deb {
    /// Returns the text of the control file.
    ///
    /// # Errors
    /// A text that is not UTF-8.
    pub fn control_text(&self) -> Result<&str, DebError> {
        // `Deb::open` refuses packages without it.
        let bytes = self.control.get("control").map_or(&[][..], |file| &file.bytes);
        std::str::from_utf8(bytes)
            .map_err(|_| DebError::Format("its control file is not UTF-8 text".to_owned()))
    }

    /// Returns a field of the control file that must be there.
    ///
    /// # Errors
    /// A field that is missing or empty.
    pub fn needed_field(&self, name: &str) -> Result<&str, DebError> {
        let missing = || DebError::Format(format!("its control file has no field '{name}'"));
        field(self.control_text()?, name).filter(|value| !value.is_empty()).ok_or_else(missing)
    }
}

/// Returns the first line of a field's value.
fn field<'t>(paragraph: &'t str, name: &str) -> Option<&'t str> {
    let lines = paragraph.lines().filter(|line| !line.starts_with([' ', '\t']));
    let mut fields = lines.filter_map(|line| line.split_once(':'));
    fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Returns the paragraph without the fields of these names, ending in a line end.
pub fn without_fields(paragraph: &str, names: &[&str]) -> String {
    let mut kept = String::new();
    let mut dropping = false;
    for line in paragraph.lines().filter(|line| !line.trim().is_empty()) {
        if !line.starts_with([' ', '\t']) {
            let key = line.split(':').next().unwrap_or_default();
            dropping = names.iter().any(|name| name.eq_ignore_ascii_case(key));
        }
        if !dropping {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Package: a\nversion:  1 \nSize: 7\nDescription: short\n Size: long\n .\n";

    #[test]
    fn fields_are_found_in_any_case_and_not_in_continuations() {
        assert_eq!(field(TEXT, "Version"), Some("1"));
        assert_eq!(field(TEXT, "size"), Some("7"));
        assert_eq!(field(TEXT, "Depends"), None);
    }

    #[test]
    fn a_dropped_field_takes_its_continuation_with_it() {
        assert_eq!(
            without_fields(TEXT, &["SIZE"]),
            "Package: a\nversion:  1 \nDescription: short\n Size: long\n .\n"
        );
        assert_eq!(without_fields(TEXT, &["Description", "Size"]), "Package: a\nversion:  1 \n");
    }
}
