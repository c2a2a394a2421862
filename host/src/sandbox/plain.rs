//! What a run without namespaces puts into the tree itself, because it can mount nothing: devices in `dev`, scripts over
//! files, files of the host. All of it goes after the run, and what was there before comes back.
//!
//! What is in the way moves beside the tree for that time, on the same filesystem. A file that the program replaced
//! meanwhile is the program's and stays. Runs that overlap in time share what they put there; the last one removes it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use nix::sys::stat::{Mode, SFlag, makedev, mknod};

/// What stands in trees now, by the host's path.
static STANDING: LazyLock<Mutex<HashMap<PathBuf, Standing>>> = LazyLock::new(Mutex::default);

/// Character devices of a run's `/dev`: name, major and minor number.
const DEVICES: [(&str, u64, u64); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// Something that was put into a tree.
#[derive(Debug)]
struct Standing {
    users: usize,
    what: What,
    /// Where that lies which was in the way.
    aside: Option<PathBuf>,
    parent_before: SystemTime,
    parent_after: SystemTime,
}

#[derive(Debug)]
enum What {
    /// A file or a folder of this inode; the folder with all that is in it.
    Ours(u64),
    /// The tree's own `dev`, filled; its time of modification before and after that.
    Devices { before: SystemTime, after: SystemTime },
}

/// One run's share in what stands at a path; dropped, it is given back.
#[derive(Debug)]
pub(super) struct Put(PathBuf);

/// What to put somewhere.
#[derive(Debug, Clone, Copy)]
pub(super) enum Content<'c> {
    /// A program of this text.
    Script(&'c str),
    /// A copy of this file, or second names for the files of this folder.
    Of(&'c Path),
}

fn standing() -> MutexGuard<'static, HashMap<PathBuf, Standing>> {
    STANDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fills the tree's `dev`, which is there. What it holds goes aside.
pub(super) fn put_devices(root: &Path) -> io::Result<Put> {
    let dev = root.join("dev");
    share(&dev, || {
        let before = fs::metadata(&dev)?.modified()?;
        let aside = if fs::read_dir(&dev)?.next().is_some() { Some(move_content(root, &dev)?) } else { None };
        make_devices(&dev)?;
        Ok((What::Devices { before, after: fs::metadata(&dev)?.modified()? }, aside))
    })
}

fn make_devices(dev: &Path) -> io::Result<()> {
    for (name, major, minor) in DEVICES {
        let path = dev.join(name);
        mknod(&path, SFlag::S_IFCHR, Mode::empty(), makedev(major, minor))
            .map_err(|errno| because(errno.into(), &format!("making the device '{name}'; this needs CAP_MKNOD, which a container gets by `--cap-add MKNOD`")))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666))?;
    }
    OpenOptions::new().write(true).open(dev.join("null")).map_err(|error| {
        because(error, "writing to a new /dev/null; devices have no effect where the cache is (mount option `nodev`, or the container's device rules): choose another folder by `--cache`, or give the volume the option `dev`")
    })?;
    for (name, mode) in [("pts", 0o755), ("shm", 0o1777)] {
        fs::DirBuilder::new().mode(mode).create(dev.join(name))?;
        fs::set_permissions(dev.join(name), fs::Permissions::from_mode(mode))?;
    }
    for (name, to) in [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")] {
        symlink(to, dev.join(name))?;
    }
    Ok(())
}

fn because(error: io::Error, what: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

/// Puts `content` at `at`, a resolved path of the host below `root`, whose folder is there.
pub(super) fn put(root: &Path, at: &Path, content: Content<'_>) -> io::Result<Put> {
    share(at, || {
        let aside = match fs::symlink_metadata(at) {
            Ok(_) => {
                let aside = beside(root);
                fs::rename(at, &aside)?;
                Some(aside)
            }
            Err(_) => None,
        };
        match content {
            Content::Script(text) => {
                let mut options = OpenOptions::new();
                options.write(true).create_new(true).mode(0o755).open(at)?.write_all(text.as_bytes())?;
                fs::set_permissions(at, fs::Permissions::from_mode(0o755))?;
            }
            Content::Of(from) if from.is_dir() => link_folder(from, at)?,
            Content::Of(from) => drop(fs::copy(from, at)?),
        }
        Ok((What::Ours(fs::symlink_metadata(at)?.ino()), aside))
    })
}

/// Gives the files of `from` second names below `to`, or copies where they are on another filesystem.
fn link_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            link_folder(&path, &target)?;
        } else if fs::hard_link(&path, &target).is_err() {
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}

/// A name beside the tree that nothing has.
fn beside(root: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut name = OsString::from(".aside-");
    name.push(root.file_name().unwrap_or_default());
    name.push(format!("-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
    root.with_file_name(name)
}

fn move_content(root: &Path, folder: &Path) -> io::Result<PathBuf> {
    let aside = beside(root);
    fs::create_dir(&aside)?;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        fs::rename(folder.join(&name), aside.join(&name))?;
    }
    Ok(aside)
}

/// Makes what is to stand at `path`, or joins its users.
fn share(path: &Path, make: impl FnOnce() -> io::Result<(What, Option<PathBuf>)>) -> io::Result<Put> {
    let mut standing = standing();
    if let Some(one) = standing.get_mut(path) {
        one.users += 1;
        return Ok(Put(path.to_owned()));
    }
    let parent = path.parent().unwrap_or(path);
    let parent_before = fs::metadata(parent)?.modified()?;
    let (what, aside) = make()?;
    let parent_after = fs::metadata(parent)?.modified()?;
    standing.insert(path.to_owned(), Standing { users: 1, what, aside, parent_before, parent_after });
    Ok(Put(path.to_owned()))
}

impl Drop for Put {
    fn drop(&mut self) {
        let mut standing = standing();
        let Some(one) = standing.get_mut(&self.0) else { return };
        one.users -= 1;
        if one.users > 0 {
            return;
        }
        let Some(one) = standing.remove(&self.0) else { return };
        if let Err(error) = one.take_away(&self.0) {
            tracing::warn!("putting '{}' back as it was: {error}", self.0.display());
        }
    }
}

impl Standing {
    fn take_away(&self, path: &Path) -> io::Result<()> {
        let parent = path.parent().unwrap_or(path);
        let untouched = fs::metadata(parent)?.modified()? == self.parent_after;
        match self.what {
            What::Ours(inode) => self.restore_file(path, inode)?,
            What::Devices { before, after } => self.restore_devices(path, before, after)?,
        }
        if untouched {
            File::open(parent)?.set_times(FileTimes::new().set_modified(self.parent_before))?;
        }
        Ok(())
    }

    fn restore_file(&self, path: &Path, inode: u64) -> io::Result<()> {
        let metadata = fs::symlink_metadata(path).ok();
        let is_ours = metadata.as_ref().is_some_and(|metadata| metadata.ino() == inode);
        if is_ours && metadata.is_some_and(|metadata| metadata.is_dir()) {
            fs::remove_dir_all(path)?;
        }
        match &self.aside {
            Some(aside) if is_ours => fs::rename(aside, path),
            // The program has replaced or removed it.
            Some(aside) => fs::remove_file(aside),
            None if is_ours && path.is_dir() => Ok(()),
            None if is_ours && path.exists() => fs::remove_file(path),
            None => Ok(()),
        }
    }

    fn restore_devices(&self, dev: &Path, before: SystemTime, after: SystemTime) -> io::Result<()> {
        let now = fs::metadata(dev)?.modified()?;
        for entry in fs::read_dir(dev)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        if let Some(aside) = &self.aside {
            for entry in fs::read_dir(aside)? {
                let name = entry?.file_name();
                fs::rename(aside.join(&name), dev.join(&name))?;
            }
            fs::remove_dir(aside)?;
        }
        // A time before the filling was set on purpose, as when a package is unpacked.
        let time = if now < after { now } else { before };
        File::open(dev)?.set_times(FileTimes::new().set_modified(time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("host-plain-{name}-{}", std::process::id())).join("tree");
            fs::create_dir_all(path.join("sbin")).expect("a folder");
            Self(path)
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(self.0.parent().expect("a folder of ours"));
        }
    }

    #[test]
    fn what_was_there_comes_back_with_the_folder_s_time() {
        let tree = Tree::new("back");
        let at = tree.0.join("sbin/daemon");
        fs::write(&at, "real").expect("written");
        let time = || fs::metadata(tree.0.join("sbin")).expect("there").modified().expect("a time");
        let before = (fs::metadata(&at).expect("there").ino(), time());
        let first = put(&tree.0, &at, Content::Script("#!/bin/sh\n")).expect("put");
        let second = put(&tree.0, &at, Content::Script("#!/bin/sh\n")).expect("shared");
        drop(first);
        assert_eq!(fs::read_to_string(&at).expect("there"), "#!/bin/sh\n");
        drop(second);
        assert_eq!((fs::metadata(&at).expect("there").ino(), time()), before);
        assert_eq!(
            fs::read_dir(tree.0.parent().expect("ours")).expect("listed").count(),
            1,
            "nothing is beside"
        );
    }

    #[test]
    fn what_the_program_put_there_stays() {
        let tree = Tree::new("stays");
        let at = tree.0.join("sbin/daemon");
        fs::write(&at, "old").expect("written");
        let put = put(&tree.0, &at, Content::Script("stub")).expect("put");
        fs::write(tree.0.join("sbin/new"), "new").expect("written");
        fs::rename(tree.0.join("sbin/new"), &at).expect("replaced");
        drop(put);
        assert_eq!(fs::read_to_string(&at).expect("there"), "new");
        assert_eq!(
            fs::read_dir(tree.0.parent().expect("ours")).expect("listed").count(),
            1,
            "nothing is beside"
        );
    }

    #[test]
    fn a_folder_is_shown_and_gone_afterwards() {
        let tree = Tree::new("folder");
        let from = tree.0.join("from/inner");
        fs::create_dir_all(&from).expect("made");
        fs::write(from.join("file"), "text").expect("written");
        let at = tree.0.join("sbin/shown");
        let put = put(&tree.0, &at, Content::Of(&tree.0.join("from"))).expect("put");
        assert_eq!(fs::read_to_string(at.join("inner/file")).expect("there"), "text");
        drop(put);
        assert!(!at.exists() && from.join("file").exists());
    }
}
