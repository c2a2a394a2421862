//! `node setup core`: the first node of a cluster. Each step holds or is made, so a run that was cut goes on.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use contract::roles::{CONTROLLER, PRIMARY};
use rcgen::{KeyPair, PublicKeyData};

use crate::address::CoreAddress;
use crate::authority::{self, Authority, Subject};
use crate::channel::Channel;
use crate::message::{ClusterView, Request, SERVER_NAME, Welcome};
use crate::node::facts::facts;
use crate::node::roles::RoleRunner;
use crate::place::Place;
use crate::record::{self, Core, Member};
use crate::{certificate, engine, fence, paths, random, roles, units};

/// How long the new core may take to answer.
const START: Duration = Duration::from_secs(60);

/// What is asked for.
#[derive(Debug)]
pub struct Wish {
    /// The cluster's own name.
    pub endpoint: String,
    /// The node's name.
    pub name: Option<String>,
    /// The address under which other nodes reach it.
    pub address: Option<IpAddr>,
    /// The port of `cored`.
    pub port: u16,
    /// Roles beside those of every core.
    pub roles: Vec<String>,
    /// How long certificates of nodes hold, seconds.
    pub certificate_seconds: u64,
    /// How long a join may be silent, seconds.
    pub join_seconds: u64,
}

/// Makes this machine the core of a new cluster; returns what it is then.
///
/// # Errors
///
/// When it is in a cluster already, or a step fails; another run goes on from there.
pub fn run(place: &Place, wish: &Wish) -> Result<Member> {
    contract::name::check_host(&wish.endpoint).map_err(anyhow::Error::msg)?;
    let seal = record::seal(place)?;
    let core = match (place.load::<Core>(paths::CORE)?, Member::load(place)?) {
        (Some(core), member) => {
            ensure!(
                core.endpoint == wish.endpoint,
                "this machine is the core of the cluster '{}' already; `firstboot node reset` takes it out",
                core.endpoint
            );
            ensure!(
                core.seal == seal,
                "another machine became a core on this disk; `firstboot node reset` takes it out"
            );
            if let Some(member) = member {
                // A crash may have come between the record and the agent.
                start_agent(place)?;
                start_roles(place, &member)?;
                return Ok(member);
            }
            core
        }
        (None, Some(_)) => bail!("this machine is a node already; `firstboot node reset` takes it out"),
        (None, None) => begin(place, wish, &seal)?,
    };
    certify(place, &core)?;
    engine::prepare(place, &core)?;
    engine::create_data_folder(place)?;
    units::write(place, true)?;
    fence::open(place)?;
    place.services.call(&["daemon-reload"], &[])?;
    place.services.call(&["enable", "--now"], &[units::FENCE, units::ENGINE, units::CORED])?;
    let view = wait(place, &core)?;
    let member = Member {
        cluster: core.cluster.clone(),
        node: core.node.clone(),
        name: core.name.clone(),
        address: core.address.clone(),
        roles: core.roles.clone(),
        endpoints: view.endpoints,
        known: Vec::new(),
        seal,
    };
    place.save(paths::MEMBER, &member)?;
    start_agent(place)?;
    start_roles(place, &member)?;
    Ok(member)
}

/// Starts the roles that the core has beside its own. One that does not start leaves the cluster as it is.
fn start_roles(place: &Place, member: &Member) -> Result<()> {
    let catalogue = roles::catalogue(place)?;
    let view: ClusterView = member.connect(place)?.ask(&Request::Nodes)?;
    let facts = facts(place, &view, member, &catalogue)?;
    let runner = RoleRunner { place, catalogue: &catalogue };
    member.roles.iter().try_for_each(|role| runner.start(role, &facts)).context(
        "the cluster is there, but a role of its core is not well; `firstboot role start` tries it again",
    )
}

fn start_agent(place: &Place) -> Result<()> {
    place.services.call(&["enable", "--now"], &[units::AGENT])
}

/// Decides who this core is; from then on it does not change.
fn begin(place: &Place, wish: &Wish, seal: &str) -> Result<Core> {
    let name = wish.name.clone().map_or_else(|| place.host_name(), Ok)?;
    contract::name::check_host(&name).map_err(anyhow::Error::msg)?;
    let address = wish.address.map_or_else(only_address, Ok)?;
    let catalogue = roles::catalogue(place)?;
    let mut wanted = vec![CONTROLLER.to_owned(), PRIMARY.to_owned()];
    wanted.extend(wish.roles.iter().cloned());
    if wish.roles.is_empty() && catalogue.get("router").is_some() {
        wanted.push("router".into());
    }
    let roles = catalogue.resolve(&wanted).map_err(anyhow::Error::msg)?;
    let core = Core {
        cluster: random::uuid()?,
        node: random::uuid()?,
        name,
        address: address.to_string(),
        port: wish.port,
        endpoint: wish.endpoint.clone(),
        roles,
        certificate_seconds: wish.certificate_seconds,
        join_seconds: wish.join_seconds,
        joined: false,
        seal: seal.to_owned(),
    };
    place.save(paths::CORE, &core)?;
    Ok(core)
}

/// The machine's only address beside loopback.
///
/// # Errors
///
/// When it has none, or several.
pub fn only_address() -> Result<IpAddr> {
    let is_usable = |address: &IpAddr| match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_link_local(),
        IpAddr::V6(_) => false,
    };
    let all = host::addresses::load().context("looking at this machine's addresses")?;
    let mut found: Vec<IpAddr> = all.iter().map(|one| one.address).filter(is_usable).collect();
    found.dedup();
    match found[..] {
        [one] => Ok(one),
        [] => bail!("this machine has no address that other nodes could reach; say which by --address"),
        _ => {
            let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
            bail!("this machine has several addresses ({}); say which by --address", shown.join(", "))
        }
    }
}

/// The authority, the node's key and its certificate.
fn certify(place: &Place, core: &Core) -> Result<()> {
    let now = place.clock.now();
    let authority = match (place.read(paths::AUTHORITY)?, place.read(paths::AUTHORITY_KEY)?) {
        (Some(certificate), Some(key)) => Authority::load(certificate, &key)?,
        _ => {
            let (key, authority) = Authority::create(&format!("firstboot cluster {}", core.cluster), now)?;
            place.write(paths::AUTHORITY_KEY, &key, 0o600)?;
            place.write(paths::AUTHORITY, &authority.certificate, 0o644)?;
            authority
        }
    };
    let key = node_key(place)?;
    if place.exists(paths::NODE_CERTIFICATE) {
        return Ok(());
    }
    let mut names = vec![core.name.clone(), core.address.clone(), SERVER_NAME.into(), core.endpoint.clone()];
    names.dedup();
    let common_name = format!("node:{}", core.node);
    let subject =
        Subject { common_name: &common_name, names, is_server: true, seconds: core.certificate_seconds };
    place.write(paths::NODE_CERTIFICATE, &authority.issue(&subject, &key, now)?, 0o644)
}

/// The node's key, made once.
///
/// # Errors
///
/// When it cannot be read or written.
pub fn node_key(place: &Place) -> Result<KeyPair> {
    if !place.exists(paths::NODE_KEY) {
        place.write(paths::NODE_KEY, &authority::make_key()?, 0o600)?;
    }
    let key = KeyPair::from_pem(&place.require(paths::NODE_KEY)?);
    key.with_context(|| format!("reading '{}'", paths::NODE_KEY))
}

/// Waits until the core answers as this cluster.
fn wait(place: &Place, core: &Core) -> Result<ClusterView> {
    let here = [CoreAddress { host: core.address.clone(), port: core.port }];
    let deadline = Instant::now() + START;
    loop {
        match ask(place, &here, core) {
            Ok(view) => return Ok(view),
            Err(error) if Instant::now() > deadline => {
                return Err(error.context(format!(
                    "the new core does not answer; see `journalctl -u {} -u {}`",
                    units::CORED,
                    units::ENGINE
                )));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

fn ask(place: &Place, here: &[CoreAddress], core: &Core) -> Result<ClusterView> {
    let mut channel = Channel::open(here, &record::trust(place)?)?;
    let welcome: Welcome = channel.ask(&Request::Hello { protocols: crate::message::PROTOCOLS })?;
    ensure!(welcome.cluster == core.cluster, "another cluster answers at {}", here[0]);
    let view: ClusterView = channel.ask(&Request::Nodes)?;
    let node = KeyPair::from_pem(&place.require(paths::NODE_KEY)?).context("reading the node's key")?;
    let shown = certificate::facts_of_pem(&place.require(paths::NODE_CERTIFICATE)?)?;
    ensure!(node.subject_public_key_info() == shown.public_key, "the node's certificate is of another key");
    Ok(view)
}
