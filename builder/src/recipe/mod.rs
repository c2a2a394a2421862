//! YAML → [`Recipe`]: what an author wants, decoded, with the place of every word.
//!
//! ```text
//! file → parse → tree ┐
//! file → parse → tree ┴ include: merge → variables: replace → decode → Recipe
//! ```
//!
//! In: a path, and `--set`. Out: a recipe whose words are all known; whether they fit together is decided by
//! `plan`. Errors are collected, not thrown: a user gets all of them at once, each with its place and a hint.
//! A key or value of the schema that has no effect yet is an error that says so.
//! Cache key: [`Recipe::digest`](schema::Recipe::digest). Undo: none needed.

use std::fs;
use std::path::Path;

mod auth;
mod credentials;
mod decode;
mod describe;
mod diagnostic;
mod digest;
mod guess;
mod include;
mod keys;
mod local;
mod node;
mod output_kind;
mod parse;
mod schema;
mod source;
#[cfg(test)]
pub(crate) mod tests;
mod variables;
mod words;

pub use credentials::Credential;
#[cfg(test)]
pub(crate) use credentials::parse as parse_credentials;
pub use decode::parse_bytes;
pub use describe::{Coverage, json_schema, reference};
pub use diagnostic::{Diagnostic, Diagnostics, Quoted};
pub use output_kind::*;
pub use schema::*;
pub use source::{Located, SourceFile, Span};
pub use words::*;

/// What the command line adds to a recipe.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// `--set name=value`, in order; the last one of a name counts.
    pub set: Vec<(String, String)>,
    /// `--mirror` or `BOOTWRIGHT_MIRROR`: used instead of the recipe's `mirror`, in this order; none to leave that.
    pub mirrors: Vec<String>,
}

/// Reads the recipe at `path` and all that it includes.
///
/// # Errors
/// Returns every error of the recipe's text, in the order of its places.
pub fn load(path: &Path, options: &LoadOptions) -> Result<Recipe, Diagnostics> {
    let mut problems = Diagnostics::default();
    let Some(mut root) = include::load_merged(path, &mut problems) else {
        return problems.into_result(None);
    };
    let variables = variables::Variables::read(&root, &options.set, &mut problems);
    variables.replace(&mut root, &mut problems);
    let decoder = decode::Decoder::default();
    let mut recipe = decode::recipe(&decoder, &root, digest::digest(&root));
    let resolved = digest::resolved(&root);
    problems.extend(decoder.into_problems());
    if let Some(recipe) = &mut recipe {
        recipe.resolved = resolved;
        check_host_paths(recipe, &mut problems);
        local::read(recipe, &mut problems);
        apply_mirrors(recipe, options, &mut problems);
        auth::read(recipe, &mut problems);
    }
    problems.into_result(recipe)
}

fn apply_mirrors(recipe: &mut Recipe, options: &LoadOptions, problems: &mut Diagnostics) {
    let mut mirrors = Vec::new();
    for mirror in &options.mirrors {
        match decode::parse_uri(mirror) {
            _ if mirror == "auto" => mirrors.push(MirrorChoice::Auto),
            Ok(uri) => mirrors.push(MirrorChoice::Uri(uri)),
            Err(problem) => {
                let source = SourceFile::new("--mirror", "", mirror.as_str());
                let at = Span::of_bytes(&source, 0..mirror.len());
                problems.push(problem.at(&at, mirror, "mirror"));
            }
        }
    }
    if !mirrors.is_empty() {
        recipe.distribution.mirrors = mirrors;
    }
}

/// Checks that what the recipe takes from this machine is there.
fn check_host_paths(recipe: &Recipe, problems: &mut Diagnostics) {
    for overlay in &recipe.overlays {
        let from = &overlay.from;
        if !from.value.is_dir() {
            problems.push(missing(&from.at, &from.value, "folder"));
            continue;
        }
        for (path, _) in &overlay.map {
            if fs::symlink_metadata(from.value.join(&path.value)).is_err() {
                let message = format!("the overlay holds no {}", Quoted(&path.value));
                problems.push(Diagnostic::new(&path.at, message).note(&from.at, "this is the overlay"));
            }
        }
    }
    let keyrings = recipe.distribution.repositories.iter().filter_map(|one| one.signed_by.as_ref());
    let keyrings = keyrings.map(|keyring| (&keyring.at, &keyring.value));
    let files = recipe.files.iter().filter_map(|file| match &file.content.value {
        FileContent::Host(path) => Some((&file.content.at, path)),
        FileContent::Inline(_) | FileContent::Link(_) => None,
    });
    for (at, path) in keyrings.chain(files) {
        if !path.is_file() {
            problems.push(missing(at, path, "file"));
        }
    }
}

fn missing(at: &Span, path: &Path, wanted: &str) -> Diagnostic {
    let name = path.display().to_string();
    let shown = Quoted(&name);
    let problem = if path.exists() {
        Diagnostic::new(at, format!("{shown} is not a {wanted}"))
    } else {
        Diagnostic::new(at, format!("there is no {wanted} {shown}"))
    };
    problem.hint("paths are relative to the recipe file that names them")
}
