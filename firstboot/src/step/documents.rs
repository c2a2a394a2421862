//! Documents on the machine's own disk, which only root may read from then on: they may hold hashes, tokens and keys.
//!
//! They are not removed: a clone of the machine, and a run whose power was cut, need them again.

use anyhow::Result;
use contract::state::Phase;

use super::change::Change;
use super::{Step, Target};

/// Closes documents.
#[derive(Debug)]
pub struct DocumentsStep;

impl Step for DocumentsStep {
    fn name(&self) -> String {
        "documents".into()
    }

    fn phase(&self) -> Phase {
        Phase::Early
    }

    fn wish(&self, clone: &Target<'_>) -> Option<serde_json::Value> {
        (!clone.documents.is_empty()).then(|| clone.documents.into())
    }

    fn plan(&self, clone: &Target<'_>) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for path in clone.documents {
            // What is elsewhere, by a link, is somebody else's to close.
            if clone.machine.root.is_symlink(path)? {
                continue;
            }
            let (mode, uid, gid) = clone.machine.root.ownership(path)?;
            let is_open = mode & 0o077 != 0;
            if let (true, Some(bytes)) = (is_open, clone.machine.read(path)?) {
                changes.push(Change::File {
                    path: path.clone(),
                    bytes,
                    mode: mode & 0o700,
                    owner: (uid, gid),
                });
            }
        }
        Ok(changes)
    }
}
