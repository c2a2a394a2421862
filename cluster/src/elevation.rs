//! A node that takes the role of a core: its keys, its place in etcd, and its way back. Each step holds or is made, so
//! the agent goes on where a command was cut.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use contract::roles::CONTROLLER;

use crate::channel::Channel;
use crate::message::{CoreKit, Request, Standing, StorePlace};
use crate::place::Place;
use crate::record::{self, Core, Member, Store};
use crate::{certificate, engine, fence, paths, units};

/// How long a command waits until the node has its place.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often it is looked.
const PAUSE: Duration = Duration::from_millis(300);

/// Tells whether this node holds the cluster, or shall.
pub fn is_core(member: &Member) -> bool {
    member.roles.iter().any(|role| role == CONTROLLER)
}

/// Makes this node a core node and waits until it has its place; gives how far it came.
///
/// # Errors
///
/// When a step fails, or the place is not there in time. The agent goes on either way.
pub fn run(place: &Place, member: &Member) -> Result<Standing> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let standing = member.connect(place).and_then(|mut channel| tend(place, member, &mut channel));
        match standing {
            Ok(standing @ (Standing::Standby | Standing::Voter)) => return Ok(standing),
            Err(error) if Instant::now() > deadline => return Err(error),
            Ok(_) if Instant::now() > deadline => bail!(
                "this node has no place in the cluster's store yet; it is given one when the members that are there can be reached: \
                see `firstboot status --all`"
            ),
            // A connection may be gone because etcd chose another leader.
            _ => std::thread::sleep(PAUSE),
        }
    }
}

/// Brings this node one step nearer to its place in the store.
///
/// # Errors
///
/// When the step fails.
pub fn tend(place: &Place, member: &Member, channel: &mut Channel) -> Result<Standing> {
    let _lock = place.lock(paths::CORE_LOCK)?;
    if !place.exists(paths::CORE) {
        receive(place, member, channel)?;
    }
    let core: Core = place.load(paths::CORE)?.ok_or_else(|| anyhow::anyhow!("'{}' is gone", paths::CORE))?;
    let at: StorePlace = channel.ask(&Request::StorePlace)?;
    match at.standing {
        Standing::Waiting => {
            // What was taken out of the store never comes back as it was, and would only ask for ever.
            if place.exists(&format!("{}/{}", paths::UNITS, units::ENGINE)) {
                place.services.call(&["stop"], &[units::ENGINE])?;
            }
        }
        Standing::Joining => begin(place, &core, &at)?,
        Standing::Standby | Standing::Voter => start(place)?,
    }
    Ok(at.standing)
}

/// Gets the keys. The record is written last: without it all of this is done again.
fn receive(place: &Place, member: &Member, channel: &mut Channel) -> Result<()> {
    let kit: CoreKit = channel.ask(&Request::CoreKit)?;
    let text: String = channel.ask(&Request::Renew)?;
    let facts = certificate::facts_of_pem(&text)?;
    ensure!(facts.common_name == format!("node:{}", member.node), "the core sent another node's certificate");
    place.write(paths::AUTHORITY_KEY, kit.authority_key.reveal(), 0o600)?;
    place.write(engine::AUTHORITY_KEY, kit.store_authority_key.reveal(), 0o600)?;
    place.write(engine::AUTHORITY, &kit.store_authority, 0o644)?;
    place.write(paths::NODE_CERTIFICATE, &text, 0o644)?;
    let core = Core {
        cluster: member.cluster.clone(),
        node: member.node.clone(),
        name: member.name.clone(),
        address: member.address.clone(),
        port: kit.port,
        endpoint: kit.endpoint,
        roles: member.roles.clone(),
        certificate_seconds: kit.certificate_seconds,
        join_seconds: kit.join_seconds,
        joined: true,
        seal: record::seal(place)?,
    };
    place.save(paths::CORE, &core)
}

/// Starts etcd at a place that it never had: with no data but what the others send.
fn begin(place: &Place, core: &Core, at: &StorePlace) -> Result<()> {
    let known: Option<Store> = place.load(paths::STORE)?;
    let is_new = known.as_ref().is_none_or(|store| store.member != at.member);
    if is_new {
        units::write(place, true)?;
        place.services.call(&["daemon-reload"], &[])?;
        place.services.call(&["stop"], &[units::ENGINE])?;
        engine::remove_data(place)?;
    }
    if is_new || !engine::has_data(place) {
        place.save(paths::STORE, &Store { member: at.member, peers: Some(at.peers.clone()) })?;
    }
    engine::prepare(place, core)?;
    engine::create_data_folder(place)?;
    start(place)
}

/// Starts what a core node runs, if it does not. It is not waited for: etcd is up when others let it in.
fn start(place: &Place) -> Result<()> {
    let all = [units::ENGINE, units::CORED];
    if all.iter().all(|unit| place.services.is_active(unit)) {
        return Ok(());
    }
    fence::open(place)?;
    place.services.call(&["enable"], &all)?;
    place.services.call(&["start", "--no-block"], &all)
}

/// Takes from this node what made it a core node; the store has let it go before.
///
/// # Errors
///
/// When a unit does not stop, or the disk refuses.
pub fn undo(place: &Place) -> Result<()> {
    let _lock = place.lock(paths::CORE_LOCK)?;
    if !place.exists(paths::CORE) {
        return Ok(());
    }
    place.services.call(&["disable", "--now"], &[units::CORED, units::ENGINE])?;
    engine::remove_data(place)?;
    engine::remove_keys(place)?;
    [paths::AUTHORITY_KEY, paths::STORE, paths::CORE].iter().try_for_each(|path| place.remove(path))
}
