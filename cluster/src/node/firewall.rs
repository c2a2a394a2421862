//! Rules of nftables from the ports of roles: who may reach what, and no more.
//!
//! Only ports that a role of the image names are ruled. Such a port is open while this node has the role, for those that
//! the role says; everything else of the machine, SSH for example, is left to whoever set it up.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::IpAddr;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use contract::roles::template::{Facts, NodeFacts};
use contract::roles::{CONTROLLER, Catalogue, Port, PortSource, Protocol};

use crate::engine::PEER_PORT;
use crate::paths;
use crate::place::Place;

/// The program, in a package that the recipe adds where a role has ports.
const NFT: &str = "/usr/sbin/nft";
/// Our table; nobody else's is touched.
const TABLE: &str = "inet firstboot";

/// Puts the rules in force, all at once; false where there is nothing to rule or nobody who could.
///
/// # Errors
///
/// When they are refused. Those of before hold on.
pub fn apply(place: &Place, catalogue: &Catalogue, facts: &Facts) -> Result<bool> {
    let Some(rules) = render(catalogue, facts) else { return Ok(false) };
    if !std::path::Path::new(NFT).exists() {
        return Ok(false);
    }
    place.write(paths::FIREWALL, &rules, 0o600)?;
    load(place)?;
    Ok(true)
}

/// Puts the rules of before in force after a boot, until a core node is heard.
///
/// # Errors
///
/// When they are refused.
pub fn restore(place: &Place) -> Result<()> {
    if place.exists(paths::FIREWALL) && std::path::Path::new(NFT).exists() { load(place) } else { Ok(()) }
}

fn load(place: &Place) -> Result<()> {
    let output = Command::new(NFT)
        .arg("-f")
        .arg(place.outside(paths::FIREWALL))
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting '{NFT}'"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "'{NFT}' refused the rules of the roles' ports: {}", told.trim());
    Ok(())
}

/// Takes the rules away, if there are any.
pub fn remove() {
    let quiet = || Stdio::null();
    // Where there is no table, there is nothing to remove.
    let _ = Command::new(NFT)
        .args(["delete", "table", "inet", "firstboot"])
        .stdin(quiet())
        .stdout(quiet())
        .stderr(quiet())
        .status();
}

/// The rules as a text that replaces those of before; none if no role has ports.
fn render(catalogue: &Catalogue, facts: &Facts) -> Option<String> {
    let ports = || catalogue.roles().flat_map(|role| role.ports.iter().map(move |port| (role, port)));
    ports().next()?;
    let mut rules = format!(
        "table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n  chain input {{\n    \
        type filter hook input priority filter; policy accept;\n    iif lo accept\n    \
        ct state established,related accept\n"
    );
    let own = &facts.node.roles;
    for (_, port) in ports().filter(|(role, _)| own.contains(&role.name)) {
        allow(&mut rules, port, &port.from, facts);
    }
    // Members of etcd talk to each other only; their port is that of no recipe.
    let peers = Port { port: PEER_PORT, protocol: Protocol::Tcp, from: PortSource::Cluster };
    if own.iter().any(|role| role == CONTROLLER) {
        allow(&mut rules, &peers, &PortSource::Roles(vec![CONTROLLER.into()]), facts);
    }
    let closed: BTreeSet<(&str, u16)> =
        ports().map(|(_, port)| port).chain([&peers]).map(|port| (word(port.protocol), port.port)).collect();
    for (protocol, port) in closed {
        line(&mut rules, &format!("{protocol} dport {port} drop"));
    }
    Some(rules + "  }\n}\n")
}

fn word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    }
}

fn allow(rules: &mut String, port: &Port, from: &PortSource, facts: &Facts) {
    let target = format!("{} dport {} accept", word(port.protocol), port.port);
    let nodes: Vec<&NodeFacts> = match from {
        PortSource::Any => return line(rules, &target),
        PortSource::Cluster => facts.nodes.iter().collect(),
        PortSource::Roles(roles) => {
            facts.nodes.iter().filter(|node| node.roles.iter().any(|role| roles.contains(role))).collect()
        }
    };
    let addresses: BTreeSet<IpAddr> = nodes.iter().filter_map(|node| node.address.parse().ok()).collect();
    for (family, is_ours) in [("ip", IpAddr::is_ipv4 as fn(&IpAddr) -> bool), ("ip6", IpAddr::is_ipv6)] {
        let of_family: Vec<String> =
            addresses.iter().filter(|address| is_ours(address)).map(ToString::to_string).collect();
        if !of_family.is_empty() {
            line(rules, &format!("{family} saddr {{ {} }} {target}", of_family.join(", ")));
        }
    }
}

fn line(rules: &mut String, rule: &str) {
    // Writing to a text cannot fail.
    let _ = writeln!(rules, "    {rule}");
}

#[cfg(test)]
mod tests {
    use contract::roles::Role;
    use contract::roles::template::ClusterFacts;

    use super::*;

    #[test]
    fn open_for_whom_the_role_says_and_closed_for_others() {
        let node = |name: &str, address: &str, role: &str| NodeFacts {
            name: name.into(),
            address: address.into(),
            uuid: String::new(),
            roles: vec![role.into()],
        };
        let port = |port, protocol, from| Port { port, protocol, from };
        let catalogue = Catalogue::new([
            Role {
                name: "router".into(),
                ports: vec![
                    port(443, Protocol::Tcp, PortSource::Any),
                    port(53, Protocol::Udp, PortSource::Cluster),
                ],
                ..Role::default()
            },
            Role {
                name: "redis".into(),
                ports: vec![port(6379, Protocol::Tcp, PortSource::Roles(vec!["router".into()]))],
                ..Role::default()
            },
        ]);
        let (router, redis) = (node("a", "10.0.0.1", "router"), node("b", "fd00::2", "redis"));
        let facts = |node: &NodeFacts| Facts {
            node: node.clone(),
            cluster: ClusterFacts { uuid: String::new(), endpoint: String::new() },
            nodes: vec![router.clone(), redis.clone()],
            roles: [].into(),
            certificate: String::new(),
        };
        let rules = render(&catalogue, &facts(&router)).expect("rules");
        for wanted in [
            "    tcp dport 443 accept\n",
            "    ip saddr { 10.0.0.1 } udp dport 53 accept\n    ip6 saddr { fd00::2 } udp dport 53 accept\n",
            "    tcp dport 443 drop\n",
            "    tcp dport 6379 drop\n",
            "    tcp dport 2380 drop\n",
        ] {
            assert!(rules.contains(wanted), "{wanted}: {rules}");
        }
        assert!(!rules.contains("6379 accept"), "{rules}");
        let rules = render(&catalogue, &facts(&redis)).expect("rules");
        assert!(
            rules.contains("ip saddr { 10.0.0.1 } tcp dport 6379 accept\n") && !rules.contains("443 accept"),
            "{rules}"
        );
        assert!(render(&Catalogue::new([]), &facts(&redis)).is_none());
    }
}
