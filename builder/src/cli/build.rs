//! `bootwright build`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use host::worker::{self, Request};
use serde_json::{Value, json};

use super::args::{BuildArguments, MakeArguments, Shared};
use super::{check, exit, lock, report, terminal};
use crate::error::ExitCode;
use crate::inspect::Times;
use crate::output::{self, Artifact, Image};
use crate::pipeline::{Build, Outcome, Settings};
use crate::plan::{OutputKind, Plan};
use crate::progress::{Ledger, format_bytes, format_duration};
use crate::resolve::Lockfile;
use crate::sandbox::Isolation;
use crate::signing::Signer;
use crate::workspace;

/// Debian's own archive of every package that it ever published.
const SNAPSHOT: &str = "http://snapshot.debian.org";

/// The variable that holds the password of the key that signs.
const SIGN_KEY_PASSWORD: &str = "BOOTWRIGHT_SIGN_KEY_PASSWORD";

/// Builds the image of a recipe.
///
/// # Errors
///
/// When the recipe is wrong or the worker cannot be made; what fails inside the worker is reported there.
pub fn build(arguments: &BuildArguments, shared: &Shared) -> Result<u8> {
    build_and(arguments, shared, |artifact| {
        artifact.images.iter().for_each(|image| println!("{}", image.path.display()));
    })
}

/// Puts the image of a finished build into the clouds that its recipe names.
fn upload(plan: &Plan, output: &Path, shared: &Shared) -> Result<u8> {
    let disks = plan.outputs.iter().filter(|kind| matches!(kind, OutputKind::Qcow2(_) | OutputKind::Raw));
    let disk = disks.min_by_key(|kind| matches!(kind, OutputKind::Raw));
    let Some(kind) = disk.filter(|_| !plan.uploads.is_empty()) else {
        terminal::say("the recipe has no `upload`; name a cloud there, or use `bootwright upload`");
        return Ok(ExitCode::Usage as u8);
    };
    let image = output.join(format!("{}.{}", plan.name, kind.suffix()));
    for flags in &plan.uploads {
        let code = super::upload::run(&image, flags, shared)?;
        if code != ExitCode::Success as u8 {
            return Ok(code);
        }
    }
    Ok(ExitCode::Success as u8)
}

/// Builds as [`build`] does, but prints nothing on stdout.
///
/// # Errors
///
/// As [`build`], and when an upload is asked for: what is tested next is not yet for clouds.
pub fn build_quietly(arguments: &BuildArguments, shared: &Shared) -> Result<u8> {
    ensure!(
        !arguments.upload,
        "nothing is uploaded before it is tested; use `bootwright build --upload` afterwards"
    );
    build_and(arguments, shared, |_| {})
}

fn build_and(arguments: &BuildArguments, shared: &Shared, list: fn(&Artifact)) -> Result<u8> {
    let make = &arguments.make;
    let (plan, lock) = match read(make, shared)? {
        Ok(read) => read,
        Err(code) => return Ok(code as u8),
    };
    let output = std::path::absolute(&make.output).context("resolving --output")?;
    let settings = settings(&plan, output, make.firstboot.clone(), shared)?;
    let settings = Settings { fresh: arguments.fresh, ..settings };
    let signer = arguments.sign_key.as_deref().map(|path| load_signer(path, settings.now)).transpose()?;
    let request = make.isolation.request();
    let trees = output::tree_names(&plan);
    let uploads = arguments.upload.then(|| plan.clone());
    let code = worker::run(request, |isolation| {
        if isolation == Isolation::Chroot {
            terminal::say(
                "isolation chroot: this root may have no namespaces; programs of the image have no /proc and this container's network",
            );
        }
        let wishes = Wishes { keep: arguments.keep, explain: arguments.explain, signer: signer.as_ref() };
        work((plan, lock.as_ref()), &settings, isolation, wishes, shared, list)
    })?;
    if code > 128 {
        // A worker without namespaces cannot take its folder with it.
        workspace::remove_left(&settings.cache);
        discard_trees(request, &settings.output, &trees)?;
        terminal::say("interrupted; nothing was left behind");
    }
    match uploads {
        Some(plan) if code == ExitCode::Success as i32 => upload(&plan, &settings.output, shared),
        _ => Ok(u8::try_from(code).unwrap_or(ExitCode::Failure as u8)),
    }
}

/// Reads a recipe, and its lock if that is to be obeyed; the exit code of a recipe that is wrong.
///
/// # Errors
///
/// When there is no lock, or it does not fit the recipe.
pub fn read(make: &MakeArguments, shared: &Shared) -> Result<Result<(Plan, Option<Lockfile>), ExitCode>> {
    let plan = match check::read_or_report(&make.path, &make.recipe, shared) {
        Ok(plan) => plan,
        Err(code) => return Ok(Err(code)),
    };
    let lock = make.locked.then(|| lock::read_for(&make.path)).transpose()?;
    if let Some(lock) = &lock {
        lock.check(&plan)?;
    }
    Ok(Ok((plan, lock)))
}

/// Returns what a build of `plan` is told beside it.
///
/// # Errors
///
/// When there is no place for a cache.
pub fn settings(
    plan: &Plan,
    output: PathBuf,
    firstboot: Option<PathBuf>,
    shared: &Shared,
) -> Result<Settings> {
    Ok(Settings {
        cache: cache_folder(shared)?,
        output,
        firstboot,
        security_mirror: std::env::var("BOOTWRIGHT_SECURITY_MIRROR").ok().filter(|value| !value.is_empty()),
        snapshot: std::env::var("BOOTWRIGHT_SNAPSHOT")
            .ok()
            .filter(|value| !value.is_empty())
            .unwrap_or_else(|| SNAPSHOT.to_owned()),
        credentials: plan.credentials.clone(),
        fresh: false,
        now: SystemTime::now(),
    })
}

/// Removes half a tree, which a worker that was interrupted cannot; it needs the ids that the worker had.
fn discard_trees(request: Request, folder: &Path, names: &[String]) -> Result<()> {
    let left: Vec<&String> = names.iter().filter(|name| output::tree::is_unfinished(folder, name)).collect();
    if left.is_empty() {
        return Ok(());
    }
    let code = worker::run(request, |_| {
        let discarded =
            left.iter().try_for_each(|name| output::tree::discard_unfinished(folder, name).map(drop));
        discarded.map_or_else(
            |error| {
                report(&error.into(), false);
                ExitCode::Failure as i32
            },
            |()| 0,
        )
    })?;
    ensure!(code == 0, "half a tree stays in '{}'; the next build removes it", folder.display());
    Ok(())
}

/// What is done beside building.
#[derive(Debug, Clone, Copy)]
struct Wishes<'a> {
    /// A shell in the tree after a failure.
    keep: bool,
    /// Telling what was in the store.
    explain: bool,
    /// Signing the manifest.
    signer: Option<&'a Signer>,
}

/// Reads the key of `--sign-key` before anything is made, so that a wrong one costs nothing.
fn load_signer(path: &Path, now: SystemTime) -> Result<Signer> {
    let password = std::env::var(SIGN_KEY_PASSWORD).ok();
    Ok(Signer::load(path, password.as_deref(), now)?)
}

/// Signs the manifest; the signature goes beside it.
fn sign(signer: &Signer, artifact: &Artifact) -> Result<()> {
    let manifest = &artifact.manifest;
    let signing = || format!("signing '{}'", manifest.display());
    let bytes = std::fs::read(manifest).with_context(signing)?;
    let signature = signer.sign(&bytes, SystemTime::now()).with_context(signing)?;
    let folder = manifest.parent().unwrap_or(Path::new(""));
    let path = output::publish_signature(folder, &artifact.locked.plan.name, &signature)?;
    terminal::say(&format!("signed by {}: {}", signer.fingerprint(), path.display()));
    Ok(())
}

/// Everything that happens in the worker.
fn work(
    (plan, lock): (Plan, Option<&Lockfile>),
    settings: &Settings,
    isolation: Isolation,
    Wishes { keep, explain, signer }: Wishes<'_>,
    shared: &Shared,
    list: fn(&Artifact),
) -> i32 {
    let color = terminal::color(shared.color);
    let started = Instant::now();
    let ledger = Ledger::new(terminal::reporter(shared));
    let outcome = Build::open(settings, isolation, &ledger).and_then(|build| {
        let outcome = build.run(plan, lock).inspect_err(|error| {
            if keep {
                report(error, color);
                offer_shell(&build);
            }
        });
        if explain {
            build.journal().entries().iter().for_each(|looked| terminal::say(&looked.to_string()));
        }
        let outcome = outcome?;
        signer.map_or(Ok(()), |signer| sign(signer, outcome.artifact()))?;
        Ok(outcome)
    });
    match outcome {
        Ok(outcome) => {
            summarise(&outcome, &ledger, started);
            list(outcome.artifact());
            ExitCode::Success as i32
        }
        Err(error) => {
            report(&error, color);
            exit::exit_code(&error) as i32
        }
    }
}

/// The artifacts and the times per stage, on stderr.
fn summarise(outcome: &Outcome, ledger: &Ledger, started: Instant) {
    let artifact = outcome.artifact();
    let made = matches!(outcome, Outcome::Made(_));
    // The times of an image are those of the build that made it.
    let times = Times::new(started.elapsed(), &ledger.finished());
    for image in artifact.images.iter().filter(|image| made && image.path.is_file()) {
        if let Err(error) = times.write(&image.path) {
            terminal::say(&format!("warning: writing '{}': {error}", Times::path(&image.path).display()));
        }
    }
    if terminal::is_json() {
        terminal::event(built(artifact, made, started));
        return;
    }
    let stages: Vec<String> = ledger
        .finished()
        .iter()
        .map(|(name, elapsed)| format!("{name} {}", format_duration(*elapsed)))
        .collect();
    eprintln!(
        "{} {} in {} ({})",
        if made { "built" } else { "found" },
        artifact.locked.plan.name,
        format_duration(started.elapsed()),
        stages.join(", ")
    );
    for image in &artifact.images {
        eprintln!("  {}: {}, sha256 {}", image.path.display(), format_bytes(image.allocated), image.sha256);
    }
}

/// The event that says the same.
fn built(artifact: &Artifact, made: bool, started: Instant) -> Value {
    let image = |image: &Image| json!({ "path": image.path, "bytes": image.allocated, "sha256": image.sha256.to_string() });
    json!({
        "event": "built",
        "made": made,
        "name": artifact.locked.plan.name,
        "seconds": started.elapsed().as_secs_f64(),
        "images": artifact.images.iter().map(image).collect::<Vec<_>>(),
    })
}

/// A shell in the tree as the failure left it.
fn offer_shell(build: &Build<'_>) {
    let root = build.tree_folder();
    if !std::io::stdin().is_terminal() {
        terminal::say("--keep: stdin is no terminal, so there is no shell; the tree goes with this process");
        return;
    }
    terminal::say("--keep: a shell in the image's tree; the tree goes when it ends");
    if let Err(error) =
        build.sandbox(None).command(&root, "/bin/bash").arg("-i").env("TERM", "xterm").interactive()
    {
        terminal::say(&format!("no shell could be started in the tree: {error}"));
    }
}

/// `--cache`, else the user's cache folder.
pub fn cache_folder(shared: &Shared) -> Result<PathBuf> {
    if let Some(folder) = &shared.cache {
        return std::path::absolute(folder).context("resolving --cache");
    }
    let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    from("XDG_CACHE_HOME")
        .or_else(|| from("HOME").map(|home| home.join(".cache")))
        .map(|folder| folder.join("bootwright"))
        .context("neither XDG_CACHE_HOME nor HOME is set; name a cache folder by --cache")
}
