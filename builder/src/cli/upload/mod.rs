//! `bootwright upload` and `bootwright upload clean`.

pub mod args;
#[cfg(feature = "aws")]
mod aws;
mod clean;
mod glance;
mod opennebula;
mod signals;

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use clap::{Args, FromArgMatches};
use serde_json::Value;

use super::args::Shared;
use super::terminal;
use crate::error::ExitCode;
use crate::progress::Reporter;
use crate::upload::{
    ImageFacts, Interrupt, Job, Journal, Limits, Patience, SourceImage, Target, UploadError, UploadPlan,
};
use args::{TargetKind, UploadArguments, UploadVerb};

/// Uploads an image, or cleans up after uploads.
///
/// # Errors
/// When the cloud or this machine does not do its part.
pub fn upload(arguments: &UploadArguments, shared: &Shared) -> Result<u8> {
    let reporter = terminal::reporter(shared);
    match (&arguments.verb, &arguments.image) {
        (Some(UploadVerb::Clean(arguments)), _) => {
            signals::heed(|interrupt| clean::clean_up(arguments, interrupt).map_err(Into::into))
        }
        (None, Some(image)) => {
            signals::heed(|interrupt| put(arguments, image, reporter.as_ref(), interrupt).map_err(Into::into))
        }
        (None, None) => Ok(ExitCode::Usage as u8),
    }
}

/// Uploads `image` as the words of a recipe ask.
///
/// # Errors
/// As [`upload`].
pub fn run(image: &Path, flags: &[String], shared: &Shared) -> Result<u8> {
    let words = std::iter::once("upload".into()).chain([image.as_os_str().to_owned()]);
    let words = words.chain(flags.iter().map(OsString::from));
    let command = UploadArguments::augment_args(clap::Command::new("upload"));
    let matches = command.try_get_matches_from(words);
    let arguments = matches.and_then(|matches| UploadArguments::from_arg_matches(&matches));
    let arguments = arguments.map_err(|error| {
        let why = error.to_string();
        UploadError::input(
            "reading `upload` of the recipe",
            why.lines().next().unwrap_or_default(),
            "see docs/upload.md",
        )
    })?;
    upload(&arguments, shared)
}

/// An upload that was found possible without asking anybody.
struct Prepared {
    target: Box<dyn Target>,
    plan: UploadPlan,
    /// Which of the user's clouds it is.
    alias: Option<String>,
    patience: Arc<Patience>,
}

/// Uploads one image to each of the clouds and prints what came of it.
fn put(
    arguments: &UploadArguments,
    path: &Path,
    reporter: &dyn Reporter,
    interrupt: Interrupt,
) -> Result<(), UploadError> {
    let journal = Journal::of(path);
    let image = SourceImage::open(path, &journal, reporter)?;
    let facts = ImageFacts::of(&image);
    let mut prepared = Vec::new();
    for kind in &arguments.to {
        let patience = Arc::new(Patience::new(Limits::default(), interrupt.clone()));
        prepared.push(prepare(*kind, arguments, &image, &facts, patience, reporter)?);
    }
    if arguments.dry_run {
        return prepared.iter().try_for_each(|prepared| print(&prepared.plan.to_json()));
    }
    for Prepared { mut target, plan, alias, patience } in prepared {
        let job = Job {
            plan: &plan,
            image: &image,
            journal: &journal,
            cloud: alias.as_deref(),
            resume: arguments.resume,
            patience,
            reporter,
        };
        let receipt = crate::upload::upload(target.as_mut(), &job)?;
        print(&receipt.to_json(&plan))?;
    }
    Ok(())
}

fn prepare(
    kind: TargetKind,
    arguments: &UploadArguments,
    image: &SourceImage,
    facts: &ImageFacts,
    patience: Arc<Patience>,
    reporter: &dyn Reporter,
) -> Result<Prepared, UploadError> {
    let stem = || image.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = arguments.name.clone().unwrap_or_else(stem);
    let access = &arguments.access;
    let (target, alias): (Box<dyn Target>, _) = match kind {
        TargetKind::Glance => {
            let settings = glance::settings(&arguments.glance, arguments.replace, name.clone());
            let cloud = glance::find(access.cloud.as_deref(), access.region.as_deref())?;
            let alias = cloud.name.clone();
            (Box::new(glance::prepare(settings, cloud, image, facts, patience.clone(), reporter)?), alias)
        }
        #[cfg(feature = "aws")]
        TargetKind::Aws => {
            let settings = aws::settings(&arguments.aws, arguments.replace, name.clone())?;
            let access = aws::access(access)?;
            let alias = access.profile.clone();
            (Box::new(aws::prepare(settings, access, image, facts, patience.clone())?), alias)
        }
        TargetKind::OpenNebula => {
            let settings = opennebula::settings(&arguments.opennebula, arguments.replace, name.clone());
            (Box::new(opennebula::prepare(settings, facts, patience.clone())?), None)
        }
        #[cfg(not(feature = "aws"))]
        TargetKind::Aws => {
            let why = "this program was built without its feature `aws`";
            return Err(UploadError::input(
                "preparing the upload to AWS",
                why,
                "use one that was built with it",
            ));
        }
    };
    let plan = UploadPlan::new(target.as_ref(), image, &name);
    Ok(Prepared { target, plan, alias, patience })
}

fn print(value: &Value) -> Result<(), UploadError> {
    terminal::print(&format!("{value:#}\n")).map_err(|error| {
        UploadError::new(crate::upload::Kind::Local, "writing to stdout", error, "the work itself is done")
    })
}
