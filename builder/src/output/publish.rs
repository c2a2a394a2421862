//! Giving complete files their names.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::OutputError;
use super::manifest::{checksums_name, manifest_name};
use super::tree::StagedTree;

/// Puts one set of artifacts in place.
#[derive(Debug)]
pub(super) struct Publisher<'a> {
    folder: &'a Path,
}

impl<'a> Publisher<'a> {
    /// Begins a new set called `name`: an older set loses its signature and its checksums, since they will not fit what
    /// follows.
    pub(super) fn open(folder: &'a Path, name: &str) -> Result<Self, OutputError> {
        remove(&folder.join(signature_name(name)))?;
        remove(&folder.join(checksums_name(name)))?;
        Ok(Self { folder })
    }

    /// Gives `file`, complete and without a name, the name `name`, and returns its path.
    pub(super) fn publish(&self, file: &File, name: &str) -> Result<PathBuf, OutputError> {
        let path = self.folder.join(name);
        let failed = |source| OutputError::io("putting in place", &path, source);
        file.sync_all().map_err(failed)?;
        replace(file, &path).map_err(failed)?;
        Ok(path)
    }

    /// Gives `tree`, complete and hidden, the name `name`, and returns its path.
    pub(super) fn publish_tree(&self, tree: StagedTree, name: &str) -> Result<PathBuf, OutputError> {
        let path = self.folder.join(name);
        tree.publish(&path)?;
        Ok(path)
    }

    /// Writes a small file and puts it in place.
    pub(super) fn publish_text(&self, text: &str, name: &str) -> Result<PathBuf, OutputError> {
        let mut file = host::sparse::create_unnamed(self.folder)
            .map_err(|source| OutputError::io("writing to", self.folder, source))?;
        file.write_all(text.as_bytes())
            .map_err(|source| OutputError::io("writing", &self.folder.join(name), source))?;
        self.publish(&file, name)
    }

    /// Makes the names survive a power cut.
    pub(super) fn finish(self) -> Result<(), OutputError> {
        let synced = File::open(self.folder).and_then(|folder| folder.sync_all());
        synced.map_err(|source| OutputError::io("syncing", self.folder, source))
    }
}

/// A file whose bytes appear once more.
#[derive(Debug)]
pub struct Copy {
    /// The name it appears by.
    pub name: String,
    /// Its bytes.
    pub file: File,
    /// The time of modification that it appears with.
    pub modified: SystemTime,
}

/// Puts a set called `name` in place again: copies of images, and the text of the files beside them, the checksums last.
///
/// # Errors
/// When something cannot be written; nothing new has a name then, unless the very last renames failed.
pub fn publish_copies(
    folder: &Path,
    name: &str,
    images: &[Copy],
    texts: &[(String, String)],
) -> Result<(), OutputError> {
    fs::create_dir_all(folder).map_err(|source| OutputError::io("making the folder", folder, source))?;
    let copy = |image: &Copy| -> io::Result<File> {
        let target = host::sparse::create_unnamed(folder)?;
        copy_data(&image.file, &target)?;
        target.set_modified(image.modified)?;
        Ok(target)
    };
    let failed = |image: &Copy| {
        let path = folder.join(&image.name);
        move |source| OutputError::io("writing", &path, source)
    };
    let copies =
        images.iter().map(|image| copy(image).map_err(failed(image))).collect::<Result<Vec<_>, _>>()?;
    let publisher = Publisher::open(folder, name)?;
    for (file, image) in copies.iter().zip(images) {
        publisher.publish(file, &image.name)?;
    }
    for (name, text) in texts {
        publisher.publish_text(text, name)?;
    }
    publisher.finish()
}

/// Returns the name of the signature of the manifest of the images called `name`.
pub fn signature_name(name: &str) -> String {
    format!("{}.asc", manifest_name(name))
}

/// Puts a signature of the manifest beside the set called `name`, and returns its path.
///
/// # Errors
/// When it cannot be written.
pub fn publish_signature(folder: &Path, name: &str, signature: &str) -> Result<PathBuf, OutputError> {
    let publisher = Publisher { folder };
    let path = publisher.publish_text(signature, &signature_name(name))?;
    publisher.finish()?;
    Ok(path)
}

/// Gives a complete file the name `path`; a file that is there is replaced.
///
/// # Errors
/// When that is not possible.
pub(super) fn replace(file: &File, path: &Path) -> io::Result<()> {
    match host::sparse::link(file, path) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => {
            tracing::debug!("'{}' cannot be linked in place, its bytes are copied: {error}", path.display());
        }
    }
    // Only a rename replaces. The hidden name is fixed, so what a kill in between leaves is gone with the next run.
    let (hidden, _held) = hide(file, path)?;
    fs::rename(&hidden, path)
}

/// Gives a complete file the name `path`, which must be free.
///
/// # Errors
/// When there is something of that name, or the file cannot be there.
pub(super) fn create(file: &File, path: &Path) -> io::Result<()> {
    match host::sparse::link(file, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            let (hidden, _held) = hide(file, path)?;
            let placed = fs::hard_link(&hidden, path);
            fs::remove_file(&hidden)?;
            placed
        }
        other => other,
    }
}

/// Gives a complete file a hidden name beside `path`, and returns that file, locked: `bootwright clean` leaves it alone.
fn hide(file: &File, path: &Path) -> io::Result<(PathBuf, File)> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    let hidden = path.with_file_name(name);
    match fs::remove_file(&hidden) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let linked = file.try_clone()?;
    lock(&linked);
    match host::sparse::link(file, &hidden) {
        Ok(()) => Ok((hidden, linked)),
        Err(_) => copy(file, &hidden).map(|copied| (hidden, copied)),
    }
}

/// Locks a file that nobody else has; a filesystem without locks goes without.
fn lock(file: &File) {
    if let Err(error) = host::node::try_lock(file) {
        tracing::debug!("locking a file of the output folder: {error}");
    }
}

fn remove(path: &Path) -> Result<(), OutputError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(OutputError::io("removing", path, error))
        }
        _ => Ok(()),
    }
}

/// Copies a sparse file where it cannot be linked: to another filesystem, or from one without unnamed files.
fn copy(file: &File, to: &Path) -> io::Result<File> {
    let target = OpenOptions::new().write(true).create_new(true).open(to)?;
    lock(&target);
    copy_data(file, &target)?;
    target.sync_all()?;
    Ok(target)
}

/// Copies what is in a sparse file; holes stay holes.
fn copy_data(file: &File, target: &File) -> io::Result<()> {
    let size = file.metadata()?.len();
    target.set_len(size)?;
    for range in host::sparse::data_ranges(file, size)? {
        host::sparse::copy_range(file, range.start, target, range.start, range.end - range.start)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn replaces_what_was_there_and_leaves_nothing_hidden() {
        let folder = std::env::temp_dir().join(format!("bootwright-publish-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("x.SHA256SUMS"), "old").expect("written");
        fs::write(folder.join(".x.raw.new"), "half").expect("written");
        for text in ["first", "second"] {
            let publisher = Publisher::open(&folder, "x").expect("opened");
            assert!(!folder.join("x.SHA256SUMS").exists(), "stale checksums are gone first");
            let path = publisher.publish_text(text, "x.raw").expect("published");
            assert_eq!(fs::read_to_string(path).expect("there"), text);
            publisher.finish().expect("finished");
        }
        assert_eq!(fs::read_dir(&folder).expect("listed").count(), 1);
        let sparse = host::sparse::create_unnamed(&folder).expect("a file");
        sparse.set_len(8 << 20).expect("sized");
        sparse.write_all_at(b"tail", (8 << 20) - 4).expect("written");
        copy(&sparse, &folder.join("copy")).expect("copied");
        let bytes = fs::read(folder.join("copy")).expect("read");
        assert!(bytes.len() == 8 << 20 && bytes.ends_with(b"\0tail"));
        fs::remove_dir_all(&folder).expect("removed");
    }
}
