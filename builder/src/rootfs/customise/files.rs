//! Single files of the recipe.

use anyhow::{Context, Result};
use host::beneath::Root;

use super::Accounts;
use crate::plan::{FileContent, FileEntry};

/// Writes one `files:` entry; missing parent folders are made, owned by root.
///
/// # Errors
///
/// When the owner does not exist or the file cannot be read or written.
pub fn write(tree: &Root, file: &FileEntry, accounts: &Accounts) -> Result<()> {
    let owner = accounts.owner(&file.owner)?;
    let gid = accounts.group(&file.group)?;
    create_parents(tree, &file.path)?;
    match &file.content {
        FileContent::Inline(text) => {
            tree.write_file(&file.path, text.as_bytes(), file.mode, owner.uid, gid)?
        }
        FileContent::Host(path) => {
            let bytes = std::fs::read(path).with_context(|| format!("reading '{}'", path.display()))?;
            tree.write_file(&file.path, &bytes, file.mode, owner.uid, gid)?;
        }
        FileContent::Link(target) => tree.replace_with_symlink(&file.path, target, owner.uid, gid)?,
    }
    Ok(())
}

/// Makes the folders above `path`, mode 0755, owned by root; those that exist stay as they are.
pub fn create_parents(tree: &Root, path: &str) -> Result<()> {
    let mut upto = String::new();
    let Some((parents, _)) = path.trim_start_matches('/').rsplit_once('/') else {
        return Ok(());
    };
    for part in parents.split('/') {
        upto.push('/');
        upto.push_str(part);
        tree.create_folder(&upto, 0o755, 0, 0).with_context(|| format!("making folder '{upto}'"))?;
    }
    Ok(())
}
