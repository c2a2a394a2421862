//! What is shown of a cluster.

use std::path::Path;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use contract::roles::CONTROLLER;
use serde_json::json;

use super::exit;
use crate::message::{ClusterView, Endpoints, NodeState, NodeView, Request};
use crate::place::Place;
use crate::record::Member;
use crate::{certificate, paths, plan, roles};

/// `node list`.
///
/// # Errors
///
/// When no core node answers.
pub fn nodes(place: &Place, json: bool) -> Result<ExitCode> {
    let view = view(place)?;
    if json {
        println!("{}", serde_json::to_string_pretty(&view).context("rendering the nodes")?);
        return Ok(ExitCode::SUCCESS);
    }
    for node in &view.nodes {
        println!("{}  {}  {}  {}", node.name, node.address, node.roles.join(","), describe(node).0);
    }
    Ok(ExitCode::SUCCESS)
}

/// `node plan`: a layout, judged by the roles of this image.
///
/// # Errors
///
/// All that is wrong with it, each with its line.
pub fn plan(place: &Place, path: &Path, json: bool) -> Result<ExitCode> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading '{}'", path.display()))?;
    let layout = plan::read(&text, &roles::catalogue(place)?).map_err(|problems| {
        let shown: Vec<String> =
            problems.iter().map(|problem| format!("{}: {problem}", path.display())).collect();
        anyhow!("{}", shown.join("\n"))
    })?;
    if json {
        println!("{}", serde_json::to_string_pretty(&layout).context("rendering the layout")?);
        return Ok(ExitCode::SUCCESS);
    }
    layout.nodes.iter().for_each(|node| println!("{}  {}", node.name, node.roles.join(", ")));
    if !layout.unused.is_empty() {
        println!("no node has: {}", layout.unused.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}

/// `status --all`: every node and role of the cluster.
///
/// # Errors
///
/// When no core node answers.
pub fn status(place: &Place, wait: Option<u64>, json: bool) -> Result<ExitCode> {
    let deadline = Instant::now() + Duration::from_secs(wait.unwrap_or_default().min(super::LONGEST));
    loop {
        let looked = view(place);
        let is_healthy = looked.as_ref().is_ok_and(|view| view.nodes.iter().all(|node| describe(node).1));
        if is_healthy || Instant::now() >= deadline {
            return print(place, &looked?, is_healthy, json);
        }
        sleep(Duration::from_millis(200));
    }
}

fn print(place: &Place, view: &ClusterView, is_healthy: bool, json: bool) -> Result<ExitCode> {
    if json {
        let nodes: Vec<_> = view
            .nodes
            .iter()
            .map(|node| {
                let (state, is_healthy) = describe(node);
                json!({"name": node.name, "uuid": node.uuid, "address": node.address, "roles": node.roles,
                    "state": state, "healthy": is_healthy, "beat": node.beat})
            })
            .collect();
        let whole = json!({"cluster": view.cluster, "healthy": is_healthy, "nodes": nodes});
        println!("{}", serde_json::to_string_pretty(&whole).context("rendering the status")?);
    } else {
        for node in &view.nodes {
            println!("{}  {}{}", node.name, describe(node).0, holding(view, node));
            for role in &node.roles {
                let problem = node.beat.as_ref().and_then(|beat| beat.roles.get(role));
                let state = match problem {
                    Some(None) => "works",
                    Some(Some(problem)) => problem,
                    None => "unknown",
                };
                println!("  {role}  {state}");
            }
            if let Some(ends) = node.beat.as_ref().and_then(|beat| beat.certificate_ends) {
                println!("  certificate  {}", super::certificate::life(ends, place.clock.now()));
            }
        }
    }
    Ok(ExitCode::from(if is_healthy { exit::HEALTHY } else { exit::UNHEALTHY }))
}

/// What is to be said of a node beside its name: of core nodes, whether they hold the store.
fn holding(view: &ClusterView, node: &NodeView) -> &'static str {
    if !node.roles.iter().any(|role| role == CONTROLLER) {
        return "";
    }
    let endpoints: Option<Endpoints> = serde_json::from_str(&view.endpoints.text).ok();
    let votes = endpoints.is_some_and(|all| all.cores.iter().any(|core| core.host == node.address));
    if votes { "  votes" } else { "  standby, no vote" }
}

/// How a node is in a word, and whether that is well.
fn describe(node: &NodeView) -> (&'static str, bool) {
    match (node.state, &node.beat) {
        (NodeState::Joining, _) => ("joining", false),
        (NodeState::Member, None) => ("silent", false),
        (NodeState::Member, Some(beat)) => {
            let is_well = node.roles.iter().all(|role| matches!(beat.roles.get(role), Some(None)));
            if is_well { ("healthy", true) } else { ("unhealthy", false) }
        }
    }
}

fn view(place: &Place) -> Result<ClusterView> {
    Member::require(place)?.connect(place)?.ask(&Request::Nodes)
}

/// `node info`: what this node is, without asking anybody.
///
/// # Errors
///
/// When it is no node.
pub fn info(place: &Place, json: bool) -> Result<ExitCode> {
    let member = Member::require(place)?;
    let endpoints = member.endpoints.open(&place.require(paths::AUTHORITY)?)?;
    let holds = certificate::facts_of_pem(&place.require(paths::NODE_CERTIFICATE)?)?.holds;
    let available: Vec<String> = roles::catalogue(place)?.roles().map(|role| role.name.clone()).collect();
    if json {
        let whole = json!({"name": member.name, "node": member.node, "address": member.address,
            "cluster": member.cluster, "endpoint": endpoints.endpoint, "cores": endpoints.cores,
            "epoch": endpoints.epoch, "roles": member.roles, "available": available,
            "certificate_ends": holds.end});
        println!("{}", serde_json::to_string_pretty(&whole).context("rendering what this node is")?);
        return Ok(ExitCode::SUCCESS);
    }
    let cores: Vec<String> = endpoints.cores.iter().map(ToString::to_string).collect();
    let left = holds.end.saturating_sub(place.clock.now());
    println!("name         {}\nnode         {}\naddress      {}", member.name, member.node, member.address);
    println!(
        "cluster      {}\nendpoint     {}\ncores        {}",
        member.cluster,
        endpoints.endpoint,
        cores.join(", ")
    );
    println!("roles        {}\navailable    {}", member.roles.join(", "), available.join(", "));
    println!("certificate  holds for {left} s");
    Ok(ExitCode::SUCCESS)
}
