//! The text of a case: sections that begin with `[kind arguments]`.

use std::path::Path;

/// A section.
#[derive(Debug, Clone)]
pub struct Section {
    /// The first word in the brackets.
    pub kind: String,
    /// The words after it.
    pub arguments: Vec<String>,
    /// The lines up to the next section, without empty ones at their end.
    pub text: String,
}

/// A case.
#[derive(Debug, Clone)]
pub struct Case {
    /// The file's name without `.case`.
    pub name: String,
    /// In the order of the text.
    pub sections: Vec<Section>,
}

impl Case {
    /// Reads a case; what stands before the first section says what it shows.
    pub fn load(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).expect("a case is text");
        let mut sections: Vec<Section> = Vec::new();
        for line in text.lines() {
            if let Some(head) =
                line.strip_prefix('[').and_then(|line| line.strip_suffix(']')).filter(|head| is_head(head))
            {
                let mut words = head.split(' ').map(str::to_owned);
                let kind = words.next().unwrap_or_default();
                sections.push(Section { kind, arguments: words.collect(), text: String::new() });
            } else if let Some(section) = sections.last_mut() {
                section.text += &format!("{line}\n");
            }
        }
        for section in &mut sections {
            let kept = section.text.trim_end_matches('\n').len();
            section.text.truncate(kept);
            if !section.text.is_empty() {
                section.text.push('\n');
            }
        }
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        Self { name, sections }
    }

    /// Returns the sections of a kind.
    pub fn of<'c>(&'c self, kind: &'c str) -> impl Iterator<Item = &'c Section> {
        self.sections.iter().filter(move |section| section.kind == kind)
    }
}

/// YAML has lines in brackets as well; a head begins with one of these words.
fn is_head(head: &str) -> bool {
    const KINDS: [&str; 16] = [
        "file",
        "mode",
        "link",
        "folder",
        "disk",
        "image",
        "server",
        "arguments",
        "expect",
        "expect-contains",
        "expect-link",
        "expect-absent",
        "expect-output",
        "expect-hidden",
        "expect-exit",
        "expect-posted",
    ];
    KINDS.contains(&head.split(' ').next().unwrap_or_default())
}

impl Section {
    /// Returns the first argument.
    pub fn path(&self) -> &str {
        self.arguments.first().map_or("", String::as_str)
    }
}
