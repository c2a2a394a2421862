//! `bootwright test`: builds an image, boots it and runs the recipe's own tests.
//!
//! ```text
//! recipe ─ plan ─ build ─▶ image ─ per firmware: boot, tests ─▶ Run ─▶ text or JSON on stdout, JUnit XML, serial logs
//! ```

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use host::terminal::Interrupts;

use super::args::{Shared, TestArguments};
use super::{build, check, complain, terminal, verbs};
use crate::error::ExitCode;
use crate::machine::Firmware;
use crate::output;
use crate::plan::{OutputKind, Plan};

mod firmware;
mod json;
mod junit;
mod run;
mod text;

use run::{Outcome, Run, Settings};

/// How long the system of a guest may take to finish its start once it reports.
const SETTLE_LIMIT: Duration = Duration::from_secs(300);

/// Builds the recipe's image unless one is given, boots it in each way asked for, and reports.
///
/// # Errors
///
/// When the recipe has no tests or no image that boots, when the build fails, or when a machine cannot be started.
/// Tests that fail are no error: the exit code says so.
pub fn test(arguments: &TestArguments, shared: &Shared) -> Result<u8> {
    let path = &arguments.build.make.path;
    let color = terminal::color(shared.color);
    let plan = match check::read_or_report(path, &arguments.build.make.recipe, shared) {
        Ok(plan) => plan,
        Err(code) => return Ok(code as u8),
    };
    if plan.tests.is_empty() {
        let message = format!("the recipe '{}' has no tests", path.display());
        let hint = "add for example `tests: [{ name: ssh is up, port: 22 }]`";
        return Ok(complain(ExitCode::Recipe, &message, hint, color));
    }
    let chosen = match firmware::choose(&arguments.firmware, plan.boot.as_ref()) {
        Ok(chosen) => chosen,
        Err((message, hint)) => return Ok(complain(ExitCode::Usage, &message, &hint, color)),
    };
    let image = match &arguments.image {
        Some(image) => image.clone(),
        None => match build_image(&plan, arguments, shared)? {
            Ok(image) => image,
            Err(code) => return Ok(code),
        },
    };
    let runs = boot_and_test(&plan, &image, &chosen, arguments, shared)?;
    report(&plan, &image, &runs, arguments)?;
    let passed = runs.iter().all(Run::passed);
    Ok(if passed { ExitCode::Success } else { ExitCode::Guest } as u8)
}

/// Returns the image, or the exit code of a build that told its error.
fn build_image(plan: &Plan, arguments: &TestArguments, shared: &Shared) -> Result<Result<PathBuf, u8>> {
    let bootable = plan.outputs.iter().find(|kind| matches!(kind, OutputKind::Qcow2(_) | OutputKind::Raw));
    let Some(kind) = bootable else {
        bail!("the recipe writes no raw or qcow2 image, and no other boots here; add one to `outputs`");
    };
    let code = build::build_quietly(&arguments.build, shared)?;
    if code != ExitCode::Success as u8 {
        return Ok(Err(code));
    }
    Ok(Ok(arguments.build.make.output.join(output::file_name(&plan.name, *kind))))
}

fn boot_and_test(
    plan: &Plan,
    image: &Path,
    chosen: &[Firmware],
    arguments: &TestArguments,
    shared: &Shared,
) -> Result<Vec<Run>> {
    end_on_signal()?;
    let settings = Settings {
        accelerator: verbs::accelerator(arguments.accelerator),
        memory: arguments.memory,
        processors: arguments.processors,
        cache: build::cache_folder(shared).ok(),
        boot_limit: Duration::from_secs(arguments.boot_timeout),
        settle_limit: SETTLE_LIMIT,
    };
    let reporter = terminal::reporter(shared);
    let mut runs = Vec::new();
    for firmware in chosen {
        let mut run = run::run(plan, image, *firmware, &settings, reporter.as_ref())?;
        if !run.passed() {
            run.log = Some(keep_log(plan, &run, &arguments.build.make.output)?);
        }
        runs.push(run);
    }
    Ok(runs)
}

/// Ends the program on a signal. Machines end with it, by the kernel's hand.
fn end_on_signal() -> Result<()> {
    let interrupts = Interrupts::block().context("taking over signals")?;
    std::thread::spawn(move || {
        if let Ok(signal) = interrupts.wait() {
            terminal::say("interrupted; the machine is ended and the image is as it was");
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}

/// Writes what the serial console said, and returns where.
fn keep_log(plan: &Plan, run: &Run, folder: &Path) -> Result<PathBuf> {
    let path = folder.join(format!("{}.{}.serial.log", plan.name, firmware::word(run.firmware)));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&path, &run.serial))
        .with_context(|| format!("writing the serial log '{}'", path.display()))?;
    Ok(path)
}

fn report(plan: &Plan, image: &Path, runs: &[Run], arguments: &TestArguments) -> Result<()> {
    if arguments.json {
        println!("{:#}", json::report(plan, image, runs));
    } else {
        print!("{}", text::report(plan, runs));
    }
    let Some(path) = &arguments.junit else { return Ok(()) };
    std::fs::write(path, junit::report(plan, runs))
        .with_context(|| format!("writing the JUnit report '{}'", path.display()))
}
