//! The first records of a cluster, made once by the core node that began it.

use contract::encoding::encode_base64;

use super::Core;
use super::keys::{self, ClusterRecord, NodeRecord};
use super::store::{is_absent, put};
use crate::address::CoreAddress;
use crate::message::{Code, Endpoints, NodeState, Refusal, SignedEndpoints};

/// Makes the first records, or sees that they are those of this cluster.
///
/// # Errors
///
/// When etcd does not answer, or holds another cluster.
pub async fn found(core: &Core, public_key: &[u8]) -> Result<(), Refusal> {
    if is_ours(core).await? {
        return Ok(());
    }
    let record = &core.record;
    if record.joined {
        return Err(Refusal::new(Code::Unavailable, "the store has not the cluster's records yet"));
    }
    let node = NodeRecord {
        uuid: record.node.clone(),
        name: record.name.clone(),
        address: record.address.clone(),
        roles: record.roles.clone(),
        state: NodeState::Member,
        join: record.node.clone(),
        token_use: None,
        public_key: encode_base64(public_key),
        version: env!("CARGO_PKG_VERSION").into(),
    };
    let cores = vec![CoreAddress { host: record.address.clone(), port: record.port }];
    let endpoints =
        Endpoints { cluster: record.cluster.clone(), epoch: 1, endpoint: record.endpoint.clone(), cores };
    let cluster = ClusterRecord { uuid: record.cluster.clone(), created: core.clock.now() };
    let mut then = core.puts(&node, 0)?;
    then.push(put(keys::CLUSTER, &cluster, 0)?);
    then.push(put(keys::ENDPOINTS, &sign(core, &endpoints)?, 0)?);
    then.push(core.audit(&node.uuid, "founded")?);
    core.store.commit(vec![is_absent(keys::CLUSTER)], then).await?;
    // Whoever was first: it has to be this cluster.
    is_ours(core).await.map(|_| ())
}

async fn is_ours(core: &Core) -> Result<bool, Refusal> {
    match core.store.get::<ClusterRecord>(keys::CLUSTER).await? {
        None => Ok(false),
        Some(held) if held.value.uuid == core.record.cluster => Ok(true),
        Some(held) => Err(Refusal::new(
            Code::Forbidden,
            format!(
                "etcd holds the cluster {}, this node belongs to {}",
                held.value.uuid, core.record.cluster
            ),
        )),
    }
}

/// Signs where core nodes are.
///
/// # Errors
///
/// When the kernel has no random numbers.
pub fn sign(core: &Core, endpoints: &Endpoints) -> Result<SignedEndpoints, Refusal> {
    let wrong = |error: anyhow::Error| Refusal::new(Code::Unavailable, format!("{error:#}"));
    let text = serde_json::to_string(endpoints).map_err(|error| wrong(error.into()))?;
    let signature = encode_base64(&core.authority.sign(text.as_bytes()).map_err(wrong)?);
    Ok(SignedEndpoints { text, signature })
}
