//! The auth files that a recipe names: read with it, so that `check` tells what is wrong with them.

use std::fs;

use super::credentials::{BadAuth, Credential, parse};
use super::diagnostic::{Diagnostic, Diagnostics, Quoted};
use super::schema::Recipe;
use super::source::Located;
use super::words::MirrorChoice;

/// Largest auth file that is read.
const LIMIT_BYTES: u64 = 1 << 20;

/// Reads `distribution.auth` and each repository's `auth` into the recipe's credentials.
pub(super) fn read(recipe: &mut Recipe, problems: &mut Diagnostics) {
    let distribution = &recipe.distribution;
    let mut credentials: Vec<Credential> = Vec::new();
    let mut add = |auth: &Located<std::path::PathBuf>, uris: &[&str]| {
        let found = match load(auth) {
            Ok(found) => found,
            Err(problem) => return problems.push(*problem),
        };
        if let Some(problem) = useless(auth, &found, uris) {
            problems.push(problem);
        }
        credentials.extend(found);
    };
    for repository in &distribution.repositories {
        if let Some(auth) = &repository.auth {
            add(auth, &[&repository.uri]);
        }
    }
    if let Some(auth) = &distribution.auth {
        let mirrors = distribution.mirrors.iter().filter_map(|mirror| match mirror {
            MirrorChoice::Uri(uri) => Some(uri.as_str()),
            MirrorChoice::Auto => None,
        });
        let own = distribution.repositories.iter().map(|one| one.uri.as_str());
        let uris: Vec<&str> = mirrors.chain(own).collect();
        // Behind `auto` may be any address.
        let judged = !distribution.mirrors.contains(&MirrorChoice::Auto);
        add(auth, if judged { &uris } else { &[] });
    }
    recipe.distribution.credentials = credentials;
}

fn load(auth: &Located<std::path::PathBuf>) -> Result<Vec<Credential>, Box<Diagnostic>> {
    let path = &auth.value;
    let shown = path.display().to_string();
    let wrong = |what: String, hint: &str| {
        Box::new(Diagnostic::new(&auth.at, format!("the auth file {} {what}", Quoted(&shown))).hint(hint))
    };
    let beside = "paths are relative to the recipe file that names them";
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => wrong("does not exist".to_owned(), beside),
        _ => wrong(format!("cannot be read: {error}"), beside),
    })?;
    if !metadata.is_file() || metadata.len() > LIMIT_BYTES {
        return Err(wrong("is not a small text file".to_owned(), beside));
    }
    let form = "each entry is `machine HOST login NAME password SECRET`";
    let text = fs::read_to_string(path).map_err(|error| wrong(format!("cannot be read: {error}"), form))?;
    let found = parse(&text).map_err(|BadAuth { line, problem }| {
        wrong(format!("has a mistake in line {line}: {problem}"), form)
    })?;
    if found.is_empty() { Err(wrong("has no entry".to_owned(), form)) } else { Ok(found) }
}

/// Tells of a file that fits none of the addresses it was given for.
fn useless(auth: &Located<std::path::PathBuf>, found: &[Credential], uris: &[&str]) -> Option<Diagnostic> {
    // What is asked for lies below the address.
    let below = |uri: &&&str| format!("{uri}/");
    if uris.is_empty() || uris.iter().any(|uri| found.iter().any(|one| one.fits(&below(&uri)))) {
        return None;
    }
    let plain = uris.iter().find(|uri| found.iter().any(|one| one.lacks_scheme_for(&below(uri))));
    let (message, hint) = match plain {
        Some(uri) => (
            format!("the auth file's entry is for https, and the address is {}", Quoted(uri)),
            "as in apt, an entry without a scheme is for https only; write `machine http://HOST` to send the password in the clear".to_owned(),
        ),
        None => (
            format!("no entry of the auth file is for {}", Quoted(uris[0])),
            "compare the host, port and path after `machine`".to_owned(),
        ),
    };
    Some(Diagnostic::new(&auth.at, message).hint(hint))
}
