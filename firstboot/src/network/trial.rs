//! A change of the network that is under way: everything that it replaces, on the disk before the first replacement.
//!
//! While the marker is there the change is not final. Whoever finds it restores what was: `net restore`, the keeper of
//! the deadline, or the early unit of the next boot. `net confirm`, or the end of a change without a deadline,
//! removes it.

use std::fs::File;
use std::io::Read;

use anyhow::{Context, Result, bail, ensure};
use host::beneath::Root;
use serde::{Deserialize, Serialize};

use super::manager::Manager;
use super::record::{FOLDER, create_folders, owner};

/// Where the marker is.
pub const PATH: &str = "/var/lib/firstboot/network/trial.json";
/// Held by whoever changes, confirms or restores.
const LOCK: &str = "/var/lib/firstboot/network/lock";
/// Of the marker's format.
const VERSION: u32 = 1;
/// Largest file that is replaced, in bytes: configuration is written by people.
const FILE_LIMIT: u64 = 1 << 20;

/// The marker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// Of the format.
    pub version: u32,
    /// Tells one change from the next: a late keeper of a deadline must not touch a newer change.
    pub id: String,
    /// How long it may stay unconfirmed, in seconds from when it was applied; none for a change that needs nobody.
    pub seconds: Option<u64>,
    /// When that is over, in seconds since 1970, for people to read; restoring does not depend on the clock.
    pub until: Option<u64>,
    /// Who reads the files.
    pub manager: Manager,
    /// What each file was.
    pub files: Vec<Before>,
    /// The kernel's names of the interfaces that change.
    pub interfaces: Vec<String>,
    /// Interfaces that the change makes.
    pub made: Vec<String>,
    /// The fixed addresses that were on them, to be verified after restoring.
    pub addresses: Vec<(String, String)>,
}

/// One file before the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Before {
    /// From the root.
    pub path: String,
    /// What was there.
    pub was: Was,
}

/// What was at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Was {
    /// Nothing.
    Absent,
    /// A symlink to that.
    Symlink(String),
    /// A file.
    File {
        /// Its bytes, in hexadecimal digits.
        hex: String,
        /// Permission bits.
        mode: u32,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
    },
}

impl Was {
    /// Reads what is at `path`.
    pub fn read(root: &Root, path: &str) -> Result<Self> {
        let reading = || format!("reading '{path}'");
        if root.is_symlink(path).with_context(reading)? {
            let target = root.read_link(path).with_context(reading)?;
            let target =
                target.into_string().ok().context("a symlink's target is not UTF-8").with_context(reading)?;
            return Ok(Self::Symlink(target));
        }
        if !root.exists(path).with_context(reading)? {
            return Ok(Self::Absent);
        }
        let mut bytes = Vec::new();
        let file = root.open_file(path).with_context(reading)?;
        ensure!(file.metadata().with_context(reading)?.is_file(), "'{path}' is not a regular file");
        file.take(FILE_LIMIT + 1).read_to_end(&mut bytes).with_context(reading)?;
        ensure!(bytes.len() as u64 <= FILE_LIMIT, "'{path}' has more than {FILE_LIMIT} bytes");
        let (mode, uid, gid) = root.ownership(path).with_context(reading)?;
        Ok(Self::File { hex: to_hex(&bytes), mode, uid, gid })
    }

    /// Puts it back.
    pub fn put(&self, root: &Root, path: &str) -> Result<()> {
        let restoring = || format!("restoring '{path}'");
        match self {
            Self::Absent => root.remove_durable(path).with_context(restoring),
            Self::Symlink(target) => {
                let (uid, gid) = owner();
                root.replace_with_symlink(path, target, uid, gid).with_context(restoring)?;
                root.sync_folder_of(path).with_context(restoring)
            }
            Self::File { hex, mode, uid, gid } => {
                let bytes = from_hex(hex).with_context(restoring)?;
                root.write_durable(path, &bytes, *mode, Some((*uid, *gid))).with_context(restoring)
            }
        }
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Result<Vec<u8>> {
    ensure!(text.is_ascii() && text.len().is_multiple_of(2), "the record of it is damaged");
    let pair = |at| u8::from_str_radix(&text[at..at + 2], 16).context("the record of it is damaged");
    (0..text.len()).step_by(2).map(pair).collect()
}

impl Trial {
    /// Makes the marker of a change of `paths`.
    pub fn new(root: &Root, manager: Manager, seconds: Option<u64>, paths: &[String]) -> Result<Self> {
        let read = |path: &String| Ok(Before { path: path.clone(), was: Was::read(root, path)? });
        let files = paths.iter().map(read).collect::<Result<_>>()?;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Ok(Self {
            version: VERSION,
            id: format!("{:x}-{:x}", now.as_nanos(), std::process::id()),
            seconds,
            until: seconds.map(|seconds| now.as_secs().saturating_add(seconds)),
            manager,
            files,
            interfaces: Vec::new(),
            made: Vec::new(),
            addresses: Vec::new(),
        })
    }

    /// Reads the marker; none when no change is under way.
    pub fn load(root: &Root) -> Result<Option<Self>> {
        let text = root.read_to_string_if_exists(PATH).with_context(|| format!("reading '{PATH}'"))?;
        let Some(text) = text else { return Ok(None) };
        let trial: Self = serde_json::from_str(&text).with_context(|| {
            format!("'{PATH}' is not what firstboot wrote; what was before cannot be restored")
        })?;
        ensure!(
            trial.version == VERSION,
            "'{PATH}' has version {}; this program reads {VERSION}",
            trial.version
        );
        Ok(Some(trial))
    }

    /// Writes the marker; it is on the disk when this returns.
    pub fn save(&self, root: &Root) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("writing the marker")? + "\n";
        create_folders(root, FOLDER)?;
        let (uid, gid) = owner();
        // It holds the content of files that may be root's alone.
        root.write_durable(PATH, text.as_bytes(), 0o600, Some((uid, gid)))
            .with_context(|| format!("writing '{PATH}'"))
    }

    /// Removes the marker: the change, or the state before it, is final from here on.
    pub fn clear(root: &Root) -> Result<()> {
        root.remove_durable(PATH).with_context(|| format!("removing '{PATH}'"))
    }
}

/// Waits until nobody else changes the network, and keeps others out while the result lives.
pub fn lock(root: &Root) -> Result<File> {
    create_folders(root, FOLDER)?;
    if !root.exists(LOCK).with_context(|| format!("looking at '{LOCK}'"))? {
        let (uid, gid) = owner();
        root.write_file(LOCK, b"", 0o600, uid, gid).with_context(|| format!("writing '{LOCK}'"))?;
    }
    let file = root.open_file(LOCK).with_context(|| format!("opening '{LOCK}'"))?;
    if let Err(error) = file.lock() {
        bail!("locking '{LOCK}': {error}");
    }
    Ok(file)
}
