//! `cored` itself: one thread that accepts connections.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use contract::state::Secret;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::keys::{self, NodeRecord};
use super::store::Store;
use super::{Core, CoreKeys, connection, duty, view};
use crate::authority::Authority;
use crate::clock::TlsTime;
use crate::message::ALPN;
use crate::place::Place;
use crate::{certificate, engine, paths, record, roles};

/// Most connections at once; each takes some 50 KiB.
const CONNECTIONS: usize = 256;
/// How often the own certificate is looked at.
const RENEWAL: Duration = Duration::from_secs(5);

/// Serves until it is killed.
///
/// # Errors
///
/// When this is no core node, the port is taken, or etcd stays away.
pub fn run(place: &Place) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the event loop")?;
    tokio::task::LocalSet::new().block_on(&runtime, serve(place))
}

async fn serve(place: &Place) -> Result<()> {
    let record: record::Core =
        place.load(paths::CORE)?.context("this is no core node: `firstboot node setup core` makes one")?;
    let listener = listen(record.port).await?;
    let keys = keys(place)?;
    let core = Arc::new(Core {
        store: Store::connect(place).await?,
        authority: Authority::load(place.require(paths::AUTHORITY)?, keys.authority.reveal())?,
        keys,
        is_ready: AtomicBool::new(false),
        record,
        catalogue: roles::catalogue(place)?,
        clock: Arc::clone(&place.clock),
        changed: watch::Sender::new(0),
    });
    let facts = certificate::facts_of_pem(&place.require(paths::NODE_CERTIFICATE)?)?;
    let shown = Arc::new(Shown(RwLock::new(Arc::new(certified(place)?))));
    let tls = TlsAcceptor::from(Arc::new(configuration(&core, Arc::clone(&shown))?));
    tokio::task::spawn_local(view::follow(Arc::clone(&core)));
    tokio::task::spawn_local(duty::run(Arc::clone(&core), facts.public_key));
    println!("firstboot: cored serves the cluster {} on port {}", core.record.cluster, core.record.port);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut renewal = tokio::time::interval(RENEWAL);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => accept(&core, &tls, &places, socket, peer),
                Err(error) => {
                    eprintln!("firstboot: accepting a connection: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            _ = renewal.tick() => if let Err(error) = renew(place, &core, &shown).await {
                eprintln!("firstboot: renewing the core's certificate: {error:#}");
            },
        }
    }
}

/// Serves a connection beside the others, if there is room for one more.
fn accept(core: &Arc<Core>, tls: &TlsAcceptor, places: &Arc<Semaphore>, socket: TcpStream, peer: SocketAddr) {
    let Ok(permit) = Arc::clone(places).try_acquire_owned() else {
        eprintln!("firstboot: {peer} is turned away: {CONNECTIONS} connections are open");
        return;
    };
    let (core, tls) = (Arc::clone(core), tls.clone());
    tokio::task::spawn_local(async move {
        if let Err(error) = connection::serve(core, tls, socket, peer).await {
            eprintln!("firstboot: {}: {error:#}", peer.ip().to_canonical());
        }
        drop(permit);
    });
}

/// On all addresses of both families; where there is no IPv6, on those of IPv4.
async fn listen(port: u16) -> Result<TcpListener> {
    let naming = || format!("listening on port {port}");
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Err(error) if error.kind() != std::io::ErrorKind::AddrInUse => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await.with_context(naming)
        }
        other => other.with_context(naming),
    }
}

/// What the next core node is given.
fn keys(place: &Place) -> Result<CoreKeys> {
    Ok(CoreKeys {
        authority: Secret::new(place.require(paths::AUTHORITY_KEY)?),
        store_certificate: place.require(engine::AUTHORITY)?,
        store_authority: Secret::new(place.require(engine::AUTHORITY_KEY)?),
    })
}

fn configuration(core: &Core, shown: Arc<Shown>) -> Result<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(certificate::certificate(&core.authority.certificate)?).context("trusting the authority")?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()
        .context("trusting nodes")?;
    let time = Arc::new(TlsTime(Arc::clone(&core.clock)));
    let mut configuration = ServerConfig::builder_with_details(provider, time)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .context("setting up TLS")?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(shown);
    configuration.alpn_protocols = vec![ALPN.to_vec()];
    // Proofs are bound to whole handshakes, and a node that was removed must not come back by an old one.
    configuration.send_tls13_tickets = 0;
    Ok(configuration)
}

/// The certificate that is shown, which may be replaced while others are asked for.
#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.read().ok().map(|key| Arc::clone(&key))
    }
}

/// The node's certificate, and the authority's, by which a machine with a token knows it.
fn certified(place: &Place) -> Result<CertifiedKey> {
    let chain = vec![
        certificate::certificate(&place.require(paths::NODE_CERTIFICATE)?)?,
        certificate::certificate(&place.require(paths::AUTHORITY)?)?,
    ];
    let key = certificate::private_key(&place.require(paths::NODE_KEY)?)?;
    let key = rustls::crypto::ring::sign::any_supported_type(&key)
        .map_err(|error| anyhow!("taking the node's key: {error}"))?;
    Ok(CertifiedKey::new(chain, key))
}

/// Makes the core's own certificate anew in time, and shows one that came otherwise, after a rename for example.
async fn renew(place: &Place, core: &Core, shown: &Shown) -> Result<()> {
    let facts = certificate::facts_of_pem(&place.require(paths::NODE_CERTIFICATE)?)?;
    if facts.renew_at() <= core.clock.now() {
        let key = format!("{}{}", keys::NODES, core.record.node);
        if let Some(held) = core.store.get::<NodeRecord>(&key).await? {
            place.write(paths::NODE_CERTIFICATE, &core.certify(&held.value)?, 0o644)?;
        }
    }
    let next = Arc::new(certified(place)?);
    *shown.0.write().map_err(|_| anyhow!("another thread ended while it had it"))? = next;
    Ok(())
}
