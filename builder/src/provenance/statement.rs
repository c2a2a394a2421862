//! The shapes of in-toto's statement (version 1) and of SLSA's provenance (version 1), as far as they are written here.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::store::Sha256Digest;

/// A claim about files.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Statement {
    #[serde(rename = "_type")]
    pub kind: &'static str,
    pub subject: Vec<Resource>,
    pub predicate_type: &'static str,
    pub predicate: Predicate,
}

/// How they were made.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Predicate {
    pub build_definition: BuildDefinition,
    pub run_details: RunDetails,
}

/// What they were made from.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BuildDefinition {
    pub build_type: String,
    pub external_parameters: Value,
    pub internal_parameters: Value,
    pub resolved_dependencies: Vec<Resource>,
}

/// What made them.
#[derive(Debug, Serialize)]
pub(super) struct RunDetails {
    pub builder: Builder,
    pub byproducts: Vec<Resource>,
}

/// A builder.
#[derive(Debug, Serialize)]
pub(super) struct Builder {
    pub id: String,
    pub version: BTreeMap<&'static str, &'static str>,
}

/// An artifact: in-toto's `ResourceDescriptor`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// What it is called here.
    pub name: String,
    /// What it is called everywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Its digests, by algorithm.
    pub digest: BTreeMap<&'static str, String>,
    /// Where it is found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub download_location: Option<String>,
    /// Further facts.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub annotations: Value,
}

impl Resource {
    /// Names an artifact by its digest.
    pub fn new(name: &str, sha256: Sha256Digest) -> Self {
        Self {
            name: name.to_owned(),
            uri: None,
            digest: digest(sha256),
            download_location: None,
            annotations: Value::Null,
        }
    }
}

/// Returns a set of digests that has just this one.
pub fn digest(sha256: impl ToString) -> BTreeMap<&'static str, String> {
    [("sha256", sha256.to_string())].into()
}
