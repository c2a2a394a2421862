//! Network → files of systemd-networkd. Pure, and the same network gives the same bytes.
//!
//! Per interface: `.network` (what is on it), `.netdev` (for what is made here), `.link` (a name for one that the
//! machine has, taken at its next boot: an interface in use is never renamed).

use std::collections::BTreeSet;

use contract::network::{
    Bond, Bridge, Dns, Interface, InterfaceMatch, Kind, LacpRate, MacAddress, Network, Route,
};

use super::rendered::{Lines, NETWORKD_FOLDER, OWN_PREFIX, Rendered, stem, yes_no};

/// Returns the files, in the order of their names.
///
/// `without_permanent` are hardware addresses of interfaces that have no permanent one (some virtual ones): those
/// are found by the address that they have.
pub fn render(network: &Network, without_permanent: &BTreeSet<MacAddress>) -> Vec<Rendered> {
    let mut files = Vec::new();
    let mut stems = BTreeSet::new();
    for (index, interface) in network.interfaces.iter().enumerate() {
        // Two ids may differ only in letters that no file name has.
        let plain = stem(&interface.name);
        let stem = if stems.insert(plain.clone()) { plain } else { format!("{plain}-{index}") };
        let mut put = |extension, content: Option<String>| {
            let path = format!("{NETWORKD_FOLDER}/{OWN_PREFIX}{stem}.{extension}");
            files.extend(content.map(|content| Rendered { path, content }));
        };
        put("link", link(interface, without_permanent));
        put("netdev", netdev(interface));
        put("network", Some(dot_network(network, interface, without_permanent)));
    }
    files.sort_by(|left, right| left.path.cmp(&right.path));
    files
}

/// What an interface is found by. A VLAN has the address of the interface below it, so those are left out.
fn put_match(
    lines: &mut Lines,
    interface: &Interface,
    without_permanent: &BTreeSet<MacAddress>,
    at_boot: bool,
) {
    lines.section("Match");
    let Kind::Physical(InterfaceMatch { mac, name, driver, set_name }) = &interface.kind else {
        lines.set("Name", &interface.name);
        return;
    };
    if let Some(mac) = mac {
        let by_current = without_permanent.contains(mac);
        lines.set(if by_current { "MACAddress" } else { "PermanentMACAddress" }, mac);
        if !at_boot {
            lines.set("Type", "!vlan bond bridge");
        }
    }
    if let Some(name) = name {
        // Once renamed, it is found by the new name as well; a .link file speaks of the name before.
        let renamed = set_name.as_ref().filter(|_| !at_boot).map_or(String::new(), |new| format!(" {new}"));
        lines.set(if at_boot { "OriginalName" } else { "Name" }, format!("{name}{renamed}"));
    }
    lines.set_if("Driver", driver.as_ref());
}

fn link(interface: &Interface, without_permanent: &BTreeSet<MacAddress>) -> Option<String> {
    let Kind::Physical(InterfaceMatch { set_name: Some(wanted), .. }) = &interface.kind else { return None };
    let mut lines = Lines::new();
    put_match(&mut lines, interface, without_permanent, true);
    lines.section("Link");
    lines.set("Name", wanted);
    Some(lines.into_text())
}

fn netdev(interface: &Interface) -> Option<String> {
    let kind = match interface.kind {
        Kind::Physical(_) => return None,
        Kind::Bond(_) => "bond",
        Kind::Vlan(_) => "vlan",
        Kind::Bridge(_) => "bridge",
    };
    let mut lines = Lines::new();
    lines.section("NetDev");
    lines.set("Name", &interface.name);
    lines.set("Kind", kind);
    lines.set_if("MTUBytes", interface.mtu);
    lines.set_if("MACAddress", interface.set_mac);
    match &interface.kind {
        Kind::Bond(bond) => put_bond(&mut lines, bond),
        Kind::Bridge(bridge) => put_bridge(&mut lines, bridge),
        Kind::Vlan(vlan) => {
            lines.section("VLAN");
            lines.set("Id", vlan.id);
        }
        Kind::Physical(_) => {}
    }
    Some(lines.into_text())
}

fn put_bond(lines: &mut Lines, bond: &Bond) {
    let milliseconds = |value: Option<u32>| value.map(|value| format!("{value}ms"));
    lines.section("Bond");
    lines.set("Mode", bond.mode.name());
    lines.set_if("TransmitHashPolicy", bond.transmit_hash_policy.as_ref());
    lines.set_if("LACPTransmitRate", bond.lacp_rate.map(lacp_word));
    lines.set_if("MIIMonitorSec", milliseconds(bond.monitor_milliseconds));
    lines.set_if("UpDelaySec", milliseconds(bond.up_delay_milliseconds));
    lines.set_if("DownDelaySec", milliseconds(bond.down_delay_milliseconds));
    lines.set_if("MinLinks", bond.minimum_links);
}

/// The word of systemd and of ifupdown.
pub fn lacp_word(rate: LacpRate) -> &'static str {
    match rate {
        LacpRate::Slow => "slow",
        LacpRate::Fast => "fast",
    }
}

fn put_bridge(lines: &mut Lines, bridge: &Bridge) {
    if bridge.spanning_tree.is_none() && bridge.forward_delay_seconds.is_none() && bridge.priority.is_none() {
        return;
    }
    lines.section("Bridge");
    lines.set_if("STP", bridge.spanning_tree.map(yes_no));
    lines.set_if("ForwardDelaySec", bridge.forward_delay_seconds);
    lines.set_if("Priority", bridge.priority);
}

fn dot_network(network: &Network, interface: &Interface, without_permanent: &BTreeSet<MacAddress>) -> String {
    let mut lines = Lines::new();
    put_match(&mut lines, interface, without_permanent, false);
    put_link(&mut lines, interface);
    lines.section("Network");
    let master = network.master_of(&interface.name);
    if let Some(master) = master {
        put_member(&mut lines, interface, master);
    } else {
        put_addressing(&mut lines, network, interface);
    }
    for other in &network.interfaces {
        if let Kind::Vlan(vlan) = &other.kind
            && vlan.link == interface.name
        {
            lines.set("VLAN", &other.name);
        }
    }
    if master.is_none() {
        for route in &interface.routes {
            put_route(&mut lines, route);
        }
        put_dhcp(&mut lines, interface);
    }
    lines.into_text()
}

fn put_link(lines: &mut Lines, interface: &Interface) {
    let physical = matches!(interface.kind, Kind::Physical(_));
    // Of what is made here, the .netdev file says the hardware address.
    let mac = interface.set_mac.filter(|_| physical);
    if interface.mtu.is_none() && mac.is_none() && !interface.optional {
        return;
    }
    lines.section("Link");
    lines.set_if("MTUBytes", interface.mtu);
    lines.set_if("MACAddress", mac);
    if interface.optional {
        lines.set("RequiredForOnline", "no");
    }
}

fn put_member(lines: &mut Lines, interface: &Interface, master: &Interface) {
    match &master.kind {
        Kind::Bond(bond) => {
            lines.set("Bond", &master.name);
            if bond.primary.as_ref() == Some(&interface.name) {
                lines.set("PrimarySlave", "yes");
            }
        }
        _ => lines.set("Bridge", &master.name),
    }
    lines.set("LinkLocalAddressing", "no");
}

fn put_addressing(lines: &mut Lines, network: &Network, interface: &Interface) {
    let dhcp = match (interface.dhcp4, interface.dhcp6) {
        (true, true) => "yes",
        (true, false) => "ipv4",
        (false, true) => "ipv6",
        (false, false) => "no",
    };
    lines.set("DHCP", dhcp);
    lines.set_if("IPv6AcceptRA", interface.accept_ra.map(yes_no));
    for address in &interface.addresses {
        lines.set("Address", address);
    }
    let dns = name_service(network, interface);
    for server in &dns.servers {
        lines.set("DNS", server);
    }
    if !dns.search.is_empty() {
        lines.set("Domains", dns.search.join(" "));
    }
}

/// What an interface asks, what is said for the whole machine included; nothing where nothing could answer.
pub fn name_service(network: &Network, interface: &Interface) -> Dns {
    let mut dns = interface.dns.clone();
    let reaches = !interface.addresses.is_empty()
        || interface.dhcp4
        || interface.dhcp6
        || interface.accept_ra == Some(true);
    if reaches {
        dns.extend(&network.dns);
    }
    dns
}

fn put_route(lines: &mut Lines, route: &Route) {
    lines.section("Route");
    lines.set("Destination", route.destination);
    lines.set_if("Gateway", route.gateway);
    if route.on_link {
        lines.set("GatewayOnLink", "yes");
    }
    lines.set_if("Metric", route.metric);
    lines.set_if("PreferredSource", route.source);
    lines.set_if("Table", route.table);
    if route.gateway.is_none() && route.destination.address.is_ipv4() {
        lines.set("Scope", "link");
    }
}

fn put_dhcp(lines: &mut Lines, interface: &Interface) {
    let dhcp = &interface.dhcp;
    if interface.dhcp4 {
        lines.section("DHCPv4");
        if dhcp.identify_by_mac {
            lines.set("ClientIdentifier", "mac");
        }
        lines.set_if("RouteMetric", dhcp.route_metric);
        lines.set_if("UseDNS", dhcp.use_dns.map(yes_no));
        lines.set_if("UseRoutes", dhcp.use_routes.map(yes_no));
    }
    if interface.dhcp6 && dhcp.use_dns.is_some() {
        lines.section("DHCPv6");
        lines.set_if("UseDNS", dhcp.use_dns.map(yes_no));
    }
    if (interface.dhcp6 || interface.accept_ra == Some(true)) && dhcp.route_metric.is_some() {
        lines.section("IPv6AcceptRA");
        lines.set_if("RouteMetric", dhcp.route_metric);
    }
}
