//! What a document says of a package: what dpkg knows of it, and what is known of the file that it came from.

use crate::store::Sha256Digest;

use super::agent::agent;
use super::installed::Installed;
use super::purl;
use super::spdx::{Checksum, ExternalRef, NO_ASSERTION, Package, identifier};

/// Whose packages they are, for their addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// The vendor, such as `debian`.
    pub vendor: String,
    /// The release's code name; may be empty.
    pub codename: String,
}

/// A package of an image.
#[derive(Debug, Clone)]
pub struct Component {
    /// What dpkg's database says.
    pub installed: Installed,
    /// Whose it is.
    pub distribution: Distribution,
    /// Digest of the .deb, where it is known.
    pub sha256: Option<Sha256Digest>,
    /// Where the .deb is found; none for what is not known, or a file of the machine that built.
    pub download: Option<String>,
}

impl Component {
    /// Returns the identifier of the package in a document.
    pub(super) fn id(&self) -> String {
        identifier("Package", &format!("{}-{}", self.installed.name, self.installed.architecture))
    }

    /// Returns the package's address.
    pub fn purl(&self) -> Option<String> {
        let Installed { name, version, architecture, .. } = &self.installed;
        let Distribution { vendor, codename } = &self.distribution;
        purl::deb(vendor, name, version, architecture, codename)
    }

    /// Describes the package.
    pub(super) fn package(&self) -> Package {
        let Installed { name, version, maintainer, source, homepage, .. } = &self.installed;
        // SPDX wants an address there, and maintainers write all sorts of things.
        let is_address = |text: &&String| text.starts_with("http://") || text.starts_with("https://");
        Package {
            name: name.clone(),
            id: self.id(),
            version_info: version.clone(),
            package_file_name: None,
            primary_package_purpose: None,
            supplier: agent(maintainer).unwrap_or_else(|| NO_ASSERTION.to_owned()),
            download_location: self.download.clone().unwrap_or_else(|| NO_ASSERTION.to_owned()),
            files_analyzed: false,
            checksums: self.sha256.iter().map(Checksum::sha256).collect(),
            homepage: Some(homepage).filter(is_address).cloned(),
            source_info: Some(format!("built package from: {} {}", source.0, source.1)),
            license_concluded: NO_ASSERTION,
            license_declared: NO_ASSERTION,
            copyright_text: NO_ASSERTION,
            external_refs: self.purl().map(ExternalRef::purl).into_iter().collect(),
        }
    }
}
