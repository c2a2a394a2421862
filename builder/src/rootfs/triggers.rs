//! dpkg's trigger registers: who is interested in what, and what was activated.
//!
//! `triggers/File` has a line per interest in a path, `triggers/NAME` one per interest in a named trigger, and
//! `triggers/Unincorp` what was activated and dpkg has not yet taken in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::control::Control;
use super::dpkg_database::{read_optional, write};
use super::error::{BootstrapError, Result};

/// Stands for an activating package that does not wait.
const NOBODY: &str = "-";

/// An interest in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FileInterest {
    path: PathBuf,
    noawait: bool,
}

/// The registers of one tree.
#[derive(Debug)]
pub struct Triggers {
    folder: PathBuf,
    interests: Vec<FileInterest>,
    activated: BTreeMap<String, BTreeSet<String>>,
}

impl Triggers {
    /// Begins with empty registers in `folder`.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), interests: Vec::new(), activated: BTreeMap::new() }
    }

    /// Reads interests again after real dpkg worked on them.
    ///
    /// # Errors
    /// An unreadable file.
    pub fn load(&mut self) -> Result<()> {
        self.interests = parse_interests(&read_optional(&self.folder.join("File"))?);
        Ok(())
    }

    /// Registers the interests of a package.
    ///
    /// # Errors
    /// A register that cannot be written.
    pub fn register(&mut self, control: &Control) -> Result<()> {
        let package = &control.name;
        for trigger in control.triggers.iter().filter(|trigger| trigger.interest) {
            let package = if control.multi_arch_same { control.info_name() } else { package.clone() };
            let option = if trigger.noawait { "/noawait" } else { "" };
            match trigger.name.strip_prefix('/') {
                Some(path) => {
                    self.append("File", &format!("{} {package}{option}\n", trigger.name))?;
                    self.interests.push(FileInterest { path: path.into(), noawait: trigger.noawait });
                }
                None if trigger.name.contains('/') || trigger.name.starts_with('.') => {
                    return Err(BootstrapError::Path {
                        package: control.name.clone(),
                        path: trigger.name.clone(),
                        reason: "this cannot be the name of a trigger".into(),
                    });
                }
                None => self.append(&trigger.name, &format!("{package}{option}\n"))?,
            }
        }
        Ok(())
    }

    /// Notes that a trigger was activated by `waiter`, or by nobody who waits.
    pub fn activate(&mut self, trigger: &str, waiter: Option<&str>) {
        self.activated.entry(trigger.to_owned()).or_default().insert(waiter.unwrap_or(NOBODY).to_owned());
    }

    /// Notes the activation of every interest in `path` or a folder above it.
    pub fn activate_path(&mut self, path: &Path, package: &str) {
        for interest in self.interests.iter().filter(|interest| path.starts_with(&interest.path)) {
            let waiter = if interest.noawait { NOBODY } else { package };
            let trigger = format!("/{}", interest.path.display());
            self.activated.entry(trigger).or_default().insert(waiter.to_owned());
        }
    }

    /// Adds the activations noted so far to those on disk.
    ///
    /// # Errors
    /// A register that cannot be read or written.
    pub fn write_activations(&mut self) -> Result<()> {
        let path = self.folder.join("Unincorp");
        let mut activated = std::mem::take(&mut self.activated);
        for line in read_optional(&path)?.lines() {
            let mut words = line.split_whitespace().map(str::to_owned);
            if let Some(trigger) = words.next() {
                activated.entry(trigger).or_default().extend(words);
            }
        }
        let line = |(trigger, waiters): (&String, &BTreeSet<String>)| {
            let waiters: Vec<&str> = waiters.iter().map(String::as_str).collect();
            format!("{trigger} {}\n", waiters.join(" "))
        };
        write(&path, activated.iter().map(line).collect::<String>().as_bytes(), 0o644)
    }

    fn append(&self, name: &str, line: &str) -> Result<()> {
        let path = self.folder.join(name);
        let text = read_optional(&path)? + line;
        write(&path, text.as_bytes(), 0o644)
    }
}

fn parse_interests(text: &str) -> Vec<FileInterest> {
    let line = |line: &str| {
        // A path may hold blanks; the package behind it does not.
        let (path, package) = line.rsplit_once(' ')?;
        Some(FileInterest { path: path.strip_prefix('/')?.into(), noawait: package.ends_with("/noawait") })
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::super::control::Trigger;
    use super::*;

    fn trigger(name: &str, interest: bool, noawait: bool) -> Trigger {
        Trigger { interest, noawait, name: name.into() }
    }

    #[test]
    fn interests_and_activations_are_written_as_dpkg_reads_them() {
        let folder = std::env::temp_dir().join(format!("bootwright-triggers-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut triggers = Triggers::new(&folder);
        let control = Control {
            name: "watcher".into(),
            triggers: vec![
                trigger("/usr/lib/x", true, true),
                trigger("/etc/y", true, false),
                trigger("ldconfig", true, false),
            ],
            ..Control::default()
        };
        triggers.register(&control).unwrap();
        triggers.activate_path(Path::new("usr/lib/x/deep/file"), "one");
        triggers.activate_path(Path::new("usr/lib/xylophone"), "one");
        triggers.activate_path(Path::new("etc/y"), "two");
        triggers.activate("ldconfig", None);
        triggers.activate("ldconfig", Some("two"));
        triggers.write_activations().unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        assert_eq!(read("File"), "/usr/lib/x watcher/noawait\n/etc/y watcher\n");
        assert_eq!(read("ldconfig"), "watcher\n");
        assert_eq!(read("Unincorp"), "/etc/y two\n/usr/lib/x -\nldconfig - two\n");
        let mut again = Triggers::new(&folder);
        again.load().unwrap();
        assert_eq!(again.interests, triggers.interests);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
