//! The machine that is worked on: its files below one root folder, its clock and its services.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use host::beneath::Root;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::{Clock, ShiftedClock};
use crate::services::{ServiceManager, Systemctl};

/// Longest file that is read.
const LIMIT: u64 = 4 << 20;

/// Which machine; every verb of a cluster takes it.
#[derive(Debug, Clone, clap::Args)]
pub struct PlaceArguments {
    /// The root folder of the machine
    #[arg(long, value_name = "DIR", default_value = "/", env = "FIRSTBOOT_ROOT", hide_env = true)]
    pub root: PathBuf,
    /// What is called in systemctl's place (for tests)
    #[arg(
        long,
        value_name = "PROGRAM",
        default_value = "systemctl",
        hide = true,
        env = "FIRSTBOOT_SYSTEMCTL"
    )]
    pub systemctl: PathBuf,
    /// Seconds by which this machine's clock is taken to be wrong (for tests)
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0,
        hide = true,
        allow_hyphen_values = true,
        env = "FIRSTBOOT_CLOCK_OFFSET"
    )]
    pub clock_offset: i64,
}

/// A machine.
#[derive(Debug)]
pub struct Place {
    root: Root,
    /// Its root folder, seen from here.
    pub folder: PathBuf,
    /// Its clock.
    pub clock: Arc<dyn Clock>,
    /// What starts and stops its services.
    pub services: Box<dyn ServiceManager>,
}

impl Place {
    /// Opens the machine.
    ///
    /// # Errors
    ///
    /// When its root is no readable folder.
    pub fn open(arguments: &PlaceArguments) -> Result<Self> {
        let folder = arguments.root.clone();
        let root = Root::open(&folder).with_context(|| format!("opening the root '{}'", folder.display()))?;
        let services = Box::new(Systemctl { program: arguments.systemctl.clone() });
        let clock = Arc::new(ShiftedClock { offset: arguments.clock_offset });
        Ok(Self { root, folder, clock, services })
    }

    /// Opens the machine at `folder` with its own clock and services.
    ///
    /// # Errors
    ///
    /// When its root is no readable folder.
    pub fn at(folder: &Path) -> Result<Self> {
        let set = |name| std::env::var(name).ok();
        Self::open(&PlaceArguments {
            root: folder.to_owned(),
            systemctl: set("FIRSTBOOT_SYSTEMCTL").map_or_else(|| "systemctl".into(), PathBuf::from),
            clock_offset: set("FIRSTBOOT_CLOCK_OFFSET")
                .and_then(|text| text.parse().ok())
                .unwrap_or_default(),
        })
    }

    /// Where `path` of the machine is, seen from here.
    pub fn outside(&self, path: &str) -> PathBuf {
        self.folder.join(path.trim_start_matches('/'))
    }

    /// Tells whether it is the running machine itself.
    pub fn is_live(&self) -> bool {
        self.folder == Path::new("/")
    }

    /// Reads a text file; none if there is none.
    ///
    /// # Errors
    ///
    /// When it cannot be read or is no text.
    pub fn read(&self, path: &str) -> Result<Option<String>> {
        let bytes = self.root.read_bounded(path, LIMIT).with_context(|| format!("reading '{path}'"))?;
        let text = bytes.map(String::from_utf8).transpose();
        text.with_context(|| format!("'{path}' is no text"))
    }

    /// Reads a text file that has to be there.
    ///
    /// # Errors
    ///
    /// When it is not, or cannot be read.
    pub fn require(&self, path: &str) -> Result<String> {
        self.read(path)?.with_context(|| format!("there is no '{path}'"))
    }

    /// Reads a record; none if there is none.
    ///
    /// # Errors
    ///
    /// When it cannot be read or understood.
    pub fn load<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        let record = self.read(path)?.map(|text| serde_json::from_str(&text)).transpose();
        record.with_context(|| format!("reading '{path}'"))
    }

    /// Writes a record durably; only its owner may read it.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn save(&self, path: &str, record: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(record).context("rendering a record")? + "\n";
        self.write(path, &text, 0o600)
    }

    /// Writes a file durably, folders above it included; one that holds the same already is left alone.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn write(&self, path: &str, text: &str, mode: u32) -> Result<()> {
        self.write_owned(path, text, mode, None)
    }

    /// Writes as [`Self::write`], for another group.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn write_owned(&self, path: &str, text: &str, mode: u32, group: Option<u32>) -> Result<()> {
        let (uid, own) = host::account::own_ids();
        let gid = group.unwrap_or(own);
        let is_there = self.root.exists(path).unwrap_or_default();
        if is_there && self.read(path).ok().flatten().as_deref() == Some(text) {
            let held = self.root.ownership(path).with_context(|| format!("looking at '{path}'"))?;
            if held == (mode, uid, gid) {
                return Ok(());
            }
        }
        if let Some((above, _)) = path.rsplit_once('/').filter(|(above, _)| !above.is_empty()) {
            self.create_folders(above)?;
        }
        self.root
            .write_durable(path, text.as_bytes(), mode, Some((uid, gid)))
            .with_context(|| format!("writing '{path}'"))
    }

    /// Makes a folder and those above it that are not there.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn create_folders(&self, path: &str) -> Result<()> {
        let (uid, gid) = host::account::own_ids();
        for (at, _) in path.match_indices('/').skip(1).chain([(path.len(), "")]) {
            let above = &path[..at];
            if self.root.exists(above).unwrap_or_default() {
                continue;
            }
            // Below the cluster's folder are keys; whoever has to look inside is given the right to.
            let mode = if above.starts_with(crate::paths::FOLDER) { 0o711 } else { 0o755 };
            self.root
                .create_folder_whole(above, mode, uid, gid)
                .with_context(|| format!("making the folder '{above}'"))?;
        }
        Ok(())
    }

    /// Waits until nobody else has the lock at `path`; it is given back when the file is closed.
    ///
    /// # Errors
    ///
    /// When the lock cannot be made or taken.
    pub fn lock(&self, path: &str) -> Result<File> {
        self.write(path, "", 0o600)?;
        let naming = || format!("taking the lock '{path}'");
        let file = self.root.open_for_writing(path).with_context(naming)?;
        file.lock().with_context(naming)?;
        Ok(file)
    }

    /// Takes the lock at `path`, if nobody has it.
    ///
    /// # Errors
    ///
    /// When the lock cannot be made or tried.
    pub fn try_lock(&self, path: &str) -> Result<Option<File>> {
        self.write(path, "", 0o600)?;
        let naming = || format!("trying the lock '{path}'");
        let file = self.root.open_for_writing(path).with_context(naming)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error).with_context(naming),
        }
    }

    /// Removes a file durably, if it is there.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn remove(&self, path: &str) -> Result<()> {
        self.root.remove_durable(path).with_context(|| format!("removing '{path}'"))
    }

    /// Tells whether there is something at `path`.
    pub fn exists(&self, path: &str) -> bool {
        self.root.exists(path).unwrap_or_default()
    }

    /// Names in a folder, sorted; none if there is no such folder.
    ///
    /// # Errors
    ///
    /// When it cannot be listed.
    pub fn list(&self, path: &str) -> Result<Vec<String>> {
        if !self.exists(path) {
            return Ok(Vec::new());
        }
        let mut names = self.root.list_folder(path).with_context(|| format!("listing '{path}'"))?;
        names.sort();
        Ok(names)
    }

    /// The host name that the machine's file says.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn host_name(&self) -> Result<String> {
        let text = self.read("/etc/hostname")?.unwrap_or_default();
        let name = text.trim();
        anyhow::ensure!(
            !name.is_empty(),
            "this machine has no name in '/etc/hostname': give it one by `firstboot rename`, or say --name"
        );
        Ok(name.to_owned())
    }
}
