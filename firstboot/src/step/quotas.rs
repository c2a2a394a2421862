//! Limits of documents on what users, groups and projects store.

use anyhow::{Context, Result};
use contract::quota::Quota;
use contract::state::Phase;

use super::change::{Change, Deed};
use super::{Step, Target};
use crate::machine::Machine;
use crate::quota;

/// Sets one limit. Each is a step of its own: a filesystem without quotas fails its own limits only.
#[derive(Debug)]
pub struct QuotaStep(pub Quota);

impl Step for QuotaStep {
    fn name(&self) -> String {
        format!("quota of {}", self.0.subject())
    }

    fn phase(&self) -> Phase {
        Phase::Early
    }

    fn wish(&self, _clone: &Target<'_>) -> Option<serde_json::Value> {
        serde_json::to_value(&self.0).ok()
    }

    fn plan(&self, _clone: &Target<'_>) -> Result<Vec<Change>> {
        let folder = self.0.folder.clone();
        let folder = folder.map(|path| Change::Folder { path, mode: 0o755, owner: (0, 0) });
        Ok(folder.into_iter().chain([Change::deed(Limited(self.0.clone()))]).collect())
    }
}

#[derive(Debug)]
struct Limited(Quota);

impl Deed for Limited {
    fn describe(&self) -> String {
        format!("limit what is stored by {}", self.0.subject())
    }

    /// Below another root there is no filesystem of the machine's own.
    fn holds(&self, machine: &Machine) -> Result<bool> {
        if machine.is_live { quota::holds(machine, &self.0) } else { Ok(true) }
    }

    fn apply(&self, machine: &Machine) -> Result<()> {
        quota::make(machine, &self.0).with_context(|| format!("the quota of {}", self.0.subject()))?;
        Ok(())
    }
}
