//! Initramfs images that are made once: a change of files that no initramfs is made from makes none anew.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::inputs;
use crate::boot;
use crate::plan::Plan;
use crate::rootfs::Tree;
use crate::store::{Key, Sha256Digest, Store};

/// Tells whether everything that the recipe does to the configured tree is known beforehand to change no initramfs, so that
/// it can be made while the tree is being kept.
pub(super) fn is_decided_by_packages(plan: &Plan) -> Result<bool> {
    let wanted = &plan.customise;
    let read_only = plan
        .disk
        .as_ref()
        .and_then(|disk| disk.mounted("/"))
        .is_some_and(|(_, root)| root.kind.is_read_only());
    // What accounts and commands change is seen only afterwards.
    if !wanted.users.is_empty() || !wanted.run.is_empty() || read_only {
        return Ok(false);
    }
    let mut paths: Vec<PathBuf> = wanted.files.iter().map(|file| PathBuf::from(&file.path)).collect();
    for overlay in &wanted.overlays {
        paths.extend(inputs::paths_of(overlay)?);
    }
    Ok(!paths.iter().any(|path| boot::initramfs_reads(path)))
}

/// Puts the images that the store has for `key` into the tree; tells whether it had them.
pub(super) fn restore(store: &Store, key: &Key, tree: &Tree) -> Result<bool> {
    let Some(Value::Object(images)) = store.recall(key) else { return Ok(false) };
    let mut found = Vec::new();
    for (path, image) in &images {
        let digest = image["object"].as_str().and_then(Sha256Digest::parse);
        let bytes = digest.map(|digest| store.read(&digest)).transpose()?.flatten();
        let (Some(bytes), Some(mode)) =
            (bytes, image["mode"].as_u64().and_then(|mode| u32::try_from(mode).ok()))
        else {
            store.forget(key)?;
            return Ok(false);
        };
        found.push((tree.path(path), bytes, mode));
    }
    for (path, bytes, mode) in found {
        let written = fs::write(&path, bytes)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(mode)));
        written.with_context(|| format!("writing '{}'", path.display()))?;
    }
    Ok(true)
}

/// Gives the folders in which images are made the same time whether they were made or put back, and whenever.
pub(super) fn settle(tree: &Tree) -> Result<()> {
    if boot::initramfs_paths(tree.root())?.is_empty() {
        return Ok(());
    }
    for folder in
        ["/boot", "/tmp", "/var/tmp"].map(|folder| tree.path(folder)).iter().filter(|path| path.is_dir())
    {
        let set = host::node::set_time(folder, tree.locked.epoch);
        set.with_context(|| format!("setting the time of '{}'", folder.display()))?;
    }
    Ok(())
}

/// Keeps the tree's images as the result of `key`.
pub(super) fn keep(store: &Store, key: &Key, tree: &Tree) -> Result<()> {
    let mut images = serde_json::Map::new();
    for path in boot::initramfs_paths(tree.root())? {
        let place = tree.path(&path);
        let bytes = fs::read(&place).with_context(|| format!("reading '{}'", place.display()))?;
        let mode = fs::metadata(&place)
            .with_context(|| format!("examining '{}'", place.display()))?
            .permissions()
            .mode();
        let object = Sha256Digest::of(&bytes);
        store.put(object, &bytes)?;
        images.insert(path, json!({ "object": object.to_string(), "mode": mode & 0o7777 }));
    }
    Ok(store.replace(key, &Value::Object(images))?)
}
