//! What is in an existing image: format, partition table, filesystems, what boots, system and packages.
//!
//! [`read`] makes a [`Report`] of an [`Image`]; it prints as text and as JSON, and [`html`] draws it. Damage of a part
//! is part of the answer ([`Report::damage`]); only a damaged file format or partition table leaves nothing to tell.

mod boot;
pub mod html;
mod packages;
mod report;
mod system;
mod text;
mod times;

#[cfg(test)]
mod tests;

use std::path::Path;

pub use boot::{BiosBoot, BootReport, EfiProgram, Kernel, MenuEntry};
pub use packages::{Package, PackagesReport};
pub use report::{EspFile, PartitionReport, Report};
pub use system::SystemReport;
pub(crate) use system::os_release;
pub(crate) use text::size;
pub use times::{StageTime, Times};

use crate::image::system::{KernelReader, System};
use crate::image::{Image, ImageError};

/// Looks into the image at `path`, raw or qcow2, without the kernel's help.
///
/// # Errors
/// When it cannot be read, or is damaged in a way that leaves nothing to tell.
pub fn inspect(path: &Path) -> Result<Report, ImageError> {
    read(&Image::open(path)?, None)
}

/// Looks into an image; `kernel` reads the filesystems that are not read here.
///
/// # Errors
/// As [`inspect`].
pub fn read(image: &Image, kernel: Option<&dyn KernelReader>) -> Result<Report, ImageError> {
    Ok(describe(&System::read(image, kernel)?))
}

/// Makes the report of what was read.
pub fn describe(whole: &System<'_>) -> Report {
    let sizes = whole.image.sizes();
    Report {
        path: whole.image.path().to_owned(),
        format: sizes.format,
        virtual_size: sizes.virtual_size,
        file_size: sizes.file_size,
        allocated: sizes.allocated,
        backing_file: sizes.backing_file.clone(),
        table: whole.table.clone(),
        partitions: whole
            .parts
            .iter()
            .enumerate()
            .map(|(index, part)| report::partition(whole, index, part))
            .collect(),
        boot: boot::read(whole),
        system: system::read(whole),
        packages: packages::read(whole),
    }
}
