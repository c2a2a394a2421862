//! Where limits shall hold, kept over boots.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use contract::quota::Whose;

use super::{Place, make_hold};
use crate::machine::Machine;

const PATH: &str = "/var/lib/firstboot/quota.json";

/// One kind of limits on one filesystem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    mount: String,
    whose: Whose,
}

fn load(machine: &Machine) -> Result<Vec<Entry>> {
    let text = machine.read_text(PATH)?;
    text.map_or(Ok(Vec::new()), |text| {
        serde_json::from_str(&text).with_context(|| format!("reading '{PATH}'"))
    })
}

/// Remembers that limits shall hold.
pub(super) fn remember(machine: &Machine, place: &Place, whose: Whose) -> Result<()> {
    let mut entries = load(machine)?;
    let entry = Entry { mount: place.mount.clone(), whose };
    if !entries.contains(&entry) {
        entries.push(entry);
        let text = serde_json::to_string_pretty(&entries).context("rendering the record")? + "\n";
        machine.write(PATH, text.as_bytes(), 0o600, (0, 0))?;
    }
    Ok(())
}

/// Tells whether it is remembered that limits shall hold.
pub(super) fn remembers(machine: &Machine, place: &Place, whose: Whose) -> Result<bool> {
    Ok(load(machine)?.contains(&Entry { mount: place.mount.clone(), whose }))
}

/// Makes all limits hold that were set; none where none were.
///
/// # Errors
///
/// The first filesystem on which they do not hold, after all were tried.
pub fn ensure(machine: &Machine) -> Option<Result<()>> {
    let entries = match load(machine) {
        Ok(entries) if entries.is_empty() => return None,
        Ok(entries) => entries,
        Err(error) => return Some(Err(error)),
    };
    let results = entries.iter().map(|entry| {
        let place = Place::of(Path::new(&entry.mount))?;
        make_hold(&place, &place.open()?, entry.whose)
    });
    let failed: Vec<Result<()>> = results.filter(Result::is_err).collect();
    Some(failed.into_iter().next().unwrap_or(Ok(())))
}
