//! What is written at the end, and whether the recipe has what that needs.

use super::model::OutputKind;
use crate::recipe::{Diagnostic, Diagnostics, Located, Recipe, Upload};

/// Plans `outputs`.
pub(super) fn outputs(recipe: &Recipe, problems: &mut Diagnostics) -> Vec<OutputKind> {
    let mut outputs: Vec<&Located<OutputKind>> = Vec::new();
    for output in &recipe.outputs {
        check_disk(recipe, output, problems);
        let same = |known: &&&Located<OutputKind>| known.value.suffix() == output.value.suffix();
        match outputs.iter().find(same) {
            // An includer may name what an included file named already.
            Some(known) if known.value == output.value => {}
            Some(known) => {
                let message = format!("two outputs would be the same file, NAME.{}", output.value.suffix());
                let problem = Diagnostic::new(&output.at, message).note(&known.at, "this is the other");
                problems.push(problem.hint("keep one; `outputs!:` replaces those of an included file"));
            }
            None => outputs.push(output),
        }
    }
    check_tree_only(recipe, problems);
    outputs.into_iter().map(|output| output.value).collect()
}

/// Plans `upload`: the image is the qcow2 if there is one, else the raw disk, and bears the recipe's name.
pub(super) fn uploads(recipe: &Recipe, problems: &mut Diagnostics) -> Vec<Vec<String>> {
    let sent = |output: &Located<OutputKind>| matches!(output.value, OutputKind::Qcow2(_) | OutputKind::Raw);
    if let Some(upload) = recipe.uploads.first().filter(|_| !recipe.outputs.iter().any(sent)) {
        let problem =
            Diagnostic::new(&upload.at, "clouds take a qcow2 or a raw disk, and the recipe makes neither");
        problems.push(problem.hint("add qcow2 to `outputs`"));
    }
    let arguments = |upload: &Upload| {
        let mut arguments = vec![format!("--to={}", upload.cloud)];
        if !upload.flags.iter().any(|flag| flag.starts_with("--name=")) {
            arguments.push(format!("--name={}", recipe.name.value));
        }
        arguments.extend(upload.flags.iter().cloned());
        arguments
    };
    recipe.uploads.iter().map(arguments).collect()
}

fn check_disk(recipe: &Recipe, output: &Located<OutputKind>, problems: &mut Diagnostics) {
    match (&recipe.disk, output.value.is_disk()) {
        (None, true) => {
            let problem = Diagnostic::new(&output.at, "this output is a disk, and the recipe has no `disk`");
            problems.push(problem.hint("add `disk:` and `boot:`"));
        }
        (Some(disk), false) => {
            let message = format!("a {} is of a recipe without a disk", output.value.name());
            let problem = Diagnostic::new(&output.at, message).note(&disk.at, "this recipe makes a disk");
            problems
                .push(problem.hint("make it in a recipe of its own, with the common part in an `include`"));
        }
        (None, false) | (Some(_), true) => {}
    }
}

/// Refuses what only a disk gives a meaning to.
fn check_tree_only(recipe: &Recipe, problems: &mut Diagnostics) {
    if recipe.disk.is_some() || recipe.outputs.iter().any(|output| output.value.is_disk()) {
        return;
    }
    if let Some(kernel) = &recipe.kernel {
        let problem = Diagnostic::new(&kernel.at, "the recipe names a kernel and has no `disk` to boot from");
        problems.push(
            problem.hint("remove `kernel`; a kernel that is only to be in the tree is one of `packages`"),
        );
    }
    if let Some(test) = recipe.tests.first() {
        let problem = Diagnostic::new(&test.name.at, "tests run in the booted image, and nothing here boots");
        problems.push(problem.hint("add `disk:` and `boot:`, or remove `tests`"));
    }
}
