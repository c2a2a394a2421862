//! Network → stanzas of ifupdown, and what has to go from the main file for them. Pure.
//!
//! ifupdown knows interfaces by name only, so each is written under the name that this machine gives it now.

use std::collections::{BTreeMap, BTreeSet};

use contract::network::{Bond, Bridge, Interface, Kind, Network, Route};

use super::networkd::{lacp_word, name_service};
use super::rendered::{IFUPDOWN_FOLDER, Lines, OWN_PREFIX, Rendered, stem};

/// Begins a line of the main file that is out of use while the network is ours.
const OUT_OF_USE: &str = "#firstboot: ";

/// Returns the files, in the order of their names. `names` are the kernel's names of the model's interfaces.
pub fn render(network: &Network, names: &BTreeMap<String, String>) -> Vec<Rendered> {
    let mut files = Vec::new();
    for interface in &network.interfaces {
        let Some(name) = names.get(&interface.name) else { continue };
        // ifupdown takes in only files whose names are letters, digits, '_' and '-'.
        let path = format!("{IFUPDOWN_FOLDER}/{OWN_PREFIX}{}", stem(name).replace('.', "_"));
        files.push(Rendered { path, content: stanzas(network, interface, name, names) });
    }
    files.sort_by(|left, right| left.path.cmp(&right.path));
    files
}

fn stanzas(network: &Network, interface: &Interface, name: &str, names: &BTreeMap<String, String>) -> String {
    let mut lines = Lines::new();
    // What is absent at boot is brought up when it comes; what is made here is made at boot.
    let physical = matches!(interface.kind, Kind::Physical(_));
    lines.line(&format!("{} {name}", if physical { "allow-hotplug" } else { "auto" }));
    let plan = plan(interface);
    for (index, (family, method, address)) in plan.iter().enumerate() {
        lines.line(&format!("iface {name} {family} {method}"));
        if let Some(address) = address {
            option(&mut lines, "address", address);
        }
        if *method == "dhcp"
            && *family == "inet"
            && let Some(metric) = interface.dhcp.route_metric
        {
            option(&mut lines, "metric", metric);
        }
        if index == 0 {
            put_once(&mut lines, network, interface, names);
        }
        let later = |other: &str| plan[index + 1..].iter().any(|(family, ..)| *family == other);
        for route in &interface.routes {
            let own = if route.destination.address.is_ipv4() { "inet" } else { "inet6" };
            // With the last addresses of its family, one of which its gateway may be reached by.
            let elsewhere = !plan.iter().any(|(family, ..)| *family == own) && index + 1 == plan.len();
            if *family == own && !later(own) || elsewhere {
                option(&mut lines, "post-up", command(route, name));
            }
        }
    }
    lines.into_text()
}

/// The stanzas of an interface: family, method, address.
fn plan(interface: &Interface) -> Vec<(&'static str, &'static str, Option<String>)> {
    let mut plan = Vec::new();
    let fixed = |v4: bool| interface.addresses.iter().filter(move |cidr| cidr.address.is_ipv4() == v4);
    if interface.dhcp4 {
        plan.push(("inet", "dhcp", None));
    }
    plan.extend(fixed(true).map(|cidr| ("inet", "static", Some(cidr.to_string()))));
    if interface.dhcp6 {
        plan.push(("inet6", "dhcp", None));
    } else if interface.accept_ra == Some(true) && fixed(false).next().is_none() {
        plan.push(("inet6", "auto", None));
    }
    plan.extend(fixed(false).map(|cidr| ("inet6", "static", Some(cidr.to_string()))));
    if plan.is_empty() {
        plan.push(("inet", "manual", None));
    }
    plan
}

fn option(lines: &mut Lines, key: &str, value: impl std::fmt::Display) {
    lines.line(&format!("    {key} {value}"));
}

/// What belongs to the interface, not to an address: it is in its first stanza.
fn put_once(lines: &mut Lines, network: &Network, interface: &Interface, names: &BTreeMap<String, String>) {
    if let Some(mtu) = interface.mtu {
        option(lines, "pre-up ip link set dev $IFACE mtu", mtu);
    }
    if let Some(mac) = interface.set_mac {
        option(lines, "hwaddress", mac);
    }
    if let Some(accept) = interface.accept_ra {
        // The stanza may be of IPv4, where `accept_ra` is no option; 2 also holds on a machine that forwards. A kernel
        // without IPv6 has no such file and hears no router.
        let value = if accept { 2 } else { 0 };
        lines.line(&format!("    pre-up echo {value} > /proc/sys/net/ipv6/conf/$IFACE/accept_ra || true"));
    }
    match &interface.kind {
        Kind::Physical(_) => {}
        Kind::Bond(bond) => put_bond(lines, bond, names),
        Kind::Bridge(bridge) => put_bridge(lines, bridge, names),
        Kind::Vlan(vlan) => {
            option(lines, "vlan-raw-device", names.get(&vlan.link).unwrap_or(&vlan.link));
            option(lines, "vlan-id", vlan.id);
        }
    }
    if let Some(master) = network.master_of(&interface.name)
        && let Kind::Bond(bond) = &master.kind
    {
        option(lines, "bond-master", &master.name);
        if bond.primary.as_ref() == Some(&interface.name) {
            option(lines, "bond-primary", names.get(&interface.name).unwrap_or(&interface.name));
        }
    }
    let dns = name_service(network, interface);
    if !dns.servers.is_empty() {
        let servers: Vec<_> = dns.servers.iter().map(ToString::to_string).collect();
        option(lines, "dns-nameservers", servers.join(" "));
    }
    if !dns.search.is_empty() {
        option(lines, "dns-search", dns.search.join(" "));
    }
}

fn members(list: &[String], names: &BTreeMap<String, String>) -> String {
    let known: Vec<_> = list.iter().map(|name| names.get(name).unwrap_or(name).as_str()).collect();
    if known.is_empty() { "none".to_owned() } else { known.join(" ") }
}

fn put_bond(lines: &mut Lines, bond: &Bond, names: &BTreeMap<String, String>) {
    option(lines, "bond-slaves", members(&bond.members, names));
    option(lines, "bond-mode", bond.mode.name());
    let numbers = [
        ("bond-miimon", bond.monitor_milliseconds),
        ("bond-updelay", bond.up_delay_milliseconds),
        ("bond-downdelay", bond.down_delay_milliseconds),
        ("bond-min-links", bond.minimum_links.map(u32::from)),
    ];
    for (key, value) in numbers {
        if let Some(value) = value {
            option(lines, key, value);
        }
    }
    if let Some(rate) = bond.lacp_rate {
        option(lines, "bond-lacp-rate", lacp_word(rate));
    }
    if let Some(policy) = &bond.transmit_hash_policy {
        option(lines, "bond-xmit-hash-policy", policy);
    }
}

fn put_bridge(lines: &mut Lines, bridge: &Bridge, names: &BTreeMap<String, String>) {
    option(lines, "bridge_ports", members(&bridge.members, names));
    if let Some(on) = bridge.spanning_tree {
        option(lines, "bridge_stp", if on { "on" } else { "off" });
    }
    if let Some(seconds) = bridge.forward_delay_seconds {
        option(lines, "bridge_fd", seconds);
    }
    if let Some(priority) = bridge.priority {
        option(lines, "bridge_bridgeprio", priority);
    }
}

/// Routes go in by `ip`, the default ones as well: `gateway` knows neither on-link nor tables.
fn command(route: &Route, name: &str) -> String {
    let family = if route.destination.address.is_ipv4() { "-4" } else { "-6" };
    let mut text = format!("ip {family} route replace {}", route.destination);
    if let Some(gateway) = route.gateway {
        text.push_str(&format!(" via {gateway}"));
    }
    text.push_str(&format!(" dev {name}"));
    let parts = [
        ("metric", route.metric.map(|value| value.to_string())),
        ("src", route.source.map(|value| value.to_string())),
        ("table", route.table.map(|value| value.to_string())),
    ];
    for (key, value) in parts {
        if let Some(value) = value {
            text.push_str(&format!(" {key} {value}"));
        }
    }
    if route.on_link {
        text.push_str(" onlink");
    }
    text
}

/// The names of the interfaces that a file of ifupdown speaks of.
pub fn interfaces_in(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if words.next() == Some("iface") {
            names.extend(words.next().map(str::to_owned));
        }
    }
    names
}

/// Returns the main file with the stanzas of `names` out of use, or `None` when there are none in it.
///
/// They stay as comments, so that whoever looks sees what was there.
pub fn without(text: &str, names: &BTreeSet<String>) -> Option<String> {
    let mut result = String::with_capacity(text.len() + 64);
    let (mut changed, mut inside) = (false, false);
    for line in text.split_inclusive('\n') {
        let words: Vec<_> = line.split_whitespace().collect();
        match words.first().copied() {
            Some("iface") => inside = words.get(1).is_some_and(|name| names.contains(*name)),
            Some(
                "mapping" | "source" | "source-directory" | "auto" | "template" | "rename" | "no-auto-down"
                | "no-scripts",
            ) => inside = false,
            Some(word) if word.starts_with("allow-") => inside = false,
            _ => {}
        }
        let starts = matches!(words.first(), Some(word) if *word == "auto" || word.starts_with("allow-"));
        if starts && words[1..].iter().any(|name| names.contains(*name)) {
            changed = true;
            let others: Vec<_> = words[1..].iter().copied().filter(|name| !names.contains(*name)).collect();
            result.push_str(OUT_OF_USE);
            result.push_str(line.trim_end_matches('\n'));
            result.push('\n');
            if !others.is_empty() {
                result.push_str(&format!("{} {}\n", words[0], others.join(" ")));
            }
        } else if inside && !words.is_empty() && !words[0].starts_with('#') {
            changed = true;
            result.push_str(OUT_OF_USE);
            result.push_str(line);
        } else {
            result.push_str(line);
        }
    }
    changed.then_some(result)
}
