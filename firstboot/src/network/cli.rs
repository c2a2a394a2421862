//! `firstboot net …`.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use contract::network::{
    Network, Problems, Reading, Severity, network_data, opennebula, parse_network_config, validate,
};
use host::beneath::Root;

use super::arguments::StaticArguments;
use super::change::{self, Wish};
use super::live::ThisMachine;
use super::machine::Machine;
use super::manager::Manager;
use super::trial::{self, Trial};
use super::{deadline, probe, record, restore, show};

/// What is done with the network.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Give an interface fixed addresses
    Static {
        #[command(flatten)]
        what: Box<StaticArguments>,
        #[command(flatten)]
        how: How,
    },
    /// Set the whole network from a document: network-config v1 or v2, network_data.json or context.sh
    Apply {
        /// The document
        file: PathBuf,
        /// What it is
        #[arg(long, value_enum, default_value = "network-config")]
        format: Format,
        #[command(flatten)]
        how: How,
    },
    /// Check a document and say everything that is wrong with it
    Check {
        /// The document
        file: PathBuf,
        /// What it is
        #[arg(long, value_enum, default_value = "network-config")]
        format: Format,
    },
    /// Show what is set and what is
    Show {
        /// For programs
        #[arg(long)]
        json: bool,
        /// The folder that is the machine's `/`
        #[arg(long, value_name = "DIR", default_value = "/")]
        root: PathBuf,
    },
    /// Keep a change that was made with --try
    Confirm,
    /// Undo a change that is not confirmed
    Restore {
        /// Before any network is up: only files
        #[arg(long, hide = true)]
        at_boot: bool,
        /// Only if it is that change
        #[arg(long, hide = true, value_name = "ID")]
        of: Option<String>,
        /// Wait first
        #[arg(long, hide = true, value_name = "SECONDS")]
        after: Option<u64>,
    },
}

/// Formats of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Version 1 or 2, as the document says
    NetworkConfig,
    /// OpenStack's network_data.json
    NetworkData,
    /// OpenNebula's context.sh
    Opennebula,
}

/// How a change is made.
#[derive(Debug, Clone, Args)]
pub struct How {
    /// The folder that is the machine's `/`; another one than `/` is only written to
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// Say what would be written, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Restore what was unless `net confirm` comes within so many seconds
    #[arg(long = "try", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(5..=86_400))]
    seconds: Option<u64>,
    /// Write for this manager, whatever is enabled
    #[arg(long, value_enum)]
    manager: Option<Manager>,
    /// Write files only; they count from the next boot on
    #[arg(long)]
    no_apply: bool,
    /// Take addresses without asking whether somebody has them
    #[arg(long)]
    no_probe: bool,
}

/// Does what the command line says.
///
/// # Errors
///
/// What is wrong with the arguments, the document or the machine.
pub fn run(verb: Verb) -> Result<()> {
    match verb {
        Verb::Static { what, how } => {
            let machine = Machine::load(&how.root);
            let root = open(&how.root)?;
            let mut network = record::load(&root)?.unwrap_or_default();
            what.put_into(&mut network, &machine)?;
            set(&root, &machine, network, &how)
        }
        Verb::Apply { file, format, how } => {
            let machine = Machine::load(&how.root);
            let reading = read(&file, format)?;
            if reading.disabled {
                println!("'{}' says that the network is to be left alone", file.display());
                return Ok(());
            }
            set(&open(&how.root)?, &machine, reading.network, &how)
        }
        Verb::Check { file, format } => {
            let reading = read(&file, format)?;
            println!("'{}' describes {} interfaces", file.display(), reading.network.interfaces.len());
            Ok(())
        }
        Verb::Show { json, root } => show::run(&root, json),
        Verb::Confirm => confirm(),
        Verb::Restore { at_boot, of, after } => {
            after.into_iter().for_each(deadline::wait);
            undo(of.as_deref(), !at_boot)
        }
    }
}

fn open(folder: &Path) -> Result<Root> {
    Root::open(folder).with_context(|| format!("opening '{}'", folder.display()))
}

/// Reads a document; warnings go to standard error.
fn read(file: &Path, format: Format) -> Result<Reading> {
    let shown = file.display();
    let text = fs::read_to_string(file).with_context(|| format!("reading '{shown}'"))?;
    let result = match format {
        Format::NetworkConfig => parse_network_config(&text),
        Format::NetworkData => network_data::parse(&text),
        Format::Opennebula => opennebula::parse_text(&text),
    };
    let reading = result.with_context(|| format!("'{shown}' cannot be the network of a machine"))?;
    for problem in &reading.warnings {
        eprintln!("firstboot: '{shown}': {problem}");
    }
    Ok(reading)
}

fn set(root: &Root, machine: &Machine, mut network: Network, how: &How) -> Result<()> {
    let on_this_machine = how.root == Path::new("/");
    let live = on_this_machine && !how.no_apply;
    if how.seconds.is_some() && !live {
        bail!("--try needs the running machine: neither --root nor --no-apply go with it");
    }
    for note in machine.settle(&mut network) {
        eprintln!("firstboot: {note}");
    }
    let (errors, warnings): (Vec<_>, Vec<_>) =
        validate(&network).into_iter().partition(|problem| problem.severity == Severity::Error);
    if !errors.is_empty() {
        return Err(Problems(errors).into());
    }
    warnings.iter().for_each(|problem| eprintln!("firstboot: {problem}"));
    let change = change::decide(root, machine, &network, how.manager)?;
    if change.is_nothing() {
        println!("nothing to change");
        return Ok(());
    }
    if how.dry_run {
        for file in &change.written {
            println!("would write '{}':\n{}", file.path, file.content);
        }
        change.removed.iter().for_each(|path| println!("would remove '{path}'"));
        return Ok(());
    }
    if live && !how.no_probe {
        let present: Vec<IpAddr> = host::addresses::load()
            .context("reading this machine's addresses")?
            .into_iter()
            .map(|one| one.address)
            .collect();
        probe::check(&network, machine, &present)?;
    }
    let wish = Wish { seconds: how.seconds, live };
    change::make(root, &change, wish, &ThisMachine)?;
    match how.seconds {
        Some(seconds) => println!("set for {seconds} seconds; `firstboot net confirm` keeps it"),
        None if live => println!("set"),
        None => println!("written; it counts from the next boot on"),
    }
    Ok(())
}

fn confirm() -> Result<()> {
    let root = open(Path::new("/"))?;
    let _lock = trial::lock(&root)?;
    if Trial::load(&root)?.is_none() {
        bail!(
            "no change waits for a confirmation; if one was made with --try, its time is over and what was is back"
        );
    }
    change::finish(&root)?;
    println!("kept");
    Ok(())
}

/// Restores what was; without a change, or with another than `of`, there is nothing to do.
fn undo(of: Option<&str>, live: bool) -> Result<()> {
    let root = open(Path::new("/"))?;
    let _lock = trial::lock(&root)?;
    match Trial::load(&root)? {
        None => println!("no change waits; nothing to restore"),
        Some(trial) if of.is_some_and(|id| id != trial.id) => {
            println!("another change waits; nothing to restore")
        }
        Some(trial) => {
            let machine = ThisMachine;
            restore::restore(&root, &trial, live.then_some(&machine))?;
            println!("restored what was before the change");
        }
    }
    Ok(())
}
