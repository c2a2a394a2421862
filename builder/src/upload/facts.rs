//! What the image itself tells of the machines that it wants.

use crate::inspect::{Report, inspect};

use super::SourceImage;

/// What an image tells of the machines that it wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageFacts {
    /// Its processors, as uname(2) calls them: `x86_64`.
    pub architecture: Option<&'static str>,
    /// Whether it has a boot loader for the BIOS.
    pub bios: bool,
    /// Whether it has one for UEFI.
    pub uefi: bool,
    /// Whether that is signed, so that it may start with Secure Boot.
    pub secure: bool,
    /// `ID` of os-release.
    pub distribution: Option<String>,
    /// `VERSION_ID` of os-release.
    pub version: Option<String>,
    /// Why it could not be looked into.
    pub unread: Option<String>,
}

impl ImageFacts {
    /// Looks into the image, and into its manifest for what its files do not tell.
    pub fn of(image: &SourceImage) -> Self {
        let mut facts = match inspect(&image.path) {
            Ok(report) => Self::in_report(&report),
            Err(error) => Self { unread: Some(error.to_string()), ..Self::default() },
        };
        let manifest = image.manifest.as_ref();
        let named = manifest.and_then(|manifest| manifest["architecture"].as_str());
        facts.architecture = facts.architecture.or_else(|| named.and_then(machine));
        facts
    }

    fn in_report(report: &Report) -> Self {
        let programs = report.boot.uefi.iter().filter(|program| program.machine.is_some());
        let by_firmware = programs.clone().filter_map(|program| program.machine).find_map(machine);
        let by_packages = report
            .packages
            .as_ref()
            .and_then(|packages| packages.list.iter().find_map(|package| machine(&package.architecture)));
        // What the firmware starts without being told is in this folder; it is the shim where Secure Boot works.
        let started =
            programs.clone().find(|program| program.path.to_ascii_uppercase().contains("EFI/BOOT/BOOT"));
        let system = report.system.as_ref();
        Self {
            architecture: by_packages.or(by_firmware),
            bios: report.boot.bios.is_some(),
            uefi: started.is_some(),
            secure: started.is_some_and(|program| program.signed),
            distribution: system.and_then(|system| system.id.clone()),
            version: system.and_then(|system| system.version.clone()),
            unread: None,
        }
    }
}

/// Returns uname's word for a processor that Debian or the EFI header names.
fn machine(name: &str) -> Option<&'static str> {
    match name {
        "amd64" | "x86-64" | "x86_64" => Some("x86_64"),
        "arm64" | "aarch64" | "AArch64" => Some("aarch64"),
        "i386" | "i686" => Some("i686"),
        _ => None,
    }
}
