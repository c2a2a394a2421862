//! `bootwright inspect`.

use anyhow::{Context, Result};

use super::args::{InspectArguments, Shared};
use super::reading::with_kernel;
use super::terminal;
use crate::error::ExitCode;
use crate::image::Image;
use crate::image::system::System;
use crate::inspect::{self, Report, Times, html};
use crate::sbom;

/// Shows what is in an image.
///
/// # Errors
/// When it cannot be read; a part that is damaged is told, and makes the exit code 1.
pub fn inspect(arguments: &InspectArguments, shared: &Shared) -> Result<u8> {
    let image = Image::open(&arguments.image)?;
    if arguments.sbom {
        return bill(&image, shared);
    }
    with_kernel(&[&image], shared, |kernel| {
        let report = inspect::read(&image, kernel)?;
        show(arguments, &report)?;
        Ok(verdict(&report) as u8)
    })
}

/// Prints the bill of materials.
fn bill(image: &Image, shared: &Shared) -> Result<u8> {
    let path = image.path();
    let beside = sbom::beside::find(path).with_context(|| format!("reading '{}'", path.display()))?;
    if let Some(text) = beside {
        terminal::print(&text)?;
        return Ok(ExitCode::Success as u8);
    }
    with_kernel(&[image], shared, |kernel| {
        terminal::print(&sbom::of_image(&System::read(image, kernel)?)?)?;
        Ok(ExitCode::Success as u8)
    })
}

fn show(arguments: &InspectArguments, report: &Report) -> Result<()> {
    if let Some(file) = &arguments.html {
        let page = html::page(report, Times::load(&report.path).as_ref());
        std::fs::write(file, page).with_context(|| format!("writing '{}'", file.display()))?;
        terminal::print(&format!("{}\n", file.display()))?;
    } else if arguments.json {
        terminal::print(&format!("{:#}\n", report.to_json()))?;
    } else {
        terminal::print(&report.to_string())?;
    }
    Ok(())
}

/// Tells of damage on stderr.
fn verdict(report: &Report) -> ExitCode {
    let damage = report.damage();
    for what in &damage {
        terminal::say(&format!("error: '{}' is damaged: {what}", report.path.display()));
    }
    if damage.is_empty() { ExitCode::Success } else { ExitCode::Failure }
}
