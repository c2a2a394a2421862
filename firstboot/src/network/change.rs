//! Sets a network: decides which files that means, and puts them there so that every way out is a good one.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use contract::network::{Kind, Network};
use host::beneath::Root;

use super::live::{Live, addresses_of};
use super::machine::Machine;
use super::manager::{self, INTERFACES, Manager};
use super::record::{self, create_folders, owner};
use super::rendered::{IFUPDOWN_FOLDER, NETWORKD_FOLDER, OWN_PREFIX, Rendered};
use super::trial::{self, Trial};
use super::{deadline, ifupdown, networkd, resolver, restore, unit};

/// What is asked for beside the network itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wish {
    /// Seconds in which it has to be confirmed.
    pub seconds: Option<u64>,
    /// The running machine takes it at once.
    pub live: bool,
}

/// A network as files: what is written and what is removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Who reads the files.
    pub manager: Manager,
    /// Files that shall be, the record among them.
    pub written: Vec<Rendered>,
    /// Files of ours that shall be no more.
    pub removed: Vec<String>,
    /// The kernel's names of the interfaces that are set.
    pub interfaces: Vec<String>,
    /// Those of them that are made.
    pub made: Vec<String>,
    /// Interfaces that the network of before had made, and this one does not have.
    pub unmade: Vec<String>,
    /// Fixed addresses of interfaces with a carrier: they have to be there afterwards.
    pub addresses: Vec<(String, String)>,
}

/// Decides which files set `network`; those that are so already are left out.
pub fn decide(root: &Root, machine: &Machine, network: &Network, wanted: Option<Manager>) -> Result<Change> {
    let expanded = machine.expand(network);
    let names = machine.names(&expanded);
    let kernel_names: BTreeSet<String> = names.values().cloned().collect();
    let manager = wanted.map_or_else(|| Manager::detect(root, &kernel_names), Ok)?;
    let mut files = match manager {
        Manager::Networkd => networkd::render(network, &machine.without_permanent()),
        Manager::Ifupdown => ifupdown::render(&expanded, &names),
    };
    let removed = leftovers(root, &files)?;
    if manager == Manager::Ifupdown {
        files.extend(main_file(root, &kernel_names)?);
    }
    files.extend(resolver::render(root, network)?);
    files.push(Rendered { path: record::PATH.to_owned(), content: record::render(network)? });
    let mut written = Vec::new();
    for file in files {
        let there =
            root.read_to_string_if_exists(&file.path).with_context(|| format!("reading '{}'", file.path))?;
        if there.as_deref() != Some(&file.content) {
            written.push(file);
        }
    }
    let made = made_by(network);
    let mut unmade = record::load(root)?.as_ref().map(made_by).unwrap_or_default();
    unmade.retain(|name| !made.contains(name));
    let addresses = expected(&expanded, machine, &names);
    let interfaces = kernel_names.into_iter().collect();
    Ok(Change { manager, written, removed, interfaces, made, unmade, addresses })
}

/// The interfaces that a network makes.
fn made_by(network: &Network) -> Vec<String> {
    let made = network.interfaces.iter().filter(|one| !matches!(one.kind, Kind::Physical(_)));
    made.map(|one| one.name.clone()).collect()
}

/// The fixed addresses that a manager sets at once: without a carrier it may wait, and what is made takes its time.
fn expected(network: &Network, machine: &Machine, names: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let mut expected = Vec::new();
    for interface in &network.interfaces {
        let found = names.get(&interface.name).and_then(|name| machine.by_name(name));
        if let Some(found) = found.filter(|found| found.physical && found.carrier == Some(true)) {
            expected.extend(interface.addresses.iter().map(|cidr| (found.name.clone(), cidr.to_string())));
        }
    }
    expected
}

/// Files of ours, for either manager, that are not among `files`.
fn leftovers(root: &Root, files: &[Rendered]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for folder in [NETWORKD_FOLDER, IFUPDOWN_FOLDER] {
        let own = manager::list(root, folder)?.into_iter().filter(|name| name.starts_with(OWN_PREFIX));
        found.extend(own.map(|name| format!("{folder}/{name}")));
    }
    found.retain(|path| files.iter().all(|file| file.path != *path));
    Ok(found)
}

/// ifupdown's main file without the stanzas that ours replace; it has to take our folder in.
fn main_file(root: &Root, names: &BTreeSet<String>) -> Result<Option<Rendered>> {
    let text =
        root.read_to_string_if_exists(INTERFACES).with_context(|| format!("reading '{INTERFACES}'"))?;
    let text = text.unwrap_or_default();
    let mut content = ifupdown::without(&text, names).unwrap_or_else(|| text.clone());
    let takes_in = |line: &str| {
        let mut words = line.split_whitespace();
        matches!(words.next(), Some("source" | "source-directory"))
            && words.any(|word| word.contains("interfaces.d"))
    };
    if !content.lines().any(takes_in) {
        content.push_str(&format!("source {IFUPDOWN_FOLDER}/*\n"));
    }
    Ok((content != text).then(|| Rendered { path: INTERFACES.to_owned(), content }))
}

impl Change {
    /// Tells whether everything is as it shall be.
    pub fn is_nothing(&self) -> bool {
        self.written.is_empty() && self.removed.is_empty()
    }

    fn paths(&self) -> Vec<String> {
        self.written.iter().map(|file| file.path.clone()).chain(self.removed.iter().cloned()).collect()
    }

    fn write(&self, root: &Root) -> Result<()> {
        let (uid, gid) = owner();
        for file in &self.written {
            let folder = file.path.rsplit_once('/').map_or("/", |(folder, _)| folder);
            create_folders(root, folder)?;
            root.write_durable(&file.path, file.content.as_bytes(), 0o644, Some((uid, gid)))
                .with_context(|| format!("writing '{}'", file.path))?;
        }
        for path in &self.removed {
            root.remove_durable(path).with_context(|| format!("removing '{path}'"))?;
        }
        Ok(())
    }
}

/// Makes the change; when it fails, what was before is there again.
///
/// # Errors
///
/// What failed first, and if restoring failed as well, that.
pub fn make(root: &Root, change: &Change, wish: Wish, live: &dyn Live) -> Result<()> {
    let _lock = trial::lock(root)?;
    if Trial::load(root)?.is_some() {
        bail!(
            "a change of the network is waiting; `firstboot net confirm` keeps it, `firstboot net restore` undoes it"
        );
    }
    let mut trial = Trial::new(root, change.manager, wish.seconds, &change.paths())?;
    trial.interfaces = [&change.interfaces[..], &change.unmade].concat();
    if wish.live {
        let there = live.interfaces()?;
        trial.made = change.made.iter().filter(|name| !there.contains(*name)).cloned().collect();
        trial.addresses = addresses_of(&live.addresses()?, &trial.interfaces);
    }
    trial.save(root)?;
    if let Err(error) = prepare(root, &trial) {
        // Nothing is replaced yet, so there is nothing to wait for or to restore.
        finish(root)?;
        return Err(error);
    }
    match put(root, change, wish, live, &trial) {
        Ok(()) if wish.seconds.is_some() => Ok(()),
        Ok(()) => finish(root),
        Err(error) => {
            eprintln!("firstboot: {error:#}; restoring what was before");
            match restore::restore(root, &trial, wish.live.then_some(live)) {
                Ok(()) => Err(error.context("the network is as it was before")),
                Err(second) => Err(error
                    .context(format!("restoring failed as well ({second:#}); run `firstboot net restore`"))),
            }
        }
    }
}

/// Puts the ways back in place: from here on nobody has to be connected for them.
fn prepare(root: &Root, trial: &Trial) -> Result<()> {
    unit::install(root)?;
    trial.seconds.map_or(Ok(()), |seconds| deadline::start(root, &trial.id, seconds))
}

fn put(root: &Root, change: &Change, wish: Wish, live: &dyn Live, trial: &Trial) -> Result<()> {
    if !wish.live {
        return change.write(root);
    }
    live.before_files(change.manager, &trial.interfaces)?;
    change.write(root)?;
    live.take(change.manager, &change.interfaces)?;
    live.remove(change.manager, &change.unmade);
    restore::wait_for_addresses(&change.addresses, &trial.interfaces, live)
}

/// Makes what is there final.
pub fn finish(root: &Root) -> Result<()> {
    let has_deadline = !matches!(Trial::load(root), Ok(Some(Trial { seconds: None, .. })));
    Trial::clear(root)?;
    unit::remove(root)?;
    if has_deadline {
        deadline::stop();
    }
    Ok(())
}
