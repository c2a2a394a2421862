//! network-config version 2: netplan's format, as NoCloud disks and most clouds give it.
//!
//! Shape: `version: 2` and, each optional, `ethernets`, `bonds`, `bridges`, `vlans`, maps from an id to an interface.
//! An ethernet without `match` is found by its id; with it, the id is only what bonds and VLANs call it by.
//! Source: <https://cloudinit.readthedocs.io/en/latest/reference/network-config-format-v2.html>.

use super::fields::{self, Keys, Report};
use super::{Bond, Bridge, Cidr, Interface, InterfaceMatch, Kind, Network, Problem, Route, Vlan, words};
use crate::yaml::{Node, Value};

const DOCUMENT: Keys = Keys {
    what: "the network configuration",
    read: &["version", "renderer", "ethernets", "bonds", "bridges", "vlans"],
    without_effect: &[
        "wifis",
        "modems",
        "tunnels",
        "vrfs",
        "dummy-devices",
        "virtual-ethernets",
        "nm-devices",
        "openvswitch",
    ],
};

const INTERFACE: Keys = Keys {
    what: "an interface",
    read: &[
        "match",
        "set-name",
        "dhcp4",
        "dhcp6",
        "accept-ra",
        "addresses",
        "gateway4",
        "gateway6",
        "nameservers",
        "mtu",
        "macaddress",
        "optional",
        "routes",
        "dhcp4-overrides",
        "dhcp6-overrides",
        "dhcp-identifier",
        "renderer",
        "interfaces",
        "parameters",
        "id",
        "link",
    ],
    without_effect: &[
        "routing-policy",
        "link-local",
        "critical",
        "ignore-carrier",
        "wakeonlan",
        "activation-mode",
        "ipv6-privacy",
        "ipv6-mtu",
        "ipv6-address-generation",
        "ipv6-address-token",
        "emit-lldp",
        "optional-addresses",
        "auth",
        "receive-checksum-offload",
        "transmit-checksum-offload",
        "tcp-segmentation-offload",
        "openvswitch",
        "neigh-suppress",
        "generic-segmentation-offload",
        "generic-receive-offload",
        "large-receive-offload",
        "networkmanager",
        "embedded-switch-mode",
        "virtual-function-count",
        "infiniband-mode",
        "ra-overrides",
    ],
};

const MATCH: Keys = Keys { what: "'match'", read: &["macaddress", "name", "driver"], without_effect: &[] };

const OVERRIDES: Keys = Keys {
    what: "a map of DHCP overrides",
    read: &["route-metric", "use-dns", "use-routes"],
    without_effect: &["use-domains", "use-hostname", "use-mtu", "use-ntp", "send-hostname", "hostname"],
};

const NAMESERVERS: Keys = Keys { what: "'nameservers'", read: &["addresses", "search"], without_effect: &[] };

const ROUTE: Keys = Keys {
    what: "a route",
    read: &["to", "via", "metric", "on-link", "from", "table"],
    without_effect: &["type", "scope", "mtu", "congestion-window", "advertised-receive-window", "advmss"],
};

const BOND: Keys = Keys {
    what: "the parameters of a bond",
    read: &[
        "mode",
        "lacp-rate",
        "mii-monitor-interval",
        "min-links",
        "transmit-hash-policy",
        "up-delay",
        "down-delay",
        "primary",
    ],
    without_effect: &[
        "arp-interval",
        "arp-ip-targets",
        "arp-validate",
        "arp-all-targets",
        "ad-select",
        "all-slaves-active",
        "all-members-active",
        "fail-over-mac-policy",
        "gratuitous-arp",
        "gratuitious-arp",
        "packets-per-slave",
        "packets-per-member",
        "primary-reselect-policy",
        "resend-igmp",
        "learn-packet-interval",
    ],
};

const BRIDGE: Keys = Keys {
    what: "the parameters of a bridge",
    read: &["stp", "forward-delay", "priority"],
    without_effect: &["ageing-time", "aging-time", "hello-time", "max-age", "path-cost", "port-priority"],
};

/// Reads what is below `network:`.
pub(super) fn read(body: &Node, report: &mut Report) -> Network {
    let mut network = Network::default();
    if !fields::open(body, DOCUMENT, report) {
        return network;
    }
    for section in ["ethernets", "bonds", "bridges", "vlans"] {
        for (id, place, node) in fields::entries(body.given(section), section, report) {
            // `eth0:` with nothing below it is an interface with nothing on it.
            let nothing = Node { value: Value::Map(Vec::new()), ..*node };
            let node = if node.is_null() { &nothing } else { node };
            if fields::open(node, INTERFACE, report)
                && let Some(kind) = kind(section, id, node, report)
            {
                let mut interface = Interface::new(id, kind);
                interface.place = place;
                settings(&mut interface, node, report);
                network.interfaces.push(interface);
            }
        }
    }
    network
}

fn kind(section: &str, id: &str, node: &Node, report: &mut Report) -> Option<Kind> {
    let members = |report: &mut Report| {
        fields::words(node.given("interfaces"), report).into_iter().map(|(_, word)| word.to_owned()).collect()
    };
    Some(match section {
        "ethernets" => Kind::Physical(matching(id, node, report)),
        "bonds" => Kind::Bond(bond(members(report), node.given("parameters"), report)),
        "bridges" => Kind::Bridge(bridge(members(report), node.given("parameters"), report)),
        _ => Kind::Vlan(vlan(node, report)?),
    })
}

fn matching(id: &str, node: &Node, report: &mut Report) -> InterfaceMatch {
    let set_name = fields::text(node.given("set-name"), report).map(str::to_owned);
    let Some(found) = node.given("match").filter(|found| fields::open(found, MATCH, report)) else {
        return InterfaceMatch { name: Some(id.to_owned()), set_name, ..InterfaceMatch::default() };
    };
    InterfaceMatch {
        mac: fields::parsed(found.get("macaddress"), report),
        name: fields::text(found.get("name"), report).map(str::to_owned),
        driver: fields::text(found.get("driver"), report).map(str::to_owned),
        set_name,
    }
}

fn vlan(node: &Node, report: &mut Report) -> Option<Vlan> {
    for key in ["id", "link"].into_iter().filter(|key| node.given(key).is_none()) {
        report.push(Problem::error(node.place(), format!("a VLAN needs '{key}'")));
    }
    let id = fields::number(node.given("id"), 1..=4094, report);
    let link = fields::text(node.given("link"), report);
    Some(Vlan { id: id?, link: link?.to_owned() })
}

fn bond(members: Vec<String>, node: Option<&Node>, report: &mut Report) -> Bond {
    let Some(node) = node.filter(|node| fields::open(node, BOND, report)) else {
        return Bond { members, ..Bond::default() };
    };
    Bond {
        members,
        mode: words::bond_mode(node.given("mode"), report),
        monitor_milliseconds: fields::number(node.given("mii-monitor-interval"), 0..=600_000, report),
        up_delay_milliseconds: fields::number(node.given("up-delay"), 0..=600_000, report),
        down_delay_milliseconds: fields::number(node.given("down-delay"), 0..=600_000, report),
        lacp_rate: words::lacp_rate(node.given("lacp-rate"), report),
        transmit_hash_policy: words::hash_policy(node.given("transmit-hash-policy"), report),
        minimum_links: fields::number(node.given("min-links"), 0..=256, report),
        primary: fields::text(node.given("primary"), report).map(str::to_owned),
    }
}

fn bridge(members: Vec<String>, node: Option<&Node>, report: &mut Report) -> Bridge {
    let Some(node) = node.filter(|node| fields::open(node, BRIDGE, report)) else {
        return Bridge { members, ..Bridge::default() };
    };
    Bridge {
        members,
        spanning_tree: fields::flag(node.given("stp"), report),
        forward_delay_seconds: fields::number(node.given("forward-delay"), 0..=30, report),
        priority: fields::number(node.given("priority"), 0..=65535, report),
    }
}

/// What every kind of interface can have.
fn settings(interface: &mut Interface, node: &Node, report: &mut Report) {
    interface.set_mac = fields::parsed(node.given("macaddress"), report);
    interface.mtu = fields::number(node.given("mtu"), 68..=65535, report);
    interface.dhcp4 = fields::flag(node.given("dhcp4"), report).unwrap_or(false);
    interface.dhcp6 = fields::flag(node.given("dhcp6"), report).unwrap_or(false);
    interface.accept_ra = fields::flag(node.given("accept-ra"), report);
    interface.optional = fields::flag(node.given("optional"), report).unwrap_or(false);
    interface.dhcp.identify_by_mac = fields::text(node.given("dhcp-identifier"), report) == Some("mac");
    for key in ["dhcp4-overrides", "dhcp6-overrides"] {
        if let Some(found) = node.given(key).filter(|found| fields::open(found, OVERRIDES, report)) {
            let dhcp = &mut interface.dhcp;
            dhcp.route_metric =
                fields::number(found.get("route-metric"), 0..=u32::MAX, report).or(dhcp.route_metric);
            dhcp.use_dns = fields::flag(found.get("use-dns"), report).or(dhcp.use_dns);
            dhcp.use_routes = fields::flag(found.get("use-routes"), report).or(dhcp.use_routes);
        }
    }
    interface.addresses = fields::items(node.given("addresses"), report)
        .into_iter()
        .filter_map(|item| address(item, report))
        .collect();
    if let Some(found) = node.given("nameservers").filter(|found| fields::open(found, NAMESERVERS, report)) {
        interface.dns.servers = fields::addresses(found.get("addresses"), report);
        let search = fields::words(found.get("search"), report);
        interface.dns.search = search.into_iter().map(|(_, word)| word.to_owned()).collect();
    }
    for key in ["gateway4", "gateway6"] {
        if let Some(gateway) = fields::address(node.given(key), report) {
            let place = node.given(key).map(|node| node.place()).unwrap_or_default();
            if gateway.is_ipv4() == (key == "gateway4") {
                interface.routes.push(Route { place, ..Route::default_by(gateway) });
            } else {
                report.push(Problem::error(place, format!("{gateway} is of the wrong family for '{key}'")));
            }
        }
    }
    for item in fields::items(node.given("routes"), report) {
        interface.routes.extend(route(item, report));
    }
    interface.settle_gateways();
}

/// `192.0.2.1/24`, or a map with that as its key.
fn address(item: &Node, report: &mut Report) -> Option<Cidr> {
    if let Some([entry]) = item.entries() {
        let (written, place) = (&entry.key, entry.place());
        report.push(Problem::warning(
            place,
            format!("what is said of {written} (label, lifetime) has no effect"),
        ));
        let parsed =
            written.parse::<Cidr>().map_err(|error| report.push(Problem::error(place, error.to_string())));
        return parsed.ok().map(|cidr| cidr.at(place));
    }
    fields::parsed::<Cidr>(Some(item), report).map(|cidr| cidr.at(item.place()))
}

fn route(item: &Node, report: &mut Report) -> Option<Route> {
    if !fields::open(item, ROUTE, report) {
        return None;
    }
    let gateway = fields::address(item.given("via"), report);
    let Some(to) = fields::text(item.given("to"), report) else {
        report.push(Problem::error(item.place(), "a route needs 'to'"));
        return None;
    };
    let destination = match gateway {
        Some(gateway) if to == "default" => Cidr::default_route(gateway).at(item.place()),
        _ => fields::destination(to, None, item.place(), report)?,
    };
    Some(Route {
        destination,
        gateway,
        on_link: fields::flag(item.given("on-link"), report).unwrap_or(false),
        metric: fields::number(item.given("metric"), 0..=u32::MAX, report),
        source: fields::address(item.given("from"), report),
        table: fields::number(item.given("table"), 1..=u32::MAX, report),
        place: item.place(),
    })
}
