//! What apt leaves behind when it installed the packages: marks, locks and its own folders.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use crate::resolve::LockedPackage;

use super::accounts::Accounts;
use super::dpkg_database::write;
use super::error::{BootstrapError, Result};

/// Locks that stay as empty files.
const LOCKS: [&str; 3] =
    ["var/lib/apt/lists/lock", "var/cache/apt/archives/lock", "var/lib/dpkg/lock-frontend"];
/// Folders into which apt downloads as its own user.
const PARTIAL: [&str; 2] = ["var/lib/apt/lists/partial", "var/cache/apt/archives/partial"];
const APT_USER: &str = "_apt";

/// Writes apt's state for the image's packages.
///
/// # Errors
/// A file that cannot be written.
pub fn write_apt_state(root: &Path, packages: &[&LockedPackage], native: &str) -> Result<()> {
    let marks = root.join("var/lib/apt/extended_states");
    write(&marks, extended_states(packages, native).as_bytes(), 0o644)?;
    for lock in LOCKS {
        write(&root.join(lock), b"", 0o640)?;
    }
    let user = Accounts::load(root)?.user(APT_USER);
    for folder in PARTIAL.map(|folder| root.join(folder)) {
        let made = fs::create_dir_all(&folder)
            .and_then(|()| chown(&folder, user, None))
            .and_then(|()| fs::set_permissions(&folder, Permissions::from_mode(0o700)));
        made.map_err(BootstrapError::file("creating", &folder))?;
    }
    Ok(())
}

/// Returns a paragraph for each package that came only as a dependency. apt files packages for all
/// architectures under the native one.
fn extended_states(packages: &[&LockedPackage], native: &str) -> String {
    let mut automatic: Vec<_> = packages.iter().filter(|package| package.automatic).collect();
    automatic.sort_by_key(|package| &package.name);
    let mut text = String::new();
    for package in automatic {
        let architecture = if package.architecture == "all" { native } else { &package.architecture };
        // Writing to a String cannot fail.
        let _ =
            write!(text, "Package: {}\nArchitecture: {architecture}\nAuto-Installed: 1\n\n", package.name);
    }
    text
}
