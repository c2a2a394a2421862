//! Takes out of a finished tree what must not be cloned, and what would differ between two builds.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use host::beneath::Root;

use super::java_keystore;

/// What is inside these folders goes; the folders stay.
const EMPTIED: [&str; 3] = ["/tmp", "/var/tmp", "/run"];

/// Files inside these folders go; folders below them belong to packages and stay.
const WITHOUT_FILES: [&str; 3] = ["/var/lib/apt/lists", "/var/cache/apt", "/var/log/apt"];

/// These go, whoever made them.
const REMOVED: [&str; 17] = [
    // Identity: made anew by each clone.
    "/etc/ssh/ssh_host_rsa_key",
    "/etc/ssh/ssh_host_rsa_key.pub",
    "/etc/ssh/ssh_host_ecdsa_key",
    "/etc/ssh/ssh_host_ecdsa_key.pub",
    "/etc/ssh/ssh_host_ed25519_key",
    "/etc/ssh/ssh_host_ed25519_key.pub",
    "/var/lib/systemd/random-seed",
    "/var/lib/systemd/credential.secret",
    "/var/lib/urandom/random-seed",
    // Logs of the build.
    "/var/log/alternatives.log",
    "/var/log/bootstrap.log",
    "/var/log/dpkg.log",
    "/var/log/fontconfig.log",
    // Traces of somebody's shell.
    "/root/.bash_history",
    "/root/.lesshst",
    "/root/.wget-hsts",
    // Holds inode numbers and times of the build machine; ldconfig makes it anew.
    "/var/cache/ldconfig/aux-cache",
];

/// Java's certificate authorities.
const JAVA_KEYSTORE: &str = "/etc/ssl/certs/java/cacerts";

/// Cleans the tree and gives it the machine identity of a clone that has not booted yet. `epoch` is the image's "now".
///
/// # Errors
///
/// Names the path that could not be removed or written.
pub fn normalise(root: &Path, epoch: i64) -> Result<()> {
    let tree = &Root::open(root).with_context(|| format!("opening the tree '{}'", root.display()))?;
    for folder in EMPTIED {
        tree.empty_folder_if_exists(folder).with_context(|| format!("emptying '{folder}' of the tree"))?;
    }
    for folder in WITHOUT_FILES {
        tree.remove_files_below_if_exists(folder)
            .with_context(|| format!("emptying '{folder}' of the tree"))?;
    }
    for path in REMOVED {
        tree.remove_if_exists(path).with_context(|| format!("removing '{path}' of the tree"))?;
    }
    settle_java_keystore(tree, epoch).with_context(|| format!("setting the times in '{JAVA_KEYSTORE}'"))?;
    reset_machine_id(tree)
}

fn settle_java_keystore(tree: &Root, epoch: i64) -> Result<()> {
    if !tree.exists(JAVA_KEYSTORE)? || tree.is_symlink(JAVA_KEYSTORE)? {
        return Ok(());
    }
    let mut bytes = Vec::new();
    tree.open_file(JAVA_KEYSTORE)?.read_to_end(&mut bytes)?;
    if let Some(settled) = java_keystore::settled(&bytes, epoch) {
        let (mode, uid, gid) = tree.ownership(JAVA_KEYSTORE)?;
        tree.write_file(JAVA_KEYSTORE, &settled, mode & 0o7777, uid, gid)?;
    }
    Ok(())
}

/// `uninitialized` makes systemd treat the next boot as the first one; an empty file would not.
fn reset_machine_id(tree: &Root) -> Result<()> {
    if tree.exists("/etc/machine-id")? || tree.exists("/usr/lib/systemd/systemd")? {
        tree.write_file("/etc/machine-id", b"uninitialized\n", 0o444, 0, 0)
            .context("writing /etc/machine-id")?;
    }
    // D-Bus reads /etc/machine-id when its own is missing or a link to it.
    if !tree.is_symlink("/var/lib/dbus/machine-id")? {
        tree.remove_if_exists("/var/lib/dbus/machine-id").context("removing D-Bus's machine-id")?;
    }
    Ok(())
}
