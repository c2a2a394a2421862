//! Core nodes that get another address, and nodes that were off meanwhile.
//!
//! Where core nodes are is a document that the cluster's authority signs, with an epoch: nodes take a newer one from
//! whoever shows it, and never an older one. So a node finds its cluster again by anything it knows, and is not led astray.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::address::CoreAddress;
use crate::message::{ClusterView, Done, Endpoints, Request};
use crate::place::Place;
use crate::record::{Core, Member};
use crate::{engine, paths, setup, units};

/// How long an address has to be gone: one of several interfaces may come up later than others.
const GONE: Duration = Duration::from_secs(30);
/// How long the core may take to be heard at its new place.
const START: Duration = Duration::from_secs(60);

/// Moves this core node to an address that the machine has by now; gives where core nodes are then.
///
/// # Errors
///
/// When the machine has not this address, or a step fails: the same call goes on.
pub fn of_core(place: &Place, address: IpAddr) -> Result<Endpoints> {
    let member = Member::require(place)?;
    let core = place.load::<Core>(paths::CORE)?.context(
        "this is no core node: another node's address is the one from which it is heard, and follows by itself",
    )?;
    let all = host::addresses::load().context("looking at this machine's addresses")?;
    ensure!(
        all.iter().any(|one| one.address == address),
        "this machine has not the address {address}: give it first, by `firstboot net` for example"
    );
    let core = Core { address: address.to_string(), ..core };
    place.save(paths::CORE, &core)?;
    engine::readdress(place, &core)?;
    // Connections of etcd name their ends, so it begins anew; its data stays.
    place.services.call(&["stop"], &[units::CORED, units::ENGINE])?;
    place.services.call(&["start", "--no-block"], &[units::ENGINE, units::CORED])?;
    let here = CoreAddress { host: core.address.clone(), port: core.port };
    let deadline = Instant::now() + START;
    loop {
        match announce(place, &member, address) {
            Ok(endpoints) => return Ok(endpoints),
            Err(error) if Instant::now() > deadline => {
                return Err(error.context(format!(
                    "the core is not heard at {here} yet; see `journalctl -u {} -u {}`",
                    units::CORED,
                    units::ENGINE
                )));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

/// Moves this core node by itself, when the address that it had is gone for a while and the machine has one other in its
/// place. `gone` is since when it is.
///
/// # Errors
///
/// When a step fails; it is tried again.
pub fn follow(place: &Place, gone: &mut Option<Instant>) -> Result<()> {
    let Some(core) = place.load::<Core>(paths::CORE)? else { return Ok(()) };
    let all = host::addresses::load().context("looking at this machine's addresses")?;
    // None yet, or several: that is for somebody to say.
    let Some(address) = setup::only_address().ok().filter(|address| address.to_string() != core.address)
    else {
        *gone = None;
        return Ok(());
    };
    if all.iter().any(|one| one.address.to_string() == core.address)
        || gone.get_or_insert_with(Instant::now).elapsed() < GONE
    {
        return Ok(());
    }
    eprintln!("firstboot: this core node's address {} is gone; it moves to {address}", core.address);
    of_core(place, address).map(drop)
}

/// Tells the cluster, and waits until its list says the same.
fn announce(place: &Place, member: &Member, address: IpAddr) -> Result<Endpoints> {
    let mut channel = member.connect(place)?;
    let _: Done = channel.ask(&Request::Move { address })?;
    let text: String = channel.ask(&Request::Renew)?;
    place.write(paths::NODE_CERTIFICATE, &text, 0o644)?;
    let view: ClusterView = channel.ask(&Request::Nodes)?;
    let endpoints = learn(place, &view, Some(address))?;
    let is_node = |core: &CoreAddress| view.nodes.iter().any(|node| node.address == core.host);
    ensure!(endpoints.cores.iter().all(is_node), "the list of core nodes has the old address still");
    Ok(endpoints)
}

/// Asks the core node at `core`, and takes its list of core nodes if it is a newer one of this very cluster.
///
/// # Errors
///
/// When it is no core node of this cluster.
pub fn of_node(place: &Place, core: &CoreAddress) -> Result<Endpoints> {
    let member = Member::require(place)?;
    let view: ClusterView = member.connect_to(place, std::slice::from_ref(core))?.ask(&Request::Nodes)?;
    learn(place, &view, None)
}

fn learn(place: &Place, view: &ClusterView, address: Option<IpAddr>) -> Result<Endpoints> {
    let authority = place.require(paths::AUTHORITY)?;
    let mut learned = Ok(());
    let member = Member::update(place, |member| {
        learned = member.learn(&view.endpoints, &authority);
        if let Some(address) = address {
            member.address = address.to_string();
        }
    })?;
    learned?;
    member.endpoints.open(&authority)
}
