//! Who manages the interfaces of this machine.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use host::beneath::Root;
use serde::{Deserialize, Serialize};

use super::ifupdown;
use super::rendered::{IFUPDOWN_FOLDER, NETWORKD_FOLDER, OWN_PREFIX};

/// The main file of ifupdown.
pub const INTERFACES: &str = "/etc/network/interfaces";

/// A program that sets addresses by files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Manager {
    /// systemd-networkd
    Networkd,
    /// ifupdown
    Ifupdown,
}

impl Manager {
    /// Finds out who manages the interfaces of these names: who is enabled, and whose files speak of them.
    ///
    /// # Errors
    ///
    /// When it is neither of the two, or files cannot be read.
    pub fn detect(root: &Root, names: &BTreeSet<String>) -> Result<Self> {
        let networkd = is_enabled(root, "systemd-networkd.service")?;
        let ifupdown = is_enabled(root, "networking.service")? && has_program(root, "ifup")?;
        match (networkd, ifupdown) {
            (true, false) => Ok(Self::Networkd),
            (false, true) => Ok(Self::Ifupdown),
            // Debian's installer leaves ifupdown in place; it manages what its files speak of.
            (true, true) => {
                let spoken_of = interfaces_of_ifupdown(root, Whose::All)?;
                Ok(if names.is_disjoint(&spoken_of) { Self::Networkd } else { Self::Ifupdown })
            }
            (false, false) => bail!(
                "neither systemd-networkd nor ifupdown is enabled, so nothing would read what is written; \
                 enable one (`systemctl enable systemd-networkd`); `firstboot net` can write for another: --manager"
            ),
        }
    }
}

/// Tells whether the machine's own files set some of these interfaces: files of networkd, whichever it is, are taken to.
///
/// # Errors
///
/// When files cannot be read.
pub fn has_files_for(root: &Root, names: &BTreeSet<String>) -> Result<bool> {
    match Manager::detect(root, names)? {
        Manager::Networkd => {
            let is_foreign = |name: &String| name.ends_with(".network") && !name.starts_with(OWN_PREFIX);
            Ok(list(root, NETWORKD_FOLDER)?.iter().any(is_foreign))
        }
        Manager::Ifupdown => Ok(!names.is_disjoint(&interfaces_of_ifupdown(root, Whose::Others)?)),
    }
}

/// Whose files are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// Ours too: what was given to a manager stays with it.
    All,
    /// All but ours.
    Others,
}

/// The interfaces that ifupdown's files speak of.
fn interfaces_of_ifupdown(root: &Root, whose: Whose) -> Result<BTreeSet<String>> {
    let main =
        root.read_to_string_if_exists(INTERFACES).with_context(|| format!("reading '{INTERFACES}'"))?;
    let mut names = ifupdown::interfaces_in(&main.unwrap_or_default());
    for name in list(root, IFUPDOWN_FOLDER)? {
        if whose == Whose::All || !name.starts_with(OWN_PREFIX) {
            let path = format!("{IFUPDOWN_FOLDER}/{name}");
            let text = root.read_to_string_if_exists(&path).with_context(|| format!("reading '{path}'"))?;
            names.extend(ifupdown::interfaces_in(&text.unwrap_or_default()));
        }
    }
    Ok(names)
}

/// The names in a folder, sorted; none if it is not there.
pub fn list(root: &Root, folder: &str) -> Result<Vec<String>> {
    let Some(path) = root.resolve_folder(folder).with_context(|| format!("looking for '{folder}'"))? else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&path).with_context(|| format!("listing '{folder}'"))? {
        names.extend(entry.with_context(|| format!("listing '{folder}'"))?.file_name().into_string().ok());
    }
    names.sort();
    Ok(names)
}

fn is_enabled(root: &Root, unit: &str) -> Result<bool> {
    for target in ["multi-user.target.wants", "network-online.target.wants", "sysinit.target.wants"] {
        let path = format!("/etc/systemd/system/{target}/{unit}");
        // The link may lead to what this root does not have; that it is there is what enables.
        if root.is_symlink(&path).with_context(|| format!("looking at '{path}'"))? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn has_program(root: &Root, name: &str) -> Result<bool> {
    for folder in ["/usr/sbin", "/sbin", "/usr/bin"] {
        if root.exists(&format!("{folder}/{name}")).with_context(|| format!("looking for '{name}'"))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Tells whether systemd-resolved is enabled below `root`: it then asks whom networkd names.
pub fn has_resolved(root: &Root) -> Result<bool> {
    is_enabled(root, "systemd-resolved.service")
}
