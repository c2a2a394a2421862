//! `bootwright lock`: fixes what a recipe is made from, in a file beside it.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::args::{LockArguments, Shared};
use super::{build, check, terminal};
use crate::error::ExitCode;
use crate::pipeline::Supply;
use crate::resolve::{Changes, LockError, Lockfile};

/// Writes the lock of a recipe; with `--update` renews one and prints what changes.
///
/// # Errors
///
/// When the lock does not fit the recipe any more, or the archives cannot be reached or believed.
pub fn lock(arguments: &LockArguments, shared: &Shared) -> Result<u8> {
    let plan = match check::read_or_report(&arguments.path, &arguments.recipe, shared) {
        Ok(plan) => plan,
        Err(code) => return Ok(code as u8),
    };
    let path = lock_path(&arguments.path);
    let old = match read(&path) {
        Err(error) if arguments.update && is_malformed(&error) => {
            eprintln!("{error:#}");
            None
        }
        read => read?,
    };
    if let Some(old) = old.as_ref().filter(|_| !arguments.update) {
        old.check(&plan)?;
        eprintln!("{}: fits the recipe; --update looks for newer packages", path.display());
        return Ok(ExitCode::Success as u8);
    }
    let settings = build::settings(&plan, PathBuf::new(), None, shared)?;
    let reporter = terminal::reporter(shared);
    let new = Lockfile::of(&Supply::open(&settings, reporter.as_ref())?.lock(plan)?);
    if let Some(old) = &old {
        old.refuse_older(&new)?;
        let changes = Changes::between(old, &new);
        print!("{changes}");
        if changes.is_empty() {
            eprintln!("{}: nothing has changed", path.display());
            return Ok(ExitCode::Success as u8);
        }
    }
    write(&path, &new.to_text().context("writing the lock")?)?;
    eprintln!(
        "{}: {} packages and {} for the tools tree",
        path.display(),
        new.packages.len(),
        new.tools.len()
    );
    Ok(ExitCode::Success as u8)
}

/// Returns where the lock of a recipe is: beside it, with the ending `.lock`.
fn lock_path(recipe: &Path) -> PathBuf {
    recipe.with_extension("lock")
}

/// Reads the lock that `build --locked` obeys.
///
/// # Errors
///
/// When there is none, or it is not one.
pub fn read_for(recipe: &Path) -> Result<Lockfile> {
    let path = lock_path(recipe);
    read(&path)?.with_context(|| {
        format!(
            "--locked: there is no '{}'; `bootwright lock {}` writes it",
            path.display(),
            recipe.display()
        )
    })
}

fn read(path: &Path) -> Result<Option<Lockfile>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(Lockfile::parse(&text, &path.display().to_string())?)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading '{}'", path.display())),
    }
}

fn is_malformed(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(LockError::Malformed { .. }))
}

/// Replaces the file at once: a lock is whole or the old one.
fn write(path: &Path, text: &str) -> Result<()> {
    let mut hidden = path.as_os_str().to_owned();
    hidden.push(".new");
    let hidden = PathBuf::from(hidden);
    let written = fs::File::create(&hidden)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&hidden, path));
    if written.is_err() {
        // Best effort: the error that follows says what is wrong with the folder.
        let _ = fs::remove_file(&hidden);
    }
    written.with_context(|| format!("writing '{}'", path.display()))
}
