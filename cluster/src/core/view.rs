//! The cluster as nodes see it, and waiting until it is another one.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Core;
use super::keys::{self, LiveRecord, NodeRecord};
use crate::message::{ClusterView, NodeView, Refusal};

/// How long a question for the next change is held at most, seconds.
const PATIENCE: u64 = 60;
/// How soon a broken watch is begun again.
const PAUSE: Duration = Duration::from_secs(1);

/// All nodes now.
pub async fn nodes(core: &Core) -> Result<ClusterView, Refusal> {
    let (live, _) = core.store.list::<LiveRecord>(keys::LIVE).await?;
    let (nodes, revision) = core.store.list::<NodeRecord>(keys::NODES).await?;
    let mut beats: HashMap<String, LiveRecord> =
        live.into_iter().map(|(uuid, held)| (uuid, held.value)).collect();
    let view = |(uuid, held): (String, super::store::Held<NodeRecord>)| {
        let NodeRecord { name, address, roles, state, version, .. } = held.value;
        NodeView { beat: beats.remove(&uuid), uuid, name, address, roles, state, version }
    };
    let mut nodes: Vec<NodeView> = nodes.into_iter().map(view).collect();
    nodes.sort_by(|one, other| one.name.cmp(&other.name));
    let endpoints = core.endpoints().await?;
    Ok(ClusterView { revision, cluster: core.record.cluster.clone(), endpoints, nodes })
}

/// Waits until nodes or core addresses changed after `revision`, but not for ever.
pub async fn next(core: &Core, revision: i64, seconds: u64) -> Result<ClusterView, Refusal> {
    let mut changed = core.changed.subscribe();
    // When the time is over, the view is the old one: that is an answer as well.
    let patience = Duration::from_secs(seconds.min(PATIENCE));
    let _ = tokio::time::timeout(patience, changed.wait_for(|last| *last > revision)).await;
    nodes(core).await
}

/// Follows the store for as long as the program runs.
pub async fn follow(core: Arc<Core>) {
    loop {
        // One that has no vote is not asked by nodes, and cannot tell them either.
        if !core.is_ready.load(Ordering::Relaxed) {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        let problem = match follow_once(&core).await {
            Ok(()) => "it ended".to_owned(),
            Err(refusal) => refusal.reason,
        };
        eprintln!("firstboot: watching the cluster: {problem}; it is begun again");
        tokio::time::sleep(PAUSE).await;
    }
}

async fn follow_once(core: &Core) -> Result<(), Refusal> {
    let (_, revision) = core.store.list::<NodeRecord>(keys::NODES).await?;
    // What happened while nobody watched is told by letting everybody look again.
    core.changed.send_replace(revision);
    let mut events = core.store.watch(keys::ALL, revision).await?;
    while let Some(answer) = events.message().await? {
        let newest = answer.events().iter().filter_map(|event| {
            let one = event.kv()?;
            let key = one.key_str().ok()?;
            (key.starts_with(keys::NODES) || key == keys::ENDPOINTS).then_some(one.mod_revision())
        });
        if let Some(newest) = newest.max() {
            core.changed.send_replace(newest);
        }
        if answer.canceled() {
            break;
        }
    }
    Ok(())
}
