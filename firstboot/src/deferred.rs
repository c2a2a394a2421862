//! `defer`: commands that wait for the first boot of each clone of this machine, or for this machine's next boot.
//!
//! How a machine becomes a template: what a clone shall do is said on the machine itself, and no seed need say it.

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use contract::state::{Action, CommandEntry, Content, Phase};
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::report;
use crate::run::MachineArguments;
use crate::step::{CommandStep, Identity, Step};

const RECORD: &str = "/var/lib/firstboot/deferred.json";
/// Where numbers of deferred commands begin in the journal, far above those of documents.
const FIRST_INDEX: usize = 1 << 32;
/// Most bytes of one command.
const LINE_LIMIT: usize = 64 << 10;

/// What waits.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    /// How many were ever deferred: numbers are not used twice.
    count: usize,
    waiting: Vec<Deferred>,
}

/// One command.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Deferred {
    number: usize,
    line: String,
    until: Until,
}

/// What a command waits for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Until {
    /// A machine with another identity than this one.
    CloneOf(String),
    /// Another boot than this one.
    BootAfter(String),
}

impl Record {
    fn load(machine: &Machine) -> Result<Self> {
        let text = machine.read_text(RECORD)?;
        text.map_or(Ok(Self::default()), |text| {
            serde_json::from_str(&text)
                .with_context(|| format!("reading '{RECORD}'; remove it, and defer anew what it held"))
        })
    }

    fn save(&self, machine: &Machine) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("rendering the record")? + "\n";
        machine.write(RECORD, text.as_bytes(), 0o600, (0, 0))
    }
}

/// Lets a line for `/bin/sh` wait.
///
/// # Errors
///
/// When it is empty or too long, or the record cannot be read or written.
pub fn defer(arguments: &MachineArguments, line: &str, next_boot: bool) -> Result<ExitCode> {
    ensure!(!line.trim().is_empty(), "a command that is empty does nothing");
    ensure!(
        line.len() <= LINE_LIMIT,
        "a command has at most {LINE_LIMIT} bytes; put a longer one into a file"
    );
    let machine = Machine::open(&arguments.root)?;
    let mut record = Record::load(&machine)?;
    let until = if next_boot {
        Until::BootAfter(report::boot_id(&machine))
    } else {
        Until::CloneOf(Identity::kept_key(&machine)?)
    };
    record.count += 1;
    let one = Deferred { number: record.count, line: line.to_owned(), until };
    let said = format!("deferred {}: it runs {}", one.number, when(&one.until));
    record.waiting.push(one);
    record.save(&machine)?;
    println!("{said}");
    Ok(ExitCode::SUCCESS)
}

/// Shows what waits.
///
/// # Errors
///
/// When the record cannot be read.
pub fn list(arguments: &MachineArguments) -> Result<ExitCode> {
    for one in Record::load(&Machine::open(&arguments.root)?)?.waiting {
        println!("deferred {}, {}: {}", one.number, when(&one.until), one.line.escape_debug());
    }
    Ok(ExitCode::SUCCESS)
}

fn when(until: &Until) -> &'static str {
    match until {
        Until::CloneOf(_) => "on the first boot of each clone of this machine",
        Until::BootAfter(_) => "on the next boot",
    }
}

/// Returns the steps of commands whose time has come; the journal knows which of them are done.
///
/// # Errors
///
/// When the record cannot be read.
pub fn due(machine: &Machine, identity: &Identity) -> Result<Vec<Box<dyn Step>>> {
    let boot = report::boot_id(machine);
    let record = Record::load(machine)?;
    let due = record.waiting.into_iter().filter(|one| is_due(&one.until, &identity.key, &boot));
    Ok(due
        .map(|one| {
            let action = Action::Shell(Content(one.line.into_bytes()));
            let command =
                CommandEntry { name: format!("deferred {}", one.number), action, phase: Phase::Final };
            Box::new(CommandStep { index: FIRST_INDEX + one.number, command }) as Box<dyn Step>
        })
        .collect())
}

fn is_due(until: &Until, key: &str, boot: &str) -> bool {
    match until {
        Until::CloneOf(template) => template != key,
        Until::BootAfter(before) => before != boot,
    }
}

/// Forgets commands for one boot that have run. Those for clones stay, for clones of clones.
///
/// # Errors
///
/// When the record cannot be written.
pub fn forget_done(machine: &Machine) -> Result<()> {
    let boot = report::boot_id(machine);
    let mut record = Record::load(machine)?;
    let before = record.waiting.len();
    record.waiting.retain(|one| matches!(&one.until, Until::CloneOf(_)) || !is_due(&one.until, "", &boot));
    if record.waiting.len() == before { Ok(()) } else { record.save(machine) }
}
