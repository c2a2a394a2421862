//! Provenance: what an image was made from, by what, as an in-toto statement with a SLSA predicate.
//!
//! ```text
//! Locked + digests of the images and of their bill of materials ─ text ─▶ NAME.provenance.json
//! ```
//!
//! It holds no clock, no machine and no secret: two builds of the same input give the same bytes, so `metadata`, which SLSA
//! leaves optional, is absent. Archives that are files of the machine that built have no address.
//!
//! Sources: <https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md>,
//! <https://slsa.dev/spec/v1.0/provenance>.

mod definition;
mod statement;

use crate::resolve::Locked;
use crate::sbom::{NAMES, Subject};
use crate::store::Sha256Digest;

use statement::{Builder, Predicate, RunDetails, Statement};
pub use statement::{Resource, digest};

/// Type of the statement.
const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// Type of the predicate.
pub const PREDICATE: &str = "https://slsa.dev/provenance/v1";

/// Returns the name of the statement of the images called `name`.
pub fn file_name(name: &str) -> String {
    format!("{name}.provenance.json")
}

/// Returns the statement about `subjects`, made from `locked`. `inputs` is the digest of what the recipe takes from the
/// machine that builds; `byproducts` are files that were made beside the images.
pub fn text(
    locked: &Locked,
    inputs: Option<Sha256Digest>,
    subjects: &[Subject],
    byproducts: &[Subject],
) -> String {
    let resource = |subject: &Subject| Resource::new(&subject.file, subject.sha256);
    let statement = Statement {
        kind: STATEMENT,
        subject: subjects.iter().map(resource).collect(),
        predicate_type: PREDICATE,
        predicate: Predicate {
            build_definition: definition::definition(locked, inputs),
            run_details: RunDetails {
                builder: Builder {
                    id: format!("{NAMES}/builder/v1"),
                    version: [("bootwright", env!("CARGO_PKG_VERSION"))].into(),
                },
                byproducts: byproducts.iter().map(resource).collect(),
            },
        },
    };
    // Text and lists have no form that JSON lacks.
    let value = serde_json::to_value(statement).unwrap_or_default();
    format!("{value:#}\n")
}
