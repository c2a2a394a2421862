//! `node plan`: whether a layout of nodes and roles can be, before anything is started.

use std::collections::BTreeMap;

use contract::finding::Findings;
use contract::name::check_host;
use contract::roles::{CONTROLLER, Catalogue, PRIMARY};
use contract::yaml::{self, Entry, Node};

/// Most nodes that one entry stands for.
const MOST: usize = 1000;

/// A layout that can be.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Layout {
    /// The cluster's own name.
    pub endpoint: String,
    /// Its nodes, the core first.
    pub nodes: Vec<PlannedNode>,
    /// Roles of the image that no node has.
    pub unused: Vec<String>,
}

/// A node of a layout.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PlannedNode {
    /// Its name.
    pub name: String,
    /// Its roles, in the order in which they start.
    pub roles: Vec<String>,
    #[serde(skip)]
    line: usize,
}

/// Reads a layout and judges it.
///
/// # Errors
///
/// All that is wrong, each with its line.
pub fn read(text: &str, catalogue: &Catalogue) -> Result<Layout, Vec<String>> {
    let node = yaml::parse(text).map_err(|error| vec![format!("line {}: {}", error.line, error.reason)])?;
    let mut findings = Findings::default();
    let mut layout = Layout::default();
    for entry in findings.map(&node, "a layout").to_vec() {
        match entry.key.as_str() {
            "version" if entry.value.text() == Some("1") => {}
            "version" => findings.invalid(entry.line, "the version of a layout is 1"),
            "endpoint" => layout.endpoint = read_host(&entry.value, "endpoint", &mut findings),
            "nodes" => {
                for item in findings.list(&entry.value, "nodes").to_vec() {
                    read_nodes(&item, catalogue, &mut layout, &mut findings);
                }
            }
            _ => unknown(&entry, "a layout", &mut findings),
        }
    }
    if layout.endpoint.is_empty() {
        findings.invalid(node.line, "a layout needs an 'endpoint', the cluster's own name");
    }
    judge(&mut layout, catalogue, &mut findings);
    if findings.0.is_empty() { Ok(layout) } else { Err(findings.0.iter().map(ToString::to_string).collect()) }
}

fn unknown(entry: &Entry, place: &str, findings: &mut Findings) {
    findings.invalid(entry.line, format!("{place} has no key '{}'", entry.key.escape_debug()));
}

fn read_host(node: &Node, key: &str, findings: &mut Findings) -> String {
    let name = findings.text(node, key).unwrap_or_default();
    if let Err(reason) = check_host(&name) {
        findings.invalid(node.line, format!("'{key}': {reason}"));
    }
    name
}

/// Reads `{name, roles, count}`: one node, or several that are numbered from 1.
fn read_nodes(node: &Node, catalogue: &Catalogue, layout: &mut Layout, findings: &mut Findings) {
    let (mut name, mut roles, mut count) = (String::new(), Vec::new(), None);
    for entry in findings.map(node, "nodes").to_vec() {
        match entry.key.as_str() {
            "name" => name = read_host(&entry.value, "name", findings),
            "roles" => roles = findings.texts(&entry.value, "roles"),
            "count" => count = findings.number::<usize>(&entry.value, "count"),
            _ => unknown(&entry, "a node", findings),
        }
    }
    if name.is_empty() || roles.is_empty() {
        findings.invalid(node.line, "a node needs a 'name' and 'roles'");
        return;
    }
    if count.is_some_and(|count| !(1..=MOST).contains(&count)) {
        findings.invalid(node.line, format!("'count' is a number from 1 to {MOST}"));
        return;
    }
    match catalogue.resolve(&roles) {
        Ok(roles) => {
            let names = match count {
                None => vec![name],
                Some(count) => (1..=count).map(|number| format!("{name}-{number}")).collect(),
            };
            let planned = |name| PlannedNode { name, roles: roles.clone(), line: node.line };
            layout.nodes.extend(names.into_iter().map(planned));
        }
        Err(reason) => findings.invalid(node.line, format!("the node '{name}': {reason}")),
    }
}

/// What holds between nodes, and between roles of one node.
fn judge(layout: &mut Layout, catalogue: &Catalogue, findings: &mut Findings) {
    let has = |node: &PlannedNode, role: &str| node.roles.iter().any(|other| other == role);
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for node in &layout.nodes {
        if let Some(line) = seen.insert(&node.name, node.line) {
            findings.invalid(node.line, format!("the name '{}' is given in line {line} as well", node.name));
        }
        if node.name == layout.endpoint {
            findings.invalid(node.line, format!("'{}' is the cluster's own name, and no node's", node.name));
        }
        same_ports(node, catalogue, findings);
    }
    let cores = layout.nodes.iter().filter(|node| has(node, CONTROLLER)).count();
    if !matches!(cores, 1 | 3 | 5) {
        findings.invalid(None, format!("one, three or five nodes have the role '{CONTROLLER}', not {cores}"));
    }
    let primaries = layout.nodes.iter().filter(|node| has(node, PRIMARY)).count();
    if cores > 0 && primaries != 1 {
        findings.invalid(None, format!("one node has the role '{PRIMARY}', not {primaries}"));
    }
    for role in catalogue.roles().filter(|role| role.single_node && layout.nodes.len() > 1) {
        if let Some(node) = layout.nodes.iter().find(|node| has(node, &role.name)) {
            let reason = format!("the role '{}' works only in a cluster of one node", role.name);
            findings.invalid(node.line, format!("the node '{}': {reason}", node.name));
        }
    }
    let is_used = |role: &str| layout.nodes.iter().any(|node| has(node, role));
    layout.unused = catalogue.roles().map(|role| role.name.clone()).filter(|role| !is_used(role)).collect();
    layout.nodes.sort_by_key(|node| !has(node, CONTROLLER));
}

fn same_ports(node: &PlannedNode, catalogue: &Catalogue, findings: &mut Findings) {
    let mut taken: Vec<(u16, contract::roles::Protocol, &str)> = Vec::new();
    for role in node.roles.iter().filter_map(|role| catalogue.get(role)) {
        for port in &role.ports {
            let other = taken.iter().find(|(number, kind, name)| {
                *number == port.port && *kind == port.protocol && *name != role.name
            });
            if let Some((number, _, other)) = other {
                let reason = format!("'{other}' and '{}' both listen on port {number}", role.name);
                findings.invalid(node.line, format!("the node '{}': {reason}", node.name));
            }
            taken.push((port.port, port.protocol, &role.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use contract::roles::{Port, PortSource, Protocol, Role};

    use super::*;

    fn catalogue() -> Catalogue {
        let role = |name: &str, port: u16| {
            let ports = vec![Port { port, protocol: Protocol::Tcp, from: PortSource::Any }];
            Role { name: name.into(), ports, ..Role::default() }
        };
        let data = |name: &str, port| Role { groups: vec!["data-services".into()], ..role(name, port) };
        Catalogue::new([
            role("router", 80),
            Role { exclusive: true, ..role("load_balancer", 443) },
            role("worker", 8080),
            data("postgresql", 5432),
            data("redis", 6379),
            role("other_web", 80),
            Role { single_node: true, ..role("mdns", 5353) },
        ])
    }

    #[test]
    fn layouts_of_one_three_five_and_twenty_nodes() {
        let core = "version: 1\nendpoint: api.example.org\nnodes:\n  - {name: core, roles: [primary, router";
        for (count, rest) in [
            (1, ", data-services, worker, mdns]}\n"),
            (3, "]}\n  - {name: data, roles: [data-services]}\n  - {name: worker, roles: [worker]}\n"),
            (5, "]}\n  - {name: data, roles: [data-services]}\n  - {name: w, roles: [worker], count: 3}\n"),
            (
                5,
                "]}\n  - {name: c, roles: [controller], count: 2}\n  - {name: w, roles: [worker], count: 2}\n",
            ),
            (
                20,
                "]}\n  - {name: balancer, roles: [load_balancer]}\n  - {name: router, roles: [router], count: 2}\n  \
                - {name: data, roles: [data-services]}\n  - {name: w, roles: [worker], count: 15}\n",
            ),
        ] {
            let layout = read(&format!("{core}{rest}"), &catalogue()).expect("it can be");
            assert_eq!(layout.nodes.len(), count);
            let core = &layout.nodes[0].roles;
            assert!(["controller", "primary"].iter().all(|role| core.iter().any(|other| other == role)));
            assert!(layout.unused.contains(&"other_web".to_owned()));
        }
    }

    #[test]
    fn what_cannot_be_is_told_by_line() {
        for (nodes, why) in [
            ("[{name: a, roles: [wroker]}]", "line 3: the node 'a': there is no role or group 'wroker'"),
            ("[{name: a, roles: [load_balancer, worker]}]", "'load_balancer' is alone on its node"),
            ("[{name: a, roles: [router, other_web]}]", "'other_web' and 'router' both listen on port 80"),
            (
                "[{name: a, roles: [primary]}, {name: a, roles: [worker]}]",
                "the name 'a' is given in line 3 as well",
            ),
            (
                "[{name: a, roles: [primary], count: 2}]",
                "one, three or five nodes have the role 'controller', not 2",
            ),
            ("[{name: a, roles: [worker]}]", "three or five nodes have the role 'controller', not 0"),
            ("[{name: a, roles: [controller]}]", "one node has the role 'primary', not 0"),
            (
                "[{name: a, roles: [primary, mdns]}, {name: b, roles: [worker]}]",
                "works only in a cluster of one node",
            ),
            ("[{name: api, roles: [primary]}]", "'api' is the cluster's own name"),
            ("[{name: a b, roles: [primary]}]", "'name': 'a b' is no host name"),
            ("[{name: a}]", "a node needs a 'name' and 'roles'"),
            ("[{name: a, roles: [primary], cuont: 2}]", "a node has no key 'cuont'"),
            ("[{name: a, roles: [worker], count: 0}]", "'count' is a number from 1 to 1000"),
        ] {
            let told = read(&format!("version: 1\nendpoint: api\nnodes: {nodes}\n"), &catalogue());
            let told = told.expect_err("it cannot be").join("; ");
            assert!(told.contains(why), "{nodes}: {told}");
        }
        assert!(read("nodes: []", &catalogue()).expect_err("no endpoint").join("; ").contains("'endpoint'"));
    }
}
