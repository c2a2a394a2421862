//! The roles of this image.

use anyhow::{Context, Result, ensure};
use contract::roles::{Catalogue, FOLDER, Role};

use crate::place::Place;

/// Reads them.
///
/// # Errors
///
/// When a file cannot be understood, or roles do not fit together.
pub fn catalogue(place: &Place) -> Result<Catalogue> {
    let mut roles = Vec::new();
    for file in place.list(FOLDER)?.iter().filter(|file| file.ends_with(".json")) {
        let path = format!("{FOLDER}/{file}");
        let role: Role = place.load(&path)?.with_context(|| format!("'{path}' is gone"))?;
        ensure!(*file == format!("{}.json", role.name), "'{path}' is of the role '{}'", role.name);
        roles.push(role);
    }
    let catalogue = Catalogue::new(roles);
    let problems = catalogue.problems();
    let told: Vec<String> = problems.iter().map(|(role, reason)| format!("{role}: {reason}")).collect();
    ensure!(problems.is_empty(), "the roles in '{FOLDER}' do not fit together: {}", told.join("; "));
    Ok(catalogue)
}
