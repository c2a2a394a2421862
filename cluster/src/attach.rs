//! `node attach`: a machine joins a cluster by a token.
//!
//! What the core says is looked at before anything here changes. Then the wish is on the disk, and each step that follows
//! may be cut: the same call goes on. Until the core has committed it, the place hangs on a lease and goes by itself.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use contract::encoding::encode_base64;
use contract::roles::Catalogue;
use rcgen::{PublicKeyData, SigningKey};
use serde::{Deserialize, Serialize};

use crate::channel::{Channel, Trust, Unreachable, refusal};
use crate::hold::Lease;
use crate::message::{
    Admit, Admitted, CLOCK_SKEW, Claim, ClusterView, Code, Done, PROTOCOLS, Request, Welcome, proof,
};
use crate::names::Names;
use crate::node::facts::facts;
use crate::node::roles::RoleRunner;
use crate::place::Place;
use crate::record::{self, Member};
use crate::setup::node_key;
use crate::token::Token;
use crate::{certificate, elevation, fence, paths, random, units};

/// How soon it is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// A connection that was silent for longer is not asked again: the core hangs up after two minutes.
const FRESH: Duration = Duration::from_secs(30);

/// What is asked for.
#[derive(Debug)]
pub struct Wish {
    /// What lets this machine in.
    pub token: Token,
    /// Roles and groups.
    pub roles: Vec<String>,
    /// The node's name.
    pub name: Option<String>,
}

/// A join that is under way. The token itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Join {
    node: String,
    join: String,
    token: String,
    name: String,
    roles: Vec<String>,
}

/// Joins; returns what this machine is then.
///
/// # Errors
///
/// Why it may not, or which step failed; the same call goes on from there.
pub fn run(place: &Place, wish: &Wish) -> Result<Member> {
    let seal = record::seal(place)?;
    if let Some(member) = Member::load(place)? {
        return already(place, member, wish);
    }
    ensure!(
        !place.exists(paths::CORE),
        "this machine is a core node already; `firstboot node reset` takes it out"
    );
    let catalogue = crate::roles::catalogue(place)?;
    catalogue.resolve(&wish.roles).map_err(anyhow::Error::msg)?;
    let name = wish.name.clone().map_or_else(|| place.host_name(), Ok)?;
    contract::name::check_host(&name).map_err(anyhow::Error::msg)?;
    let trust = Trust {
        pin: wish.token.pin,
        identity: None,
        names: Names::of(place),
        clock: std::sync::Arc::clone(&place.clock),
    };
    let mut channel = Channel::open(&wish.token.cores, &trust)?;
    let welcome = greet(place, &mut channel)?;
    // From here on things change.
    let join = journal(place, wish, &name)?;
    let admitted = ask(place, &mut channel, &welcome, &join, &wish.token)?;
    check(&admitted, &join, &wish.token, place)?;
    place.write(paths::AUTHORITY, &admitted.authority, 0o644)?;
    place.write(paths::NODE_CERTIFICATE, &admitted.certificate, 0o644)?;
    let member = Member {
        cluster: welcome.cluster,
        node: join.node.clone(),
        name: join.name.clone(),
        address: admitted.address.clone(),
        roles: admitted.roles.clone(),
        endpoints: admitted.endpoints,
        known: wish.token.cores.clone(),
        seal,
    };
    complete(place, &catalogue, &join, &member, admitted.lease)?;
    hold_store(place, &member)?;
    Ok(member)
}

/// Joins, and tries again for `seconds` while no core answers.
///
/// # Errors
///
/// As [`run`].
pub fn run_patiently(place: &Place, wish: &Wish, seconds: u64) -> Result<Member> {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        match run(place, wish) {
            Err(error) if Instant::now() < deadline && passes(&error) => {
                eprintln!("firstboot: {error:#}; it is tried again");
                std::thread::sleep(PAUSE);
            }
            other => return other,
        }
    }
}

/// Tells whether a failure may be gone in a moment: nobody answered, or the store did not.
fn passes(error: &anyhow::Error) -> bool {
    match refusal(error) {
        Some(refusal) => matches!(refusal.code, Code::Unavailable | Code::Lease),
        None => error.downcast_ref::<Unreachable>().is_some(),
    }
}

/// A node that joined already: the same wish is done, another one is not.
fn already(place: &Place, member: Member, wish: &Wish) -> Result<Member> {
    let pin = record::trust(place)?.pin;
    ensure!(
        pin == wish.token.pin,
        "this machine is a node of another cluster, {}; `firstboot node reset` takes it out",
        member.cluster
    );
    let wanted = crate::roles::catalogue(place)?.resolve(&wish.roles).map_err(anyhow::Error::msg)?;
    ensure!(
        wanted == member.roles,
        "this machine is a node already, with the roles {}; `firstboot role add` and `remove` change them",
        member.roles.join(", ")
    );
    // A crash may have come between the record and the agent.
    units::write(place, false)?;
    fence::open(place)?;
    start_agent(place)?;
    place.remove(paths::JOIN)?;
    hold_store(place, &member)?;
    Ok(member)
}

/// A node with the role of a core is done when the store has a place for it.
fn hold_store(place: &Place, member: &Member) -> Result<()> {
    if elevation::is_core(member) {
        elevation::run(place, member)
            .context("this machine is a node, and not yet one that holds the cluster")?;
    }
    Ok(())
}

/// Do we understand each other, and do we agree what time it is?
fn greet(place: &Place, channel: &mut Channel) -> Result<Welcome> {
    let welcome: Welcome = channel.ask(&Request::Hello { protocols: PROTOCOLS })?;
    let (low, high) = welcome.protocols;
    ensure!(
        low <= PROTOCOLS.1 && high >= PROTOCOLS.0,
        "the core ({}) speaks the versions {low} to {high} of the protocol, this machine ({}) {} to {}: use images of one version",
        welcome.version,
        env!("CARGO_PKG_VERSION"),
        PROTOCOLS.0,
        PROTOCOLS.1
    );
    let now = place.clock.now();
    let skew = welcome.time.abs_diff(now);
    if skew > CLOCK_SKEW {
        let which = if now > welcome.time { "ahead of" } else { "behind" };
        bail!(
            "this machine's clock is {skew} s {which} the core's; more than {CLOCK_SKEW} s are not taken: set the clock first"
        );
    }
    Ok(welcome)
}

/// Notes what is about to be done, or takes up what was.
fn journal(place: &Place, wish: &Wish, name: &str) -> Result<Join> {
    if let Some(join) = place.load::<Join>(paths::JOIN)?
        && join.token == wish.token.id
        && join.roles == wish.roles
        && join.name == name
    {
        return Ok(join);
    }
    let join = Join {
        node: random::uuid()?,
        join: random::uuid()?,
        token: wish.token.id.clone(),
        name: name.to_owned(),
        roles: wish.roles.clone(),
    };
    // A key serves one identity.
    place.remove(paths::NODE_KEY)?;
    place.save(paths::JOIN, &join)?;
    Ok(join)
}

fn ask(
    place: &Place,
    channel: &mut Channel,
    welcome: &Welcome,
    join: &Join,
    token: &Token,
) -> Result<Admitted> {
    let key = node_key(place)?;
    let claim = Claim {
        token: join.token.clone(),
        node: join.node.clone(),
        public_key: encode_base64(&key.subject_public_key_info()),
        join: join.join.clone(),
        name: join.name.clone(),
        roles: join.roles.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
    };
    let text = serde_json::to_string(&claim).context("rendering the claim")?;
    let bytes = proof(&channel.exporter(&welcome.cluster)?, &text);
    let by_node = key.sign(&bytes).context("signing by the node's key")?;
    let by_token = token.sign(&bytes)?;
    let admit = Admit { claim: text, by_token: encode_base64(&by_token), by_node: encode_base64(&by_node) };
    channel.ask(&Request::Admit(admit))
}

/// What came is for this node and of the pinned authority.
fn check(admitted: &Admitted, join: &Join, token: &Token, place: &Place) -> Result<()> {
    let authority = certificate::facts_of_pem(&admitted.authority)?;
    ensure!(
        certificate::pin(&authority.public_key) == token.pin,
        "the core sent another authority than its own"
    );
    let mine = certificate::facts_of_pem(&admitted.certificate)?;
    let is_mine = mine.common_name == format!("node:{}", join.node)
        && mine.public_key == node_key(place)?.subject_public_key_info();
    ensure!(is_mine, "the core sent the certificate of another node");
    admitted.endpoints.open(&admitted.authority)?;
    Ok(())
}

/// Starts the roles and commits. If that fails, the place is given back and what was started is stopped.
fn complete(place: &Place, catalogue: &Catalogue, join: &Join, member: &Member, seconds: u64) -> Result<()> {
    let mut channel = member.connect(place)?;
    let runner = RoleRunner { place, catalogue };
    // Units of roles start behind the fence only.
    fence::open(place)?;
    let lease = Lease { place, member, join: &join.join, seconds };
    let started = start(&runner, &mut channel, lease).and_then(|()| {
        let done: Done = channel.ask(&Request::Commit { join: join.join.clone() })?;
        Ok(done)
    });
    if let Err(error) = started {
        // Whether the core has heard of it: without an answer the lease gives the place back.
        let is_answered = refusal(&error).is_some_and(|refusal| refusal.code != Code::Unavailable)
            || error.downcast_ref::<RoleFailure>().is_some();
        if is_answered {
            // All of it is tried, and the first failure is the one to tell.
            if let Err(second) = runner.stop(&member.roles) {
                eprintln!("firstboot: {second:#}");
            }
            let _: Result<Done> = channel.ask(&Request::Leave);
            place.remove(paths::JOIN)?;
        }
        return Err(error);
    }
    place.save(paths::MEMBER, member)?;
    units::write(place, false)?;
    start_agent(place)?;
    place.remove(paths::JOIN)
}

fn start(runner: &RoleRunner<'_>, channel: &mut Channel, lease: Lease<'_>) -> Result<()> {
    for role in &lease.member.roles {
        let view: ClusterView = channel.ask(&Request::Nodes)?;
        let facts = facts(runner.place, &view, lease.member, runner.catalogue)?;
        let begun = Instant::now();
        lease.during(|| runner.start(role, &facts)).map_err(RoleFailure)?;
        if begun.elapsed() > FRESH {
            *channel = lease.member.connect(runner.place)?;
        }
        let _: Done = channel.ask(&Request::Hold { join: lease.join.to_owned() })?;
    }
    Ok(())
}

/// A role that did not start.
#[derive(Debug, thiserror::Error)]
#[error("{0:#}")]
struct RoleFailure(anyhow::Error);

fn start_agent(place: &Place) -> Result<()> {
    place.services.call(&["daemon-reload"], &[])?;
    place.services.call(&["enable", "--now"], &[units::FENCE, units::AGENT])
}
