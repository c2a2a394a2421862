//! `bootwright diff`.

use anyhow::{Result, bail};

use super::args::{DiffArguments, Shared};
use super::reading::with_kernel;
use super::terminal;
use crate::diff::{self, Difference};
use crate::error::ExitCode;
use crate::image::Image;
use crate::image::system::{KernelReader, System};

/// Compares two images.
///
/// # Errors
/// When one of them cannot be read, is damaged, or has files that could not be compared.
pub fn diff(arguments: &DiffArguments, shared: &Shared) -> Result<u8> {
    let (a, b) = (Image::open(&arguments.a)?, Image::open(&arguments.b)?);
    with_kernel(&[&a, &b], shared, |kernel| {
        let difference = compare(&a, &b, kernel)?;
        let text =
            if arguments.json { format!("{:#}\n", difference.to_json()) } else { difference.to_string() };
        terminal::print(&text)?;
        if let Some(what) = difference.not_compared.first().filter(|_| difference.same) {
            bail!("{what}");
        }
        Ok(if difference.same { ExitCode::Success } else { ExitCode::Different } as u8)
    })
}

fn compare(a: &Image, b: &Image, kernel: Option<&dyn KernelReader>) -> Result<Difference> {
    let (a, b) = (System::read(a, kernel)?, System::read(b, kernel)?);
    let difference = diff::compare(&a, &b)?;
    for what in difference.not_compared.iter().filter(|_| !difference.same) {
        terminal::say(&format!("warning: {what}"));
    }
    Ok(difference)
}
