//! Runs steps so that a power cut at any point and another run end in the same state.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::change::{Change, Undo};
use super::{Step, Target};
use crate::machine::{Machine, paths};

/// How far a step is, in the order in which the journal gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// Changes are about to be made.
    Intent,
    /// They are made and verified.
    Done,
    /// One failed, and those before it were taken back.
    Failed,
}

/// One line of the journal.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    step: String,
    /// Digest of the instance and the wish.
    wish: String,
    progress: Progress,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    changes: Vec<String>,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Everything held already, or it was done before.
    Unchanged,
    /// These changes were made.
    Changed(Vec<String>),
    /// It was not done, for this reason.
    Skipped(String),
    /// It failed, for this reason.
    Failed(String),
}

/// The journal: what was begun and done, over all boots.
#[derive(Debug)]
pub struct Journal<'m> {
    machine: &'m Machine,
    /// The last progress of each step and wish.
    known: HashMap<(String, String), Progress>,
    /// Whether a power cut left the last line without its end.
    is_cut: bool,
}

impl<'m> Journal<'m> {
    /// Reads the journal. A last line that a power cut left incomplete counts as not written.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn load(machine: &'m Machine) -> Result<Self> {
        let text = machine.read_text(paths::JOURNAL)?.unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
        let known = lines.map(|line| ((line.step, line.wish), line.progress)).collect();
        Ok(Self { machine, known, is_cut: !text.is_empty() && !text.ends_with('\n') })
    }

    /// Returns how far a step is with a wish.
    pub fn progress(&self, step: &str, wish: &str) -> Option<Progress> {
        self.known.get(&(step.to_owned(), wish.to_owned())).copied()
    }

    fn record(&mut self, step: &str, wish: &str, progress: Progress, changes: Vec<String>) -> Result<()> {
        let line = Line { step: step.to_owned(), wish: wish.to_owned(), progress, changes };
        let end_of_cut = if self.is_cut { "\n" } else { "" };
        let text = serde_json::to_string(&line).context("rendering the journal")?;
        self.machine.append(paths::JOURNAL, format!("{end_of_cut}{text}\n").as_bytes())?;
        self.is_cut = false;
        self.known.insert((line.step, line.wish), progress);
        Ok(())
    }
}

/// Returns a digest that names an instance and a wish.
fn name_wish(clone: &Target<'_>, wish: &serde_json::Value) -> String {
    let text = format!("{}\n{wish}", clone.identity.key);
    digest(&SHA256, text.as_bytes()).as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Tells whether a step was done for what is wished, so that it is not looked at again.
pub fn is_done(step: &dyn Step, clone: &Target<'_>, journal: &Journal<'_>) -> bool {
    let wish = step.wish(clone).map(|wish| name_wish(clone, &wish));
    wish.is_some_and(|wish| journal.progress(&step.name(), &wish) == Some(Progress::Done))
}

/// Returns the changes that a run would make; none where the step is not to be done at all.
///
/// # Errors
///
/// When the wish cannot be fulfilled on this machine.
pub fn preview(step: &dyn Step, clone: &Target<'_>, journal: &Journal<'_>) -> Result<Option<Vec<Change>>> {
    let Some(wish) = step.wish(clone) else { return Ok(None) };
    let wish = name_wish(clone, &wish);
    let progress = journal.progress(&step.name(), &wish);
    if progress == Some(Progress::Done) || progress == Some(Progress::Failed) && !step.is_repeatable() {
        return Ok(Some(Vec::new()));
    }
    outstanding(step, clone, progress.is_some()).map(Some)
}

/// Leaves out what holds. Tools run when something before them changes, or when an earlier run was interrupted and may
/// not have come to them.
fn outstanding(step: &dyn Step, clone: &Target<'_>, was_begun: bool) -> Result<Vec<Change>> {
    let mut outstanding = Vec::new();
    for change in step.plan(clone)? {
        let is_needed = if change.is_consequence() {
            was_begun || !outstanding.is_empty()
        } else {
            !change.holds(clone.machine)?
        };
        if is_needed {
            outstanding.push(change);
        }
    }
    Ok(outstanding)
}

/// Does a step; none where nothing is asked for.
pub fn perform(step: &dyn Step, clone: &Target<'_>, journal: &mut Journal<'_>) -> Option<Outcome> {
    let wish = name_wish(clone, &step.wish(clone)?);
    let name = step.name();
    let progress = journal.progress(&name, &wish);
    if progress == Some(Progress::Done) {
        return Some(Outcome::Unchanged);
    }
    if progress == Some(Progress::Failed) && !step.is_repeatable() {
        return Some(Outcome::Skipped("it failed in an earlier run and is not repeated".into()));
    }
    let performed = outstanding(step, clone, progress.is_some())
        .and_then(|changes| make(&name, &wish, &changes, clone.machine, journal));
    Some(performed.unwrap_or_else(|error| Outcome::Failed(format!("{error:#}"))))
}

fn make(
    name: &str,
    wish: &str,
    changes: &[Change],
    machine: &Machine,
    journal: &mut Journal<'_>,
) -> Result<Outcome> {
    let described: Vec<String> = changes.iter().map(Change::describe).collect();
    if !changes.is_empty() {
        journal.record(name, wish, Progress::Intent, described.clone())?;
    }
    let mut undo = Vec::new();
    let applied = changes.iter().try_for_each(|change| {
        undo.push(change.undo(machine)?);
        change.apply(machine).with_context(|| change.describe())?;
        ensure!(
            !change.leaves_trace() || change.holds(machine)?,
            "{}: it does not hold afterwards",
            change.describe()
        );
        Ok(())
    });
    if let Err(error) = applied {
        take_back(&undo, machine);
        journal.record(name, wish, Progress::Failed, Vec::new())?;
        return Err(error);
    }
    if machine.is_live && changes.iter().any(Change::leaves_files_unseen) {
        // What a program wrote, wherever, shall last as long as the word that it ran: it does not run again.
        host::node::sync_filesystems();
    }
    journal.record(name, wish, Progress::Done, Vec::new())?;
    Ok(if described.is_empty() { Outcome::Unchanged } else { Outcome::Changed(described) })
}

/// Takes changes back, the last one first. The first cause is what is reported; what fails here is only told.
fn take_back(undo: &[Undo], machine: &Machine) {
    for step in undo.iter().rev() {
        if let Err(error) = step.run(machine) {
            eprintln!("firstboot: taking a change back: {error:#}");
        }
    }
}
