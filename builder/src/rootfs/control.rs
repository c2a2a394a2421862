//! What the bootstrap needs to know of a package's control archive.

use crate::deb::{ControlFiles, DebError};

/// The fields and lists of one package that decide how it is unpacked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Control {
    /// `Package`.
    pub name: String,
    /// `Version`.
    pub version: String,
    /// `Architecture`.
    pub architecture: String,
    /// Whether `Essential` is `yes`.
    pub essential: bool,
    /// Whether `Multi-Arch` is `same`.
    pub multi_arch_same: bool,
    /// Groups of alternatives of `Pre-Depends`, names only.
    pub pre_depends: Vec<Vec<String>>,
    /// Groups of alternatives of `Depends`, names only.
    pub depends: Vec<Vec<String>>,
    /// Names in `Provides`.
    pub provides: Vec<String>,
    /// Names in `Replaces`.
    pub replaces: Vec<String>,
    /// Configuration files, as paths without a leading slash.
    pub conffiles: Vec<Conffile>,
    /// Trigger directives.
    pub triggers: Vec<Trigger>,
    /// The paragraph itself, lines ended, as archived.
    pub paragraph: String,
}

/// A line of `conffiles`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conffile {
    /// Path without a leading slash.
    pub path: String,
    /// Whether the file is to go away on upgrade; it is then not in the package.
    pub remove_on_upgrade: bool,
}

/// A line of `triggers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// Interested in the trigger; otherwise it activates it.
    pub interest: bool,
    /// Whether the activating package need not wait.
    pub noawait: bool,
    /// A trigger's name, or the absolute path of a file trigger.
    pub name: String,
}

impl Control {
    /// Reads the control archive of a package.
    ///
    /// # Errors
    /// A missing field, or a line that cannot be understood.
    pub fn parse(files: &ControlFiles) -> Result<Self, DebError> {
        let text = |name: &str| match files.get(name) {
            None => Ok(String::new()),
            Some(file) => String::from_utf8(file.bytes.clone())
                .map_err(|_| DebError::Format(format!("control file '{name}' is not UTF-8"))),
        };
        let mut control = parse_paragraph(&text("control")?)?;
        control.conffiles =
            text("conffiles")?.lines().filter_map(parse_conffile).collect::<Result<_, _>>()?;
        control.triggers = text("triggers")?.lines().filter_map(parse_trigger).collect::<Result<_, _>>()?;
        Ok(control)
    }

    /// Returns the name under which the database files of the package are kept: with its architecture when
    /// several architectures of it may be installed together.
    pub fn info_name(&self) -> String {
        if self.multi_arch_same { format!("{}:{}", self.name, self.architecture) } else { self.name.clone() }
    }
}

fn parse_paragraph(text: &str) -> Result<Control, DebError> {
    let mut control = Control::default();
    for (name, value) in fields(text)? {
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "package" => control.name = value.to_owned(),
            "version" => control.version = value.to_owned(),
            "architecture" => control.architecture = value.to_owned(),
            "essential" => control.essential = value.eq_ignore_ascii_case("yes"),
            "multi-arch" => control.multi_arch_same = value.eq_ignore_ascii_case("same"),
            "pre-depends" => control.pre_depends = parse_relations(value),
            "depends" => control.depends = parse_relations(value),
            "provides" => control.provides = parse_relations(value).into_iter().flatten().collect(),
            "replaces" => control.replaces = parse_relations(value).into_iter().flatten().collect(),
            _ => {}
        }
    }
    for (field, value) in
        [("Package", &control.name), ("Version", &control.version), ("Architecture", &control.architecture)]
    {
        if value.is_empty() {
            return Err(DebError::Format(format!("its control file has no field '{field}'")));
        }
    }
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    if !control.name.bytes().all(harmless) || !control.architecture.bytes().all(harmless) {
        return Err(DebError::Format(
            "its name or architecture has a character that neither may have".into(),
        ));
    }
    control.paragraph = text.trim_matches('\n').lines().map(|line| format!("{line}\n")).collect();
    Ok(control)
}

/// Splits one paragraph into fields; continuation lines stay in the value.
fn fields(text: &str) -> Result<Vec<(&str, String)>, DebError> {
    let mut fields: Vec<(&str, String)> = Vec::new();
    for line in text.trim_matches('\n').lines() {
        if line.starts_with([' ', '\t']) && !line.trim().is_empty() {
            let (_, value) =
                fields.last_mut().ok_or_else(|| DebError::Format("control starts indented".into()))?;
            value.push('\n');
            value.push_str(line);
        } else {
            let (name, value) = line
                .split_once(':')
                .filter(|(name, _)| !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic()))
                .ok_or_else(|| DebError::Format(format!("control line '{line}' is not a field")))?;
            fields.push((name, value.to_owned()));
        }
    }
    Ok(fields)
}

/// Reads a relation field down to names: groups are separated by commas, alternatives by bars.
fn parse_relations(value: &str) -> Vec<Vec<String>> {
    let name = |alternative: &str| {
        let end =
            alternative.find(|c: char| c.is_whitespace() || "(:[<".contains(c)).unwrap_or(alternative.len());
        alternative[..end].to_owned()
    };
    let group = |group: &str| group.split('|').map(str::trim).filter(|a| !a.is_empty()).map(name).collect();
    value.split(',').map(group).filter(|group: &Vec<String>| !group.is_empty()).collect()
}

fn parse_conffile(line: &str) -> Option<Result<Conffile, DebError>> {
    let line = line.trim_end();
    if line.is_empty() {
        return None;
    }
    let (flag, path) = match line.strip_prefix("remove-on-upgrade ") {
        Some(path) => (true, path.trim_start()),
        None => (false, line),
    };
    Some(match path.strip_prefix('/') {
        Some(path) => Ok(Conffile { path: path.to_owned(), remove_on_upgrade: flag }),
        None => Err(DebError::Format(format!("conffiles line '{line}' is not an absolute path"))),
    })
}

fn parse_trigger(line: &str) -> Option<Result<Trigger, DebError>> {
    let line = line.split('#').next().unwrap_or_default();
    let mut words = line.split_whitespace();
    let directive = words.next()?;
    let (verb, mode) = directive.split_once('-').unwrap_or((directive, ""));
    let known = matches!(verb, "interest" | "activate") && matches!(mode, "" | "await" | "noawait");
    Some(match (known, words.next(), words.next()) {
        (true, Some(name), None) => {
            Ok(Trigger { interest: verb == "interest", noawait: mode == "noawait", name: name.to_owned() })
        }
        _ => Err(DebError::Format(format!("triggers line '{}' is not understood", line.trim()))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deb::ControlFile;

    fn files(list: &[(&str, &str)]) -> ControlFiles {
        let file = |text: &str| ControlFile { mode: 0o644, bytes: text.as_bytes().to_vec() };
        list.iter().map(|(name, text)| ((*name).to_owned(), file(text))).collect()
    }

    #[test]
    fn reads_fields_lists_and_directives() {
        let control = Control::parse(&files(&[
            (
                "control",
                "Package: libx1\nVersion: 1:2-3\nArchitecture: amd64\nMulti-Arch: same\nEssential: yes\n\
                 Pre-Depends: libc6 (>= 2.34), debconf (>= 0.5) | debconf-2.0\nReplaces: old:any (<< 2),\n other\n\
                 Description: short\n long\n .\n more\n",
            ),
            ("conffiles", "/etc/a\nremove-on-upgrade /etc/b\n"),
            ("triggers", "# note\nactivate-noawait ldconfig\ninterest /usr/lib/x\n"),
        ]))
        .unwrap();
        assert_eq!(control.info_name(), "libx1:amd64");
        assert!(control.essential);
        assert_eq!(
            control.pre_depends,
            [vec!["libc6".to_owned()], vec!["debconf".to_owned(), "debconf-2.0".to_owned()]]
        );
        assert_eq!(control.replaces, ["old", "other"]);
        assert_eq!(control.conffiles[1], Conffile { path: "etc/b".into(), remove_on_upgrade: true });
        assert_eq!(control.triggers[0], Trigger { interest: false, noawait: true, name: "ldconfig".into() });
        assert_eq!(
            control.triggers[1],
            Trigger { interest: true, noawait: false, name: "/usr/lib/x".into() }
        );
        assert!(control.paragraph.ends_with(" .\n more\n"));
    }

    #[test]
    fn refuses_what_it_cannot_understand() {
        let base = "Package: a\nVersion: 1\nArchitecture: all\n";
        for bad in [
            vec![("control", "Package: a\nVersion: 1\n")],
            vec![("control", " indented: first\n")],
            vec![("control", "Package: ../x\nVersion: 1\nArchitecture: all\n")],
            vec![("control", base), ("conffiles", "etc/relative\n")],
            vec![("control", base), ("triggers", "watch /usr\n")],
        ] {
            assert!(Control::parse(&files(&bad)).is_err(), "{bad:?}");
        }
    }
}
