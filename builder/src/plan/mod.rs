//! Recipe → [`Plan`], pure: knows no clock, disk or process.
//!
//! In: a valid `Recipe`. Out: everything the recipe fixes — repositories, packages wanted, partition layout with
//! GUIDs and UUIDs derived from a seed, kernel command line, customisation steps in order.
//! Cache key: the recipe's digest. Undo: none needed.

mod boot;
mod customise;
mod explain;
mod filesystem;
mod identifiers;
mod layout;
mod mixes;
mod model;
mod outputs;
mod packages;
mod repositories;
mod subvolumes;
#[cfg(test)]
mod tests;

pub use explain::{explain, explain_json};
pub use model::*;

use crate::recipe::{Diagnostic, Diagnostics, Quoted, Recipe, Span};

/// Decides everything that the recipe alone decides.
///
/// # Errors
/// Returns every place where the recipe's words do not fit together.
pub fn plan(recipe: &Recipe) -> Result<Plan, Diagnostics> {
    let mut problems = Diagnostics::default();
    let identifiers = identifiers::Identifiers::new(recipe);
    let boot = boot::boot(recipe, &mut problems);
    let disk = layout::disk(recipe, &identifiers, &mut problems);
    let repositories = repositories::repositories(recipe, &mut problems);
    let packages = packages::packages(recipe, boot.as_ref(), disk.as_ref(), &mut problems);
    let customise = customise::customise(recipe, &repositories, &mut problems);
    let outputs = outputs::outputs(recipe, &mut problems);
    let tests = tests_of(recipe, &mut problems);
    let uploads = outputs::uploads(recipe, &mut problems);
    let plan = Plan {
        name: recipe.name.value.clone(),
        recipe_digest: recipe.digest.clone(),
        recipe: recipe.resolved.clone(),
        seed: identifiers.seed(),
        architecture: recipe.architecture,
        repositories,
        mirrors: recipe.distribution.mirrors.clone(),
        credentials: recipe.distribution.credentials.clone(),
        suite: recipe.distribution.suite.value.clone(),
        packages,
        local: recipe.local.clone(),
        tools: repositories::tools(disk.as_ref()),
        debconf: recipe.debconf.clone(),
        customise,
        disk,
        boot,
        outputs,
        tests,
        uploads,
    };
    problems.into_result(Some(plan))
}

/// Limit of a guest test in seconds unless the recipe gives one: enough for a boot without KVM.
const TEST_TIMEOUT: u64 = 300;

fn tests_of(recipe: &Recipe, problems: &mut Diagnostics) -> Vec<GuestTest> {
    refuse_twice(problems, "the test", recipe.tests.iter().map(|test| (&test.name.value, &test.name.at)));
    let timeout = |given: Option<u64>| given.unwrap_or(TEST_TIMEOUT);
    let planned = recipe.tests.iter().map(|test| GuestTest {
        name: test.name.value.clone(),
        action: test.action.clone(),
        timeout: timeout(test.timeout),
    });
    planned.collect()
}

/// Tells of names that are given twice.
fn refuse_twice<'a>(
    problems: &mut Diagnostics,
    what: &str,
    names: impl Iterator<Item = (&'a String, &'a Span)>,
) {
    let mut seen: Vec<(&String, &Span)> = Vec::new();
    for (name, at) in names {
        match seen.iter().find(|(known, _)| *known == name) {
            Some((_, first)) => {
                let message = format!("{what} {} is given twice", Quoted(name));
                problems.push(Diagnostic::new(at, message).note(first, "it is given here first"));
            }
            None => seen.push((name, at)),
        }
    }
}
