//! The part of SPDX 2.3 that is written here, by the names of its JSON schema. What is not known is left out or
//! `NOASSERTION`.

use serde::Serialize;

/// What stands where nothing is claimed.
pub(super) const NO_ASSERTION: &str = "NOASSERTION";
/// Identifier of the document itself.
pub(super) const DOCUMENT: &str = "SPDXRef-DOCUMENT";

/// A document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    pub spdx_version: &'static str,
    pub data_license: &'static str,
    #[serde(rename = "SPDXID")]
    pub id: &'static str,
    pub name: String,
    pub document_namespace: String,
    pub creation_info: CreationInfo,
    pub packages: Vec<Package>,
    pub relationships: Vec<Relationship>,
}

/// Who made the document, and when.
#[derive(Debug, Serialize)]
pub(super) struct CreationInfo {
    pub created: String,
    pub creators: Vec<String>,
}

/// An image, or a package in it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Package {
    pub name: String,
    #[serde(rename = "SPDXID")]
    pub id: String,
    pub version_info: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package_file_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_package_purpose: Option<&'static str>,
    pub supplier: String,
    pub download_location: String,
    pub files_analyzed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checksums: Vec<Checksum>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_info: Option<String>,
    pub license_concluded: &'static str,
    pub license_declared: &'static str,
    pub copyright_text: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub external_refs: Vec<ExternalRef>,
}

/// A digest.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Checksum {
    pub algorithm: &'static str,
    pub checksum_value: String,
}

/// Another name of a package.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExternalRef {
    pub reference_category: &'static str,
    pub reference_type: &'static str,
    pub reference_locator: String,
}

/// What one element is to another.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Relationship {
    pub spdx_element_id: String,
    pub relationship_type: &'static str,
    pub related_spdx_element: String,
}

impl Checksum {
    /// Returns the one digest that is used here.
    pub(super) fn sha256(value: impl ToString) -> Self {
        Self { algorithm: "SHA256", checksum_value: value.to_string() }
    }
}

impl ExternalRef {
    /// Returns the one kind of name that is used here.
    pub(super) fn purl(locator: String) -> Self {
        Self { reference_category: "PACKAGE-MANAGER", reference_type: "purl", reference_locator: locator }
    }
}

impl Relationship {
    /// Says what `from` is to `to`.
    pub(super) fn new(from: &str, kind: &'static str, to: &str) -> Self {
        Self {
            spdx_element_id: from.to_owned(),
            relationship_type: kind,
            related_spdx_element: to.to_owned(),
        }
    }
}

/// Returns the identifier of a thing: letters, digits, dots and dashes; other bytes as their number.
pub(super) fn identifier(kind: &str, name: &str) -> String {
    let mut id = format!("SPDXRef-{kind}-");
    for byte in name.bytes() {
        match byte {
            b'.' | b'-' => id.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => id.push(char::from(byte)),
            byte => id.push_str(&format!(".{byte:02x}")),
        }
    }
    id
}
