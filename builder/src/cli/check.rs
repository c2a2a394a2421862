//! `bootwright check`: reads recipes, and documents for clones, and tells all that is wrong with them.

mod document;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::args::{RecipeArguments, Shared};
use super::{fail, terminal};
use crate::error::ExitCode;
use crate::plan::Plan;
use crate::recipe::{Diagnostic, Diagnostics, LoadOptions, Quoted, Recipe, Span};
use crate::verify::Keyring;

/// Reads a recipe and plans it; everything that `build` does before it touches the network.
///
/// # Errors
/// Returns all that is wrong with the recipe.
pub fn read(path: &Path, set: &[(String, String)], mirrors: &[String]) -> Result<Plan, Diagnostics> {
    let mirrors = mirrors.iter().filter(|mirror| !mirror.is_empty()).cloned().collect();
    let options = LoadOptions { set: set.to_vec(), mirrors };
    let recipe = crate::recipe::load(path, &options)?;
    let mut problems = Diagnostics::default();
    check_keyrings(&recipe, &mut problems);
    let plan = crate::plan::plan(&recipe);
    match plan {
        Ok(plan) => problems.into_result(Some(plan)),
        Err(others) => {
            problems.extend(others);
            problems.into_result(None)
        }
    }
}

/// Reads a recipe as [`read`] does; what is wrong with it is reported, and the exit code returned.
///
/// # Errors
/// The exit code of a recipe that is wrong.
pub fn read_or_report(path: &Path, recipe: &RecipeArguments, shared: &Shared) -> Result<Plan, ExitCode> {
    read(path, &recipe.set, &recipe.mirror).map_err(|problems| {
        report(&problems, terminal::color(shared.color));
        ExitCode::Recipe
    })
}

/// Tells of keys that could never verify anything.
fn check_keyrings(recipe: &Recipe, problems: &mut Diagnostics) {
    for keyring in recipe.distribution.repositories.iter().filter_map(|one| one.signed_by.as_ref()) {
        if let Err(error) = Keyring::load(&keyring.value) {
            let shown = keyring.value.display().to_string();
            let why = error.problem.to_string();
            let why = why.trim_start_matches("keyring: ");
            let message = format!("{} is no keyring that can be used: {why}", Quoted(&shown));
            let hint = "export the key with `gpg --export KEY`, with or without `--armor`";
            problems.push(Diagnostic::new(&keyring.at, message).hint(hint));
        }
    }
}

/// Checks each file: a document for clones by the clone's own code, anything else as a recipe. Prints a line on stdout for each that is well, and errors on stderr.
pub fn check(paths: &[PathBuf], set: &[(String, String)], mirrors: &[String], color: bool) -> ExitCode {
    let mut wrong = 0;
    for path in paths {
        let judged = match document::judge(path) {
            Some(judged) => judged.map(|kind| format!("{} ", kind.name())),
            None => read(path, set, mirrors).map(|_| String::new()),
        };
        match judged {
            Ok(kind) => println!("{}: {kind}ok", path.display()),
            Err(problems) => {
                report(&problems, color);
                wrong += 1;
            }
        }
    }
    if wrong == 0 { ExitCode::Success } else { ExitCode::Recipe }
}

/// Prints errors of a recipe on stderr, and how many they are.
pub fn report(problems: &Diagnostics, color: bool) {
    if terminal::is_json() {
        problems.iter().for_each(|problem| terminal::event(describe(problem)));
        let count = problems.iter().count();
        let message = if count == 1 { "1 error".to_owned() } else { format!("{count} errors") };
        return fail(ExitCode::Recipe, &[message]);
    }
    eprint!("{}", problems.render(color));
    match problems.iter().count() {
        1 => eprintln!("\n1 error"),
        count => eprintln!("\n{count} errors"),
    }
}

/// Returns the event of one error.
fn describe(problem: &Diagnostic) -> Value {
    let place = |at: &Span, message: &str| json!({ "file": at.file.name, "line": at.line, "column": at.column, "message": message });
    let mut event = place(&problem.at, &problem.message);
    event["event"] = json!("recipe_error");
    event["hint"] = json!(problem.hint);
    event["notes"] = problem.notes.iter().map(|(at, note)| place(at, note)).collect();
    event
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{check, read};
    use crate::error::ExitCode;
    use crate::plan::MirrorChoice;

    fn recipe() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../recipes/debian-minimal.yaml")
    }

    #[test]
    fn one_wrong_recipe_is_enough_for_the_exit_code() {
        let nowhere = PathBuf::from("/nowhere/recipe.yaml");
        assert_eq!(check(&[recipe()], &[], &[], false), ExitCode::Success);
        assert_eq!(check(&[nowhere, recipe()], &[], &[], false), ExitCode::Recipe);
    }

    #[test]
    fn variables_and_the_mirror_reach_the_plan() {
        let set = [("suite".to_owned(), "trixie".to_owned())];
        let plan = read(&recipe(), &set, &["http://localhost/debian".to_owned()]).expect("it is right");
        assert_eq!(plan.suite, "trixie");
        assert_eq!(plan.repositories[2].suite, "trixie-security");
        assert_eq!(plan.mirrors, [MirrorChoice::Uri("http://localhost/debian".to_owned())]);
    }
}
