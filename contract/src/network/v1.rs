//! network-config version 1: Proxmox gives it on its NoCloud disks, and older cloud-init documents are written in it.
//!
//! Shape: `version: 1`, `config:` a list of `{type, name, …, subnets: [{type, address, …}]}`. A physical interface
//! with a `mac_address` is found by that alone; its `name` is what others call it by and is never forced on the
//! machine. Source: <https://cloudinit.readthedocs.io/en/latest/reference/network-config-format-v1.html>.

use super::fields::{self, Keys, Report};
use super::{Bond, Bridge, Cidr, Interface, InterfaceMatch, Kind, Network, Problem, Route, Vlan, words};
use crate::yaml::Node;

const DOCUMENT: Keys =
    Keys { what: "the network configuration", read: &["version", "config"], without_effect: &[] };

const ITEM: Keys = Keys {
    what: "an item of 'config'",
    read: &[
        "type",
        "name",
        "mac_address",
        "mtu",
        "subnets",
        "accept-ra",
        "vlan_id",
        "vlan_link",
        "bond_interfaces",
        "bridge_interfaces",
        "params",
        "address",
        "search",
        "interface",
        "destination",
        "netmask",
        "gateway",
        "metric",
        "id",
    ],
    without_effect: &["wakeonlan", "keep_configuration", "infiniband", "broadcast"],
};

const SUBNET: Keys = Keys {
    what: "a subnet",
    read: &[
        "type",
        "address",
        "netmask",
        "gateway",
        "dns_nameservers",
        "dns_search",
        "routes",
        "metric",
        "control",
        "broadcast",
        "ipv4",
        "ipv6",
        "network",
        "prefix",
    ],
    without_effect: &["pointopoint", "scope", "vrf", "dns-nameservers", "dns-search"],
};

const ROUTE: Keys = Keys {
    what: "a route",
    read: &["network", "destination", "netmask", "prefix", "gateway", "metric", "type", "id"],
    without_effect: &["mtu"],
};

/// Parameters of bonds and bridges, written with `-` or `_`; the word before it may be missing for bonds.
const PARAMETERS: &[&str] = &[
    "bond-mode",
    "bond-miimon",
    "bond-updelay",
    "bond-downdelay",
    "bond-lacp-rate",
    "bond-xmit-hash-policy",
    "bond-min-links",
    "bond-primary",
    "bridge-stp",
    "bridge-fd",
    "bridge-bridgeprio",
];

/// Reads what is below `network:`.
pub(super) fn read(body: &Node, report: &mut Report) -> Network {
    let mut network = Network::default();
    if !fields::open(body, DOCUMENT, report) {
        return network;
    }
    let items: Vec<_> = fields::items(body.given("config"), report)
        .into_iter()
        .filter(|item| fields::open(item, ITEM, report))
        .collect();
    for item in &items {
        network.interfaces.extend(interface(item, report));
    }
    // These speak of interfaces that may come after them.
    for item in &items {
        match item.given("type").and_then(Node::text) {
            Some("nameserver") => nameserver(item, &mut network, report),
            Some("route") => global_route(item, &mut network, report),
            _ => {}
        }
    }
    network.interfaces.iter_mut().for_each(Interface::settle_gateways);
    network
}

fn interface(item: &Node, report: &mut Report) -> Option<Interface> {
    let kind = fields::text(item.given("type"), report);
    let name = match kind {
        Some("physical" | "bond" | "bridge" | "vlan") => fields::text(item.given("name"), report),
        Some("nameserver" | "route" | "loopback") => return None,
        Some(other) => {
            report
                .push(Problem::error(item.place(), format!("there is no type '{other}' of interfaces here")));
            return None;
        }
        None => {
            report.push(Problem::error(item.place(), "an item of 'config' needs 'type'"));
            return None;
        }
    };
    let Some(name) = name else {
        report.push(Problem::error(item.place(), "an interface needs 'name'"));
        return None;
    };
    let mac = fields::parsed(item.given("mac_address"), report);
    let kind = match kind {
        Some("bond") => Kind::Bond(bond(item, report)),
        Some("bridge") => Kind::Bridge(bridge(item, report)),
        Some("vlan") => Kind::Vlan(vlan(item, report)?),
        _ => {
            let name = mac.is_none().then(|| name.to_owned());
            Kind::Physical(InterfaceMatch { mac, name, ..InterfaceMatch::default() })
        }
    };
    let mut interface = Interface::new(name, kind);
    interface.place = item.place();
    interface.set_mac = mac.filter(|_| !matches!(interface.kind, Kind::Physical(_)));
    interface.mtu = fields::number(item.given("mtu"), 68..=65535, report);
    interface.accept_ra = fields::flag(item.given("accept-ra"), report);
    for found in fields::items(item.given("subnets"), report) {
        if fields::open(found, SUBNET, report) {
            subnet(&mut interface, found, report);
        }
    }
    Some(interface)
}

fn members(item: &Node, key: &str, report: &mut Report) -> Vec<String> {
    fields::words(item.given(key), report).into_iter().map(|(_, word)| word.to_owned()).collect()
}

/// The value of a parameter, however its name is written.
fn parameter<'n>(item: &'n Node, wanted: &str) -> Option<&'n Node> {
    let entries = item.given("params")?.entries()?;
    let short = wanted.strip_prefix("bond-").unwrap_or(wanted);
    let found = entries.iter().find(|entry| {
        let key = entry.key.replace('_', "-");
        key == wanted || key == short
    });
    found.map(|entry| &entry.value).filter(|node| !node.is_null())
}

fn report_parameters(item: &Node, report: &mut Report) {
    for (key, place, _) in fields::entries(item.given("params"), "params", report) {
        let plain = key.replace('_', "-");
        if !PARAMETERS.iter().any(|known| *known == plain || known.strip_prefix("bond-") == Some(&plain)) {
            report.push(Problem::warning(place, format!("the parameter '{key}' has no effect")));
        }
    }
}

fn bond(item: &Node, report: &mut Report) -> Bond {
    report_parameters(item, report);
    let find = |wanted| parameter(item, wanted);
    Bond {
        members: members(item, "bond_interfaces", report),
        mode: words::bond_mode(find("bond-mode"), report),
        monitor_milliseconds: fields::number(find("bond-miimon"), 0..=600_000, report),
        up_delay_milliseconds: fields::number(find("bond-updelay"), 0..=600_000, report),
        down_delay_milliseconds: fields::number(find("bond-downdelay"), 0..=600_000, report),
        lacp_rate: words::lacp_rate(find("bond-lacp-rate"), report),
        transmit_hash_policy: words::hash_policy(find("bond-xmit-hash-policy"), report),
        minimum_links: fields::number(find("bond-min-links"), 0..=256, report),
        primary: fields::text(find("bond-primary"), report).map(str::to_owned),
    }
}

fn bridge(item: &Node, report: &mut Report) -> Bridge {
    report_parameters(item, report);
    Bridge {
        members: members(item, "bridge_interfaces", report),
        spanning_tree: fields::flag(parameter(item, "bridge-stp"), report),
        forward_delay_seconds: fields::number(parameter(item, "bridge-fd"), 0..=30, report),
        priority: fields::number(parameter(item, "bridge-bridgeprio"), 0..=65535, report),
    }
}

fn vlan(item: &Node, report: &mut Report) -> Option<Vlan> {
    for key in ["vlan_id", "vlan_link"].into_iter().filter(|key| item.given(key).is_none()) {
        report.push(Problem::error(item.place(), format!("a VLAN needs '{key}'")));
    }
    let id = fields::number(item.given("vlan_id"), 1..=4094, report);
    let link = fields::text(item.given("vlan_link"), report);
    Some(Vlan { id: id?, link: link?.to_owned() })
}

fn subnet(interface: &mut Interface, node: &Node, report: &mut Report) {
    match fields::text(node.given("type"), report) {
        Some("dhcp" | "dhcp4") => interface.dhcp4 = true,
        Some("dhcp6" | "ipv6_dhcpv6-stateful") => interface.dhcp6 = true,
        // The router says whether a DHCP server has more to tell.
        Some("ipv6_slaac" | "ipv6_dhcpv6-stateless") => interface.accept_ra = Some(true),
        Some("static" | "static6") => interface.addresses.extend(static_address(node, report)),
        Some("manual") => {}
        Some(other) => {
            report.push(Problem::error(node.place(), format!("there is no type '{other}' of subnets")))
        }
        None => report.push(Problem::error(node.place(), "a subnet needs 'type'")),
    }
    if interface.dhcp4 || interface.dhcp6 {
        interface.dhcp.route_metric =
            fields::number(node.given("metric"), 0..=u32::MAX, report).or(interface.dhcp.route_metric);
    }
    interface.dns.servers.extend(fields::addresses(node.given("dns_nameservers"), report));
    let search = fields::words(node.given("dns_search"), report);
    interface.dns.search.extend(search.into_iter().map(|(_, word)| word.to_owned()));
    if let Some(gateway) = fields::address(node.given("gateway"), report) {
        let place = node.given("gateway").map(|node| node.place()).unwrap_or_default();
        let metric = fields::number(node.given("metric"), 0..=u32::MAX, report);
        interface.routes.push(Route { place, metric, ..Route::default_by(gateway) });
    }
    for item in fields::items(node.given("routes"), report) {
        interface.routes.extend(route(item, report));
    }
}

/// `address: 192.0.2.1/24`, or `address` and `netmask`.
fn static_address(node: &Node, report: &mut Report) -> Option<Cidr> {
    let Some(written) = fields::text(node.given("address"), report) else {
        report.push(Problem::error(node.place(), "a static subnet needs 'address'"));
        return None;
    };
    let place = node.given("address").map(|node| node.place()).unwrap_or_default();
    let mask = fields::text(node.given("netmask").or_else(|| node.given("prefix")), report);
    let result = match mask {
        Some(mask) if !written.contains('/') => fields::address_with_mask(written, mask),
        _ => written.parse(),
    };
    result
        .map(|cidr: Cidr| cidr.at(place))
        .map_err(|error| report.push(Problem::error(place, error.to_string())))
        .ok()
}

fn route(item: &Node, report: &mut Report) -> Option<Route> {
    fields::open(item, ROUTE, report).then_some(())?;
    route_of(item, report)
}

fn route_of(item: &Node, report: &mut Report) -> Option<Route> {
    let Some(network) = item.given("destination").or_else(|| item.given("network")) else {
        report.push(Problem::error(item.place(), "a route needs 'destination'"));
        return None;
    };
    let mask = fields::text(item.given("netmask").or_else(|| item.given("prefix")), report);
    let destination =
        fields::destination(fields::text(Some(network), report)?, mask, network.place(), report)?;
    let gateway = fields::address(item.given("gateway"), report);
    let metric = fields::number(item.given("metric"), 0..=u32::MAX, report);
    Some(Route { metric, place: item.place(), ..Route::new(destination, gateway) })
}

/// `{type: nameserver, address: […], search: […]}`; with `interface` for that one alone.
fn nameserver(item: &Node, network: &mut Network, report: &mut Report) {
    let servers = fields::addresses(item.given("address"), report);
    let search = fields::words(item.given("search"), report).into_iter().map(|(_, word)| word.to_owned());
    let dns = super::Dns { servers, search: search.collect() };
    match fields::text(item.given("interface"), report) {
        None => network.dns.extend(&dns),
        Some(name) => match network.interfaces.iter_mut().find(|interface| interface.name == name) {
            Some(interface) => interface.dns.extend(&dns),
            None => report.push(Problem::error(item.place(), format!("there is no interface '{name}' here"))),
        },
    }
}

/// `{type: route, destination, gateway}` belongs to the interface that has the gateway on its network.
fn global_route(item: &Node, network: &mut Network, report: &mut Report) {
    let Some(route) = route_of(item, report) else { return };
    let Some(gateway) = route.gateway else {
        report.push(Problem::error(item.place(), "a route beside the interfaces needs 'gateway'"));
        return;
    };
    let reaches = |interface: &&mut Interface| interface.addresses.iter().any(|cidr| cidr.contains(gateway));
    match network.interfaces.iter_mut().find(reaches) {
        Some(interface) => interface.routes.push(route),
        None => report
            .push(Problem::error(item.place(), format!("no interface here has {gateway} on its network"))),
    }
}
