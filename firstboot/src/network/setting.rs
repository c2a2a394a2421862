//! A network that `run` sets: fitted to this machine's interfaces, written for its manager, undone if it fails.
//!
//! Before the manager has started, files are all that is needed; it reads them when it starts. Afterwards (a document
//! that only the network could give) the running machine takes them as with `net apply`.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use contract::network::{Interface, InterfaceMatch, Kind, Network, Problems, Severity, validate};
use host::beneath::Root;

use super::change::{self, Change, Wish};
use super::live::ThisMachine;
use super::machine::{Found, Machine};
use super::manager::{self, Manager};
use super::trial::{self, Trial};
use super::{restore, unit};

/// A network for this machine.
#[derive(Debug, Clone)]
pub struct Setting {
    network: Network,
    interfaces: Machine,
    notes: Vec<String>,
}

impl Setting {
    /// Fits `network` to the interfaces of this machine.
    ///
    /// # Errors
    ///
    /// When it cannot be on them, or files cannot be read.
    pub fn fit(root: &Root, interfaces: Machine, mut network: Network) -> Result<Self> {
        let mut notes = interfaces.settle(&mut network);
        for card in strangers(root, &interfaces, &network)? {
            notes.push(format!(
                "no interface of this machine is described; '{}' asks for an address, so that the machine can be reached",
                card.name
            ));
            network.interfaces.extend(by_dhcp(card));
        }
        let errors: Vec<_> =
            validate(&network).into_iter().filter(|one| one.severity == Severity::Error).collect();
        ensure!(errors.is_empty(), Problems(errors));
        Ok(Self { network, interfaces, notes })
    }

    /// What was done to fit it, for people to read.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Names the setting: another one is another piece of work. ifupdown knows interfaces by their names only, so with
    /// it the names belong to it.
    ///
    /// # Errors
    ///
    /// When there is no manager, or files cannot be read.
    pub fn wish(&self, root: &Root) -> Result<serde_json::Value> {
        let names = self.names();
        let manager = Manager::detect(root, &names.values().cloned().collect())?;
        Ok(match manager {
            Manager::Networkd => serde_json::json!([self.network]),
            Manager::Ifupdown => serde_json::json!([self.network, names]),
        })
    }

    fn names(&self) -> BTreeMap<String, String> {
        self.interfaces.names(&self.interfaces.expand(&self.network))
    }

    /// Says which files it writes and removes.
    ///
    /// # Errors
    ///
    /// When there is no manager, or files cannot be read.
    pub fn describe(&self, root: &Root) -> Result<String> {
        let change = self.decide(root)?;
        let written = change.written.iter().map(|file| format!("write {}", file.path));
        let removed = change.removed.iter().map(|path| format!("remove {path}"));
        let all: Vec<String> = written.chain(removed).collect();
        Ok(if all.is_empty() {
            "set the network".into()
        } else {
            format!("set the network: {}", all.join(", "))
        })
    }

    fn decide(&self, root: &Root) -> Result<Change> {
        change::decide(root, &self.interfaces, &self.network, None)
    }

    /// Tells whether the machine's files say so, and no change waits.
    ///
    /// # Errors
    ///
    /// When there is no manager, or files cannot be read.
    pub fn holds(&self, root: &Root) -> Result<bool> {
        Ok(Trial::load(root)?.is_none() && !unit::is_there(root)? && self.decide(root)?.is_nothing())
    }

    /// Makes it so; what was before is there again if that fails.
    ///
    /// # Errors
    ///
    /// What failed first.
    pub fn apply(&self, root: &Root, is_live: bool) -> Result<()> {
        recover(root, is_live)?;
        let change = self.decide(root)?;
        if change.is_nothing() {
            return Ok(());
        }
        let live = is_live && has_started(root, change.manager)?;
        change::make(root, &change, Wish { seconds: None, live }, &ThisMachine)
    }
}

/// Takes back a change that a crash left half made: nobody can confirm one without a deadline.
fn recover(root: &Root, is_live: bool) -> Result<()> {
    let _lock = trial::lock(root)?;
    match Trial::load(root)? {
        Some(trial) if trial.seconds.is_none() => {
            let live = is_live && has_started(root, trial.manager)?;
            restore::restore(root, &trial, live.then_some(&ThisMachine))
        }
        Some(_) => Ok(()),
        None => unit::remove(root),
    }
}

/// Tells whether the manager has read its files since the machine started.
///
/// The folders of networkd are there before it, by tmpfiles; its own first trace is the state that it saves.
fn has_started(root: &Root, manager: Manager) -> Result<bool> {
    let trace = match manager {
        Manager::Networkd => "/run/systemd/netif/state",
        Manager::Ifupdown => "/run/network/ifstate",
    };
    Ok(root.exists(trace)?)
}

/// A card that asks for its addresses, if it can be told from others.
fn by_dhcp(card: &Found) -> Option<Interface> {
    let matching = InterfaceMatch { mac: Some(card.permanent.or(card.mac)?), ..InterfaceMatch::default() };
    let mut interface = Interface::new(format!("card-{}", card.name), Kind::Physical(matching));
    interface.dhcp4 = true;
    interface.optional = true;
    Some(interface)
}

/// The interfaces of a machine of which the description fits none and its own files speak of none.
fn strangers<'m>(root: &Root, machine: &'m Machine, network: &Network) -> Result<Vec<&'m Found>> {
    let names = machine.names(network);
    let is_physical = |kind: &Kind| matches!(kind, Kind::Physical(_));
    let mut described = network.interfaces.iter().filter(|one| is_physical(&one.kind)).peekable();
    if described.peek().is_none() || described.any(|one| names.contains_key(&one.name)) {
        return Ok(Vec::new());
    }
    let there: Vec<&Found> = machine.interfaces.iter().filter(|one| one.physical).collect();
    let cards = there.iter().map(|one| one.name.clone()).collect();
    Ok(if manager::has_files_for(root, &cards)? { Vec::new() } else { there })
}
