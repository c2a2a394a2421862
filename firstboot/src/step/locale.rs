//! The locale: `LANG` in the file that the image has for it, generated where it is not part of the C library.

use anyhow::{Result, ensure};
use contract::state::Phase;

use super::change::Change;
use super::{Step, Target};

const GENERATED: &str = "/etc/locale.gen";
const GENERATOR: &str = "/usr/sbin/locale-gen";

/// Sets the locale.
#[derive(Debug)]
pub struct LocaleStep;

impl Step for LocaleStep {
    fn name(&self) -> String {
        "locale".into()
    }

    fn phase(&self) -> Phase {
        Phase::Early
    }

    fn wish(&self, clone: &Target<'_>) -> Option<serde_json::Value> {
        clone.wanted.state.locale.clone().map(Into::into)
    }

    fn plan(&self, clone: &Target<'_>) -> Result<Vec<Change>> {
        let machine = clone.machine;
        let locale = clone.wanted.state.locale.clone().unwrap_or_default();
        let mut changes = Vec::new();
        if !matches!(locale.as_str(), "C" | "POSIX" | "C.UTF-8" | "C.utf8") {
            ensure!(
                machine.exists(GENERATOR),
                "the locale '{locale}' must be generated, and '{GENERATOR}' is not there; install the package locales"
            );
            let listed = machine.read_text(GENERATED)?.unwrap_or_default();
            changes.push(Change::file(GENERATED, with_locale(&listed, &locale), 0o644));
            changes.push(Change::Tool(vec![GENERATOR.into()]));
        }
        // Debian 13 has the first file and makes the second a link to it.
        let has_new = machine.exists("/etc/locale.conf");
        let path = if has_new { "/etc/locale.conf" } else { "/etc/default/locale" };
        changes.push(Change::file(path, format!("LANG={locale}\n"), 0o644));
        Ok(changes)
    }
}

/// Adds a line `de_DE.UTF-8 UTF-8`, if there is none.
fn with_locale(listed: &str, locale: &str) -> String {
    let charset =
        locale.split('@').next().and_then(|name| name.split_once('.')).map_or("ISO-8859-1", |(_, set)| set);
    let line = format!("{locale} {}", if charset.eq_ignore_ascii_case("utf8") { "UTF-8" } else { charset });
    if listed.lines().any(|known| known.trim() == line) {
        return listed.to_owned();
    }
    let end = if listed.is_empty() || listed.ends_with('\n') { "" } else { "\n" };
    format!("{listed}{end}{line}\n")
}

#[cfg(test)]
mod tests {
    use super::with_locale;

    #[test]
    fn a_locale_is_listed_once() {
        let listed = with_locale("# de_DE.UTF-8 UTF-8\n", "de_DE.UTF-8");
        assert_eq!(listed, "# de_DE.UTF-8 UTF-8\nde_DE.UTF-8 UTF-8\n");
        assert_eq!(with_locale(&listed, "de_DE.UTF-8"), listed);
        assert_eq!(with_locale("", "de_DE.utf8@euro"), "de_DE.utf8@euro UTF-8\n");
        assert_eq!(with_locale("a", "de_DE"), "a\nde_DE ISO-8859-1\n");
    }
}
