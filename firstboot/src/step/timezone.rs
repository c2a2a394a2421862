//! The time zone: `/etc/localtime`, and `/etc/timezone` as Debian has it.

use anyhow::{Result, ensure};
use contract::state::Phase;

use super::change::Change;
use super::{Step, Target};

const DATABASE: &str = "/usr/share/zoneinfo";

/// Sets the time zone.
#[derive(Debug)]
pub struct TimezoneStep;

impl Step for TimezoneStep {
    fn name(&self) -> String {
        "timezone".into()
    }

    fn phase(&self) -> Phase {
        Phase::Early
    }

    fn wish(&self, clone: &Target<'_>) -> Option<serde_json::Value> {
        clone.wanted.state.timezone.clone().map(Into::into)
    }

    fn plan(&self, clone: &Target<'_>) -> Result<Vec<Change>> {
        let zone = clone.wanted.state.timezone.clone().unwrap_or_default();
        let target = format!("{DATABASE}/{zone}");
        ensure!(
            clone.machine.exists(&target),
            "'{DATABASE}' has no zone '{zone}'; is the name right, and the package tzdata installed?"
        );
        Ok(vec![
            Change::Link { path: "/etc/localtime".into(), target },
            Change::file("/etc/timezone", format!("{zone}\n"), 0o644),
        ])
    }
}
