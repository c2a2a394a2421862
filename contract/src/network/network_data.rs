//! `network_data.json`, as OpenStack gives it on config drives and by its metadata server.
//!
//! Shape: `links` (what is there), `networks` (what is on them), `services` (name servers for all). A link's id is
//! what the host calls its end of the cable, so physical interfaces are found by `ethernet_mac_address` alone.
//! Source: <https://docs.openstack.org/nova/latest/user/metadata.html>, schema `network_data` of nova.

use std::collections::BTreeMap;

use super::fields::{self, Keys, Report};
use super::node;
use super::{
    Bond, Cidr, Interface, InterfaceMatch, Kind, Network, Problem, Problems, Reading, Route, Vlan,
    is_interface_name, words,
};
use crate::yaml::Node;

const DOCUMENT: Keys =
    Keys { what: "network_data", read: &["links", "networks", "services"], without_effect: &[] };

const LINK: Keys = Keys {
    what: "a link",
    read: &[
        "id",
        "type",
        "ethernet_mac_address",
        "mtu",
        "name",
        "bond_links",
        "bond_mode",
        "bond_miimon",
        "bond_xmit_hash_policy",
        "bond_hash_policy",
        "vlan_id",
        "vlan_link",
        "vlan_mac_address",
        "vif_id",
        "neutron_port_id",
    ],
    without_effect: &[],
};

const NETWORK: Keys = Keys {
    what: "a network",
    read: &[
        "id",
        "link",
        "type",
        "ip_address",
        "netmask",
        "gateway",
        "routes",
        "services",
        "network_id",
        "dns_nameservers",
        "dns_search",
        "neutron_network_id",
    ],
    without_effect: &[],
};

const ROUTE: Keys =
    Keys { what: "a route", read: &["network", "netmask", "gateway", "services"], without_effect: &[] };

const SERVICE: Keys = Keys { what: "a service", read: &["type", "address"], without_effect: &[] };

/// Reads a whole document.
///
/// # Errors
///
/// Everything that is wrong with it, and with the network that it describes.
pub fn parse(text: &str) -> Result<Reading, Problems> {
    let root = node::parse(text)?;
    let mut report = Vec::new();
    let network = read(&root, &mut report);
    super::finish(network, report)
}

fn read(root: &Node, report: &mut Report) -> Network {
    let mut network = Network::default();
    if !fields::open(root, DOCUMENT, report) {
        return network;
    }
    let links: Vec<_> = fields::items(root.given("links"), report)
        .into_iter()
        .filter(|link| fields::open(link, LINK, report))
        .collect();
    let names = names(&links, report);
    for link in &links {
        network.interfaces.extend(interface(link, &names, report));
    }
    for item in fields::items(root.given("networks"), report) {
        if fields::open(item, NETWORK, report) {
            put_on_link(item, &names, &mut network, report);
        }
    }
    network.dns.servers = services(root, report);
    network.interfaces.iter_mut().for_each(Interface::settle_gateways);
    network
}

/// Link id → name in the model: the id where it can be one, a short one for what has to be made.
fn names<'n>(links: &[&'n Node], report: &mut Report) -> BTreeMap<&'n str, String> {
    let mut names = BTreeMap::new();
    let (mut bonds, mut vlans) = (0, 0);
    for link in links {
        let Some(id) = fields::text(link.given("id"), report) else {
            report.push(Problem::error(link.place(), "a link needs 'id'"));
            continue;
        };
        let kind = link.given("type").and_then(Node::text);
        let given = link.given("name").and_then(Node::text).filter(|name| is_interface_name(name));
        let name = match (kind, given) {
            (Some("bond" | "vlan"), Some(given)) => given.to_owned(),
            (Some("bond" | "vlan"), None) if is_interface_name(id) => id.to_owned(),
            (Some("bond"), None) => numbered("bond", &mut bonds),
            (Some("vlan"), None) => numbered("vlan", &mut vlans),
            _ => id.to_owned(),
        };
        if names.insert(id, name).is_some() {
            report.push(Problem::error(link.place(), format!("two links have the id '{id}'")));
        }
    }
    names
}

fn numbered(word: &str, count: &mut u32) -> String {
    *count += 1;
    format!("{word}{}", *count - 1)
}

fn interface(link: &Node, names: &BTreeMap<&str, String>, report: &mut Report) -> Option<Interface> {
    let name = names.get(link.given("id")?.text()?)?;
    let mac = fields::parsed(link.given("ethernet_mac_address"), report);
    let kind = match fields::text(link.given("type"), report) {
        Some("bond") => Kind::Bond(bond(link, names, report)),
        Some("vlan") => Kind::Vlan(vlan(link, names, report)?),
        // Every other type is about the host's end: phy, ovs, bridge, vif, tap, hw_veb, dvs, …
        _ if link.given("ethernet_mac_address").is_none() => {
            report.push(Problem::error(
                link.place(),
                format!("the link '{name}' needs 'ethernet_mac_address'"),
            ));
            return None;
        }
        _ => Kind::Physical(InterfaceMatch { mac: Some(mac?), ..InterfaceMatch::default() }),
    };
    let mut interface = Interface::new(name, kind);
    interface.place = link.place();
    interface.mtu = fields::number(link.given("mtu"), 68..=65535, report);
    interface.set_mac = match interface.kind {
        Kind::Physical(_) => None,
        Kind::Vlan(_) => fields::parsed(link.given("vlan_mac_address"), report).or(mac),
        Kind::Bond(_) | Kind::Bridge(_) => mac,
    };
    Some(interface)
}

fn bond(link: &Node, names: &BTreeMap<&str, String>, report: &mut Report) -> Bond {
    let mut members = Vec::new();
    for (place, id) in fields::words(link.given("bond_links"), report) {
        match names.get(id) {
            Some(name) => members.push(name.clone()),
            None => report.push(Problem::error(place, format!("there is no link '{id}'"))),
        }
    }
    let policy = link.given("bond_xmit_hash_policy").or_else(|| link.given("bond_hash_policy"));
    Bond {
        members,
        mode: words::bond_mode(link.given("bond_mode"), report),
        monitor_milliseconds: fields::number(link.given("bond_miimon"), 0..=600_000, report),
        transmit_hash_policy: words::hash_policy(policy, report),
        ..Bond::default()
    }
}

fn vlan(link: &Node, names: &BTreeMap<&str, String>, report: &mut Report) -> Option<Vlan> {
    for key in ["vlan_id", "vlan_link"].into_iter().filter(|key| link.given(key).is_none()) {
        report.push(Problem::error(link.place(), format!("a VLAN needs '{key}'")));
    }
    let id = fields::number(link.given("vlan_id"), 1..=4094, report);
    let below = fields::text(link.given("vlan_link"), report)?;
    match names.get(below) {
        Some(name) => Some(Vlan { id: id?, link: name.clone() }),
        None => {
            report.push(Problem::error(link.place(), format!("there is no link '{below}'")));
            None
        }
    }
}

fn put_on_link(item: &Node, names: &BTreeMap<&str, String>, network: &mut Network, report: &mut Report) {
    let Some(link) = fields::text(item.given("link"), report) else {
        report.push(Problem::error(item.place(), "a network needs 'link'"));
        return;
    };
    let name = names.get(link);
    let Some(interface) = network.interfaces.iter_mut().find(|interface| Some(&interface.name) == name)
    else {
        report.push(Problem::error(item.place(), format!("there is no usable link '{link}'")));
        return;
    };
    match fields::text(item.given("type"), report) {
        Some("ipv4" | "ipv6") => interface.addresses.extend(static_address(item, report)),
        Some("ipv4_dhcp") => interface.dhcp4 = true,
        Some("ipv6_dhcp" | "ipv6_dhcpv6-stateful") => interface.dhcp6 = true,
        Some("ipv6_slaac" | "ipv6_dhcpv6-stateless") => interface.accept_ra = Some(true),
        Some(other) => {
            report.push(Problem::error(item.place(), format!("there is no type '{other}' of networks")))
        }
        None => report.push(Problem::error(item.place(), "a network needs 'type'")),
    }
    if let Some(gateway) = fields::address(item.given("gateway"), report) {
        interface.routes.push(Route { place: item.place(), ..Route::default_by(gateway) });
    }
    for found in fields::items(item.given("routes"), report) {
        let route = route(found, report);
        // Some releases give the gateway both beside the address and among the routes.
        interface.routes.extend(route.filter(|route| !interface.routes.contains(route)));
    }
    interface.dns.servers.extend(services(item, report));
    interface.dns.servers.extend(fields::addresses(item.given("dns_nameservers"), report));
    let search = fields::words(item.given("dns_search"), report);
    interface.dns.search.extend(search.into_iter().map(|(_, word)| word.to_owned()));
}

/// `ip_address` with `netmask`, or with the prefix in it.
fn static_address(item: &Node, report: &mut Report) -> Option<Cidr> {
    let Some(written) = fields::text(item.given("ip_address"), report) else {
        report.push(Problem::error(item.place(), "a network with fixed addresses needs 'ip_address'"));
        return None;
    };
    let result = match fields::text(item.given("netmask"), report) {
        Some(mask) if !written.contains('/') => fields::address_with_mask(written, mask),
        _ => written.parse(),
    };
    let place = item.given("ip_address").map(|node| node.place()).unwrap_or_default();
    result
        .map(|cidr: Cidr| cidr.at(place))
        .map_err(|error| report.push(Problem::error(place, error.to_string())))
        .ok()
}

fn route(item: &Node, report: &mut Report) -> Option<Route> {
    if !fields::open(item, ROUTE, report) {
        return None;
    }
    let Some(network) = fields::text(item.given("network"), report) else {
        report.push(Problem::error(item.place(), "a route needs 'network'"));
        return None;
    };
    let mask = fields::text(item.given("netmask"), report);
    let destination = fields::destination(network, mask, item.place(), report)?;
    let gateway = fields::address(item.given("gateway"), report);
    Some(Route { place: item.place(), ..Route::new(destination, gateway) })
}

fn services(node: &Node, report: &mut Report) -> Vec<std::net::IpAddr> {
    let mut servers = Vec::new();
    for item in fields::items(node.given("services"), report) {
        if !fields::open(item, SERVICE, report) {
            continue;
        }
        match fields::text(item.given("type"), report) {
            Some("dns") => servers.extend(fields::address(item.given("address"), report)),
            other => {
                let other = other.unwrap_or("");
                report.push(Problem::warning(
                    item.place(),
                    format!("a service of type '{other}' has no effect"),
                ));
            }
        }
    }
    servers
}
