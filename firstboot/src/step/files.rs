//! Files that documents ask for.

use std::collections::HashMap;

use anyhow::{Context, Result};
use contract::state::{FileEntry, Phase};

use super::accounts::{Table, resolve_owner};
use super::change::Change;
use super::{Step, Target, users};

/// Writes files: most before users are made, as their skeleton may be among them; late ones after packages.
#[derive(Debug)]
pub struct FilesStep {
    /// Which of the two.
    pub late: bool,
}

impl FilesStep {
    fn chosen<'c>(&self, clone: &'c Target<'_>) -> Vec<&'c FileEntry> {
        // An owner that is not there yet makes a file a late one by itself.
        let users: Vec<&str> = clone.wanted.state.users.iter().map(|user| user.name.as_str()).collect();
        let is_late = |file: &FileEntry| file.late || file.owner.split(':').any(|name| users.contains(&name));
        clone.wanted.state.files.iter().filter(|file| is_late(file) == self.late).collect()
    }
}

impl Step for FilesStep {
    fn name(&self) -> String {
        if self.late { "late files" } else { "files" }.into()
    }

    fn phase(&self) -> Phase {
        if self.late { Phase::Final } else { Phase::Early }
    }

    fn wish(&self, clone: &Target<'_>) -> Option<serde_json::Value> {
        let chosen = self.chosen(clone);
        (!chosen.is_empty()).then(|| serde_json::to_value(chosen).ok()).flatten()
    }

    fn plan(&self, clone: &Target<'_>) -> Result<Vec<Change>> {
        let machine = clone.machine;
        let (passwd, group) = if clone.previews {
            users::planned_tables(clone)?
        } else {
            (Table::load(machine, "/etc/passwd")?, Table::load(machine, "/etc/group")?)
        };
        // Of a path that is given several times, the last content is what shall hold; appended parts add up.
        let mut wanted: Vec<String> = Vec::new();
        let mut contents: HashMap<String, (Vec<u8>, &FileEntry)> = HashMap::new();
        for file in self.chosen(clone) {
            let mut bytes = file.content.0.clone();
            if file.append {
                let before = match contents.get(&file.path) {
                    Some((bytes, _)) => bytes.clone(),
                    None => machine.read(&file.path)?.unwrap_or_default(),
                };
                bytes = if before.ends_with(&bytes) { before } else { [before, bytes].concat() };
            }
            if !wanted.contains(&file.path) {
                wanted.push(file.path.clone());
            }
            contents.insert(file.path.clone(), (bytes, file));
        }
        let mut changes = Vec::new();
        for path in wanted {
            let Some((bytes, file)) = contents.remove(&path) else { continue };
            let owner = resolve_owner(&file.owner, &passwd, &group)
                .with_context(|| format!("the owner of '{path}'"))?;
            changes.push(Change::File { path, bytes, mode: file.mode, owner });
        }
        Ok(changes)
    }
}
