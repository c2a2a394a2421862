//! Folders of the recipe laid over the tree: modes as on the host, owners from the recipe.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use host::beneath::Root;

use super::Accounts;
use super::accounts::Owner;
use crate::plan::Overlay;

/// Permission bits of a folder on the host that say nothing about the image: set-id and sticky bits stay behind.
const FOLDER_MODE_MASK: u32 = 0o777;

/// Copies `overlay.from` onto the tree in the order of names.
///
/// A folder that exists keeps its mode and owner; a file replaces what is there. Everything a symlink of the
/// image points to stays inside the image.
///
/// # Errors
///
/// When an owner does not exist, or the overlay holds something that is no file, folder or symlink.
pub fn lay(tree: &Root, overlay: &Overlay, accounts: &Accounts) -> Result<()> {
    let owners = Owners::resolve(overlay, accounts)?;
    lay_folder(tree, &overlay.from, "", &owners)
}

struct Owners {
    default: Owner,
    deepest_first: Vec<(String, Owner)>,
}

impl Owners {
    fn resolve(overlay: &Overlay, accounts: &Accounts) -> Result<Self> {
        let mut deepest_first = overlay
            .map
            .iter()
            .map(|(path, owner)| Ok((path.trim_matches('/').to_owned(), accounts.owner(owner)?)))
            .collect::<Result<Vec<_>>>()?;
        deepest_first.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        Ok(Self { default: accounts.owner(&overlay.owner)?, deepest_first })
    }

    fn of(&self, path: &str) -> Owner {
        let covers = |prefix: &str| {
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.deepest_first.iter().find(|(prefix, _)| covers(prefix)).map_or(self.default, |(_, owner)| *owner)
    }
}

fn lay_folder(tree: &Root, from: &Path, inside: &str, owners: &Owners) -> Result<()> {
    let mut entries = fs::read_dir(from)
        .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
        .with_context(|| format!("reading folder '{}'", from.display()))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            bail!("the name of '{}' is not UTF-8; rename it", entry.path().display());
        };
        let inside = if inside.is_empty() { name.to_owned() } else { format!("{inside}/{name}") };
        lay_entry(tree, &entry, &inside, owners).with_context(|| format!("laying '{inside}'"))?;
    }
    Ok(())
}

fn lay_entry(tree: &Root, entry: &fs::DirEntry, inside: &str, owners: &Owners) -> Result<()> {
    let owner = owners.of(inside);
    let kind = entry.file_type()?;
    if kind.is_dir() {
        let mode = entry.metadata()?.permissions().mode() & FOLDER_MODE_MASK;
        tree.create_folder(inside, mode, owner.uid, owner.gid)?;
        lay_folder(tree, &entry.path(), inside, owners)
    } else if kind.is_symlink() {
        let target = fs::read_link(entry.path())?;
        let target = target.to_str().context("its target is not UTF-8")?;
        tree.replace_with_symlink(inside, target, owner.uid, owner.gid).map_err(Into::into)
    } else if kind.is_file() {
        let mode = entry.metadata()?.permissions().mode() & 0o7777;
        tree.write_file(inside, &fs::read(entry.path())?, mode, owner.uid, owner.gid).map_err(Into::into)
    } else {
        bail!("it is neither file, folder nor symlink; overlays hold nothing else")
    }
}
