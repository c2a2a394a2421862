//! Reading images with the kernel's help, where it is needed and may be had.

use anyhow::Result;
use host::worker::{self, Request};

use super::args::Shared;
use super::{build, exit, report, terminal};
use crate::image::kernel::Kernel;
use crate::image::system::KernelReader;
use crate::image::{Image, filesystem, table};

/// Runs `body`. If an image has a filesystem that only the kernel reads and the caller is root, `body` runs in a worker
/// that may mount it; others get no kernel and see less.
pub(super) fn with_kernel(
    images: &[&Image],
    shared: &Shared,
    body: impl FnOnce(Option<&dyn KernelReader>) -> Result<u8>,
) -> Result<u8> {
    if !host::worker::is_root() || !images.iter().any(|image| needs_kernel(image)) {
        return body(None);
    }
    let cache = build::cache_folder(shared)?;
    let color = terminal::color(shared.color);
    let code = worker::run(Request::Root, |_| {
        let outcome = Kernel::open(&cache).and_then(|kernel| {
            let code = body(Some(&kernel))?;
            kernel.close()?;
            Ok(code)
        });
        match outcome {
            Ok(code) => i32::from(code),
            Err(error) => {
                report(&error, color);
                exit::exit_code(&error) as i32
            }
        }
    })?;
    Ok(u8::try_from(code).unwrap_or(crate::error::ExitCode::Failure as u8))
}

/// Tells whether an image has files that are not read here. A damaged table is told when it is read in earnest.
fn needs_kernel(image: &Image) -> bool {
    let ranges = match table::read(image) {
        Ok(Some(table)) => table.entries.iter().map(|entry| (entry.start, entry.length)).collect(),
        _ => vec![(0, image.size())],
    };
    let kinds = ranges.into_iter().map(|(start, length)| filesystem::identify(image, start, length).kind);
    kinds.into_iter().any(|kind| kind.has_files() && !kind.is_readable_here())
}
