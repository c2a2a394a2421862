//! Packages that a recipe names by their file: `packages: [./local.deb]`.
//!
//! They are read when the recipe is, so that `check` tells of one that is missing or damaged with its place.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::deb::{Deb, DebError, finish};
use crate::store::Sha256Digest;

use super::diagnostic::{Diagnostic, Diagnostics, Quoted};
use super::schema::{LocalPackage, PackageWish, Recipe};
use super::words::Want;

/// Reads every .deb that the recipe names, gives its wish the package's name, and leaves out what cannot be read.
pub(super) fn read(recipe: &mut Recipe, problems: &mut Diagnostics) {
    let architecture = recipe.architecture.debian();
    let mut found: Vec<LocalPackage> = Vec::new();
    let mut keep = |wish: &mut PackageWish| {
        let Want::File(path) = &wish.want else { return true };
        match load(path, architecture) {
            Ok(package) => {
                wish.name = package.name.clone();
                if !found.iter().any(|known| known.path == package.path) {
                    found.push(package);
                }
                true
            }
            Err((message, hint)) => {
                problems.push(Diagnostic::new(&wish.at, message).hint(hint));
                false
            }
        }
    };
    recipe.packages.retain_mut(&mut keep);
    if recipe.kernel.as_mut().is_some_and(|kernel| !keep(kernel)) {
        recipe.kernel = None;
    }
    recipe.local = found;
}

/// Reads one .deb whole; returns what is wrong and what to do.
fn load(path: &Path, architecture: &str) -> Result<LocalPackage, (String, &'static str)> {
    let shown = path.display().to_string();
    if !path.is_file() {
        let what = if path.exists() { "is not a file" } else { "does not exist" };
        let hint = "paths are relative to the recipe file that names them";
        return Err((format!("the package {} {what}", Quoted(&shown)), hint));
    }
    let damaged = |error: DebError| {
        let why = format!("{:#}", anyhow::Error::from(error));
        let message = format!("the package {} cannot be read: {why}", Quoted(&shown));
        (message, "build or fetch it again; `dpkg-deb --info` reads it as dpkg does")
    };
    let package = examine(path).map_err(damaged)?;
    if !["all", architecture].contains(&package.architecture.as_str()) {
        let message = format!("the package {} is for {}", Quoted(&shown), package.architecture);
        return Err((message, "the image takes packages of its own architecture and `all`"));
    }
    Ok(package)
}

fn examine(path: &Path) -> Result<LocalPackage, DebError> {
    let deb = Deb::open(path)?;
    drain(&deb)?;
    let own = |name| deb.needed_field(name).map(str::to_owned);
    let read = |error| DebError::Read("the file", error);
    let file = File::open(path).map_err(read)?;
    let size = file.metadata().map_err(read)?.len();
    Ok(LocalPackage {
        path: std::path::absolute(path).map_err(read)?,
        name: own("Package")?,
        version: own("Version")?,
        architecture: own("Architecture")?,
        control: deb.control_text()?.to_owned(),
        size,
        sha256: Sha256Digest::read(file).map_err(read)?,
    })
}

/// Decompresses the data archive, which finds what a cut or changed file has lost.
fn drain(deb: &Deb) -> Result<(), DebError> {
    let mut data = tar::Archive::new(deb.data()?);
    let read = |error| DebError::Read("the data archive", error);
    for entry in data.entries().map_err(read)? {
        io::copy(&mut entry.map_err(read)?, &mut io::sink()).map_err(read)?;
    }
    finish(data.into_inner())
}
