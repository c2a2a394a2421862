//! The bill of materials of an image that nothing else is known of.

use anyhow::Context;

use crate::image::bytes::printable;
use crate::image::system::System;

use super::component::{Component, Distribution};
use super::document::{Subject, text};
use super::installed::{STATUS, parse};

/// Why there is no bill of materials.
#[derive(Debug, thiserror::Error)]
#[error(
    "'{0}' keeps no dpkg database that can be read, so nothing tells its packages; a bill of materials is of systems \
    based on Debian, and filesystems that only the kernel reads need root"
)]
pub struct NoPackages(String);

/// Returns the document of an image, made from its own dpkg database. It was created when the database last changed.
///
/// # Errors
/// When the image keeps no such database, or its file cannot be read.
pub fn of_image(whole: &System<'_>) -> anyhow::Result<String> {
    let path = whole.image.path();
    let none = || NoPackages(path.display().to_string());
    let (_, node) = whole.resolve(STATUS).ok_or_else(none)?;
    let status = whole.text(STATUS).ok_or_else(none)?;
    let distribution = distribution(whole);
    let components: Vec<Component> = parse(&status)
        .into_iter()
        .map(|installed| Component {
            installed,
            distribution: distribution.clone(),
            sha256: None,
            download: None,
        })
        .collect();
    let name = |part: Option<&std::ffi::OsStr>| printable(&part.unwrap_or_default().to_string_lossy());
    let reading = || format!("reading '{}'", path.display());
    let sha256 = super::beside::digest(path).with_context(reading)?;
    let subject = Subject { file: name(path.file_name()), sha256 };
    Ok(text(&name(path.file_stem()), node.modified, &[subject], &components))
}

/// Returns whose packages they are, by os-release(5).
fn distribution(whole: &System<'_>) -> Distribution {
    let release = whole.text("/etc/os-release").unwrap_or_default();
    let value = |key: &str| crate::inspect::os_release(&release, key);
    Distribution {
        vendor: value("ID").filter(|id| !id.is_empty()).unwrap_or_else(|| "debian".to_owned()),
        codename: value("VERSION_CODENAME").unwrap_or_default(),
    }
}
