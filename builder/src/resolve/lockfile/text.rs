//! The lock as text.

use serde::{Deserialize, Serialize};

use super::{FORMAT, LockError, LockedEntry, LockedRelease, Lockfile};

/// What stands at the top.
const HEADING: &str = "\
# Written by `bootwright lock`; keep it beside the recipe. `build --locked` uses exactly these bytes;
# `bootwright lock --update` renews it and prints what changes.
";

/// Largest lock that is read, in bytes: some 100,000 packages.
const SIZE_LIMIT: usize = 32 << 20;

/// The file, key by key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    wanted: Vec<String>,
    releases: Vec<LockedRelease>,
    packages: Vec<LockedEntry>,
    tools: Vec<LockedEntry>,
    order: Vec<String>,
}

impl Lockfile {
    /// Returns the file's text.
    ///
    /// # Errors
    /// When an entry cannot be written as JSON, which no entry of ours does.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        let mut text = format!("{HEADING}format: {FORMAT}\n");
        list(&mut text, "wanted", &self.wanted)?;
        list(&mut text, "releases", &self.releases)?;
        list(&mut text, "packages", &self.packages)?;
        list(&mut text, "tools", &self.tools)?;
        list(&mut text, "order", &self.order)?;
        Ok(text)
    }

    /// Reads the text of `file`, a name for messages.
    ///
    /// # Errors
    /// [`LockError::Malformed`] with the place.
    pub fn parse(text: &str, file: &str) -> Result<Self, LockError> {
        let malformed = |place: String, reason: String| LockError::Malformed { place, reason };
        if text.len() > SIZE_LIMIT {
            return Err(malformed(file.to_owned(), format!("it is larger than {SIZE_LIMIT} bytes")));
        }
        let read: Result<File, _> = serde_saphyr::from_str(text);
        let File { format, wanted, releases, packages, tools, order } = read.map_err(|error| {
            let place = error
                .location()
                .map_or_else(|| file.to_owned(), |at| format!("{file}:{}:{}", at.line(), at.column()));
            malformed(place, reason(&error.to_string()))
        })?;
        if format != FORMAT {
            let reason = format!("its format is {format}, and this program knows {FORMAT}");
            return Err(malformed(file.to_owned(), reason));
        }
        Ok(Self { wanted, releases, packages, tools, order })
    }
}

/// Returns what is wrong, without the place that the reader of YAML puts before it.
fn reason(error: &str) -> String {
    let line = error.lines().next().unwrap_or_default();
    let place = line.strip_prefix("error: ").unwrap_or(line);
    let told = place.strip_prefix("line ").and_then(|rest| rest.split_once(": "));
    told.map_or(place, |(_, reason)| reason).to_owned()
}

/// Appends a list, an entry a line.
fn list(text: &mut String, key: &str, entries: &[impl Serialize]) -> Result<(), serde_json::Error> {
    if entries.is_empty() {
        text.push_str(&format!("{key}: []\n"));
        return Ok(());
    }
    text.push_str(&format!("{key}:\n"));
    for entry in entries {
        text.push_str(&format!("  - {}\n", serde_json::to_string(entry)?));
    }
    Ok(())
}
