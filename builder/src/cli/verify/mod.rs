//! `bootwright verify`: builds again, apart from every result that is kept, and compares.

mod bytes;
mod members;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use host::worker;

use super::args::{MakeArguments, Shared};
use super::{build, exit, report, terminal};
use crate::diff;
use crate::error::ExitCode;
use crate::image::Image;
use crate::image::system::System;
use crate::output;
use crate::pipeline::{Build, Settings};
use crate::plan::{OutputKind, Plan};
use crate::resolve::Lockfile;
use crate::store::{Sha256Digest, first_difference};
use crate::workspace::{self, Workspace};

/// Arguments of `verify`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 the same bytes · 10 something is different · others as for every verb. Packages that are newer than \
those of the image are a difference; `--locked` builds from what the lock says."
)]
pub struct VerifyArguments {
    /// What is built, and how; the folder is that of the first build
    #[command(flatten)]
    pub make: MakeArguments,
}

/// Builds a recipe again and compares with what was built before.
///
/// # Errors
/// When there is nothing to compare with, or the build fails.
pub fn verify(arguments: &VerifyArguments, shared: &Shared) -> Result<u8> {
    let make = &arguments.make;
    let (plan, lock) = match build::read(make, shared)? {
        Ok(read) => read,
        Err(code) => return Ok(code as u8),
    };
    let before = Before::find(&plan, &make.output)?;
    let settings = build::settings(&plan, PathBuf::new(), make.firstboot.clone(), shared)?;
    let color = terminal::color(shared.color);
    let cache = settings.cache.clone();
    let code = worker::run(make.isolation.request(), |isolation| {
        let reporter = terminal::reporter(shared);
        let outcome = Workspace::create(&settings.cache, isolation).and_then(|workspace| {
            // In the worker's own folder, which goes with it.
            let settings = Settings { output: workspace.again(), fresh: true, ..settings };
            let build = Build::open_in(workspace, &settings, isolation, reporter.as_ref())?;
            compare(&build, plan, lock.as_ref(), &before)
        });
        outcome.unwrap_or_else(|error| {
            report(&error, color);
            exit::exit_code(&error)
        }) as i32
    })?;
    if code > 128 {
        workspace::remove_left(&cache);
    }
    Ok(u8::try_from(code).unwrap_or(ExitCode::Failure as u8))
}

/// The files of the first build.
struct Before {
    images: Vec<(OutputKind, PathBuf)>,
    manifest: PathBuf,
}

impl Before {
    fn find(plan: &Plan, folder: &Path) -> Result<Self> {
        let kinds = plan.outputs.iter().filter(|kind| **kind != OutputKind::Tree);
        let images = kinds.map(|kind| (*kind, folder.join(output::file_name(&plan.name, *kind))));
        let before =
            Self { images: images.collect(), manifest: folder.join(format!("{}.manifest.json", plan.name)) };
        if before.images.is_empty() {
            bail!(
                "the recipe makes nothing but a folder; add `tar` to `outputs` to have something to compare"
            );
        }
        let images = before.images.iter().map(|(_, path)| path);
        let missing = images.chain([&before.manifest]).find(|path| !path.is_file()).cloned();
        match missing {
            Some(path) => bail!("there is no '{}' to compare with; build the recipe first", path.display()),
            None => Ok(before),
        }
    }
}

fn compare(build: &Build<'_>, plan: Plan, lock: Option<&Lockfile>, before: &Before) -> Result<ExitCode> {
    let outcome = build.run(plan, lock)?;
    let artifact = outcome.artifact();
    if let Some(difference) = manifests(&before.manifest, &artifact.manifest)? {
        terminal::print(&format!("manifest: {difference}\n"))?;
    }
    let mut code = ExitCode::Success;
    for ((kind, old), new) in
        before.images.iter().zip(artifact.images.iter().filter(|image| image.kind != OutputKind::Tree))
    {
        let file = fs::File::open(old).and_then(Sha256Digest::read);
        let digest = file.with_context(|| format!("reading '{}'", old.display()))?;
        if digest == new.sha256 {
            terminal::print(&format!("{}: the same bytes, sha256 {digest}\n", old.display()))?;
            continue;
        }
        code = ExitCode::Different;
        let difference = match kind {
            OutputKind::Tar(_) => members::first_difference(old, &new.path)?,
            _ => disks(old, &new.path)?,
        };
        terminal::print(&format!("{}: different: {difference}\n", old.display()))?;
    }
    Ok(code)
}

/// Says what is different between the manifests, apart from the digests of images and documents, which follow from the rest.
fn manifests(old: &Path, new: &Path) -> Result<Option<String>> {
    let read = |path: &Path| -> Result<serde_json::Value> {
        let text = fs::read(path).with_context(|| format!("reading '{}'", path.display()))?;
        let mut manifest: serde_json::Value =
            serde_json::from_slice(&text).with_context(|| format!("reading '{}'", path.display()))?;
        if let Some(fields) = manifest.as_object_mut() {
            fields.remove("images");
            fields.remove("documents");
        }
        Ok(manifest)
    };
    Ok(first_difference(&read(old)?, &read(new)?))
}

/// Names the first file that differs; where files do not, the first byte.
fn disks(old: &Path, new: &Path) -> Result<String> {
    let (old, new) = (Image::open(old)?, Image::open(new)?);
    let difference = diff::compare(&System::read(&old, None)?, &System::read(&new, None)?)?;
    if !difference.same {
        return Ok(format!("\n{difference}"));
    }
    let unread = difference.not_compared.first().map_or(String::new(), |what| format!("; {what}"));
    Ok(format!("{}{unread}", bytes::first_difference(&old, &new)?))
}
