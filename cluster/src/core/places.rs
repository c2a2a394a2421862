//! Core nodes that come, move or go: what each is given, where it stands in etcd, and what has to hold before it leaves.

use std::time::Duration;

use contract::roles::CONTROLLER;
use contract::state::Secret;

use super::keys::{self, NodeRecord};
use super::store::{Held, MemberChange, StoreMember, is_absent, is_unchanged, put};
use super::voters::{self, Controller};
use super::{Core, duty};
use crate::engine;
use crate::message::{Code, CoreKit, Done, NodeState, Refusal, Standing, StorePlace};

/// How long a core node that asked for a place counts as one that waits, seconds.
const WAITING: u64 = 8;
/// How long a member of etcd may take to take a connection.
const PROBE: Duration = Duration::from_secs(1);
/// How often etcd is asked to let a member go, a second between: it counts others only when they were connected for 5 s.
const TRIES: usize = 8;

/// Tells whether a node holds the cluster, or shall.
pub fn is_core(node: &NodeRecord) -> bool {
    node.roles.iter().any(|role| role == CONTROLLER)
}

fn only_cores(node: &NodeRecord) -> Result<(), Refusal> {
    if is_core(node) && node.state == NodeState::Member {
        return Ok(());
    }
    let reason = format!("'{}' has not the role '{CONTROLLER}'", node.name);
    Err(Refusal::new(Code::Forbidden, reason))
}

/// What makes a node one that can hold the cluster. The store says that it may; nobody gets this by asking alone.
pub fn kit(core: &Core, node: &NodeRecord) -> Result<CoreKit, Refusal> {
    only_cores(node)?;
    Ok(CoreKit {
        authority_key: core.keys.authority.clone(),
        store_authority: core.keys.store_certificate.clone(),
        store_authority_key: Secret::new(core.keys.store_authority.reveal()),
        port: core.record.port,
        endpoint: core.record.endpoint.clone(),
        certificate_seconds: core.record.certificate_seconds,
        join_seconds: core.record.join_seconds,
    })
}

/// Where a core node stands. One without a place waits for one from now on, for as long as it asks.
pub async fn place(core: &Core, node: &NodeRecord) -> Result<StorePlace, Refusal> {
    only_cores(node)?;
    // In this order: after a read through the quorum this node's etcd knows its members as well.
    let controllers = duty::controllers(core).await?;
    let members = core.store.members().await?;
    let mine = members
        .iter()
        .find(|member| voters::owner(member, &controllers).is_some_and(|owner| owner.uuid == node.uuid));
    let Some(mine) = mine else {
        let lease = core.store.grant(WAITING).await?;
        let waiting = put(format!("{}{}", keys::WAITING, node.uuid), &node.name, lease)?;
        core.store.commit(Vec::new(), vec![waiting]).await?;
        return Ok(StorePlace { standing: Standing::Waiting, member: 0, peers: String::new() });
    };
    let standing = match (mine.is_learner, mine.name.is_empty()) {
        (_, true) => Standing::Joining,
        (true, false) => Standing::Standby,
        (false, false) => Standing::Voter,
    };
    // etcd compares places only; names have to be there and to differ.
    let named = |member: &StoreMember| match member.name.is_empty() {
        true => format!("{}={}", node.uuid, member.url),
        false => format!("{}={}", member.name, member.url),
    };
    let peers: Vec<String> = members.iter().map(named).collect();
    Ok(StorePlace { standing, member: mine.id, peers: peers.join(",") })
}

/// Takes a node out of etcd that shall not hold the cluster any more, if enough others are left that do.
pub async fn vacate(core: &Core, node: &NodeRecord) -> Result<(), Refusal> {
    // In this order: after a read through the quorum this node's etcd knows its members as well.
    let controllers = duty::controllers(core).await?;
    let members = core.store.members().await?;
    let is_its = |member: &&StoreMember| {
        voters::owner(member, &controllers).is_some_and(|owner| owner.uuid == node.uuid)
    };
    let Some(mine) = members.iter().find(is_its) else { return Ok(()) };
    let refused = |reason: String| Err(Refusal::new(Code::Roles, reason));
    if !mine.is_learner {
        let rest: Vec<&StoreMember> =
            members.iter().filter(|member| !member.is_learner && member.id != mine.id).collect();
        if rest.is_empty() {
            return refused(format!(
                "'{}' alone holds the cluster's store and cannot be removed: let three nodes have the role '{CONTROLLER}' first",
                node.name
            ));
        }
        if node.uuid == core.record.node {
            return refused(format!(
                "'{}' cannot take itself out of the store: ask another core node",
                node.name
            ));
        }
        let (there, needed) = (count_reached(core, &rest).await, rest.len() / 2 + 1);
        if there < needed {
            return refused(format!(
                "without '{}' {} nodes would hold the store, and only {there} of them can be reached where {needed} are needed: \
                bring others back, or remove those that are gone first",
                node.name,
                rest.len()
            ));
        }
    }
    let mut tries = 0;
    loop {
        match core.store.change(&MemberChange::Remove(mine.id)).await {
            // One of the others came a moment ago.
            Err(refusal) if refusal.code == Code::Unavailable && tries < TRIES => {
                tries += 1;
                tokio::time::sleep(PROBE).await;
            }
            other => return other,
        }
    }
}

/// How many members take connections; this node's own was asked a moment ago.
async fn count_reached(core: &Core, members: &[&StoreMember]) -> usize {
    let probe = async |member: &&StoreMember| {
        if member.name == core.record.node {
            return true;
        }
        let Some(host) = engine::host_of_peer(&member.url) else { return false };
        let connecting = tokio::net::TcpStream::connect((host.as_str(), engine::PEER_PORT));
        matches!(tokio::time::timeout(PROBE, connecting).await, Ok(Ok(_)))
    };
    let mut there = 0;
    for member in members {
        there += usize::from(probe(member).await);
    }
    there
}

/// Notes that a node is reached elsewhere. Whether it may say so itself is its caller's to know.
pub async fn relocate(
    core: &Core,
    node: &Held<NodeRecord>,
    address: std::net::IpAddr,
) -> Result<Done, Refusal> {
    let next = NodeRecord { address: address.to_string(), ..node.value.clone() };
    if next.address == node.value.address {
        return Ok(Done { revision: node.revision });
    }
    let taken_key = format!("{}{}", keys::ADDRESSES, next.address);
    let mut then = core.puts(&next, node.lease)?;
    then.push(super::store::delete(format!("{}{}", keys::ADDRESSES, node.value.address)));
    then.push(core.audit(&next.uuid, &format!("moved-from-{}", node.value.address))?);
    let key = format!("{}{}", keys::NODES, next.uuid);
    let when = vec![is_unchanged(key, node), is_absent(taken_key.as_str())];
    match core.store.commit(when, then).await? {
        Some(revision) => Ok(Done { revision }),
        None => Err(match core.store.get::<String>(&taken_key).await? {
            Some(other) => Refusal::new(
                Code::Taken,
                format!(
                    "this node's address is '{}' now, and that is the one of the node {}",
                    next.address, other.value
                ),
            ),
            None => super::membership::meanwhile(),
        }),
    }
}

/// Whether there is room for one more core node.
pub fn check_room(controllers: &[Controller], node: &NodeRecord) -> Result<(), Refusal> {
    let others = controllers.iter().filter(|one| one.uuid != node.uuid).count();
    if is_core(node) && others >= voters::MOST {
        let reason = format!("{others} nodes have the role '{CONTROLLER}' already, and no more can");
        return Err(Refusal::new(Code::Roles, reason));
    }
    Ok(())
}
