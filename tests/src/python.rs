//! Witnesses that Python's package index has and Debian has not.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::program::shared_cache;
use crate::witness::witness;

/// The reference readers of SPDX and of in-toto's statements.
const PACKAGES: [&str; 2] = ["spdx-tools==0.8.5", "in-toto-attestation==0.9.3"];

/// Judges a statement by the types that in-toto publishes: unknown fields and wrong types are refused.
const STATEMENT: &str = "
import json, sys
from google.protobuf import json_format
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
text = open(sys.argv[1]).read()
statement = json_format.Parse(text, statement_pb2.Statement())
Statement.copy_from_pb(statement).validate()
assert statement.predicate_type == 'https://slsa.dev/provenance/v1'
predicate = json_format.ParseDict(json.loads(text)['predicate'], provenance_pb2.Provenance())
definition, builder = predicate.build_definition, predicate.run_details.builder
assert definition.build_type and definition.external_parameters and builder.id
print(len(definition.resolved_dependencies))
";

/// Returns the path of a program of the witnesses.
fn program(name: &str) -> String {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| environment("test-python", &PACKAGES));
    folder.join("bin").join(name).to_str().expect("UTF-8").to_owned()
}

/// Returns the folder `name` beside the cache, in which Python has these packages; they are installed on first use.
///
/// # Panics
///
/// When they cannot be.
pub fn environment(name: &str, packages: &[&str]) -> PathBuf {
    let folder = shared_cache().with_file_name(name);
    let (text, marker) = (folder.to_str().expect("UTF-8"), folder.join("installed"));
    if fs::read_to_string(&marker).ok().as_deref() != Some(&packages.join("\n")) {
        witness("python3", &["-m", "venv", "--clear", text]);
        let pip = format!("{text}/bin/pip");
        witness(&pip, &[&["install", "--quiet", "--disable-pip-version-check"][..], packages].concat());
        fs::write(&marker, packages.join("\n")).expect("written");
    }
    folder
}

/// Demands that the reference tool of SPDX finds nothing wrong with a document.
///
/// # Panics
///
/// When it does.
pub fn check_spdx(path: &str) {
    witness(&program("pyspdxtools"), &["--infile", path]);
}

/// Demands that in-toto's own types read a statement of provenance; returns the number of its dependencies.
///
/// # Panics
///
/// When they do not.
pub fn check_provenance(path: &str) -> usize {
    let said = witness(&program("python3"), &["-c", STATEMENT, path]);
    said.trim().parse().expect("a number")
}
