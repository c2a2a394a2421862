//! Whether an address can be an interface's, and whether a packet could take a route.

use std::net::IpAddr;

use super::{Cidr, Interface, Route};

/// Tells whether an address counts on one link only.
pub(super) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// Why no interface can have this address.
pub(super) fn why_no_host(cidr: Cidr) -> Option<&'static str> {
    let address = cidr.address;
    let reserved = match address {
        IpAddr::V4(v4) => v4.octets()[0] == 0 || v4.octets()[0] >= 240,
        IpAddr::V6(v6) => v6.to_ipv4_mapped().is_some(),
    };
    if address.is_unspecified() || cidr.prefix == 0 {
        Some("it stands for every address")
    } else if address.is_loopback() {
        Some("it is the machine's own loopback")
    } else if address.is_multicast() {
        Some("it is a group's address")
    } else if reserved {
        Some("it is from a reserved range")
    } else if cidr.broadcast() == Some(address) {
        Some("it is the broadcast address of its network")
    } else if cidr.network().address == address && !has_no_network_address(cidr) {
        Some("it is the address of the network itself")
    } else {
        None
    }
}

/// Point-to-point networks use every address (RFC 3021, RFC 6164).
fn has_no_network_address(cidr: Cidr) -> bool {
    cidr.prefix >= if cidr.address.is_ipv4() { 31 } else { 127 }
}

/// Why a packet could never take this route.
pub(super) fn why_no_route(interface: &Interface, route: &Route) -> Option<String> {
    let own = |address: IpAddr| interface.addresses.iter().any(|cidr| cidr.address == address);
    let destination = route.destination;
    if let Some(source) = route.source
        && source.is_ipv4() != destination.address.is_ipv4()
    {
        return Some(format!("{source} is of the other family"));
    }
    let gateway = route.gateway?;
    if gateway.is_ipv4() != destination.address.is_ipv4() {
        return Some(format!("its gateway {gateway} is of the other family"));
    }
    if gateway.is_unspecified() || gateway.is_multicast() || gateway.is_loopback() {
        return Some(format!("{gateway} cannot be a gateway"));
    }
    if own(gateway) {
        return Some(format!("its gateway {gateway} is the interface's own address"));
    }
    let network = interface.addresses.iter().find(|cidr| cidr.contains(gateway));
    match network {
        Some(network) if network.broadcast() == Some(gateway) => {
            Some(format!("its gateway {gateway} is the broadcast address of {}", network.network()))
        }
        Some(network)
            if gateway.is_ipv4()
                && network.network().address == gateway
                && !has_no_network_address(*network) =>
        {
            Some(format!("its gateway {gateway} is the address of the network {}", network.network()))
        }
        None if !route.on_link && !is_link_local(gateway) && !interface.is_dynamic(gateway) => Some(format!(
            "its gateway {gateway} is on no network of the interface; if it is reachable all the same, say on-link"
        )),
        _ => None,
    }
}
