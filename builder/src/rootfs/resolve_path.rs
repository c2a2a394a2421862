//! Finds where a path of the image really is, below the tree, whatever links lie on the way.
//!
//! Packages name paths like `/bin/ls` while `/bin` is a link to `usr/bin`. Links are followed as the image
//! would follow them: an absolute target starts at the tree's root and `..` never leaves it. Nothing else works
//! on the tree while paths are resolved, so a checked parent stays what it was until [`Resolver::forget`].

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Links followed before a path counts as a loop; Linux's own limit.
const LINK_LIMIT: usize = 40;

/// Resolves folders of one tree, remembering what it found.
#[derive(Debug)]
pub struct Resolver {
    root: PathBuf,
    known: HashMap<PathBuf, PathBuf>,
}

impl Resolver {
    /// Resolves below `root`.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), known: HashMap::new() }
    }

    /// Forgets what was found; needed after anything else changed the tree.
    pub fn forget(&mut self) {
        self.known.clear();
    }

    /// Returns the host path at which the image's `path` (relative, no `..`) itself stands: links are followed in
    /// its parents, not in its last part. Parents that are absent are taken as named.
    ///
    /// # Errors
    /// A link loop, or an unreadable folder.
    pub fn place(&mut self, path: &Path) -> io::Result<PathBuf> {
        let Some(name) = path.file_name() else { return Ok(self.root.clone()) };
        let parent = self.folder(path.parent().unwrap_or(Path::new("")))?;
        Ok(self.root.join(parent).join(name))
    }

    /// Returns where the image's folder `path` is, relative to the root, all links followed.
    fn folder(&mut self, path: &Path) -> io::Result<PathBuf> {
        if let Some(found) = self.known.get(path) {
            return Ok(found.clone());
        }
        let found = follow(&self.root, path)?;
        self.known.insert(path.to_owned(), found.clone());
        Ok(found)
    }
}

/// Returns where `path` leads inside `root`, all links followed, relative to `root`.
///
/// # Errors
/// A link loop, or an unreadable folder.
pub fn follow(root: &Path, path: &Path) -> io::Result<PathBuf> {
    let mut todo: Vec<OsString> = parts(path);
    let mut found = PathBuf::new();
    let mut links = 0;
    while let Some(part) = todo.pop() {
        if part == ".." {
            found.pop();
            continue;
        }
        found.push(&part);
        let here = root.join(&found);
        match fs::symlink_metadata(&here) {
            Ok(metadata) if metadata.is_symlink() => {
                links += 1;
                if links > LINK_LIMIT {
                    return Err(io::Error::other(format!("'/{}' is a loop of links", path.display())));
                }
                let target = fs::read_link(&here)?;
                found.pop();
                if target.is_absolute() {
                    found.clear();
                }
                todo.extend(parts(&target));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Returns the parts of `path`, the last one first.
fn parts(path: &Path) -> Vec<OsString> {
    let part = |component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    path.components().rev().filter_map(part).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_never_lead_out_of_the_tree() {
        let root = std::env::temp_dir().join(format!("bootwright-resolve-{}", std::process::id()));
        fs::create_dir_all(root.join("usr/bin")).unwrap();
        for (target, name) in [
            ("usr/bin", "bin"),
            ("/usr", "absolute"),
            ("../../../../etc", "escape"),
            ("loop", "loop"),
            ("/", "slash"),
        ] {
            symlink(target, root.join(name)).unwrap();
        }
        let place = |path: &str| Resolver::new(&root).place(Path::new(path));
        assert_eq!(place("bin/ls").unwrap(), root.join("usr/bin/ls"));
        assert_eq!(place("bin").unwrap(), root.join("bin"));
        assert_eq!(place("absolute/bin/ls").unwrap(), root.join("usr/bin/ls"));
        assert_eq!(place("escape/passwd").unwrap(), root.join("etc/passwd"));
        assert_eq!(place("slash/slash/x").unwrap(), root.join("x"));
        assert_eq!(place("new/folder/x").unwrap(), root.join("new/folder/x"));
        assert!(place("loop/x").is_err());
        fs::remove_dir_all(&root).unwrap();
    }
}
