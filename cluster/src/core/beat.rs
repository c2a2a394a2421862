//! Signs of life, and two machines that live under one identity.

use std::net::IpAddr;

use super::keys::{self, BootsRecord, NodeRecord};
use super::store::{self, Held, is_unchanged};
use super::{Core, places};
use crate::message::{Beat, Code, Done, Refusal};

/// A node that said nothing for so long is silent, seconds.
const SILENT: u64 = 30;
/// How many boots are remembered.
const BOOTS: usize = 8;

/// Longest name of a boot or of a version, bytes: a UUID has 36.
const SHORT: usize = 64;
/// Letters of a problem that are kept; everybody gets every node's.
const PROBLEM: usize = 300;

/// Notes that a node lives, and where.
pub async fn note(core: &Core, held: &Held<NodeRecord>, beat: Beat, peer: IpAddr) -> Result<Done, Refusal> {
    let node = &held.value;
    let (uuid, beat) = (&node.uuid, bounded(node, beat)?);
    check_boot(core, uuid, &beat.boot).await?;
    // A core node says itself where it is: its etcd has to be there as well.
    if !places::is_core(node) {
        places::relocate(core, held, peer).await?;
    }
    let lease = core.store.grant(SILENT).await?;
    // Only a node that is still there: a beat must not outlive a removal.
    let node =
        etcd_client::Compare::version(format!("{}{uuid}", keys::NODES), etcd_client::CompareOp::Greater, 0);
    let live = store::put(format!("{}{uuid}", keys::LIVE), &beat, lease)?;
    let revision = core.store.commit(vec![node], vec![live]).await?;
    Ok(Done { revision: revision.ok_or_else(super::admission::removed)? })
}

/// Keeps what one node says from growing into what all have to carry: roles that it has, and the beginnings of problems.
fn bounded(node: &NodeRecord, mut beat: Beat) -> Result<Beat, Refusal> {
    if beat.boot.len() > SHORT || beat.version.len() > SHORT {
        return Err(Refusal::new(Code::Malformed, "the name of the boot or of the version is too long"));
    }
    beat.roles.retain(|role, _| node.roles.contains(role));
    for problem in beat.roles.values_mut().flatten() {
        if let Some((end, _)) = problem.char_indices().nth(PROBLEM) {
            problem.truncate(end);
        }
    }
    Ok(beat)
}

/// A boot that speaks again after a later one is another machine with the same identity: a machine boots forward only.
async fn check_boot(core: &Core, uuid: &str, boot: &str) -> Result<(), Refusal> {
    let key = format!("{}{uuid}", keys::BOOTS);
    let held = core.store.get::<BootsRecord>(&key).await?;
    let record = held.as_ref().map(|held| held.value.clone()).unwrap_or_default();
    if record.is_twin {
        return Err(twin());
    }
    if record.boots.last().is_some_and(|last| last == boot) {
        return Ok(());
    }
    let mut next = record.clone();
    next.is_twin = record.boots.iter().any(|earlier| earlier == boot);
    next.boots.push(boot.to_owned());
    let surplus = next.boots.len().saturating_sub(BOOTS);
    next.boots.drain(..surplus);
    let when = match &held {
        Some(held) => is_unchanged(key.as_str(), held),
        None => store::is_absent(key.as_str()),
    };
    let written = core.store.commit(vec![when], vec![store::put(key.as_str(), &next, 0)?]).await?;
    match (written, next.is_twin) {
        (_, true) => Err(twin()),
        (Some(_), false) => Ok(()),
        (None, false) => Err(Refusal::new(Code::Unavailable, "two beats at once; try again")),
    }
}

fn twin() -> Refusal {
    Refusal::new(
        Code::Twin,
        "two machines live under this node's identity, so neither may: remove the node, and let the right one join anew",
    )
}
