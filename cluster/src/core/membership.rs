//! Nodes that leave, change their name or their roles.

use std::time::Duration;

use contract::name::check_host;
use contract::roles::{CONTROLLER, PRIMARY};
use etcd_client::{Compare, TxnOp};

use super::keys::{self, NodeRecord, TombstoneRecord};
use super::store::{self, Held, is_absent, is_unchanged};
use super::{Core, admission, places};
use crate::message::{Code, Done, Refusal, SERVER_NAME, TokenProof};
use crate::random::is_uuid;

/// How often a transaction is tried again while etcd chooses its leader, with half a second between.
const CHOICE: usize = 20;

/// Refuses a name that would stand for something else: that of every core's certificate, that of the cluster, a UUID.
///
/// # Errors
///
/// Why it is no name of a node.
pub fn check_name(core: &Core, name: &str) -> Result<(), Refusal> {
    let refused = |reason: String| Err(Refusal::new(Code::Malformed, reason));
    if let Err(reason) = check_host(name) {
        return refused(reason);
    }
    // DNS does not tell them apart, etcd's keys would.
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return refused(format!("the name '{name}' of a node is written in small letters"));
    }
    let reserved = [SERVER_NAME, core.record.endpoint.as_str()];
    if reserved.iter().any(|taken| taken.eq_ignore_ascii_case(name)) || is_uuid(name) {
        return refused(format!(
            "'{name}' is no name that a node may have: it stands for the cluster, or is a UUID"
        ));
    }
    Ok(())
}

/// Finds a node by its UUID, name or address.
pub async fn find(core: &Core, which: &str) -> Result<Held<NodeRecord>, Refusal> {
    let mut uuid = which.to_owned();
    for prefix in [keys::NAMES, keys::ADDRESSES] {
        if let Some(held) = core.store.get::<String>(&format!("{prefix}{which}")).await? {
            uuid = held.value;
        }
    }
    let unknown = || Refusal::new(Code::Unknown, format!("there is no node '{:.80}'", which.escape_debug()));
    core.store.get(&format!("{}{uuid}", keys::NODES)).await?.ok_or_else(unknown)
}

/// Takes a node out for ever: it is refused from now on, and fences itself when it hears of it.
pub async fn remove(core: &Core, node: &Held<NodeRecord>, by: &str) -> Result<Done, Refusal> {
    let record = &node.value;
    if places::is_core(record) {
        places::vacate(core, record).await?;
    }
    let key = format!("{}{}", keys::NODES, record.uuid);
    let tombstone = TombstoneRecord { name: record.name.clone(), removed: core.clock.now() };
    let mut then = admission::deletions(record);
    then.push(store::put(format!("{}{}", keys::TOMBSTONES, record.uuid), &tombstone, 0)?);
    then.push(core.audit(&record.uuid, &format!("removed-by-{by}"))?);
    let revision = core.commit_patiently(vec![is_unchanged(key, node)], then).await?;
    Ok(Done { revision: revision.ok_or_else(meanwhile)? })
}

impl Core {
    /// Commits, also while etcd chooses another leader because the last one was taken out.
    async fn commit_patiently(&self, when: Vec<Compare>, then: Vec<TxnOp>) -> Result<Option<i64>, Refusal> {
        let mut tries = 0;
        loop {
            match self.store.commit(when.clone(), then.clone()).await {
                Err(refusal) if refusal.code == Code::Unavailable && tries < CHOICE => {
                    tries += 1;
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                other => return other,
            }
        }
    }
}

/// Gives a place back that was never committed, or leaves for ever.
pub async fn leave(core: &Core, node: &Held<NodeRecord>) -> Result<Done, Refusal> {
    if node.lease == 0 {
        return remove(core, node, &node.value.uuid).await;
    }
    core.store.revoke(node.lease).await?;
    Ok(Done { revision: node.revision })
}

/// Gives a node another name.
pub async fn rename(core: &Core, node: &Held<NodeRecord>, name: &str) -> Result<Done, Refusal> {
    check_name(core, name)?;
    if node.value.name == name {
        return Ok(Done { revision: node.revision });
    }
    let name_key = format!("{}{name}", keys::NAMES);
    let renamed = NodeRecord { name: name.to_owned(), ..node.value.clone() };
    let mut then = core.puts(&renamed, node.lease)?;
    then.push(store::delete(format!("{}{}", keys::NAMES, node.value.name)));
    then.push(core.audit(&renamed.uuid, &format!("renamed-from-{}", node.value.name))?);
    let key = format!("{}{}", keys::NODES, renamed.uuid);
    match core.store.commit(vec![is_unchanged(key, node), is_absent(name_key.as_str())], then).await? {
        Some(revision) => Ok(Done { revision }),
        None => match core.store.get::<String>(&name_key).await? {
            Some(other) => Err(Refusal::new(
                Code::Taken,
                format!("the name '{name}' is that of the node {}", other.value),
            )),
            None => Err(meanwhile()),
        },
    }
}

/// Gives a node other roles.
pub async fn set_roles(
    core: &Core,
    node: &Held<NodeRecord>,
    roles: &[String],
    by_token: Option<(TokenProof, &[u8; 32])>,
) -> Result<Done, Refusal> {
    let roles = core.catalogue.resolve(roles).map_err(|reason| Refusal::new(Code::Roles, reason))?;
    let key = format!("{}{}", keys::NODES, node.value.uuid);
    let mut when = vec![is_unchanged(key, node)];
    let mut then = Vec::new();
    let next = NodeRecord { roles, ..node.value.clone() };
    let (nodes, _) = core.store.list::<NodeRecord>(keys::NODES).await?;
    let lonely = next.roles.iter().find(|role| core.catalogue.get(role).is_some_and(|role| role.single_node));
    if let Some(role) = lonely.filter(|_| nodes.len() > 1) {
        let reason = format!("the role '{role}' works only in a cluster of one node");
        return Err(Refusal::new(Code::Roles, reason));
    }
    core.check_cores(&next).await?;
    let gains = |role: &str| {
        let has = |node: &NodeRecord| node.roles.iter().any(|one| one == role);
        has(&next) && !has(&node.value)
    };
    if gains(PRIMARY) {
        when.push(store::is_absent_below(format!("{}{PRIMARY}/", keys::ROLES)));
    }
    match (places::is_core(&node.value), places::is_core(&next)) {
        (false, true) => {
            let (proof, exporter) = by_token.ok_or_else(needs_token)?;
            let (unused, uses) = admission::elevate(core, &next, &next.roles, &proof, exporter).await?;
            when.extend(unused);
            then.extend(uses);
        }
        (true, false) => places::vacate(core, &node.value).await?,
        _ => {}
    }
    let gone = node.value.roles.iter().filter(|role| !next.roles.contains(role));
    then.extend(gone.map(|role| store::delete(format!("{}{role}/{}", keys::ROLES, next.uuid))));
    then.extend(core.puts(&next, node.lease)?);
    then.push(core.audit(&next.uuid, "roles-changed")?);
    let revision = core.commit_patiently(when, then).await?;
    Ok(Done { revision: revision.ok_or_else(meanwhile)? })
}

fn needs_token() -> Refusal {
    let reason = format!(
        "the role '{CONTROLLER}' holds the cluster and its keys, so a node takes it by a token only: `firstboot token create -e {CONTROLLER}` \
        on a core node, and --token here"
    );
    Refusal::new(Code::Token, reason)
}

/// What was read is not so any more.
pub fn meanwhile() -> Refusal {
    Refusal::new(Code::Unavailable, "the node changed at the same time; try again")
}
