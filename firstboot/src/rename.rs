//! `rename`: another name for a machine that runs, whole or not at all.
//!
//! What is replaced is on the disk before the first replacement. If a step fails the old name is back at once; after a
//! power cut the next `run`, which every boot begins with, brings it back. Services that care have a file of their
//! unit's name in `/etc/firstboot/rename.d/`.

use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail, ensure};
use contract::name::check_host;
use serde::{Deserialize, Serialize};

use crate::machine::{Machine, paths};
use crate::run::MachineArguments;
use crate::step::certificate::{self, CERTIFICATE, Renamed};
use crate::step::change::{Change, run_tool};
use crate::step::hostname;

/// Where services say that they care.
const CARING: &str = "/etc/firstboot/rename.d";

/// What was before a rename that is under way.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Before {
    /// The kernel's name of the machine.
    kernel: String,
    files: Vec<FileBefore>,
}

/// A file of before.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileBefore {
    path: String,
    /// Its text; none if it was not there.
    text: Option<String>,
    mode: u32,
}

/// Gives the machine the name `name`.
///
/// # Errors
///
/// When it is no name, or a step fails; the old name is back then.
pub fn run(arguments: &MachineArguments, name: &str, with_restart: bool) -> Result<ExitCode> {
    check_host(name).map_err(|reason| anyhow!("'{}': {reason}", name.escape_debug()))?;
    let machine = Machine::open(&arguments.root)?;
    recover(&machine)?;
    let units = caring_units(&machine)?;
    let mut changes = Vec::new();
    let mut wanted = hostname::changes(&machine, name)?;
    let certificate = certificate::renamed(&machine, name)?;
    let mut keeps_old = None;
    match certificate {
        Renamed::Absent => {}
        Renamed::Foreign(issuer) => keeps_old = Some(issuer),
        Renamed::Changes(changes) => wanted.extend(changes),
    }
    for change in wanted {
        if !change.holds(&machine)? {
            changes.push(change);
        }
    }
    if changes.is_empty() {
        println!("the machine is called {name} already");
        return Ok(ExitCode::SUCCESS);
    }
    let before = Before::read(&machine)?;
    before.save(&machine)?;
    let restarted = if with_restart { &units[..] } else { &[] };
    if let Err(error) = apply(&machine, &changes, restarted) {
        return match before.restore(&machine).and_then(|()| restart(&machine, restarted)) {
            Ok(()) => Err(error.context("the machine has its old name")),
            Err(second) => Err(error.context(format!("restoring the old name failed as well: {second:#}"))),
        };
    }
    machine.remove(paths::RENAME)?;
    changes.iter().for_each(|change| println!("{}", change.describe()));
    if let Some(issuer) = keeps_old {
        println!(
            "the certificate '{CERTIFICATE}' is from '{issuer}' and stays; ask for one with the new name"
        );
    }
    let verb = if with_restart { "restarted" } else { "still has the old name until it is restarted:" };
    units.iter().for_each(|unit| println!("{verb} {unit}"));
    Ok(ExitCode::SUCCESS)
}

fn apply(machine: &Machine, changes: &[Change], units: &[String]) -> Result<()> {
    for change in changes {
        change.apply(machine).with_context(|| change.describe())?;
        ensure!(change.holds(machine)?, "{}: it does not hold afterwards", change.describe());
    }
    restart(machine, units)
}

/// Restarts units that run; others take the name when they start.
fn restart(machine: &Machine, units: &[String]) -> Result<()> {
    units.iter().try_for_each(|unit| {
        run_tool(machine, &["systemctl".into(), "try-restart".into(), "--".into(), unit.clone()])
    })
}

/// Units that have the name of a file in the folder.
fn caring_units(machine: &Machine) -> Result<Vec<String>> {
    let names = machine.root.list_folder(CARING).with_context(|| format!("listing '{CARING}'"))?;
    let is_unit = |name: &String| {
        let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.@:".contains(&byte));
        letters && [".service", ".target", ".socket"].iter().any(|kind| name.ends_with(kind))
    };
    if let Some(wrong) = names.iter().find(|name| !is_unit(name)) {
        bail!("'{CARING}/{}' has not the name of a unit, such as nginx.service", wrong.escape_debug());
    }
    Ok(names)
}

/// Brings the old name back if a rename was cut.
///
/// # Errors
///
/// When the record cannot be read or the machine refuses.
pub fn recover(machine: &Machine) -> Result<()> {
    let Some(text) = machine.read_text(paths::RENAME)? else { return Ok(()) };
    let before: Before =
        serde_json::from_str(&text).with_context(|| format!("reading '{}'", paths::RENAME))?;
    eprintln!("firstboot: a rename was cut; the old name comes back");
    before.restore(machine)
}

impl Before {
    fn read(machine: &Machine) -> Result<Self> {
        let mut files = Vec::new();
        for path in hostname::FILES {
            let text = machine.read_text(path)?;
            let mode = if text.is_some() { machine.root.ownership(path)?.0 } else { 0o644 };
            files.push(FileBefore { path: path.to_owned(), text, mode });
        }
        Ok(Self { kernel: host::account::hostname()?, files })
    }

    fn save(&self, machine: &Machine) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("rendering the record")? + "\n";
        machine.write(paths::RENAME, text.as_bytes(), 0o600, (0, 0))
    }

    /// Puts everything back; the record goes last.
    fn restore(&self, machine: &Machine) -> Result<()> {
        for FileBefore { path, text, mode } in &self.files {
            ensure!(hostname::FILES.contains(&path.as_str()), "'{path}' is no file of a rename");
            if machine.read_text(path)? == *text {
                continue;
            }
            match text {
                Some(text) => machine.write(path, text.as_bytes(), *mode, (0, 0))?,
                None => machine.remove(path)?,
            }
        }
        if machine.is_live {
            host::account::set_hostname(&self.kernel).context("setting the kernel's host name")?;
        }
        machine.remove(paths::RENAME)
    }
}
