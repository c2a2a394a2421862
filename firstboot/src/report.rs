//! What came of a run: written to the machine, shown by `status`.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use contract::finding::Finding;
use contract::merge::Provenance;
use serde::{Deserialize, Serialize};

use crate::machine::{Machine, paths};
use crate::step::engine::Outcome;

/// Version of the report.
pub const VERSION: u32 = 1;
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const PAUSE: Duration = Duration::from_millis(100);

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// [`VERSION`].
    pub version: u32,
    /// The boot in which it ran.
    pub boot_id: String,
    /// How it stands.
    pub state: State,
    /// Names the instance.
    pub instance: String,
    /// The sources that were found.
    pub sources: Vec<String>,
    /// What came of each step, in order.
    pub steps: Vec<StepReport>,
    /// What the documents' authors should know.
    pub findings: Vec<Located>,
    /// Where each value came from.
    pub provenance: Vec<Provenance>,
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The early part is done, the final one is not.
    Early,
    /// Everything is done.
    Done,
    /// A step failed.
    Failed,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepReport {
    /// Its name.
    pub name: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// A finding and the document that it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Located {
    /// The document.
    pub origin: String,
    /// The finding.
    pub finding: Finding,
}

impl Report {
    /// Writes the report. Only root reads it: names of files and commands may tell more than everyone should know.
    ///
    /// # Errors
    ///
    /// When the machine's disk refuses.
    pub fn save(&self, machine: &Machine) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("rendering the report")? + "\n";
        machine.write(paths::REPORT, text.as_bytes(), 0o600, (0, 0))
    }

    /// Reads the report; none if nothing has run yet.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn load(machine: &Machine) -> Result<Option<Self>> {
        let text = machine.read_text(paths::REPORT)?;
        text.map(|text| serde_json::from_str(&text).with_context(|| format!("reading '{}'", paths::REPORT)))
            .transpose()
    }

    /// Waits for the report of this boot's whole run; gives what is there when the time is over.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn wait(machine: &Machine, limit: Duration) -> Result<Option<Self>> {
        let deadline = Instant::now() + limit;
        loop {
            let report = Self::load(machine)?;
            if report.as_ref().is_some_and(|report| report.is_final(machine)) || Instant::now() >= deadline {
                return Ok(report);
            }
            std::thread::sleep(PAUSE.min(deadline.saturating_duration_since(Instant::now())));
        }
    }

    /// Tells whether the run of this boot has ended.
    pub fn is_final(&self, machine: &Machine) -> bool {
        self.state != State::Early && self.boot_id == boot_id(machine) && !machine.exists(paths::RUNNING)
    }

    /// Tells whether a step failed.
    pub fn has_failed(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.outcome, Outcome::Failed(_)))
    }

    /// Returns the report as lines for people.
    pub fn to_text(&self) -> String {
        let state = match self.state {
            State::Early => "running",
            State::Done => "done",
            State::Failed => "failed",
        };
        let mut lines = vec![format!("state: {state}")];
        if self.sources.is_empty() {
            lines.push("source: none".into());
        }
        lines.extend(self.sources.iter().map(|source| format!("source: {source}")));
        lines.extend(self.steps.iter().map(|step| format!("{}: {}", step.name, describe(&step.outcome))));
        lines.extend(
            self.findings.iter().map(|located| format!("note: {}: {}", located.origin, located.finding)),
        );
        lines.join("\n")
    }
}

/// Says what came of a step in one line.
pub fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Unchanged => "unchanged".into(),
        Outcome::Changed(changes) => format!("changed ({})", changes.join("; ")),
        Outcome::Skipped(reason) => format!("skipped: {reason}"),
        Outcome::Failed(reason) => format!("FAILED: {reason}"),
    }
}

/// Names the boot that the machine is in; empty where its kernel does not say.
pub fn boot_id(machine: &Machine) -> String {
    machine.read_fact(BOOT_ID)
}
