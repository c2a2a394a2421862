//! What was done to a tree between two looks at it.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::store::Sha256Digest;

/// The state of every path of a tree; the kernel gives each change of an inode another time.
#[derive(Debug)]
pub struct Stamps {
    root: PathBuf,
    stamps: BTreeMap<PathBuf, Stamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    mode: u32,
    owner: (u32, u32),
    /// None of a folder, whose time changes with what is in it.
    changed: Option<(i64, i64)>,
}

impl Stamps {
    /// Looks at the tree below `root`.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn read(root: &Path) -> io::Result<Self> {
        let mut stamps = BTreeMap::new();
        walk(root, Path::new(""), &mut |path, metadata| {
            stamps.insert(path, stamp(metadata));
        })?;
        Ok(Self { root: root.to_owned(), stamps })
    }

    /// Returns the absolute paths of what has come, gone or changed since, with a digest of what is there now. Of a folder
    /// that was there, only owner and mode count; what is in it is listed itself.
    ///
    /// # Errors
    /// When something cannot be read.
    pub fn changes(&self) -> io::Result<BTreeMap<PathBuf, String>> {
        let now = Self::read(&self.root)?;
        let mut changes = BTreeMap::new();
        for path in self.stamps.keys().filter(|path| !now.stamps.contains_key(*path)) {
            changes.insert(Path::new("/").join(path), "gone".to_owned());
        }
        for (path, stamp) in &now.stamps {
            if self.stamps.get(path) != Some(stamp) {
                changes.insert(Path::new("/").join(path), describe(&self.root.join(path))?);
            }
        }
        Ok(changes)
    }
}

fn stamp(metadata: &Metadata) -> Stamp {
    Stamp {
        inode: metadata.ino(),
        mode: metadata.mode(),
        owner: (metadata.uid(), metadata.gid()),
        changed: (!metadata.is_dir()).then(|| (metadata.ctime(), metadata.ctime_nsec())),
    }
}

fn walk(root: &Path, inside: &Path, visit: &mut dyn FnMut(PathBuf, &Metadata)) -> io::Result<()> {
    for entry in fs::read_dir(root.join(inside))? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        let path = inside.join(entry.file_name());
        visit(path.clone(), &metadata);
        if metadata.is_dir() {
            walk(root, &path, visit)?;
        }
    }
    Ok(())
}

/// Describes a path by its kind, owner, mode and content.
fn describe(path: &Path) -> io::Result<String> {
    let metadata = fs::symlink_metadata(path)?;
    let mut hasher = Sha256::new();
    if metadata.is_file() {
        hasher.update(fs::read(path)?);
    } else if metadata.is_symlink() {
        hasher.update(fs::read_link(path)?.as_os_str().as_bytes());
    }
    let content = Sha256Digest(hasher.finalize().into());
    Ok(format!("{:o} {} {} {content}", metadata.mode(), metadata.uid(), metadata.gid()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_seen_and_nothing_else() {
        let root = std::env::temp_dir().join(format!("bootwright-changes-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("etc/dir")).unwrap();
        for name in ["same", "written", "gone", "linked"] {
            fs::write(root.join("etc").join(name), name).unwrap();
        }
        let stamps = Stamps::read(&root).unwrap();
        assert!(stamps.changes().unwrap().is_empty());
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(root.join("etc/written"), "other").unwrap();
        fs::remove_file(root.join("etc/gone")).unwrap();
        fs::write(root.join("etc/dir/new"), "").unwrap();
        fs::remove_file(root.join("etc/linked")).unwrap();
        std::os::unix::fs::symlink("same", root.join("etc/linked")).unwrap();
        let changes = stamps.changes().unwrap();
        let files: Vec<&str> = changes.keys().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(files, ["/etc/dir/new", "/etc/gone", "/etc/linked", "/etc/written"]);
        assert_eq!(changes[Path::new("/etc/gone")], "gone");
        fs::remove_dir_all(&root).unwrap();
    }
}
