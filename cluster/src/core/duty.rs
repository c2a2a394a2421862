//! What core nodes do by themselves: see whether the store answers, bring etcd's members to what they shall be, say
//! where core nodes are, and keep the record of deeds short. All but the first is done by the one whose etcd leads.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use contract::roles::{CONTROLLER, PRIMARY};
use serde_json::Value;

use super::keys::{self, NodeRecord};
use super::store::{Held, MemberChange, StoreMember, is_unchanged, put};
use super::voters::{self, Controller, Patience};
use super::{Core, founding};
use crate::address::CoreAddress;
use crate::engine;
use crate::message::{Code, NodeState, Refusal, SignedEndpoints};

/// How often it is looked.
const PERIOD: Duration = Duration::from_secs(1);
/// How soon the first records are tried again while etcd starts.
const START: Duration = Duration::from_millis(200);
/// How long the store may take to answer before others are to be asked.
const READY: Duration = Duration::from_secs(2);
/// How long etcd wants a member to be connected before it takes a change (its own health interval is 5 s).
const STEADY: Duration = Duration::from_secs(6);
/// How long a new member may take to come up and catch up.
const LATE: Duration = Duration::from_secs(30);
/// For how long a core node that did not come up gets no place, at first.
const AVOIDED: Duration = Duration::from_secs(60);
/// Deeds that are remembered, and how often it is looked whether there are more.
const DEEDS: i64 = 1000;
const PRUNING: Duration = Duration::from_secs(20);

/// What was seen, and when.
#[derive(Debug, Default)]
struct Seen {
    /// Learners by number: when they were there first, and when they were started.
    learners: HashMap<u64, (Instant, Option<Instant>)>,
    /// Places of members that did not come up: when that was last, and how often.
    failed: HashMap<String, (Instant, u32)>,
    /// Since when the number of voters is even.
    even: Option<Instant>,
    pruned: Option<Instant>,
    told: String,
}

/// Works for as long as the program runs.
pub async fn run(core: Arc<Core>, public_key: Vec<u8>) {
    let mut seen = Seen::default();
    // The first records are made by the node that began, and looked at whenever it starts.
    let mut is_founded = core.record.joined;
    loop {
        if !is_founded {
            match founding::found(&core, &public_key).await {
                Ok(()) => is_founded = true,
                Err(refusal) => {
                    seen.tell(refusal.reason);
                    tokio::time::sleep(START).await;
                    continue;
                }
            }
        }
        let is_ready = matches!(
            tokio::time::timeout(READY, core.store.get::<Value>(keys::CLUSTER)).await,
            Ok(Ok(Some(_)))
        );
        core.is_ready.store(is_ready, Ordering::Relaxed);
        if is_ready {
            match lead(&core, &mut seen).await {
                // One step often makes room for the next.
                Ok(true) => continue,
                Ok(false) => seen.told.clear(),
                Err(refusal) => seen.tell(refusal.reason),
            }
        }
        tokio::time::sleep(PERIOD).await;
    }
}

/// Does one step, if this node's etcd leads; tells whether it did.
async fn lead(core: &Core, seen: &mut Seen) -> Result<bool, Refusal> {
    let (own, leader) = core.store.status().await?;
    if own != leader || own == 0 {
        *seen = Seen::default();
        return Ok(false);
    }
    let members = core.store.members().await?;
    let mut controllers = controllers(core).await?;
    let patience = seen.look(&members);
    controllers.iter_mut().for_each(|node| node.is_waiting &= !seen.is_avoided(&node.url));
    let change = voters::next(&members, &controllers, own, &patience);
    if let Some(change) = &change {
        match core.store.change(change).await {
            Ok(()) => {
                println!("firstboot: etcd's members: {change:?}");
                seen.note(change, &members, patience.is_late);
            }
            // Not caught up yet, or not connected for long enough: the next look tries again.
            Err(refusal) if matches!(change, MemberChange::Promote(_)) => {
                seen.tell(format!("a member waits for its vote: {}", refusal.reason));
                return Ok(false);
            }
            Err(refusal) => return Err(refusal),
        }
    }
    let members = if change.is_some() { core.store.members().await? } else { members };
    announce(core, &members, &controllers).await?;
    if seen.pruned.is_none_or(|last| last.elapsed() > PRUNING) {
        core.store.prune(keys::AUDIT, DEEDS).await?;
        seen.pruned = Some(Instant::now());
    }
    Ok(change.is_some())
}

/// Nodes with the role of a core, by the store.
pub async fn controllers(core: &Core) -> Result<Vec<Controller>, Refusal> {
    let (nodes, _) = core.store.list::<NodeRecord>(keys::NODES).await?;
    let (waiting, _) = core.store.list::<Value>(keys::WAITING).await?;
    let (live, _) = core.store.list::<Value>(keys::LIVE).await?;
    let is_there = |all: &[(String, Held<Value>)], uuid: &str| all.iter().any(|(key, _)| key == uuid);
    let has = |node: &NodeRecord, role: &str| node.roles.iter().any(|one| one == role);
    let cores = nodes.into_iter().map(|(_, held)| held.value);
    let cores = cores.filter(|node| node.state == NodeState::Member && has(node, CONTROLLER));
    let read = |node: NodeRecord| Controller {
        url: engine::peer_url(&node.address),
        is_waiting: is_there(&waiting, &node.uuid),
        is_primary: has(&node, PRIMARY),
        is_live: is_there(&live, &node.uuid),
        uuid: node.uuid,
    };
    Ok(cores.map(read).collect())
}

/// Says where core nodes are, when it is not what was said last: those that vote, the primary first.
async fn announce(core: &Core, members: &[StoreMember], controllers: &[Controller]) -> Result<(), Refusal> {
    let held: Held<SignedEndpoints> = core
        .store
        .get(keys::ENDPOINTS)
        .await?
        .ok_or_else(|| Refusal::new(Code::Unavailable, "the cluster does not know its core nodes yet"))?;
    let wrong = |error: anyhow::Error| Refusal::new(Code::Unavailable, format!("{error:#}"));
    let mut endpoints = held.value.open(&core.authority.certificate).map_err(wrong)?;
    let voting = members.iter().filter(|member| !member.is_learner);
    let mut owners: Vec<&Controller> =
        voting.filter_map(|member| voters::owner(member, controllers)).collect();
    owners.sort_by_key(|node| (!node.is_primary, node.url.clone()));
    let port = core.record.port;
    let cores: Vec<CoreAddress> = owners
        .iter()
        .filter_map(|node| Some(CoreAddress { host: engine::host_of_peer(&node.url)?, port }))
        .collect();
    if cores.is_empty() || cores == endpoints.cores {
        return Ok(());
    }
    endpoints.cores = cores;
    endpoints.epoch += 1;
    let then = vec![
        put(keys::ENDPOINTS, &founding::sign(core, &endpoints)?, 0)?,
        core.audit(&core.record.node, &format!("endpoints-{}", endpoints.epoch))?,
    ];
    // Whoever was faster says the same.
    core.store.commit(vec![is_unchanged(keys::ENDPOINTS, &held)], then).await?;
    Ok(())
}

impl Seen {
    /// Notes what is there now, and says for how long it was.
    fn look(&mut self, members: &[StoreMember]) -> Patience {
        let now = Instant::now();
        self.learners.retain(|id, _| members.iter().any(|member| member.id == *id && member.is_learner));
        for member in members.iter().filter(|member| member.is_learner) {
            let (_, started) = self.learners.entry(member.id).or_insert((now, None));
            if !member.name.is_empty() {
                started.get_or_insert(now);
            }
        }
        let is_even = members.iter().filter(|member| !member.is_learner).count().is_multiple_of(2);
        self.even = if is_even { Some(self.even.unwrap_or(now)) } else { None };
        let mut learners = self.learners.values();
        let (first, started) =
            learners.next().map_or((None, None), |(first, started)| (Some(*first), *started));
        let is_past = |since: Option<Instant>, limit| since.is_some_and(|since| now - since > limit);
        Patience {
            is_steady: is_past(started, STEADY),
            is_late: is_past(first, LATE) && (started.is_none() || is_past(self.even, LATE)),
            is_stalled: is_past(self.even, LATE),
        }
    }

    /// Notes who did not come up, and who did.
    fn note(&mut self, change: &MemberChange, members: &[StoreMember], is_late: bool) {
        let learner = members.iter().find(|member| member.is_learner);
        let url = |id: &u64| learner.filter(|member| member.id == *id).map(|member| member.url.clone());
        match change {
            MemberChange::Remove(id) if is_late => {
                if let Some(url) = url(id) {
                    let (last, times) = self.failed.entry(url).or_insert((Instant::now(), 0));
                    (*last, *times) = (Instant::now(), times.saturating_add(1));
                }
            }
            MemberChange::Promote(id) => {
                if let Some(url) = url(id) {
                    self.failed.remove(&url);
                }
            }
            _ => {}
        }
    }

    /// Whether a place failed lately: each time twice as long as the last, up to an hour, since others lose a vote by it.
    fn is_avoided(&self, url: &str) -> bool {
        self.failed.get(url).is_some_and(|(last, times)| {
            last.elapsed() < AVOIDED.saturating_mul(1 << times.saturating_sub(1).min(6))
        })
    }

    /// Says a thing once.
    fn tell(&mut self, reason: String) {
        if self.told != reason {
            eprintln!("firstboot: {reason}");
            self.told = reason;
        }
    }
}
