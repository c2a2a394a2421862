//! The machine that is configured: everything below one root folder, which is `/` or a small machine made of files.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use host::beneath::Root;

/// Paths of this program inside a machine.
pub mod paths {
    /// What is kept over boots: the journal, the report, the identity.
    pub const STATE_FOLDER: &str = "/var/lib/firstboot";
    /// What each step has done, one JSON object a line.
    pub const JOURNAL: &str = "/var/lib/firstboot/journal";
    /// What came of the last run.
    pub const REPORT: &str = "/var/lib/firstboot/report.json";
    /// Which machine this was when it last ran.
    pub const IDENTITY: &str = "/var/lib/firstboot/identity.json";
    /// Scripts of documents, which `/run` may be mounted not to run.
    pub const SCRIPT_FOLDER: &str = "/var/lib/firstboot/scripts";
    /// What was before a rename that is under way.
    pub const RENAME: &str = "/var/lib/firstboot/rename.json";
    /// Says that a run is under way; gone after a boot.
    pub const RUNNING: &str = "/run/firstboot/running";
}

/// Longest text file of a machine that is read.
const TEXT_LIMIT: u64 = 16 << 20;

/// A machine.
#[derive(Debug)]
pub struct Machine {
    /// Its files.
    pub root: Root,
    /// Where they are, seen from here.
    pub folder: PathBuf,
    /// Whether it is the running machine, whose kernel and services can be told of changes.
    pub is_live: bool,
    /// Whether files can be given to other users; else they belong to the caller.
    is_privileged: bool,
}

impl Machine {
    /// Opens the machine at `folder`.
    ///
    /// # Errors
    ///
    /// When it is no readable folder.
    pub fn open(folder: &Path) -> Result<Self> {
        let root = Root::open(folder).with_context(|| format!("opening the root '{}'", folder.display()))?;
        Ok(Self {
            root,
            folder: folder.to_owned(),
            is_live: folder == Path::new("/"),
            is_privileged: host::account::is_root(),
        })
    }

    /// Reads a text file; none if there is none. Bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn read_text(&self, path: &str) -> Result<Option<String>> {
        let bytes = self.read(path)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Reads a file; none if there is none.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        self.root.read_bounded(path, TEXT_LIMIT).with_context(|| format!("reading '{path}'"))
    }

    /// Reads a file of the kernel that holds one line; empty if there is none or it cannot be read.
    pub fn read_fact(&self, path: &str) -> String {
        let bytes = self.root.read_bounded(path, 1 << 16).ok().flatten().unwrap_or_default();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }

    /// Tells whether there is something at `path`.
    pub fn exists(&self, path: &str) -> bool {
        self.root.exists(path).unwrap_or_default()
    }

    /// Writes a file durably, folders above it included.
    ///
    /// # Errors
    ///
    /// When the machine's disk refuses.
    pub fn write(&self, path: &str, bytes: &[u8], mode: u32, owner: (u32, u32)) -> Result<()> {
        self.create_folders_above(path)?;
        let owner = self.is_privileged.then_some(owner);
        self.root.write_durable(path, bytes, mode, owner).with_context(|| format!("writing '{path}'"))
    }

    /// Writes a file of root's durably, its content by `fill`.
    ///
    /// # Errors
    ///
    /// When the machine's disk refuses.
    pub fn fill(&self, path: &str, mode: u32, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
        self.create_folders_above(path)?;
        let owner = self.is_privileged.then_some((0, 0));
        self.root.fill_durable(path, mode, owner, fill).with_context(|| format!("writing '{path}'"))
    }

    /// Adds to a file durably, folders above it included.
    ///
    /// # Errors
    ///
    /// When the machine's disk refuses.
    pub fn append(&self, path: &str, bytes: &[u8]) -> Result<()> {
        self.create_folders_above(path)?;
        self.root.append_durable(path, bytes).with_context(|| format!("adding to '{path}'"))
    }

    /// Makes a folder with this mode and owner, if there is none.
    ///
    /// # Errors
    ///
    /// When the machine's disk refuses.
    pub fn create_folder(&self, path: &str, mode: u32, owner: (u32, u32)) -> Result<()> {
        self.create_folders_above(path)?;
        let (uid, gid) = if self.is_privileged { owner } else { host::account::own_ids() };
        self.root
            .create_folder_whole(path, mode, uid, gid)
            .with_context(|| format!("making the folder '{path}'"))
    }

    /// Puts a symlink at `path`.
    ///
    /// # Errors
    ///
    /// When the machine's disk refuses.
    pub fn link(&self, path: &str, target: &str) -> Result<()> {
        let (uid, gid) = if self.is_privileged { (0, 0) } else { host::account::own_ids() };
        self.root.replace_with_symlink(path, target, uid, gid).with_context(|| format!("linking '{path}'"))
    }

    /// Removes a file, if it is there.
    ///
    /// # Errors
    ///
    /// When the machine's disk refuses.
    pub fn remove(&self, path: &str) -> Result<()> {
        self.root.remove_if_exists(path).with_context(|| format!("removing '{path}'"))
    }

    fn create_folders_above(&self, path: &str) -> Result<()> {
        let above: Vec<&str> =
            path.match_indices('/').map(|(at, _)| &path[..at]).filter(|part| !part.is_empty()).collect();
        let (uid, gid) = if self.is_privileged { (0, 0) } else { host::account::own_ids() };
        for folder in above {
            if !self.exists(folder) {
                let mode = if folder == paths::STATE_FOLDER { 0o700 } else { 0o755 };
                self.root
                    .create_folder_whole(folder, mode, uid, gid)
                    .with_context(|| format!("making the folder '{folder}'"))?;
            }
        }
        Ok(())
    }
}
