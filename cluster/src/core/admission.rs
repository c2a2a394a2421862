//! Who may join: the token, both proofs, the roles, and one transaction that decides all of it at once.

use std::net::IpAddr;

use contract::encoding::decode_base64;
use contract::roles::CONTROLLER;
use etcd_client::{Compare, TxnOp};
use ring::signature::{ED25519, UnparsedPublicKey};

use super::keys::{self, NodeRecord, TokenRecord, UseRecord};
use super::store::{self, Held, Store, is_absent, is_unchanged};
use super::{Core, membership, node_keys};
use crate::certificate;
use crate::message::{Admit, Admitted, Claim, Code, Done, NodeState, Refusal, TokenProof, promotion, proof};
use crate::random::is_uuid;

/// How often a join is tried again that met another one.
const TRIES: usize = 32;

/// Admits a machine, or says why not. Asked again by the same attempt, it gives the same place.
///
/// # Errors
///
/// Why not.
pub async fn admit(
    core: &Core,
    wish: &Admit,
    exporter: &[u8; 32],
    peer: IpAddr,
) -> Result<Admitted, Refusal> {
    let claim: Claim = serde_json::from_str(&wish.claim)
        .map_err(|error| Refusal::new(Code::Malformed, format!("the claim is not understood: {error}")))?;
    check_form(&claim)?;
    membership::check_name(core, &claim.name)?;
    let token_key = format!("{}{}", keys::TOKENS, claim.token);
    let unknown =
        || Refusal::new(Code::Token, "there is no such token here: it was never made, or it was revoked");
    let token: Held<TokenRecord> = core.store.get(&token_key).await?.ok_or_else(unknown)?;
    check_proofs(wish, &claim, &token.value, exporter)?;
    let roles = allowed_roles(core, &claim, &token.value)?;
    let node = NodeRecord {
        uuid: claim.node.clone(),
        name: claim.name.clone(),
        address: peer.to_string(),
        roles,
        state: NodeState::Joining,
        join: claim.join.clone(),
        token_use: None,
        public_key: claim.public_key.clone(),
        version: claim.version.clone(),
    };
    for _ in 0..TRIES {
        if let Some(placed) = place(core, &node, &claim, &token_key, &token).await? {
            return core.welcome(&placed).await;
        }
    }
    Err(Refusal::new(Code::Unavailable, "too many machines join at once; try again"))
}

fn check_form(claim: &Claim) -> Result<(), Refusal> {
    let malformed = |reason: String| Refusal::new(Code::Malformed, reason);
    if !is_uuid(&claim.node) || !is_uuid(&claim.join) {
        return Err(malformed("the claim's UUIDs are none".into()));
    }
    if !claim.token.bytes().all(|byte| byte.is_ascii_hexdigit()) || claim.version.len() > 64 {
        return Err(malformed("the claim's token or version has not its form".into()));
    }
    Ok(())
}

fn check_proofs(
    wish: &Admit,
    claim: &Claim,
    token: &TokenRecord,
    exporter: &[u8; 32],
) -> Result<(), Refusal> {
    let bytes = proof(exporter, &wish.claim);
    let decode = |text: &str| decode_base64(text).unwrap_or_default();
    let by_token = UnparsedPublicKey::new(&ED25519, decode(&token.public_key));
    if by_token.verify(&bytes, &decode(&wish.by_token)).is_err() {
        return Err(Refusal::new(Code::Proof, "the token's signature is wrong"));
    }
    if !certificate::is_signed(&decode(&claim.public_key), &bytes, &decode(&wish.by_node)) {
        return Err(Refusal::new(Code::Proof, "the node's signature is wrong"));
    }
    Ok(())
}

fn allowed_roles(core: &Core, claim: &Claim, token: &TokenRecord) -> Result<Vec<String>, Refusal> {
    if let Some(name) = token.name.as_ref().filter(|name| **name != claim.name) {
        let reason = format!("the token is for the name '{name}', not for '{}'", claim.name);
        return Err(Refusal::new(Code::Token, reason));
    }
    let impossible = |reason: String| Refusal::new(Code::Roles, reason);
    let asked = core.catalogue.expand(&claim.roles).map_err(impossible)?;
    let allowed = core.catalogue.expand(&token.roles).map_err(impossible)?;
    if let Some(role) = asked.iter().find(|role| !allowed.contains(*role)) {
        let reason = format!("the token does not allow the role '{role}', only {}", token.roles.join(", "));
        return Err(Refusal::new(Code::Token, reason));
    }
    let roles = core.catalogue.resolve(&claim.roles).map_err(impossible)?;
    allow_core(core, &roles, &token.roles)?;
    Ok(roles)
}

/// Holds the cluster only who was told to: a token that does not mean core nodes makes none by what its roles require.
fn allow_core(core: &Core, roles: &[String], by_token: &[String]) -> Result<(), Refusal> {
    let allowed = core.catalogue.resolve(by_token).map_err(|reason| Refusal::new(Code::Roles, reason))?;
    let is_core = |roles: &[String]| roles.iter().any(|role| role == CONTROLLER);
    if is_core(roles) && !is_core(&allowed) {
        return Err(Refusal::new(Code::Token, format!("the token does not allow the role '{CONTROLLER}'")));
    }
    Ok(())
}

/// Tries once to give the node its place; none if something changed meanwhile.
async fn place(
    core: &Core,
    node: &NodeRecord,
    claim: &Claim,
    token_key: &str,
    token: &Held<TokenRecord>,
) -> Result<Option<NodeRecord>, Refusal> {
    let store = &core.store;
    if store.get::<serde_json::Value>(&format!("{}{}", keys::TOMBSTONES, node.uuid)).await?.is_some() {
        return Err(removed());
    }
    let node_key = format!("{}{}", keys::NODES, node.uuid);
    if let Some(before) = store.get::<NodeRecord>(&node_key).await? {
        return again(core, node, before).await.map(Some);
    }
    check_time(core, &token.value)?;
    check_free(store, node).await?;
    core.check_rules(node).await?;
    let use_key = free_use(store, &claim.token, &token.value).await?;
    let node = NodeRecord { token_use: Some(use_key.clone()), ..node.clone() };
    let lease = store.grant(core.record.join_seconds).await?;
    let mut when = vec![
        is_unchanged(token_key, token),
        is_absent(format!("{}{}", keys::TOMBSTONES, node.uuid)),
        is_absent(use_key.as_str()),
    ];
    when.extend(node_keys(&node).into_iter().map(is_absent));
    when.extend(core.rules(&node)?);
    let mut then = core.puts(&node, lease)?;
    then.push(core.audit(&node.uuid, "admitted")?);
    if store.commit(when, then).await?.is_some() {
        return Ok(Some(node));
    }
    store.revoke(lease).await?;
    Ok(None)
}

/// A node that has a place already: the same attempt gets it again.
async fn again(core: &Core, node: &NodeRecord, before: Held<NodeRecord>) -> Result<NodeRecord, Refusal> {
    if before.value.public_key != node.public_key || before.value.join != node.join {
        return Err(Refusal::new(
            Code::Taken,
            format!("the node {} is in the cluster already, by the name '{}'", node.uuid, before.value.name),
        ));
    }
    if before.lease != 0 && !core.store.keep(before.lease).await? {
        return Err(Refusal::new(Code::Unavailable, "the place of the last attempt ends now; try again"));
    }
    Ok(before.value)
}

async fn check_free(store: &Store, node: &NodeRecord) -> Result<(), Refusal> {
    for (prefix, what, value) in
        [(keys::NAMES, "name", &node.name), (keys::ADDRESSES, "address", &node.address)]
    {
        if let Some(other) = store.get::<String>(&format!("{prefix}{value}")).await? {
            let reason = format!(
                "the {what} '{value}' is that of the node {}; a node that is gone is removed by `firstboot node remove`",
                other.value
            );
            return Err(Refusal::new(Code::Taken, reason));
        }
    }
    Ok(())
}

/// The key of a use of the token that is free.
async fn free_use(store: &Store, id: &str, token: &TokenRecord) -> Result<String, Refusal> {
    let prefix = format!("{}{id}/", keys::USES);
    let (used, _) = store.list::<UseRecord>(&prefix).await?;
    let is_free = |number: &u32| !used.iter().any(|(key, _)| *key == number.to_string());
    let number = (0..token.uses).find(is_free).ok_or_else(|| {
        let names: Vec<&str> = used.iter().map(|(_, held)| held.value.node.as_str()).collect();
        Refusal::new(Code::Token, format!("the token is used up, by {}; make another one", names.join(", ")))
    })?;
    Ok(format!("{prefix}{number}"))
}

/// What a token's word for more roles of a node comes to: conditions and records of its use.
///
/// # Errors
///
/// When the token is none, or does not allow them.
pub async fn elevate(
    core: &Core,
    node: &NodeRecord,
    roles: &[String],
    proof: &TokenProof,
    exporter: &[u8; 32],
) -> Result<(Vec<Compare>, Vec<TxnOp>), Refusal> {
    let token_key = format!("{}{}", keys::TOKENS, proof.token);
    let unknown =
        || Refusal::new(Code::Token, "there is no such token here: it was never made, or it was revoked");
    let token: Held<TokenRecord> = core.store.get(&token_key).await?.ok_or_else(unknown)?;
    let decode = |text: &str| decode_base64(text).unwrap_or_default();
    let by_token = UnparsedPublicKey::new(&ED25519, decode(&token.value.public_key));
    if by_token.verify(&promotion(exporter, &node.uuid, roles), &decode(&proof.signature)).is_err() {
        return Err(Refusal::new(Code::Proof, "the token's signature is wrong"));
    }
    check_time(core, &token.value)?;
    if let Some(name) = token.value.name.as_ref().filter(|name| **name != node.name) {
        let reason = format!("the token is for the name '{name}', not for '{}'", node.name);
        return Err(Refusal::new(Code::Token, reason));
    }
    allow_core(core, roles, &token.value.roles)?;
    let use_key = free_use(&core.store, &proof.token, &token.value).await?;
    let record = UseRecord { node: node.uuid.clone(), join: node.join.clone() };
    let then = vec![store::put(use_key.as_str(), &record, 0)?];
    Ok((vec![is_unchanged(token_key, &token), is_absent(use_key)], then))
}

fn check_time(core: &Core, token: &TokenRecord) -> Result<(), Refusal> {
    if token.expires <= core.clock.now() {
        let late = core.clock.now() - token.expires;
        return Err(Refusal::new(Code::Token, format!("the token ended {late} s ago; make another one")));
    }
    Ok(())
}

/// Makes a place one for ever.
///
/// # Errors
///
/// When the place is gone.
pub async fn commit(core: &Core, node: &Held<NodeRecord>, join: &str) -> Result<Done, Refusal> {
    if node.value.join != join {
        return Err(Refusal::new(Code::Lease, "this place is that of another attempt"));
    }
    if node.value.state == NodeState::Member {
        return Ok(Done { revision: node.revision });
    }
    let member = NodeRecord { state: NodeState::Member, ..node.value.clone() };
    let key = format!("{}{}", keys::NODES, member.uuid);
    let mut then = core.puts(&member, 0)?;
    then.push(core.audit(&member.uuid, "joined")?);
    let revision = core.store.commit(vec![is_unchanged(key, node)], then).await?;
    // What hung on the lease was written without it, so it takes nothing along.
    if revision.is_some() && node.lease != 0 {
        core.store.revoke(node.lease).await?;
    }
    let gone = || Refusal::new(Code::Lease, "the place was not held long enough, and is gone; join again");
    Ok(Done { revision: revision.ok_or_else(gone)? })
}

/// Why a node that was removed is refused.
pub fn removed() -> Refusal {
    Refusal::new(Code::Removed, "this node was removed from the cluster; it may come back as a new one only")
}

/// The record of a use of a token.
pub fn use_record(node: &NodeRecord) -> UseRecord {
    UseRecord { node: node.uuid.clone(), join: node.join.clone() }
}

/// Removes all that a node has.
pub fn deletions(node: &NodeRecord) -> Vec<TxnOp> {
    let live = [keys::LIVE, keys::BOOTS].map(|prefix| format!("{prefix}{}", node.uuid));
    node_keys(node).into_iter().chain(live).map(store::delete).collect()
}
