//! `role …`.

use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, ensure};
use clap::{Args, Subcommand};
use contract::encoding::encode_base64;
use contract::roles::{CONTROLLER, Catalogue};

use crate::channel::Channel;
use crate::message::{ClusterView, Done, Request, TokenProof, promotion};
use crate::node::facts::facts;
use crate::node::roles::RoleRunner;
use crate::place::{Place, PlaceArguments};
use crate::record::Member;
use crate::token::Token;
use crate::{elevation, paths, roles};

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show the roles of this image, and which this node has
    List {
        /// Which machine
        #[command(flatten)]
        place: PlaceArguments,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show all that a role is
    Info {
        /// Its name
        #[arg(value_name = "ROLE")]
        role: String,
        /// Which machine
        #[command(flatten)]
        place: PlaceArguments,
    },
    /// Give this node roles
    Add(Change),
    /// Take roles from this node
    Remove(Change),
    /// Start roles that this node has
    Start(Named),
    /// Stop roles that this node has; they stay its roles
    Stop(Named),
}

/// Which roles.
#[derive(Debug, Args)]
pub struct Change {
    /// Roles and groups of roles
    #[arg(value_name = "ROLE", required_unless_present = "all_but")]
    roles: Vec<String>,
    /// All roles of the image but these
    #[arg(long, value_name = "ROLE", value_delimiter = ',', conflicts_with = "roles")]
    all_but: Vec<String>,
    /// What `firstboot token create -e controller` printed; the role controller is taken by a token only
    #[arg(long, value_name = "TOKEN", env = "FIRSTBOOT_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Say what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Which machine
    #[command(flatten)]
    place: PlaceArguments,
}

/// Which roles.
#[derive(Debug, Args)]
pub struct Named {
    /// Roles and groups of roles
    #[arg(value_name = "ROLE", required = true)]
    roles: Vec<String>,
    /// Which machine
    #[command(flatten)]
    place: PlaceArguments,
}

/// Does what the command line says.
///
/// # Errors
///
/// Why it is not done.
pub fn run(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::List { place, json } => list(&Place::open(&place)?, json)?,
        Verb::Info { role, place } => {
            let catalogue = roles::catalogue(&Place::open(&place)?)?;
            catalogue.expand(std::slice::from_ref(&role)).map_err(|why| anyhow!(why))?;
            let role = catalogue.get(&role).with_context(|| format!("'{role}' is a group of roles"))?;
            println!("{}", serde_json::to_string_pretty(role).context("rendering the role")?);
        }
        Verb::Add(change) => change_roles(&change, true)?,
        Verb::Remove(change) => change_roles(&change, false)?,
        Verb::Start(named) => start_or_stop(&named, true)?,
        Verb::Stop(named) => start_or_stop(&named, false)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(place: &Place, json: bool) -> Result<()> {
    let catalogue = roles::catalogue(place)?;
    let has = Member::load(place)?.map(|member| member.roles).unwrap_or_default();
    if json {
        let all: Vec<_> = catalogue
            .roles()
            .map(|role| serde_json::json!({"name": role.name, "assigned": has.contains(&role.name), "groups": role.groups, "description": role.description}))
            .collect();
        println!("{}", serde_json::to_string_pretty(&all).context("rendering the roles")?);
        return Ok(());
    }
    for role in catalogue.roles() {
        let mark = if has.contains(&role.name) { "*" } else { " " };
        let groups =
            if role.groups.is_empty() { String::new() } else { format!(" ({})", role.groups.join(", ")) };
        println!("{mark} {}{groups}  {}", role.name, role.description);
    }
    Ok(())
}

/// The roles that a node has after a change.
fn wanted(catalogue: &Catalogue, has: &[String], change: &Change, adds: bool) -> Result<Vec<String>, String> {
    let meant = match &change.all_but[..] {
        [] => catalogue.expand(&change.roles)?,
        but => {
            let but = catalogue.expand(but)?;
            // The cluster's own roles are had from the start, or never.
            let own = [contract::roles::CONTROLLER, contract::roles::PRIMARY];
            let all = catalogue.roles().map(|role| role.name.clone());
            all.filter(|role| !but.contains(role) && !own.contains(&role.as_str())).collect()
        }
    };
    if adds {
        let all: Vec<String> = has.iter().cloned().chain(meant).collect();
        return catalogue.resolve(&all);
    }
    let left: Vec<String> = has.iter().filter(|role| !meant.contains(*role)).cloned().collect();
    for role in &left {
        let needed =
            catalogue.get(role).iter().flat_map(|role| &role.requires).find(|need| meant.contains(*need));
        if let Some(needed) = needed {
            return Err(format!("'{role}' stays on this node and requires '{needed}': remove it as well"));
        }
    }
    if left.is_empty() {
        return Err(
            "a node has at least one role; `firstboot node detach` takes it out of the cluster".into()
        );
    }
    catalogue.resolve(&left)
}

fn change_roles(change: &Change, adds: bool) -> Result<()> {
    let place = Place::open(&change.place)?;
    let (member, catalogue) = (Member::require(&place)?, roles::catalogue(&place)?);
    let next = wanted(&catalogue, &member.roles, change, adds).map_err(|why| anyhow!(why))?;
    let begin: Vec<String> = next.iter().filter(|role| !member.roles.contains(role)).cloned().collect();
    let end: Vec<String> = member.roles.iter().filter(|role| !next.contains(role)).cloned().collect();
    if begin.is_empty() && end.is_empty() {
        println!("nothing to change");
        return Ok(());
    }
    let verb = |done: &str, would: &str| if change.dry_run { would.to_owned() } else { done.to_owned() };
    let say = || {
        begin.iter().for_each(|role| println!("{} {role}", verb("started", "would start")));
        end.iter().for_each(|role| println!("{} {role}", verb("stopped", "would stop")));
    };
    if change.dry_run {
        say();
        return Ok(());
    }
    let token = change.token.as_deref().map(str::parse).transpose();
    let token: Option<Token> = token.map_err(|why: String| anyhow!(why))?;
    apply(&place, &catalogue, &member, next, &begin, &end, token.as_ref())?;
    say();
    Ok(())
}

/// The cluster first: who asks for what cannot be changes nothing. If a role does not start, all is as before.
fn apply(
    place: &Place,
    catalogue: &Catalogue,
    member: &Member,
    next: Vec<String>,
    begin: &[String],
    end: &[String],
    token: Option<&Token>,
) -> Result<()> {
    let ends = end.iter().any(|role| role == CONTROLLER);
    // A core node cannot take itself out of the store.
    let mut channel = if ends { member.connect_elsewhere(place)? } else { member.connect(place)? };
    let by_token = token.map(|token| prove(&channel, member, &next, token)).transpose()?;
    let _: Done = channel.ask(&Request::SetRoles { roles: next.clone(), by_token })?;
    let changed = Member { roles: next, ..member.clone() };
    let runner = RoleRunner { place, catalogue };
    let started = channel
        .ask(&Request::Nodes)
        .and_then(|view: ClusterView| facts(place, &view, &changed, catalogue))
        .and_then(|facts| begin.iter().try_for_each(|role| runner.start(role, &facts)));
    if let Err(error) = started {
        return Err(match give_back(place, &runner, member, begin) {
            Ok(()) => error.context("this node has the roles that it had before"),
            Err(second) => error
                .context(format!("and going back failed as well: {second:#}; run the same command again")),
        });
    }
    runner.stop(end)?;
    if ends {
        elevation::undo(place)?;
        let text: String = channel.ask(&Request::Renew)?;
        place.write(paths::NODE_CERTIFICATE, &text, 0o644)?;
    }
    // Last: until this is written the same command does all of it again.
    let changed = Member::update(place, |member| member.roles = changed.roles)?;
    if begin.iter().any(|role| role == CONTROLLER) {
        elevation::run(place, &changed)?;
    }
    Ok(())
}

/// The token's word for these roles of this node, on this connection.
fn prove(channel: &Channel, member: &Member, roles: &[String], token: &Token) -> Result<TokenProof> {
    let bytes = promotion(&channel.exporter(&member.cluster)?, &member.node, roles);
    Ok(TokenProof { token: token.id.clone(), signature: encode_base64(&token.sign(&bytes)?) })
}

/// Stops what was started and tells the cluster, on a new connection: the first one may have been silent for too long.
fn give_back(place: &Place, runner: &RoleRunner<'_>, member: &Member, begun: &[String]) -> Result<()> {
    let stopped = runner.stop(begun);
    let _: Done =
        member.connect(place)?.ask(&Request::SetRoles { roles: member.roles.clone(), by_token: None })?;
    stopped
}

fn start_or_stop(named: &Named, starts: bool) -> Result<()> {
    let place = Place::open(&named.place)?;
    let (member, catalogue) = (Member::require(&place)?, roles::catalogue(&place)?);
    let meant = catalogue.expand(&named.roles).map_err(|why| anyhow!(why))?;
    for role in &meant {
        ensure!(
            member.roles.contains(role),
            "this node has not the role '{role}'; `firstboot role add` gives it"
        );
    }
    let runner = RoleRunner { place: &place, catalogue: &catalogue };
    if !starts {
        return runner.stop(&meant.into_iter().collect::<Vec<_>>());
    }
    let view: ClusterView = member.connect(&place)?.ask(&Request::Nodes)?;
    let facts = facts(&place, &view, &member, &catalogue)?;
    member.roles.iter().filter(|role| meant.contains(*role)).try_for_each(|role| runner.start(role, &facts))
}
