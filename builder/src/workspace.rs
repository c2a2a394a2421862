//! Names of scratch folders; nobody else spells them.
//!
//! The worker mounts a tmpfs on the cache's empty folder `mount`, in its own mount namespace. The trees live there
//! and go with the namespace; outside of it the folder is always empty.
//!
//! A worker without namespaces can mount nothing. Its trees live in a folder of their own below `work`, which it holds by
//! the kernel's lock: what nobody holds was left by a kill, and the next build or `bootwright clean` removes it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use host::mount::{Mount, Tmpfs};

use crate::sandbox::Isolation;

/// The folders of one build.
#[derive(Debug)]
pub struct Workspace {
    cache: PathBuf,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// In memory, and gone with the mount namespace.
    Memory(Mount),
    /// In a folder of the disk.
    Folder(Held),
}

/// A folder below `work` that is ours as long as the file is open; it goes away with the value.
#[derive(Debug)]
struct Held {
    path: PathBuf,
    _lock: File,
}

impl Workspace {
    /// Makes the folders below `cache`, and removes what killed builds have left there.
    ///
    /// # Errors
    ///
    /// When a folder cannot be made or mounted on.
    pub fn create(cache: &Path, isolation: Isolation) -> Result<Self> {
        sweep(cache);
        let place = match isolation {
            Isolation::Root | Isolation::UserNamespace => Place::Memory(mount(cache)?),
            Isolation::Chroot => {
                let work = cache.join("work");
                Place::Folder(
                    hold(&work).with_context(|| format!("making a folder below '{}'", work.display()))?,
                )
            }
        };
        let workspace = Self { cache: cache.to_owned(), place };
        for folder in [workspace.tree(), workspace.tools()] {
            fs::create_dir(&folder).with_context(|| format!("making the folder '{}'", folder.display()))?;
        }
        Ok(workspace)
    }

    /// Returns the folder that becomes the image's `/`.
    pub fn tree(&self) -> PathBuf {
        self.path().join("tree")
    }

    /// Returns the folder of the tools tree.
    pub fn tools(&self) -> PathBuf {
        self.path().join("tools")
    }

    /// Returns a folder for images that are made only to be compared.
    pub fn again(&self) -> PathBuf {
        self.path().join("again")
    }

    fn path(&self) -> &Path {
        match &self.place {
            Place::Memory(mount) => mount.path(),
            Place::Folder(held) => &held.path,
        }
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // A thread of a killed build that waited for the disk held its folder for a moment more when this build began.
        sweep(&self.cache);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            tracing::warn!("leaving '{}' to the next build: {error}", self.path.display());
        }
    }
}

fn mount(cache: &Path) -> Result<Mount> {
    let at = cache.join("mount");
    fs::create_dir_all(&at).with_context(|| format!("making the folder '{}'", at.display()))?;
    // Pages are taken as files are written; the bound only keeps a runaway script from taking all memory.
    Ok(host::mount::tmpfs(&at, &Tmpfs { size: Some("75%".to_owned()) })?)
}

/// Makes a folder below `work` and takes its lock.
fn hold(work: &Path) -> io::Result<Held> {
    loop {
        fs::create_dir_all(work)?;
        let path = free_name(work);
        match fs::create_dir(&path) {
            Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => {
                continue;
            }
            other => other?,
        }
        // Who looks for what was left may have been faster with the lock, and removes the folder then.
        if let Some(lock) = take(&path)? {
            return Ok(Held { path, _lock: lock });
        }
    }
}

fn free_name(work: &Path) -> PathBuf {
    let taken = |number: &u32| work.join(number.to_string()).exists();
    let number = (1..).find(|number| !taken(number)).unwrap_or(0);
    work.join(number.to_string())
}

/// Takes the lock of a folder; nothing when somebody has it, or the folder has gone meanwhile.
fn take(folder: &Path) -> io::Result<Option<File>> {
    let file = match File::open(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return Ok(None),
        Err(fs::TryLockError::Error(error)) => return Err(error),
    }
    let held = file.metadata()?;
    let is_named =
        fs::metadata(folder).is_ok_and(|named| (named.dev(), named.ino()) == (held.dev(), held.ino()));
    Ok(is_named.then_some(file))
}

fn remove(folder: &Path) -> io::Result<()> {
    fs::remove_dir_all(folder)?;
    // The last one takes the folder of all away.
    let _ = folder.parent().map(fs::remove_dir);
    Ok(())
}

/// Returns the folders that killed builds have left below `cache`: nobody holds them.
pub fn left(cache: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(cache.join("work")).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut left: Vec<PathBuf> = listed.filter(|path| matches!(take(path), Ok(Some(_)))).collect();
    left.sort();
    left
}

fn sweep(cache: &Path) {
    for left in remove_left(cache) {
        tracing::info!("removed '{}', which a killed build had left", left.display());
    }
}

/// Removes what killed builds have left below `cache`, as far as this user may, and returns what went.
pub fn remove_left(cache: &Path) -> Vec<PathBuf> {
    let mut removed = Vec::new();
    for folder in left(cache) {
        // Held while it is removed, so that two who clean up do not meet.
        let Ok(Some(_lock)) = take(&folder) else { continue };
        match remove(&folder) {
            Ok(()) => removed.push(folder),
            Err(error) => tracing::warn!("leaving '{}': {error}", folder.display()),
        }
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dying_build_still_held_is_removed_at_the_end() {
        let cache = std::env::temp_dir().join(format!("bootwright-workspace-{}", std::process::id()));
        let (free, dying) = (cache.join("work/7"), cache.join("work/8"));
        for folder in [&free, &dying] {
            fs::create_dir_all(folder.join("tree/usr")).unwrap();
        }
        let held = take(&dying).unwrap().unwrap();
        let workspace = Workspace::create(&cache, Isolation::Chroot).unwrap();
        assert!(!free.exists() && dying.exists() && workspace.tree().is_dir());
        drop(held);
        drop(workspace);
        assert!(!cache.join("work").exists());
        fs::remove_dir(&cache).unwrap();
    }
}
