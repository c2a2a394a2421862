//! One connection: who asks, what for, and whether they may.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result};
use contract::roles::CONTROLLER;
use serde_json::{Value, to_value};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::keys::{self, NodeRecord};
use super::store::Held;
use super::{Core, admission, beat, membership, places, readmission, tokens, uuid_of, view};
use crate::certificate::{self, Facts};
use crate::frame::{self, LIMIT, STRANGER_LIMIT};
use crate::message::{Answer, Code, EXPORTER_LABEL, PROTOCOLS, Refusal, Request, Welcome};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long somebody who is no node may be silent.
const STRANGER_SILENCE: Duration = Duration::from_secs(20);
/// How long a node may be silent.
const SILENCE: Duration = Duration::from_secs(120);

/// Serves one connection until it ends.
///
/// # Errors
///
/// When the peer does not keep to the protocol.
pub async fn serve(core: Arc<Core>, tls: TlsAcceptor, socket: TcpStream, peer: SocketAddr) -> Result<()> {
    socket.set_nodelay(true).context("setting up the connection")?;
    let accepted = tokio::time::timeout(HANDSHAKE, tls.accept(socket)).await;
    let mut stream = accepted.context("the handshake took too long")?.context("in the handshake")?;
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let facts = shown.map(|der| certificate::facts(der)).transpose()?;
    let (limit, silence) =
        if facts.is_some() { (LIMIT, SILENCE) } else { (STRANGER_LIMIT, STRANGER_SILENCE) };
    loop {
        let received = tokio::time::timeout(silence, frame::receive(&mut stream, limit)).await;
        let Some(body) = received.context("it was silent for too long")?? else { return Ok(()) };
        let answer = match answer(&core, &stream, facts.as_ref(), peer, &body).await {
            Ok(value) => Answer::Ok(value),
            Err(refusal) => Answer::Refused(refusal),
        };
        // Who does not read what it asked for holds a place no longer than who says nothing.
        let sent = tokio::time::timeout(silence, frame::send(&mut stream, &answer)).await;
        sent.context("it did not take its answer")??;
    }
}

async fn answer(
    core: &Core,
    stream: &TlsStream<TcpStream>,
    facts: Option<&Facts>,
    peer: SocketAddr,
    body: &[u8],
) -> Result<Value, Refusal> {
    let request: Request = serde_json::from_slice(body)
        .map_err(|error| Refusal::new(Code::Malformed, format!("the question is not understood: {error}")))?;
    match request {
        Request::Hello { protocols } => welcome(core, protocols).and_then(render),
        Request::Admit(wish) => {
            let exporter = exporter(core, stream)?;
            render(admission::admit(core, &wish, &exporter, peer.ip().to_canonical()).await?)
        }
        Request::Readmit { node, by_node } => {
            readmission::readmit(core, &node, &by_node, &exporter(core, stream)?).await.and_then(render)
        }
        Request::SetRoles { roles, by_token } => {
            let (node, exporter) = (identify(core, facts).await?, exporter(core, stream)?);
            let by_token = by_token.map(|proof| (proof, &exporter));
            membership::set_roles(core, &node, &roles, by_token).await.and_then(render)
        }
        Request::Beat(said) => {
            let node = identify(core, facts).await?;
            beat::note(core, &node, said, peer.ip().to_canonical()).await.and_then(render)
        }
        other => {
            let node = identify(core, facts).await?;
            for_node(core, &node, other).await
        }
    }
}

/// Keying material of this very connection.
fn exporter(core: &Core, stream: &TlsStream<TcpStream>) -> Result<[u8; 32], Refusal> {
    let context = Some(core.record.cluster.as_bytes());
    let exported = stream.get_ref().1.export_keying_material([0; 32], EXPORTER_LABEL, context);
    exported.map_err(|error| Refusal::new(Code::Proof, error.to_string()))
}

fn welcome(core: &Core, theirs: (u32, u32)) -> Result<Welcome, Refusal> {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let (low, high) = PROTOCOLS;
    if theirs.0 > high || theirs.1 < low {
        let reason = format!(
            "the core speaks the versions {low} to {high} of the protocol (firstboot {version}), this machine {} to {}: use images of one version",
            theirs.0, theirs.1
        );
        return Err(Refusal::new(Code::Version, reason));
    }
    let cluster = core.record.cluster.clone();
    let is_ready = core.is_ready.load(Ordering::Relaxed);
    Ok(Welcome { cluster, protocols: PROTOCOLS, version, time: core.clock.now(), is_ready })
}

/// Who asks: the certificate says which node, the store whether it is one and has this key.
async fn identify(core: &Core, facts: Option<&Facts>) -> Result<Held<NodeRecord>, Refusal> {
    let stranger = || Refusal::new(Code::Forbidden, "only nodes of the cluster may ask this");
    let facts = facts.ok_or_else(stranger)?;
    let uuid = uuid_of(facts).ok_or_else(stranger)?;
    let held = core.store.get::<NodeRecord>(&format!("{}{uuid}", keys::NODES)).await?;
    let Some(held) = held else {
        let tombstone = core.store.get::<Value>(&format!("{}{uuid}", keys::TOMBSTONES)).await?;
        return Err(match tombstone {
            Some(_) => admission::removed(),
            None => Refusal::new(Code::Lease, "this node's place was not held, and is gone; join again"),
        });
    };
    let key = contract::encoding::decode_base64(&held.value.public_key).unwrap_or_default();
    if key == facts.public_key { Ok(held) } else { Err(stranger()) }
}

async fn for_node(core: &Core, node: &Held<NodeRecord>, request: Request) -> Result<Value, Refusal> {
    let uuid = &node.value.uuid;
    match request {
        Request::Hold { join } => hold(core, node, &join).await.and_then(render),
        Request::Commit { join } => admission::commit(core, node, &join).await.and_then(render),
        Request::Renew => core.certify(&node.value).and_then(render),
        Request::Nodes => view::nodes(core).await.and_then(render),
        Request::Watch { revision, seconds } => view::next(core, revision, seconds).await.and_then(render),
        Request::Leave => membership::leave(core, node).await.and_then(render),
        Request::Rename { name } => membership::rename(core, node, &name).await.and_then(render),
        Request::CoreKit => places::kit(core, &node.value).and_then(render),
        Request::StorePlace => places::place(core, &node.value).await.and_then(render),
        Request::Move { address } => {
            only_controllers(node)?;
            places::relocate(core, node, address).await.and_then(render)
        }
        Request::CreateToken(wish) => {
            only_controllers(node)?;
            tokens::create(core, &wish, uuid).await.and_then(render)
        }
        Request::Tokens => {
            only_controllers(node)?;
            tokens::list(core).await.and_then(render)
        }
        Request::RevokeToken { id } => {
            only_controllers(node)?;
            tokens::revoke(core, &id, uuid).await.and_then(render)
        }
        Request::Remove { node: which } => {
            only_controllers(node)?;
            let which = membership::find(core, &which).await?;
            membership::remove(core, &which, uuid).await.and_then(render)
        }
        Request::Hello { .. }
        | Request::Admit(_)
        | Request::Readmit { .. }
        | Request::SetRoles { .. }
        | Request::Beat(_) => Err(Refusal::new(Code::Malformed, "this is asked otherwise")),
    }
}

/// What changes the cluster for others is asked on core nodes.
fn only_controllers(node: &Held<NodeRecord>) -> Result<(), Refusal> {
    if node.value.roles.iter().any(|role| role == CONTROLLER) {
        return Ok(());
    }
    let reason = format!("this is done on a node with the role '{CONTROLLER}', not on '{}'", node.value.name);
    Err(Refusal::new(Code::Forbidden, reason))
}

async fn hold(core: &Core, node: &Held<NodeRecord>, join: &str) -> Result<crate::message::Done, Refusal> {
    let is_held = node.value.join == join && (node.lease == 0 || core.store.keep(node.lease).await?);
    if is_held {
        return Ok(crate::message::Done { revision: node.revision });
    }
    Err(Refusal::new(Code::Lease, "the place was not held long enough, and is gone; join again"))
}

fn render(answer: impl serde::Serialize) -> Result<Value, Refusal> {
    to_value(answer).map_err(|error| Refusal::new(Code::Malformed, error.to_string()))
}
