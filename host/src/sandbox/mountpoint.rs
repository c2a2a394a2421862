//! Places to mount on that a tree does not have: made before a run, gone after it.
//!
//! The folder's time of modification is put back, so that not even that tells. Runs that overlap in time share a
//! place; the last one removes it.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, FileTimes};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// The places that exist now, by the host's path, and how many runs use each.
static PLACES: LazyLock<Mutex<HashMap<PathBuf, Place>>> = LazyLock::new(Mutex::default);

fn places() -> MutexGuard<'static, HashMap<PathBuf, Place>> {
    PLACES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a place is made as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
}

/// The files and folders that were made for one run to mount on, outermost first.
#[derive(Debug)]
pub(super) struct MountPoint(Vec<PathBuf>);

/// A file or folder that was made.
#[derive(Debug)]
struct Place {
    users: usize,
    kind: Kind,
    inode: u64,
    parent_before: SystemTime,
    parent_after: SystemTime,
}

/// Where `path` leads inside `root`, links followed as the tree's own programs would; the last parts may be missing.
pub(super) fn resolve(root: &Path, path: &Path) -> io::Result<PathBuf> {
    let mut pending: Vec<PathBuf> = parts(path);
    let mut inside = PathBuf::new();
    let mut links = 0;
    while let Some(part) = pending.pop() {
        if part == Path::new("..") {
            inside.pop();
            continue;
        }
        let here = inside.join(&part);
        match fs::read_link(root.join(&here)) {
            Ok(target) => {
                links += 1;
                if links > 40 {
                    return Err(io::Error::from_raw_os_error(nix::libc::ELOOP));
                }
                if target.is_absolute() {
                    inside = PathBuf::new();
                }
                pending.extend(parts(&target));
            }
            Err(_) => inside = here, // no link, or not there
        }
    }
    Ok(inside)
}

/// The names in a path, last first.
fn parts(path: &Path) -> Vec<PathBuf> {
    let relevant = |c: &Component<'_>| matches!(c, Component::Normal(_) | Component::ParentDir);
    path.components().rev().filter(relevant).map(|c| PathBuf::from(c.as_os_str())).collect()
}

impl MountPoint {
    /// Makes `inside`, a resolved path, and the folders on the way to it, where they are missing.
    pub(super) fn provide(root: &Path, inside: &Path, kind: Kind) -> io::Result<Self> {
        let mut point = Self(Vec::new());
        let mut path = root.to_owned();
        let count = inside.components().count();
        for (index, part) in inside.components().enumerate() {
            path.push(part);
            let kind = if index + 1 == count { kind } else { Kind::Folder };
            if Place::enter(&mut places(), &path, kind)? {
                point.0.push(path.clone());
            }
        }
        Ok(point)
    }
}

impl Drop for MountPoint {
    fn drop(&mut self) {
        let mut places = places();
        for path in self.0.drain(..).rev() {
            if let Err(error) = Place::leave(&mut places, &path) {
                tracing::debug!("removing the mount point '{}': {error}", path.display());
            }
        }
    }
}

impl Place {
    /// Makes the place or joins its users; false when it is the tree's own.
    fn enter(places: &mut HashMap<PathBuf, Self>, path: &Path, kind: Kind) -> io::Result<bool> {
        if let Some(place) = places.get_mut(path) {
            place.users += 1;
            return Ok(true);
        }
        if fs::symlink_metadata(path).is_ok() {
            return Ok(false);
        }
        let parent = parent_of(path);
        let parent_before = fs::metadata(parent)?.modified()?;
        match kind {
            Kind::Folder => DirBuilder::new().mode(0o755).create(path)?,
            Kind::File => drop(File::options().write(true).create_new(true).mode(0o644).open(path)?),
        }
        let inode = fs::symlink_metadata(path)?.ino();
        let parent_after = fs::metadata(parent)?.modified()?;
        places.insert(path.to_owned(), Self { users: 1, kind, inode, parent_before, parent_after });
        Ok(true)
    }

    /// The last user removes the place, unless the program has put something of its own there.
    fn leave(places: &mut HashMap<PathBuf, Self>, path: &Path) -> io::Result<()> {
        let Some(place) = places.get_mut(path) else { return Ok(()) };
        place.users -= 1;
        if place.users > 0 {
            return Ok(());
        }
        let Some(place) = places.remove(path) else { return Ok(()) };
        let metadata = fs::symlink_metadata(path)?;
        if metadata.ino() != place.inode {
            return Ok(());
        }
        let parent = parent_of(path);
        let untouched = fs::metadata(parent)?.modified()? == place.parent_after;
        match place.kind {
            Kind::Folder => fs::remove_dir(path)?,
            Kind::File if metadata.len() == 0 => fs::remove_file(path)?,
            Kind::File => return Ok(()),
        }
        if untouched {
            File::open(parent)?.set_times(FileTimes::new().set_modified(place.parent_before))?;
        }
        Ok(())
    }
}

fn parent_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A tree that goes away with the value.
    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("host-mountpoint-{name}-{}", std::process::id()));
            fs::create_dir_all(path.join("usr/sbin")).expect("a folder");
            Self(path)
        }

        fn modified(&self, inside: &str) -> SystemTime {
            fs::metadata(self.0.join(inside)).and_then(|metadata| metadata.modified()).expect("known")
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).expect("removed");
        }
    }

    #[test]
    fn links_lead_where_the_tree_s_programs_would_go() {
        let tree = Tree::new("links");
        for (link, target) in [
            ("sbin", "usr/sbin"),
            ("absolute", "/usr/sbin"),
            ("outside", "../../../../etc"),
            ("usr/up", "../.."),
            ("dangling", "run/none/file"),
            ("loop", "loop"),
        ] {
            symlink(target, tree.0.join(link)).expect("linked");
        }
        for (path, expected) in [
            ("/sbin/program", "usr/sbin/program"),
            ("absolute/x", "usr/sbin/x"),
            ("/outside/passwd", "etc/passwd"),
            // The root's parent is the root.
            ("usr/up/usr", "usr"),
            ("dangling", "run/none/file"),
            ("../../x", "x"),
            ("new/deep/file", "new/deep/file"),
        ] {
            assert_eq!(resolve(&tree.0, Path::new(path)).expect("resolved"), Path::new(expected), "{path}");
        }
        let error = resolve(&tree.0, Path::new("loop/x")).expect_err("refused");
        assert_eq!(error.raw_os_error(), Some(nix::libc::ELOOP));
    }

    #[test]
    fn places_are_shared_and_leave_no_trace() {
        let tree = Tree::new("shared");
        let file = tree.0.join("usr/sbin/policy-rc.d");
        let before = tree.modified("usr/sbin");
        let provide = || MountPoint::provide(&tree.0, Path::new("usr/sbin/policy-rc.d"), Kind::File);
        let (first, second) = (provide().expect("made"), provide().expect("joined"));
        drop(first);
        assert!(file.exists(), "still used");
        drop(second);
        assert!(!file.exists());
        assert_eq!(tree.modified("usr/sbin"), before);
    }

    #[test]
    fn folders_on_the_way_go_too_unless_the_program_used_them() {
        let tree = Tree::new("deep");
        let provide = || MountPoint::provide(&tree.0, Path::new("run/a/b"), Kind::Folder).expect("made");
        let point = provide();
        assert!(tree.0.join("run/a/b").is_dir());
        drop(point);
        assert!(!tree.0.join("run").exists());

        let point = provide();
        fs::write(tree.0.join("run/a/own"), "text").expect("written");
        drop(point);
        assert!(!tree.0.join("run/a/b").exists() && tree.0.join("run/a/own").exists());
    }

    #[test]
    fn what_the_tree_has_stays() {
        let tree = Tree::new("own");
        let file = tree.0.join("usr/sbin/policy-rc.d");
        fs::write(&file, "").expect("written");
        drop(MountPoint::provide(&tree.0, Path::new("usr/sbin/policy-rc.d"), Kind::File).expect("there"));
        assert!(file.exists());
    }

    #[test]
    fn a_place_that_cannot_be_made_leaves_nothing_of_its_way() {
        let tree = Tree::new("refused");
        fs::write(tree.0.join("usr/file"), "").expect("written");
        assert!(MountPoint::provide(&tree.0, Path::new("new/x"), Kind::File).is_ok());
        let refused = MountPoint::provide(&tree.0, Path::new("usr/file/x/y"), Kind::File);
        assert!(refused.is_err(), "below a file");
        assert!(!tree.0.join("new").exists());
    }
}
