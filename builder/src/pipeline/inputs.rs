//! What a recipe takes from this machine beside packages: the content of overlays, files, keys and programs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::plan::{FileContent, Overlay, Plan, SignedBy};
use crate::rootfs;
use crate::store::Sha256Digest;

/// Describes every such input by its digest; paths of this machine are none.
pub(super) fn of(plan: &Plan, firstboot: Option<&Path>) -> Result<Value> {
    let overlays = plan.customise.overlays.iter().map(overlay).collect::<Result<Vec<_>>>()?;
    let files = plan.customise.files.iter().filter_map(|file| match &file.content {
        FileContent::Host(path) => Some(digest(path).map(|digest| (file.path.clone(), digest))),
        FileContent::Inline(_) | FileContent::Link(_) => None,
    });
    let keys = plan.repositories.iter().filter_map(|repository| match &repository.signed_by {
        SignedBy::File(path) => Some(digest(path).map(|digest| (repository.name.clone(), digest))),
        SignedBy::DebianArchive => None,
    });
    let firstboot = match plan.holds_firstboot() {
        false => Value::Null,
        true => digest(&rootfs::seed::find_firstboot(firstboot)?)?,
    };
    Ok(json!({
        "overlays": overlays,
        "files": files.collect::<Result<Map<_, _>>>()?,
        "keys": keys.collect::<Result<Map<_, _>>>()?,
        "firstboot": firstboot,
    }))
}

/// Returns the paths in the image of the files and links that `overlay` lays.
pub(super) fn paths_of(overlay: &Overlay) -> Result<Vec<PathBuf>> {
    let mut found = Map::new();
    walk(&overlay.from, "", &mut found, &|_| Ok(Value::Null))?;
    let files =
        found.into_iter().filter(|(_, state)| state.get("sha256").is_some() || state.get("link").is_some());
    Ok(files.map(|(path, _)| Path::new("/").join(path)).collect())
}

fn digest(path: &Path) -> Result<Value> {
    let file = fs::File::open(path).and_then(Sha256Digest::read);
    let digest = file.with_context(|| format!("reading '{}'", path.display()))?;
    Ok(digest.to_string().into())
}

/// Describes what an overlay holds: each path with its mode and content, or where its link leads.
fn overlay(overlay: &Overlay) -> Result<Value> {
    let mut found = Map::new();
    walk(&overlay.from, "", &mut found, &digest)?;
    Ok(Value::Object(found))
}

/// Lists what is in `folder`; `content` describes a file's.
fn walk(
    folder: &Path,
    inside: &str,
    found: &mut Map<String, Value>,
    content: &dyn Fn(&Path) -> Result<Value>,
) -> Result<()> {
    let listed = fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let mut entries = listed.with_context(|| format!("reading folder '{}'", folder.display()))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let name = format!("{inside}{}", entry.file_name().to_string_lossy());
        let metadata = entry.metadata().with_context(|| format!("examining '{}'", path.display()))?;
        let mode = format!("{:o}", metadata.permissions().mode() & 0o7777);
        if metadata.is_dir() {
            found.insert(name.clone(), json!({ "mode": mode }));
            walk(&path, &format!("{name}/"), found, content)?;
        } else if metadata.is_symlink() {
            let target =
                fs::read_link(&path).with_context(|| format!("reading link '{}'", path.display()))?;
            found.insert(name, json!({ "link": target.to_string_lossy() }));
        } else if metadata.is_file() {
            found.insert(name, json!({ "mode": mode, "sha256": content(&path)? }));
        } else {
            // It is refused when the overlay is laid, with its name.
            found.insert(name, "no file, folder or link".into());
        }
    }
    Ok(())
}
