//! Putting files into the tree with the modes they must have, whatever the umask.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::BootError;
use crate::rootfs::Tree;

/// Mode of plain files.
pub(super) const PLAIN: u32 = 0o644;
/// Mode of programs.
pub(super) const PROGRAM: u32 = 0o755;

/// Creates the folder `inside` and its parents, each new one with mode 0755.
pub(super) fn folder(tree: &Tree, inside: &str) -> Result<(), BootError> {
    let path = tree.path(inside);
    let missing: Vec<&Path> = path.ancestors().take_while(|folder| !folder.exists()).collect();
    for folder in missing.into_iter().rev() {
        fs::create_dir(folder).map_err(BootError::io("creating", folder))?;
        fs::set_permissions(folder, Permissions::from_mode(PROGRAM))
            .map_err(BootError::io("setting the mode of", folder))?;
    }
    Ok(())
}

/// Writes `content` to the file `inside`, replacing what was there.
pub(super) fn file(tree: &Tree, inside: &str, content: &[u8], mode: u32) -> Result<(), BootError> {
    if let Some((parent, _)) = inside.rsplit_once('/') {
        folder(tree, parent)?;
    }
    let path = tree.path(inside);
    // A link left there by a package must not lead the write elsewhere.
    remove(&path)?;
    fs::write(&path, content).map_err(BootError::io("writing", &path))?;
    fs::set_permissions(&path, Permissions::from_mode(mode))
        .map_err(BootError::io("setting the mode of", path))
}

/// Makes the link `inside` that leads to `target`, replacing what was there.
pub(super) fn link(tree: &Tree, inside: &str, target: &str) -> Result<(), BootError> {
    if let Some((parent, _)) = inside.rsplit_once('/') {
        folder(tree, parent)?;
    }
    let path = tree.path(inside);
    remove(&path)?;
    std::os::unix::fs::symlink(target, &path).map_err(BootError::io("linking", path))
}

fn remove(path: &Path) -> Result<(), BootError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(BootError::io("replacing", path)(error))
        }
        _ => Ok(()),
    }
}

/// Copies a file of the image to another place in it. `purpose` and `package` explain its absence.
pub(super) fn copy(
    tree: &Tree,
    from: &str,
    to: &str,
    purpose: &'static str,
    package: &'static str,
) -> Result<(), BootError> {
    let content = read(tree, from, purpose, package)?;
    file(tree, to, &content, PLAIN)
}

/// Reads a file of the image. `purpose` and `package` explain its absence.
pub(super) fn read(
    tree: &Tree,
    inside: &str,
    purpose: &'static str,
    package: &'static str,
) -> Result<Vec<u8>, BootError> {
    let path = tree.path(inside);
    match fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(BootError::MissingFile { path: inside.to_owned(), purpose, package })
        }
        other => other.map_err(BootError::io("reading", path)),
    }
}
