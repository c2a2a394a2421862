//! A new certificate for a node that was off until its last one held no more.

use serde_json::Value;

use super::keys::{self, NodeRecord};
use super::{Core, admission};
use crate::certificate;
use crate::message::{Code, NodeState, Refusal, readmission};
use crate::random::is_uuid;

/// Certifies the key that the store has of a node, for whoever proves to hold it on this connection.
pub async fn readmit(core: &Core, uuid: &str, by_node: &str, exporter: &[u8; 32]) -> Result<String, Refusal> {
    if !is_uuid(uuid) {
        return Err(Refusal::new(Code::Malformed, "this is no node's UUID"));
    }
    let held = core.store.get::<NodeRecord>(&format!("{}{uuid}", keys::NODES)).await?;
    let Some(node) = held.map(|held| held.value).filter(|node| node.state == NodeState::Member) else {
        let tombstone = core.store.get::<Value>(&format!("{}{uuid}", keys::TOMBSTONES)).await?;
        let unknown = || Refusal::new(Code::Unknown, "there is no such node in this cluster");
        return Err(tombstone.map_or_else(unknown, |_| admission::removed()));
    };
    let decode = |text: &str| contract::encoding::decode_base64(text).unwrap_or_default();
    let bytes = readmission(exporter, uuid);
    if !certificate::is_signed(&decode(&node.public_key), &bytes, &decode(by_node)) {
        return Err(Refusal::new(Code::Proof, "the node's signature is wrong"));
    }
    core.certify(&node)
}
