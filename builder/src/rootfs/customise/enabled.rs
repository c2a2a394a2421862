//! Which units are enabled, as `systemctl list-unit-files --state=enabled` tells it; after `systemd.unit(5)`, "[Install]
//! section options" and "unit file load path".
//!
//! systemctl looks through every folder for every unit that there is, which takes it half a second for a small tree. Only
//! what a link leads to can be enabled, so here the links come first: some twenty, and the unit files behind them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use host::beneath::Root;

/// Where `systemctl enable` makes links.
const CONFIGURATION: &str = "/etc/systemd/system";
/// Folders of unit files; the first that has a name decides.
const FOLDERS: [&str; 4] =
    [CONFIGURATION, "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
/// Endings of folders whose links draw units in.
const DRAWING: [&str; 3] = [".wants", ".requires", ".upholds"];
/// Longest unit file that is read: as long as systemd lets a line be.
const LONGEST: u64 = 1 << 20;

/// Enabled units by name; of templates, the instances that are, none if it is just the one that the template itself names.
pub(super) type Enabled = BTreeMap<String, BTreeSet<String>>;

/// A symbolic link, by the last component of its path and of its target's.
struct Link {
    name: String,
    target: String,
}

/// What a unit file says on how it is enabled.
#[derive(Default)]
struct Install {
    aliases: Vec<String>,
    default_instance: Option<String>,
}

/// Returns the units that are enabled in a tree.
///
/// # Errors
/// When the tree cannot be read.
pub(super) fn enabled_units(tree: &Root) -> io::Result<Enabled> {
    let mut units = Units { tree, read: BTreeMap::new() };
    let mut enabled = Enabled::new();
    for folder in tree.list_folder(CONFIGURATION)? {
        if DRAWING.iter().any(|ending| folder.ends_with(ending)) {
            for link in links(tree, &format!("{CONFIGURATION}/{folder}"))? {
                units.drawn(&link, &mut enabled)?;
            }
        }
    }
    for link in links(tree, CONFIGURATION)? {
        let install = units.install(&link.target)?;
        if link.name != link.target && install.is_some_and(|install| install.aliases.contains(&link.name)) {
            enabled.entry(link.target).or_default();
        }
    }
    for (name, instances) in &mut enabled {
        let default = units.install(name)?.and_then(|install| install.default_instance.as_ref());
        if instances.iter().eq(default) {
            instances.clear();
        }
    }
    Ok(enabled)
}

fn links(tree: &Root, folder: &str) -> io::Result<Vec<Link>> {
    let mut links = Vec::new();
    for name in tree.list_folder(folder)? {
        let path = format!("{folder}/{name}");
        if tree.is_symlink(&path)? {
            links.push(Link { name, target: last_component(&tree.read_link(&path)?) });
        }
    }
    Ok(links)
}

fn last_component(target: &std::ffi::OsStr) -> String {
    Path::new(target).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Splits the name of an instance into its template's and its own: `getty@tty1.service` into `getty@.service` and `tty1`.
fn split_instance(name: &str) -> Option<(String, &str)> {
    let (before, rest) = name.split_once('@')?;
    let (instance, kind) = rest.rsplit_once('.').filter(|(instance, _)| !instance.is_empty())?;
    Some((format!("{before}@.{kind}"), instance))
}

/// Unit files as they are asked for.
struct Units<'a> {
    tree: &'a Root,
    read: BTreeMap<String, Option<Install>>,
}

impl Units<'_> {
    /// Adds what a link draws in: the unit of its name or of its target's, if it is one of the names that it is enabled by.
    fn drawn(&mut self, link: &Link, enabled: &mut Enabled) -> io::Result<()> {
        let instance = split_instance(&link.name);
        for name in [&link.name, &link.target] {
            let Some(install) = self.install(name)? else { continue };
            if *name == link.name || install.aliases.contains(&link.name) {
                enabled.entry(name.clone()).or_default();
            }
        }
        if let Some((template, instance)) = instance
            && self.install(&link.name)?.is_none()
            && self.install(&template)?.is_some()
        {
            enabled.entry(template).or_default().insert(instance.to_owned());
        }
        Ok(())
    }

    /// Returns what the unit file `name` says; none if there is none, or it is masked or only another name of a unit.
    fn install(&mut self, name: &str) -> io::Result<Option<&Install>> {
        if !self.read.contains_key(name) {
            let install = self.read(name)?;
            self.read.insert(name.to_owned(), install);
        }
        Ok(self.read.get(name).and_then(Option::as_ref))
    }

    fn read(&self, name: &str) -> io::Result<Option<Install>> {
        if name.is_empty() {
            return Ok(None);
        }
        for folder in FOLDERS {
            let path = format!("{folder}/{name}");
            // A link to `/dev/null`, which masks a unit, is another name as well: that of nothing.
            if self.tree.is_symlink(&path)? && last_component(&self.tree.read_link(&path)?) != name {
                return Ok(None);
            }
            let Some(text) = self.text(&path)? else { continue };
            if text.is_empty() {
                return Ok(None);
            }
            let mut install = Install::default();
            install.add(&text);
            self.add_drop_ins(name, &mut install)?;
            return Ok(Some(install));
        }
        Ok(None)
    }

    /// Reads a file; none if there is none, or something else has its name.
    fn text(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        match self.tree.read_bounded(path, LONGEST) {
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => Ok(None),
            other => {
                other.map_err(|error| io::Error::new(error.kind(), format!("reading '{path}': {error}")))
            }
        }
    }

    fn add_drop_ins(&self, name: &str, install: &mut Install) -> io::Result<()> {
        for folder in FOLDERS {
            let folder = format!("{folder}/{name}.d");
            for part in self.tree.list_folder(&folder)?.iter().filter(|part| part.ends_with(".conf")) {
                if let Some(text) = self.text(&format!("{folder}/{part}"))? {
                    install.add(&text);
                }
            }
        }
        Ok(())
    }
}

impl Install {
    /// Takes in the text of a unit file, or of a part beside it.
    fn add(&mut self, text: &[u8]) {
        let mut inside = false;
        for line in String::from_utf8_lossy(text).replace("\\\n", " ").lines().map(str::trim) {
            if line.starts_with('[') {
                inside = line == "[Install]";
            }
            let Some((key, value)) = line.split_once('=').filter(|_| inside) else { continue };
            match (key.trim_end(), value.trim()) {
                ("Alias", "") => self.aliases.clear(),
                ("Alias", names) => self.aliases.extend(names.split_whitespace().map(str::to_owned)),
                ("DefaultInstance", name) => self.default_instance = Some(name.to_owned()),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
#[path = "enabled_tests.rs"]
mod tests;
