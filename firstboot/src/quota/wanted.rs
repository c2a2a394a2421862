//! One limit, as a document or the command line wants it.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use contract::quota::{Limit, Quota, Whose};
use host::quota;

use super::{Place, kind, record};
use crate::machine::Machine;

/// Makes a limit hold, now and after each boot; gives the filesystem and the number of whom it is for.
///
/// # Errors
///
/// When nobody is called so, the filesystem has no quotas, or a folder is on another one.
pub fn make(machine: &Machine, quota: &Quota) -> Result<(Place, u32)> {
    let (place, id) = (Place::of(Path::new(&quota.path))?, number_of(quota)?);
    let folder = quota.folder.as_deref().map(Path::new);
    if let Some(folder) = folder {
        let other = Place::of(folder)?;
        ensure!(other == place, "'{}' is on '{}', not on '{}'", folder.display(), other.mount, place.mount);
    }
    super::set(&place, quota.whose, id, quota.bytes.map(of_kernel), quota.inodes.map(of_kernel))?;
    record::remember(machine, &place, quota.whose)?;
    if let Some(folder) = folder {
        give(folder, id)?;
    }
    Ok((place, id))
}

/// Tells whether a limit is set, is remembered, and holds; a folder has its project when all below it has.
///
/// # Errors
///
/// When the filesystem does not answer.
pub fn holds(machine: &Machine, quota: &Quota) -> Result<bool> {
    // A plan is told before an earlier step has made or mounted what the limit is for.
    let paths = [Some(&quota.path), quota.folder.as_ref()];
    if paths.into_iter().flatten().any(|path| !Path::new(path).exists()) {
        return Ok(false);
    }
    let place = Place::of(Path::new(&quota.path))?;
    let folder = place.open()?;
    let kind = kind(quota.whose);
    // Nobody of that name yet: a plan is told before an earlier step makes the user.
    let Ok(id) = number_of(quota) else { return Ok(false) };
    if !quota::state(&folder, kind)?.enforces || !record::remembers(machine, &place, quota.whose)? {
        return Ok(false);
    }
    if let Some(given) = &quota.folder
        && quota::project_of(&File::open(given)?)? != id
    {
        return Ok(false);
    }
    let usage = quota::usage(&folder, kind, id)?;
    let bytes = quota.bytes.is_none_or(|limit| of_kernel(limit).is_about(usage.byte_limit));
    Ok(bytes && quota.inodes.is_none_or(|limit| of_kernel(limit) == usage.inode_limit))
}

fn of_kernel(limit: Limit) -> quota::Limit {
    quota::Limit { soft: limit.soft, hard: limit.hard }
}

/// A number stands for itself; a name is looked for in the machine's own files.
fn number_of(quota: &Quota) -> Result<u32> {
    if let Ok(number) = quota.who.parse() {
        return Ok(number);
    }
    let file = if quota.whose == Whose::User { "/etc/passwd" } else { "/etc/group" };
    let text = fs::read_to_string(file).with_context(|| format!("reading '{file}'"))?;
    find_number(&text, &quota.who).with_context(|| format!("'{file}' has no '{}'", quota.who.escape_debug()))
}

fn find_number(text: &str, name: &str) -> Option<u32> {
    let line = text.lines().find(|line| line.split(':').next() == Some(name))?;
    line.split(':').nth(2)?.parse().ok()
}

/// Gives a folder and all files and folders below it to a project; links and the like have none. The folder itself comes
/// last: that it has the project says that all below it has.
fn give(path: &Path, project: u32) -> Result<()> {
    let naming = || format!("giving '{}' to project {project}", path.display());
    let metadata = fs::symlink_metadata(path).with_context(naming)?;
    if !metadata.is_dir() && !metadata.is_file() {
        return Ok(());
    }
    if metadata.is_dir() {
        for entry in fs::read_dir(path).with_context(naming)? {
            give(&entry.with_context(naming)?.path(), project)?;
        }
    }
    quota::give_to_project(&File::open(path).with_context(naming)?, project).with_context(naming)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_whole() {
        let text = "root:x:0:0:root:/root:/bin/bash\nops:x:1000:1000::/home/ops:/bin/sh\n";
        assert_eq!((find_number(text, "ops"), find_number(text, "op")), (Some(1000), None));
    }
}
