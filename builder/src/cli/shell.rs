//! `bootwright shell`: a shell, or one command, in an image or in a recipe's tree.

use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use anyhow::{Context, Result};
use host::worker::{self, Isolation, Request};

use super::args::{Shared, ShellArguments};
use super::{build, check, exit, report, terminal};
use crate::error::ExitCode;
use crate::image::Image;
use crate::image::kernel::Kernel;
use crate::image::root::MountedImage;
use crate::pipeline::{Build, Settings};
use crate::plan::Plan;
use crate::sandbox::Sandbox;
use crate::workspace;

/// Why no shell was opened.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    /// An ordinary user asked for an image.
    #[error(
        "a shell in '{}' needs root: the kernel lets nobody else mount an image; `bootwright inspect` and `diff` need no root",
        image.display()
    )]
    NeedsRoot {
        /// The image.
        image: PathBuf,
    },
    /// A format that is not written in place.
    #[error(
        "'{image}' is qcow2, and only raw images are changed in place; change a raw copy: \
         `bootwright convert {image} COPY.raw`, `bootwright shell --write COPY.raw`, and convert that back",
        image = image.display()
    )]
    NotRaw {
        /// The image.
        image: PathBuf,
    },
    /// `--write` with a recipe.
    #[error(
        "`--write` is for images: a recipe's tree is made anew each time, so put the change into the recipe"
    )]
    RecipeIsNotWritten,
    /// Somebody else has the image open.
    #[error("'{}' is in use by another program, perhaps a virtual machine: changes would damage it", image.display())]
    InUse {
        /// The image.
        image: PathBuf,
    },
}

impl ShellError {
    /// Returns the exit code of this error.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::NeedsRoot { .. } => ExitCode::Host,
            Self::NotRaw { .. } | Self::RecipeIsNotWritten => ExitCode::Usage,
            Self::InUse { .. } => ExitCode::Failure,
        }
    }
}

/// Opens a shell.
///
/// # Errors
/// When the image or recipe cannot be opened; what fails inside the worker is reported there.
pub fn shell(arguments: &ShellArguments, shared: &Shared) -> Result<u8> {
    let extension = arguments.target.extension().unwrap_or_default();
    let code = if extension == "yaml" || extension == "yml" {
        in_recipe(arguments, shared)?
    } else {
        in_image(arguments, shared)?
    };
    Ok(u8::try_from(code).unwrap_or(ExitCode::Failure as u8))
}

fn in_image(arguments: &ShellArguments, shared: &Shared) -> Result<i32> {
    let path = &arguments.target;
    let image = Image::open(path)?;
    if arguments.write && image.raw_file().is_none() {
        return Err(ShellError::NotRaw { image: path.clone() }.into());
    }
    if !worker::is_root() {
        return Err(ShellError::NeedsRoot { image: path.clone() }.into());
    }
    let writable = if arguments.write { Some(open_for_writing(path)?) } else { None };
    let cache = build::cache_folder(shared)?;
    let code = worker::run(Request::Root, |isolation| {
        told(shared, || {
            let kernel = Kernel::open(&cache)?;
            let mounted = MountedImage::open(&kernel, &image, writable.as_ref())?;
            for note in &mounted.notes {
                terminal::say(&format!("note: {note}"));
            }
            let ended = enter(&Sandbox::new(isolation), mounted.root(), arguments);
            let closed = mounted.close().and_then(|()| kernel.close());
            let ended = ended?;
            closed?;
            Ok(ended)
        })
    })?;
    Ok(code)
}

fn open_for_writing(path: &Path) -> Result<File> {
    let file = File::options()
        .read(true)
        .write(true)
        .open(path)
        .with_context(|| format!("opening '{}' for writing", path.display()))?;
    match host::image_lock::take(&file) {
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
            Err(ShellError::InUse { image: path.to_owned() }.into())
        }
        other => other.with_context(|| format!("locking '{}'", path.display())).map(|()| file),
    }
}

fn in_recipe(arguments: &ShellArguments, shared: &Shared) -> Result<i32> {
    if arguments.write {
        return Err(ShellError::RecipeIsNotWritten.into());
    }
    let plan = match check::read_or_report(&arguments.target, &arguments.recipe, shared) {
        Ok(plan) => plan,
        Err(code) => return Ok(code as i32),
    };
    let output = build::cache_folder(shared)?;
    let settings = build::settings(&plan, output, arguments.firstboot.clone(), shared)?;
    let code = worker::run(Request::Auto, |isolation| {
        told(shared, || in_tree(plan, &settings, isolation, arguments, shared))
    })?;
    if code > 128 {
        workspace::remove_left(&settings.cache);
    }
    Ok(code)
}

fn in_tree(
    plan: Plan,
    settings: &Settings,
    isolation: Isolation,
    arguments: &ShellArguments,
    shared: &Shared,
) -> Result<i32> {
    let reporter = terminal::reporter(shared);
    let build = Build::open(settings, isolation, reporter.as_ref())?;
    let tree = build.tree(plan)?;
    enter(&build.sandbox(Some(tree.locked.epoch)), tree.root(), arguments)
}

/// Reports an error of the worker's, and returns its exit code.
fn told(shared: &Shared, body: impl FnOnce() -> Result<i32>) -> i32 {
    body().unwrap_or_else(|error| {
        report(&error, terminal::color(shared.color));
        exit::exit_code(&error) as i32
    })
}

/// Runs the shell or the command in `root` and returns its exit code.
fn enter(sandbox: &Sandbox, root: &Path, arguments: &ShellArguments) -> Result<i32> {
    let program = arguments.command.first().map_or_else(|| shell_of(root), String::as_str);
    let mut command = sandbox
        .command(root, program)
        .args(arguments.command.iter().skip(1))
        .network(arguments.network)
        .env("TERM", std::env::var("TERM").unwrap_or_else(|_| "dumb".to_owned()))
        .env("debian_chroot", arguments.target.file_stem().unwrap_or_default());
    if arguments.write {
        // They would have to be put into the image, and a kill would leave them there.
        command = command.without_service_stubs();
    }
    Ok(code(command.interactive()?))
}

fn shell_of(root: &Path) -> &'static str {
    let bash = host::beneath::Root::open(root).and_then(|root| root.exists("/bin/bash"));
    if bash.unwrap_or(false) { "/bin/bash" } else { "/bin/sh" }
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}
