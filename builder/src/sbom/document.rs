//! The document: images and packages, and what they are to each other.
//!
//! ```text
//! document ─ DESCRIBES ─▶ image ─ CONTAINS ─▶ package ─ DEPENDS_ON ─▶ package
//! ```

use crate::date;
use crate::store::Sha256Digest;

use super::NAMES;
use super::component::Component;
use super::installed::Installed;
use super::links::links;
use super::spdx::{
    Checksum, CreationInfo, DOCUMENT, Document, NO_ASSERTION, Package, Relationship, identifier,
};

/// Last second that a date of SPDX can tell: the end of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;

/// An image that is described.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Name of its file.
    pub file: String,
    /// Digest of the file; of a folder, of its archive.
    pub sha256: Sha256Digest,
}

/// Returns the document as text. `created` is in seconds since 1970.
pub fn text(name: &str, created: i64, subjects: &[Subject], components: &[Component]) -> String {
    let created = created.clamp(0, LAST_SECOND);
    let images: Vec<Package> = subjects.iter().map(|subject| image(name, created, subject)).collect();
    let mut document = Document {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        id: DOCUMENT,
        name: name.to_owned(),
        document_namespace: String::new(),
        creation_info: CreationInfo {
            created: date::iso(created),
            creators: vec![format!("Tool: bootwright-{}", env!("CARGO_PKG_VERSION"))],
        },
        relationships: relationships(&images, components),
        packages: images.into_iter().chain(components.iter().map(Component::package)).collect(),
    };
    // Every document has a name of its own: the digest of all else that it says.
    let digest = Sha256Digest::of(print(&document).as_bytes());
    document.document_namespace = format!("{NAMES}/spdx/{digest}");
    print(&document)
}

fn print(document: &Document) -> String {
    // Text and lists have no form that JSON lacks.
    let value = serde_json::to_value(document).unwrap_or_default();
    format!("{value:#}\n")
}

fn image(name: &str, created: i64, subject: &Subject) -> Package {
    Package {
        name: name.to_owned(),
        id: identifier("Image", &subject.file),
        version_info: date::stamp(created),
        package_file_name: Some(subject.file.clone()),
        primary_package_purpose: Some("OPERATING_SYSTEM"),
        supplier: NO_ASSERTION.to_owned(),
        download_location: NO_ASSERTION.to_owned(),
        files_analyzed: false,
        checksums: vec![Checksum::sha256(subject.sha256)],
        homepage: None,
        source_info: None,
        license_concluded: NO_ASSERTION,
        license_declared: NO_ASSERTION,
        copyright_text: NO_ASSERTION,
        external_refs: Vec::new(),
    }
}

fn relationships(images: &[Package], components: &[Component]) -> Vec<Relationship> {
    let ids: Vec<String> = components.iter().map(Component::id).collect();
    let describes = images.iter().map(|image| Relationship::new(DOCUMENT, "DESCRIBES", &image.id));
    let contains =
        images.iter().flat_map(|image| ids.iter().map(|id| Relationship::new(&image.id, "CONTAINS", id)));
    let installed: Vec<&Installed> = components.iter().map(|component| &component.installed).collect();
    let links = links(&installed);
    let depends = links.iter().map(|(one, other)| Relationship::new(&ids[*one], "DEPENDS_ON", &ids[*other]));
    describes.chain(contains).chain(depends).collect()
}
