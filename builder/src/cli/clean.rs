//! `bootwright clean`: what killed builds have left, shown and removed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use host::worker::{self, Request};

use super::args::Shared;
use super::{build, report, terminal};
use crate::error::ExitCode;
use crate::output::tree;
use crate::store::Store;
use crate::workspace;

/// Arguments of `clean`.
#[derive(Debug, Args)]
#[command(
    after_help = "The kernel takes mounts, loop devices, processes and unnamed files of a killed build with it. What can be left is \
the beginning of a download, the folder of a build without namespaces, and the hidden name of a half tree. What a running build \
uses is left alone."
)]
pub struct CleanArguments {
    /// Folder that artifacts appeared in (repeatable)
    #[arg(long, short, value_name = "DIR", default_value = "out")]
    pub output: Vec<PathBuf>,
    /// Only show what would be removed
    #[arg(long)]
    pub dry_run: bool,
}

/// Shows what is left and removes it.
///
/// # Errors
/// When the cache or a folder cannot be read, or something cannot be removed.
pub fn clean(arguments: &CleanArguments, shared: &Shared) -> Result<u8> {
    let mut found = in_cache(&build::cache_folder(shared)?, arguments.dry_run)?;
    for folder in &arguments.output {
        found.extend(in_output(folder, arguments.dry_run)?);
    }
    if found.is_empty() {
        terminal::print("nothing is left of any build\n")?;
        return Ok(ExitCode::Success as u8);
    }
    let verb = if arguments.dry_run { "would remove" } else { "removed" };
    let lines: String =
        found.iter().map(|(path, what)| format!("{verb} '{}': {what}\n", path.display())).collect();
    terminal::print(&lines)?;
    Ok(ExitCode::Success as u8)
}

type Found = Vec<(PathBuf, &'static str)>;

fn in_cache(cache: &Path, dry_run: bool) -> Result<Found> {
    if !cache.is_dir() {
        return Ok(Vec::new());
    }
    let left = Store::open(cache)?.left(!dry_run)?;
    let mut found: Found = left.into_iter().map(|left| (left.path, left.what)).collect();
    let folders = workspace::left(cache);
    if !dry_run {
        workspace::remove_left(cache);
        if let Some(folder) = workspace::left(cache).first() {
            bail!(
                "'{}' cannot be removed; it belongs to another user, as whom `bootwright clean` removes it",
                folder.display()
            );
        }
    }
    found.extend(folders.into_iter().map(|path| (path, "the folder of a build without namespaces")));
    Ok(found)
}

/// What names of artifacts end in; other hidden files are somebody else's.
const ENDINGS: [&str; 8] = [".tree", ".raw", ".qcow2", ".vmdk", ".vhd", ".json", ".SHA256SUMS", ".asc"];

/// Tells whether a running build holds the lock of a file or folder.
fn is_held(path: &Path) -> bool {
    fs::File::open(path).is_ok_and(|file| matches!(host::node::try_lock(&file), Ok(false)))
}

/// Half trees and files under the hidden names of an output folder.
fn in_output(folder: &Path, dry_run: bool) -> Result<Found> {
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.with_context(|| format!("reading '{}'", folder.display()))?,
    };
    let hidden = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.strip_prefix('.').and_then(|name| name.strip_suffix(".new"));
        name.is_some_and(|name| ENDINGS.iter().any(|ending| name.ends_with(ending)) || name.contains(".tar"))
    };
    let mut paths: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).filter(hidden).collect();
    paths.retain(|path| !is_held(path));
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let what = if path.is_dir() { "half a tree" } else { "a file that was being put in place" };
        if !dry_run {
            remove(folder, &path)?;
        }
        found.push((path, what));
    }
    Ok(found)
}

fn remove(folder: &Path, path: &Path) -> Result<()> {
    if !path.is_dir() {
        return fs::remove_file(path).with_context(|| format!("removing '{}'", path.display()));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.trim_start_matches('.').trim_end_matches(".new");
    // Its owners may be subordinate ids, which only a worker has.
    let code = worker::run(Request::Auto, |_| match tree::discard_unfinished(folder, name) {
        Ok(_) => ExitCode::Success as i32,
        Err(error) => {
            report(&error.into(), false);
            ExitCode::Failure as i32
        }
    })?;
    if code != 0 {
        bail!("'{}' stays", path.display());
    }
    Ok(())
}
