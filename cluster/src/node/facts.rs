//! The cluster as templates of roles see it.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use contract::roles::Catalogue;
use contract::roles::template::{ClusterFacts, Facts, NodeFacts};

use crate::message::{ClusterView, Endpoints, NodeState, NodeView};
use crate::paths;
use crate::place::Place;
use crate::record::Member;

/// Facts for the node `member`. Nodes that are still joining are not among them, but for this one.
///
/// # Errors
///
/// When the list of core nodes cannot be read.
pub fn facts(place: &Place, view: &ClusterView, member: &Member, catalogue: &Catalogue) -> Result<Facts> {
    let endpoints: Endpoints =
        serde_json::from_str(&view.endpoints.text).context("reading the list of core nodes")?;
    let counts = |node: &&NodeView| node.state == NodeState::Member || node.uuid == member.node;
    let nodes: Vec<NodeFacts> = view.nodes.iter().filter(counts).map(of).collect();
    let node = nodes.iter().find(|node| node.uuid == member.node).cloned();
    let node = node.context("the core does not know this node any more")?;
    let mut roles: BTreeMap<String, Vec<NodeFacts>> =
        catalogue.roles().map(|role| (role.name.clone(), Vec::new())).collect();
    for node in &nodes {
        for role in &node.roles {
            roles.entry(role.clone()).or_default().push(node.clone());
        }
    }
    let cluster = ClusterFacts { uuid: view.cluster.clone(), endpoint: endpoints.endpoint };
    let certificate = place.outside(paths::ENDPOINT_CERTIFICATE).display().to_string();
    Ok(Facts { node, cluster, nodes, roles, certificate })
}

fn of(node: &NodeView) -> NodeFacts {
    NodeFacts {
        name: node.name.clone(),
        address: node.address.clone(),
        uuid: node.uuid.clone(),
        roles: node.roles.clone(),
    }
}
