//! `node …`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use clap::{Args, Subcommand};

use super::{parse_seconds, show};
use crate::address::{CoreAddress, PORT};
use crate::channel::refusal;
use crate::message::{ClusterView, Code, Done, Request};
use crate::node::{agent, firewall};
use crate::place::{Place, PlaceArguments};
use crate::record::Member;
use crate::token::Token;
use crate::{attach, fence, migration, paths, roles, setup, units};

/// The longest life of a node's certificate, seconds: as long as those of etcd, which its node's removal does not end.
const LONGEST_LIFE: u64 = 3650 * 24 * 60 * 60;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make this machine the first node of a cluster
    Setup {
        /// What to set up
        #[command(subcommand)]
        what: Setup,
    },
    /// Make this machine a node, by a token
    Attach(Attach),
    /// Say whether a layout of nodes and roles can be, before anything is started
    Plan {
        /// The layout
        #[arg(value_name = "LAYOUT.yaml")]
        layout: PathBuf,
        /// Which machine's roles
        #[command(flatten)]
        place: PlaceArguments,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show all nodes
    List {
        /// Which machine
        #[command(flatten)]
        place: PlaceArguments,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what this node is
    Info {
        /// Which machine
        #[command(flatten)]
        place: PlaceArguments,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the versions of this program and of the protocol
    Version,
    /// Give this node another name in the cluster
    Rename {
        /// The full name, or the host name alone
        #[arg(value_name = "FQDN")]
        name: String,
        /// Which machine
        #[command(flatten)]
        place: PlaceArguments,
    },
    /// Take up a new address of this machine: of a core node it is written wherever others look for it. On another node, ask
    /// the core at --core, when it moved while this node was off
    Migrate {
        /// The new address of this core node
        #[arg(value_name = "ADDRESS", required_unless_present = "core")]
        address: Option<IpAddr>,
        /// Where a core node is now
        #[arg(long, value_name = "ADDRESS", conflicts_with = "address")]
        core: Option<CoreAddress>,
        /// Which machine
        #[command(flatten)]
        place: PlaceArguments,
    },
    /// Take another node out for ever; on a controller
    Remove {
        /// Its name, address or UUID
        #[arg(value_name = "NODE")]
        node: String,
        /// Which machine
        #[command(flatten)]
        place: PlaceArguments,
    },
    /// Take this node out of its cluster
    Detach {
        /// Which machine
        #[command(flatten)]
        place: PlaceArguments,
    },
    /// Forget the cluster, without asking it
    Reset {
        /// Which machine
        #[command(flatten)]
        place: PlaceArguments,
        /// Says that this is meant
        #[arg(long)]
        yes: bool,
    },
    /// Keep this node alive in the cluster; started by firstboot-node.service
    #[command(hide = true)]
    Agent {
        /// Which machine
        #[command(flatten)]
        place: PlaceArguments,
    },
    /// Compare this machine with the one that joined; started by firstboot-fence.service
    #[command(hide = true)]
    Fence {
        /// Which machine
        #[command(flatten)]
        place: PlaceArguments,
    },
}

/// What to set up.
#[derive(Debug, Subcommand)]
pub enum Setup {
    /// The core of a new cluster: its authority, its store, and the service that other nodes ask
    Core(SetupCore),
}

/// How.
#[derive(Debug, Args)]
pub struct SetupCore {
    /// The name under which the cluster's users know it; no node has this name
    #[arg(value_name = "ENDPOINT")]
    endpoint: String,
    /// The node's name; else the machine's
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The address under which other nodes reach it; else the machine's only one
    #[arg(long, value_name = "ADDRESS")]
    address: Option<IpAddr>,
    /// The port that other nodes ask
    #[arg(long, value_name = "PORT", default_value_t = PORT, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Roles beside controller and primary; else router, where the image has it
    #[arg(short = 'e', long, value_name = "ROLE", value_delimiter = ',')]
    role: Vec<String>,
    /// How long a node's certificate holds; it is renewed a third of this before its end
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = parse_life)]
    certificate_life: u64,
    /// How long a machine that joins may be silent before it loses its place
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = parse_seconds)]
    join_life: u64,
    /// Which machine
    #[command(flatten)]
    place: PlaceArguments,
}

/// How.
#[derive(Debug, Args)]
pub struct Attach {
    /// What `firstboot token create` printed
    #[arg(long, value_name = "TOKEN", env = "FIRSTBOOT_TOKEN", hide_env_values = true)]
    token: String,
    /// Roles and groups of roles
    #[arg(short = 'e', long, value_name = "ROLE", value_delimiter = ',', required = true)]
    role: Vec<String>,
    /// The node's name; else the machine's
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Try for this long while no core answers
    #[arg(long, value_name = "TIME", value_parser = parse_seconds)]
    wait: Option<u64>,
    /// Which machine
    #[command(flatten)]
    place: PlaceArguments,
}

/// Reads how long certificates hold.
fn parse_life(text: &str) -> Result<u64, String> {
    let seconds = parse_seconds(text)?;
    if seconds > LONGEST_LIFE {
        return Err("a node's certificate holds for ten years (3650d) at most".into());
    }
    Ok(seconds)
}

/// Does what the command line says.
///
/// # Errors
///
/// Why it is not done.
pub fn run(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::Setup { what: Setup::Core(arguments) } => setup_core(arguments),
        Verb::Attach(arguments) => attach_node(arguments),
        Verb::Plan { layout, place, json } => show::plan(&Place::open(&place)?, &layout, json),
        Verb::List { place, json } => show::nodes(&Place::open(&place)?, json),
        Verb::Info { place, json } => show::info(&Place::open(&place)?, json),
        Verb::Version => {
            let (low, high) = crate::message::PROTOCOLS;
            println!("firstboot {}, protocol {low} to {high}", env!("CARGO_PKG_VERSION"));
            Ok(ExitCode::SUCCESS)
        }
        Verb::Rename { name, place } => rename(&Place::open(&place)?, &name),
        Verb::Migrate { address, core, place } => migrate(&Place::open(&place)?, address, core),
        Verb::Remove { node, place } => remove(&Place::open(&place)?, node),
        Verb::Detach { place } => detach(&Place::open(&place)?),
        Verb::Reset { place, yes } => reset(&Place::open(&place)?, yes),
        Verb::Agent { place } => agent::run(&Place::open(&place)?).map(|()| ExitCode::SUCCESS),
        Verb::Fence { place } => {
            match fence::check(&Place::open(&place)?)? {
                fence::Fence::Open => println!("firstboot: this is the machine that joined"),
                fence::Fence::Empty => println!("firstboot: this machine is in no cluster"),
                fence::Fence::Quarantined(target) => println!(
                    "firstboot: this machine is another one than joined the cluster; what it had of it is in '{target}'"
                ),
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn setup_core(arguments: SetupCore) -> Result<ExitCode> {
    let place = Place::open(&arguments.place)?;
    let member = setup::run(
        &place,
        &setup::Wish {
            endpoint: arguments.endpoint,
            name: arguments.name,
            address: arguments.address,
            port: arguments.port,
            roles: arguments.role,
            certificate_seconds: arguments.certificate_life,
            join_seconds: arguments.join_life,
        },
    )?;
    println!(
        "{} is the core of the cluster {}, with the roles {}",
        member.name,
        member.cluster,
        member.roles.join(", ")
    );
    Ok(ExitCode::SUCCESS)
}

fn attach_node(arguments: Attach) -> Result<ExitCode> {
    let place = Place::open(&arguments.place)?;
    let token: Token = arguments.token.parse().map_err(|why: String| anyhow!(why))?;
    let wish = attach::Wish { token, roles: arguments.role, name: arguments.name };
    let member = attach::run_patiently(&place, &wish, arguments.wait.unwrap_or_default())?;
    println!(
        "{} is a node of the cluster {}, with the roles {}",
        member.name,
        member.cluster,
        member.roles.join(", ")
    );
    Ok(ExitCode::SUCCESS)
}

fn rename(place: &Place, name: &str) -> Result<ExitCode> {
    let member = Member::require(place)?;
    let mut channel = member.connect(place)?;
    let _: Done = channel.ask(&Request::Rename { name: name.to_owned() })?;
    let text: String = channel.ask(&Request::Renew)?;
    place.write(paths::NODE_CERTIFICATE, &text, 0o644)?;
    Member::update(place, |member| member.name = name.to_owned())?;
    println!("this node is called {name}; `firstboot rename {name}` gives the machine the same name");
    Ok(ExitCode::SUCCESS)
}

fn migrate(place: &Place, address: Option<IpAddr>, core: Option<CoreAddress>) -> Result<ExitCode> {
    let moved = match (address, core) {
        (Some(address), _) => migration::of_core(place, address)?,
        (None, Some(core)) => migration::of_node(place, &core)?,
        (None, None) => bail!("say the new address of this core node, or by --core where a core node is"),
    };
    let cores: Vec<String> = moved.cores.iter().map(ToString::to_string).collect();
    println!("core nodes are asked at {} (epoch {})", cores.join(", "), moved.epoch);
    Ok(ExitCode::SUCCESS)
}

fn remove(place: &Place, node: String) -> Result<ExitCode> {
    let mut channel = Member::require(place)?.connect(place)?;
    let before: ClusterView = channel.ask(&Request::Nodes)?;
    let _: Done = channel.ask(&Request::Remove { node: node.clone() })?;
    let gone = before.nodes.iter().find(|one| [&one.uuid, &one.name, &one.address].contains(&&node));
    let shown = gone.map_or(node, |one| format!("{} ({}, {})", one.name, one.address, one.uuid));
    println!("{shown} is no node any more; it fences itself when it hears of it");
    Ok(ExitCode::SUCCESS)
}

fn detach(place: &Place) -> Result<ExitCode> {
    let member = Member::require(place)?;
    // A core node cannot take itself out of the store.
    let mut channel =
        if place.exists(paths::CORE) { member.connect_elsewhere(place) } else { member.connect(place) }?;
    let left: Result<Done> = channel.ask(&Request::Leave);
    // A run that was cut has left already.
    match left {
        Err(error) if refusal(&error).is_none_or(|refusal| refusal.code != Code::Removed) => {
            return Err(error);
        }
        _ => {}
    }
    let target = forget(place, &member)?;
    println!("this machine is no node any more; what it had of the cluster is in '{target}'");
    Ok(ExitCode::SUCCESS)
}

fn reset(place: &Place, yes: bool) -> Result<ExitCode> {
    if !yes {
        bail!("this forgets the cluster, and on a core node its store; say --yes if that is meant");
    }
    let Some(member) = Member::load(place)? else {
        if place.exists(paths::CORE) {
            place.services.call(&["disable", "--now"], &[units::CORED, units::ENGINE])?;
        }
        place.remove(paths::JOIN)?;
        let target = fence::quarantine(place)?;
        println!("this machine is in no cluster; what it had of one is in '{target}'");
        return Ok(ExitCode::SUCCESS);
    };
    let target = forget(place, &member)?;
    println!("this machine is in no cluster; what it had of one is in '{target}'");
    Ok(ExitCode::SUCCESS)
}

/// Stops what belongs to the cluster and moves its files away.
fn forget(place: &Place, member: &Member) -> Result<String> {
    let disable = |units: &[&str]| place.services.call(&["disable", "--now"], units);
    let mut tried = vec![disable(&[units::AGENT])];
    if place.exists(paths::CORE) {
        tried.push(disable(&[units::CORED, units::ENGINE]));
    }
    tried.push(roles::catalogue(place).and_then(|catalogue| {
        crate::node::roles::RoleRunner { place, catalogue: &catalogue }.stop(&member.roles)
    }));
    // What does not stop keeps nobody in a cluster.
    for problem in tried.into_iter().filter_map(Result::err) {
        eprintln!("firstboot: {problem:#}");
    }
    firewall::remove();
    fence::quarantine(place)
}
