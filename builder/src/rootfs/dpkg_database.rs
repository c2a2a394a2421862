//! Writes dpkg's database: `status`, `info/`, and what triggers need.
//!
//! The files on disk are the truth at every moment: each package is appended when it is put into the tree, so
//! that maintainer scripts, and real dpkg where it is needed, find what they would find under dpkg. dpkg itself
//! brings `status` into its canonical order and form when it configures.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::control::Control;
use super::error::{BootstrapError, Result};
use super::place::listed;
use super::triggers::Triggers;
use super::unpack::{Opened, Staged};
use crate::deb::ControlFiles;

/// Version of the layout of `info/`: names carry the architecture where several may be installed.
const INFO_FORMAT: &str = "1\n";
/// dpkg keeps a package's control files here while its preinst runs.
const CONTROL_IN_PROGRESS: &str = "tmp.ci";

/// The database below `/var/lib/dpkg` of a tree.
#[derive(Debug)]
pub struct Database {
    folder: PathBuf,
    triggers: Triggers,
}

impl Database {
    /// Creates an empty database in the tree at `root`.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn create(root: &Path, architecture: &str) -> Result<Self> {
        let folder = root.join("var/lib/dpkg");
        for name in ["alternatives", "info", "parts", "triggers", "updates"] {
            let path = folder.join(name);
            fs::create_dir_all(&path).map_err(BootstrapError::file("creating", &path))?;
        }
        let architecture = format!("{architecture}\n");
        for (name, content) in [("arch", architecture.as_str()), ("info/format", INFO_FORMAT), ("status", "")]
        {
            write(&folder.join(name), content.as_bytes(), 0o644)?;
        }
        Ok(Self { triggers: Triggers::new(&folder.join("triggers")), folder })
    }

    /// Records a package as unpacked.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn add(&mut self, package: &Opened, staged: &Staged) -> Result<()> {
        let control = &package.control;
        let name = control.info_name();
        for (file, content) in package.deb.control.iter().filter(|(file, _)| *file != "control") {
            write(&self.info(&name, file), &content.bytes, content.mode)?;
        }
        let mut list = Vec::new();
        for entry in &staged.entries {
            list.extend(listed(&entry.path));
            list.push(b'\n');
        }
        write(&self.info(&name, "list"), &list, 0o644)?;
        self.append_status(&unpacked_stanza(control))?;
        self.triggers.register(control)?;
        for trigger in control.triggers.iter().filter(|trigger| !trigger.interest) {
            self.triggers.activate(&trigger.name, (!trigger.noawait).then_some(control.name.as_str()));
        }
        for entry in &staged.entries {
            self.triggers.activate_path(&entry.path, &control.name);
        }
        Ok(())
    }

    /// Shows a package as half-installed and lays out its control files as dpkg does while the preinst runs.
    /// Returns a token for [`Database::withdraw`].
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn announce(&self, control: &Control, files: &ControlFiles) -> Result<Announced> {
        let progress = self.folder.join(CONTROL_IN_PROGRESS);
        fs::create_dir_all(&progress).map_err(BootstrapError::file("creating", &progress))?;
        for (name, file) in files {
            write(&progress.join(name), &file.bytes, file.mode)?;
        }
        let status = self.folder.join("status");
        let length = fs::metadata(&status).map_err(BootstrapError::file("reading", &status))?.len();
        self.append_status(&half_installed_stanza(control))?;
        Ok(Announced { length })
    }

    /// Takes back what [`Database::announce`] did.
    ///
    /// # Errors
    /// A file that cannot be changed.
    pub fn withdraw(&self, announced: Announced) -> Result<()> {
        let status = self.folder.join("status");
        let file = OpenOptions::new().write(true).open(&status);
        file.and_then(|file| file.set_len(announced.length))
            .map_err(BootstrapError::file("restoring", &status))?;
        self.remove_progress()
    }

    /// Removes the control files of the package in progress.
    ///
    /// # Errors
    /// A folder that cannot be removed.
    pub fn remove_progress(&self) -> Result<()> {
        let progress = self.folder.join(CONTROL_IN_PROGRESS);
        match fs::remove_dir_all(&progress) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(BootstrapError::file("removing", &progress)(error))
            }
            _ => Ok(()),
        }
    }

    /// Writes down which triggers were activated, for the next run of dpkg.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write_activations(&mut self) -> Result<()> {
        self.triggers.write_activations()
    }

    /// Reads again what real dpkg may have changed.
    ///
    /// # Errors
    /// An unreadable file.
    pub fn refresh(&mut self) -> Result<()> {
        self.triggers.load()
    }

    /// Returns the paths, without leading slash, that the database lists for an unpacked package.
    ///
    /// # Errors
    /// An unreadable list.
    pub fn paths(&self, control: &Control) -> Result<Vec<PathBuf>> {
        let list = self.info(&control.info_name(), "list");
        let text = fs::read_to_string(&list).map_err(BootstrapError::file("reading", &list))?;
        Ok(text.lines().map(|line| PathBuf::from(line.trim_start_matches('/'))).collect())
    }

    fn info(&self, name: &str, file: &str) -> PathBuf {
        self.folder.join("info").join(format!("{name}.{file}"))
    }

    fn append_status(&self, stanza: &str) -> Result<()> {
        let status = self.folder.join("status");
        let file = OpenOptions::new().append(true).open(&status);
        file.and_then(|mut file| file.write_all(stanza.as_bytes()))
            .map_err(BootstrapError::file("appending to", &status))
    }
}

/// State of `status` before a package was announced.
#[derive(Debug)]
pub struct Announced {
    length: u64,
}

/// Returns the paragraph of an unpacked package: its control paragraph, a state, and its configuration files.
fn unpacked_stanza(control: &Control) -> String {
    let mut stanza = with_status(&control.paragraph, "install ok unpacked");
    if !control.conffiles.is_empty() {
        stanza.push_str("Conffiles:\n");
    }
    for conffile in &control.conffiles {
        let flag = if conffile.remove_on_upgrade { " remove-on-upgrade" } else { "" };
        // Writing to a String cannot fail.
        let _ = writeln!(stanza, " /{} newconffile{flag}", conffile.path);
    }
    stanza.push('\n');
    stanza
}

fn half_installed_stanza(control: &Control) -> String {
    let kept = ["Package:", "Priority:", "Section:", "Maintainer:", "Architecture:", "Multi-Arch:"];
    let lines = control.paragraph.split_inclusive('\n');
    let paragraph: String = lines.filter(|line| kept.iter().any(|name| line.starts_with(name))).collect();
    with_status(&paragraph, "install reinstreq half-installed") + "\n"
}

/// Puts a `Status` field behind the `Package` field.
fn with_status(paragraph: &str, status: &str) -> String {
    let mut text = String::with_capacity(paragraph.len() + 64);
    for line in paragraph.split_inclusive('\n') {
        text.push_str(line);
        if line.get(..8).is_some_and(|name| name.eq_ignore_ascii_case("package:")) {
            let _ = writeln!(text, "Status: {status}");
        }
    }
    text
}

/// Writes a new file with exactly these permission bits.
pub(super) fn write(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let written = File::create(path).and_then(|mut file| {
        file.write_all(content)?;
        file.set_permissions(Permissions::from_mode(mode))
    });
    written.map_err(BootstrapError::file("writing", path))
}

/// Reads a file that may be absent.
pub(super) fn read_optional(path: &Path) -> Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read.map_err(BootstrapError::file("reading", path)),
    }
}

#[cfg(test)]
#[path = "dpkg_database_tests.rs"]
mod tests;
