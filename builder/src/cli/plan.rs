//! `bootwright plan`: what would be built; no root, no network.

use std::path::Path;

use super::check;
use crate::error::ExitCode;
use crate::plan::{explain, explain_json};

/// Prints the plan of a recipe on stdout, as text or as JSON.
pub fn plan(path: &Path, set: &[(String, String)], mirrors: &[String], json: bool, color: bool) -> ExitCode {
    match check::read(path, set, mirrors) {
        Ok(plan) if json => println!("{:#}", explain_json(&plan)),
        Ok(plan) => print!("{}", explain(&plan)),
        Err(problems) => {
            check::report(&problems, color);
            return ExitCode::Recipe;
        }
    }
    ExitCode::Success
}
