//! Links that make `/bin`, `/lib` and their like part of `/usr`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::control::Control;
use super::error::{BootstrapError, Result};
use super::unpack::{Kind, Staged};

/// Folders that are links in every merged tree on amd64.
const CORE: [&str; 4] = ["bin", "lib", "lib64", "sbin"];
/// Further folders that debootstrap links on amd64, with or without content.
const FOREIGN: [&str; 2] = ["lib32", "libx32"];
/// In the set, it says that someone else has merged the folders.
const MERGED_BEFORE: &str = "usr-is-merged";
/// In the set, it merges them when it is configured.
const MERGER: &str = "usrmerge";
/// Returns whether a package of the set merges the folders itself, by moving what is in them.
pub fn is_converted(controls: &[&Control]) -> bool {
    let has = |name: &str| controls.iter().any(|control| control.name == name);
    has(MERGER) && !has(MERGED_BEFORE)
}

/// Makes the links that the set of packages asks for, before anything is unpacked.
///
/// From trixie on base-files brings them; then nothing is made. Before that the package `usr-is-merged` in the set
/// expects what debootstrap makes. Its alternative `usrmerge` converts an unmerged tree when it is configured.
///
/// # Errors
/// A link that cannot be made.
pub fn make_links(root: &Path, controls: &[&Control], first: &Staged) -> Result<()> {
    if first
        .entries
        .iter()
        .any(|entry| entry.path == Path::new("bin") && matches!(entry.kind, Kind::Symlink(_)))
    {
        return Ok(());
    }
    let has = |name: &str| controls.iter().any(|control| control.name == name);
    if has(MERGED_BEFORE) { link(root, &CORE).and_then(|()| link(root, &FOREIGN)) } else { Ok(()) }
}

/// Makes the links that every merged tree has.
///
/// # Errors
/// A link that cannot be made.
pub fn make_core_links(root: &Path) -> Result<()> {
    link(root, &CORE)
}

fn link(root: &Path, names: &[&str]) -> Result<()> {
    for name in names {
        let folder = root.join("usr").join(name);
        fs::create_dir_all(&folder).map_err(BootstrapError::file("creating", &folder))?;
        let path = root.join(name);
        if fs::symlink_metadata(&path).is_err() {
            symlink(format!("usr/{name}"), &path).map_err(BootstrapError::file("linking", &path))?;
        }
    }
    Ok(())
}
