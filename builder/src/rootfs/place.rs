//! Puts staged packages into the tree by dpkg's rules.
//!
//! - A folder that is there stays as it is, also when it is a link to a folder: the first package in order
//!   gives a folder its owner and mode, and merged-/usr links are never replaced.
//! - Configuration files get the suffix `.dpkg-new`; `dpkg --configure` moves them.
//! - A path that another package diverted goes where the diversion says.
//! - A path that another package owns is a conflict; where either side declares Replaces, real dpkg decides.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, FileTimes, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::accounts::Accounts;
use super::control::Control;
use super::error::{BootstrapError, Result};
use super::overrides::{Diversions, StatOverrides};
use super::resolve_path::{Resolver, follow};
use super::unpack::{Entry, Kind, Owner, Staged};

/// Suffix of a configuration file that was not configured yet.
const NEW: &str = ".dpkg-new";

/// The tree as far as it was put together, and who owns what in it.
#[derive(Debug)]
pub struct Assembly {
    root: PathBuf,
    resolver: Resolver,
    /// Path, as packages name it, to the packages that have it; folders are shared. More than one has a path only
    /// where it is diverted.
    owners: HashMap<PathBuf, Vec<String>>,
    /// Package to the names it may take paths from.
    replaces: HashMap<String, Vec<String>>,
    /// Folders made for a package, with the time that it gives them.
    folders: Vec<(PathBuf, SystemTime)>,
    diversions: Diversions,
    overrides: StatOverrides,
    accounts: Accounts,
}

/// Whether a package can be put into the tree natively.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It can.
    Native,
    /// Real dpkg must unpack it, for this reason.
    Dpkg(String),
}

impl Assembly {
    /// Begins with the tree at `root`.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            resolver: Resolver::new(root),
            owners: HashMap::new(),
            replaces: HashMap::new(),
            folders: Vec::new(),
            diversions: Diversions::default(),
            overrides: StatOverrides::default(),
            accounts: Accounts::default(),
        }
    }

    /// Reads again what maintainer scripts may have changed: diversions, overrides, accounts, links.
    ///
    /// # Errors
    /// An unreadable file.
    pub fn refresh(&mut self) -> Result<()> {
        self.resolver.forget();
        self.diversions = Diversions::load(&self.root)?;
        self.overrides = StatOverrides::load(&self.root)?;
        self.accounts = Accounts::load(&self.root)?;
        Ok(())
    }

    /// Decides whether `staged` can be put into the tree natively, before any of it is.
    ///
    /// # Errors
    /// A path that another package owns, where neither package replaces the other.
    pub fn check(&self, control: &Control, staged: &Staged) -> Result<Verdict> {
        for entry in staged.entries.iter().filter(|entry| entry.kind != Kind::Folder) {
            let Some(owner) = self.other_owner(&entry.path, &control.name) else { continue };
            let shown = entry.path.display().to_string();
            let other = self.replaces.get(owner);
            if control.replaces.iter().any(|name| name == owner)
                || other.is_some_and(|names| names.contains(&control.name))
            {
                return Ok(Verdict::Dpkg(format!(
                    "'/{shown}' is also in {owner}, and Replaces decides whose it is"
                )));
            }
            return Err(BootstrapError::Conflict {
                owner: owner.to_owned(),
                package: control.name.clone(),
                path: shown,
            });
        }
        Ok(Verdict::Native)
    }

    /// Returns another package that has a file where `path` of `package` would go. Diversions are those in force now,
    /// whenever the other package was unpacked.
    fn other_owner(&self, path: &Path, package: &str) -> Option<&str> {
        let target = self.diversions.target(path, package);
        let mut named = std::iter::once(target).chain(self.diversions.sources(target));
        named.find_map(|name| {
            let stands_there =
                |owner: &&String| *owner != package && self.diversions.target(name, owner) == target;
            self.owners.get(name)?.iter().find(stands_there).map(String::as_str)
        })
    }

    fn own(&mut self, path: PathBuf, package: &str) {
        let owners = self.owners.entry(path).or_default();
        if !owners.iter().any(|owner| owner == package) {
            owners.push(package.to_owned());
        }
    }

    /// Puts `staged` into the tree, configuration files as dpkg leaves them before they are configured.
    ///
    /// # Errors
    /// A path that cannot be made, naming the package.
    pub fn place(&mut self, control: &Control, staged: &Staged) -> Result<()> {
        let conffiles = control.conffiles.iter().map(|conffile| Path::new(&conffile.path)).collect();
        self.place_entries(control, staged, &conffiles)
    }

    /// Puts `staged` into a tree that is never configured.
    ///
    /// # Errors
    /// A path that another package has, or that cannot be made.
    pub fn place_finished(&mut self, control: &Control, staged: &Staged) -> Result<()> {
        if let Verdict::Dpkg(reason) = self.check(control, staged)? {
            let (package, path) = (control.name.clone(), String::new());
            return Err(BootstrapError::Path {
                package,
                path,
                reason: format!("{reason}, which needs dpkg"),
            });
        }
        self.place_entries(control, staged, &HashSet::new())
    }

    fn place_entries(
        &mut self,
        control: &Control,
        staged: &Staged,
        conffiles: &HashSet<&Path>,
    ) -> Result<()> {
        for entry in &staged.entries {
            let placed = self.place_entry(control, entry, conffiles);
            placed.map_err(|error| BootstrapError::Path {
                package: control.name.clone(),
                path: entry.path.display().to_string(),
                reason: error.to_string(),
            })?;
        }
        self.replaces.insert(control.name.clone(), control.replaces.clone());
        Ok(())
    }

    /// Takes note of a package that real dpkg unpacked, from its list of paths.
    pub fn adopt(&mut self, control: &Control, paths: impl IntoIterator<Item = PathBuf>) {
        for path in paths {
            if !self.root.join(&path).is_dir() {
                // What it replaces has lost the path; dpkg has taken it out of the other's list.
                if let Some(owners) = self.owners.get_mut(&path) {
                    owners.retain(|owner| !control.replaces.contains(owner));
                }
                self.own(path, &control.name);
            }
        }
        self.replaces.insert(control.name.clone(), control.replaces.clone());
    }

    /// Gives the folders that came with packages the times that those give them.
    ///
    /// # Errors
    /// A folder whose time cannot be set.
    pub fn finish(&self) -> Result<()> {
        for (folder, modified) in self.folders.iter().rev() {
            // A script may have replaced the folder meanwhile.
            if fs::symlink_metadata(folder).is_ok_and(|metadata| metadata.is_dir()) {
                let times = FileTimes::new().set_modified(*modified);
                let set = File::open(folder).and_then(|file| file.set_times(times));
                set.map_err(BootstrapError::file("setting the time of", folder))?;
            }
        }
        Ok(())
    }

    fn place_entry(
        &mut self,
        control: &Control,
        entry: &Entry,
        conffiles: &HashSet<&Path>,
    ) -> io::Result<()> {
        if entry.kind == Kind::Folder {
            return self.place_folder(entry);
        }
        let target = self.host_path(&entry.path, control, conffiles)?;
        if let Some(parent) = target.parent().filter(|parent| !parent.exists()) {
            fs::create_dir_all(parent)?;
        }
        let existing = fs::symlink_metadata(&target).ok();
        match &entry.kind {
            Kind::Symlink(_) if existing.as_ref().is_some_and(fs::Metadata::is_dir) => {}
            _ if existing.as_ref().is_some_and(fs::Metadata::is_dir) => {
                return Err(io::Error::other("there is a folder of this name already"));
            }
            Kind::File(staged) => {
                fs::rename(staged, &target)?;
                self.settle_owner(&target, entry)?;
            }
            Kind::HardLink(other) => {
                remove_existing(&target, existing.is_some())?;
                fs::hard_link(self.host_path(other, control, conffiles)?, &target)?;
            }
            Kind::Symlink(link) => {
                remove_existing(&target, existing.is_some())?;
                symlink(link, &target)?;
                let (uid, gid) = self.accounts.resolve(&entry.owner);
                lchown(&target, Some(uid), Some(gid))?;
            }
            Kind::Folder => {}
        }
        self.own(entry.path.clone(), &control.name);
        Ok(())
    }

    /// Returns the host path for a path of `control`'s package, diversion and `.dpkg-new` applied.
    fn host_path(
        &mut self,
        path: &Path,
        control: &Control,
        conffiles: &HashSet<&Path>,
    ) -> io::Result<PathBuf> {
        let mut target = self.resolver.place(self.diversions.target(path, &control.name))?.into_os_string();
        if conffiles.contains(path) {
            target.push(NEW);
        }
        Ok(target.into())
    }

    fn place_folder(&mut self, entry: &Entry) -> io::Result<()> {
        let mut target = self.resolver.place(&entry.path)?;
        if fs::symlink_metadata(&target).is_ok_and(|metadata| metadata.is_symlink()) {
            target = self.root.join(follow(&self.root, &entry.path)?);
        }
        match fs::symlink_metadata(&target) {
            Ok(metadata) if metadata.is_dir() => return Ok(()),
            Ok(_) => return Err(io::Error::other("there is a file of this name already")),
            Err(_) => fs::create_dir_all(&target)?,
        }
        self.settle(&target, &entry.owner, entry.mode, &entry.path)?;
        self.folders.push((target, entry.modified));
        Ok(())
    }

    /// Corrects owner and mode of a file that was staged with the archived numbers.
    fn settle_owner(&self, target: &Path, entry: &Entry) -> io::Result<()> {
        let archived = (entry.owner.uid, entry.owner.gid);
        if self.accounts.resolve(&entry.owner) == archived && !self.overrides.contains(&entry.path) {
            return Ok(());
        }
        self.settle(target, &entry.owner, entry.mode, &entry.path)?;
        let links = fs::symlink_metadata(target)?.nlink();
        tracing::debug!("owner of '{}' follows the image's accounts ({links} links)", entry.path.display());
        Ok(())
    }

    fn settle(&self, target: &Path, owner: &Owner, mode: u32, path: &Path) -> io::Result<()> {
        let (mut uid, mut gid) = self.accounts.resolve(owner);
        let mut mode = mode;
        if let Some(wanted) = self.overrides.get(path) {
            uid = self.accounts.user(&wanted.user).unwrap_or(uid);
            gid = self.accounts.group(&wanted.group).unwrap_or(gid);
            mode = wanted.mode;
        }
        chown(target, Some(uid), Some(gid))?;
        fs::set_permissions(target, Permissions::from_mode(mode))
    }
}

fn remove_existing(target: &Path, exists: bool) -> io::Result<()> {
    if exists { fs::remove_file(target) } else { Ok(()) }
}

/// Returns a package's path as its `.list` has it.
pub fn listed(path: &Path) -> Vec<u8> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.is_empty() { b"/.".to_vec() } else { [b"/", bytes].concat() }
}

#[cfg(test)]
#[path = "place_tests.rs"]
mod tests;
