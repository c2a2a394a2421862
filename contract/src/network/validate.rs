//! What must hold between the parts of a network, whoever described it.

use std::collections::{BTreeMap, BTreeSet};

use super::feasible::{is_link_local, why_no_host, why_no_route};
use super::name::{is_domain, is_interface_name, is_pattern};
use super::{Interface, InterfaceMatch, Kind, Network, Place, Problem};

/// Returns everything that is wrong with `network`, errors and warnings.
pub fn validate(network: &Network) -> Vec<Problem> {
    let mut check = Check::default();
    check.names(network);
    check.relations(network);
    check.duplicates(network);
    for interface in &network.interfaces {
        check.identity(interface);
        check.addresses(interface);
        check.routes(interface);
        check.dns(&interface.dns, interface.place);
        check.limits(interface);
    }
    check.dns(&network.dns, Place::default());
    check.default_routes(network);
    check.problems
}

#[derive(Default)]
struct Check {
    problems: Vec<Problem>,
}

impl Check {
    fn error(&mut self, place: Place, message: impl Into<String>) {
        self.problems.push(Problem::error(place, message));
    }

    fn names(&mut self, network: &Network) {
        let mut seen = BTreeSet::new();
        for interface in &network.interfaces {
            let (name, place) = (&interface.name, interface.place);
            if !seen.insert(name) {
                self.error(place, format!("two interfaces are called '{name}'"));
            }
            if name.is_empty() || name.len() > 64 || name.chars().any(char::is_control) {
                self.error(
                    place,
                    format!("'{name}' is no name for an interface: 1 to 64 printable letters are"),
                );
            }
        }
    }

    /// What an interface is found by, or called.
    fn identity(&mut self, interface: &Interface) {
        let (name, place) = (&interface.name, interface.place);
        match &interface.kind {
            Kind::Physical(InterfaceMatch { mac, name: pattern, driver, set_name }) => {
                if mac.is_none() && pattern.is_none() && driver.is_none() {
                    self.error(
                        place,
                        format!("nothing says how '{name}' is found: neither MAC, name nor driver"),
                    );
                }
                for text in [pattern, driver].into_iter().flatten().filter(|text| !is_pattern(text)) {
                    self.error(place, format!("'{text}' of '{name}' is no pattern for names"));
                }
                if let Some(wanted) = set_name.as_ref().filter(|wanted| !is_interface_name(wanted)) {
                    self.error(place, super::NameError(wanted.clone()).to_string());
                }
            }
            Kind::Vlan(vlan) if !(1..=4094).contains(&vlan.id) => {
                self.error(place, format!("VLAN {} of '{name}' is not from 1 to 4094", vlan.id));
            }
            _ => {}
        }
        if !matches!(interface.kind, Kind::Physical(_)) && !is_interface_name(name) {
            self.error(place, super::NameError(name.clone()).to_string());
        }
    }

    /// Members and links exist, have one master, and do not go round in circles.
    fn relations(&mut self, network: &Network) {
        let mut masters: BTreeMap<&str, &str> = BTreeMap::new();
        for interface in &network.interfaces {
            let (name, place) = (interface.name.as_str(), interface.place);
            for member in interface.members() {
                if let Some(other) = masters.insert(member, name) {
                    self.error(place, format!("'{member}' is a member of '{other}' and of '{name}'"));
                }
                match network.find(member) {
                    None => {
                        self.error(place, format!("'{name}' has a member '{member}', which is not described"))
                    }
                    Some(found) => self.member_is_bare(found, name),
                }
            }
            match &interface.kind {
                Kind::Vlan(vlan) if network.find(&vlan.link).is_none() => {
                    self.error(place, format!("'{name}' is on '{}', which is not described", vlan.link));
                }
                Kind::Bond(bond) => match &bond.primary {
                    Some(primary) if !bond.members.contains(primary) => {
                        self.error(
                            place,
                            format!("'{primary}' is preferred by '{name}' and is no member of it"),
                        );
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        for interface in &network.interfaces {
            if is_below_itself(network, interface) {
                self.error(interface.place, format!("'{}' is, by others, on itself", interface.name));
            }
        }
    }

    fn member_is_bare(&mut self, member: &Interface, master: &str) {
        if member.dhcp4 || member.dhcp6 || !member.addresses.is_empty() || !member.routes.is_empty() {
            let message =
                format!("'{}' is a member of '{master}' and cannot have addresses or routes", member.name);
            self.error(member.place, message);
        }
    }

    fn duplicates(&mut self, network: &Network) {
        let mut macs = BTreeMap::new();
        let mut addresses = BTreeMap::new();
        for interface in &network.interfaces {
            let name = &interface.name;
            if let Kind::Physical(InterfaceMatch { mac: Some(mac), .. }) = &interface.kind
                && let Some(other) = macs.insert(*mac, name)
            {
                self.error(
                    interface.place,
                    format!("'{other}' and '{name}' have the same hardware address {mac}"),
                );
            }
            for cidr in &interface.addresses {
                match addresses.insert(cidr.address, name) {
                    // Link-local addresses only have to differ within one link.
                    Some(other) if other == name || !is_link_local(cidr.address) => {
                        let message = format!("{} is given to '{other}' and to '{name}'", cidr.address);
                        let twice = format!("{} is given to '{name}' twice", cidr.address);
                        self.error(cidr.place, if other == name { twice } else { message });
                    }
                    _ => {}
                }
            }
        }
    }

    fn addresses(&mut self, interface: &Interface) {
        for cidr in &interface.addresses {
            if let Some(reason) = why_no_host(*cidr) {
                self.error(cidr.place, format!("{cidr} of '{}' cannot be: {reason}", interface.name));
            }
        }
    }

    fn routes(&mut self, interface: &Interface) {
        for route in &interface.routes {
            if let Some(reason) = why_no_route(interface, route) {
                let to = &route.destination;
                let message = format!("the route to {to} of '{}' cannot be: {reason}", interface.name);
                self.error(route.place, message);
            }
        }
    }

    fn dns(&mut self, dns: &super::Dns, place: Place) {
        for server in &dns.servers {
            if server.is_unspecified() || server.is_multicast() {
                self.error(place, format!("{server} cannot be a name server"));
            }
        }
        for domain in dns.search.iter().filter(|domain| !is_domain(domain)) {
            self.error(place, format!("'{domain}' is no domain to search"));
        }
    }

    fn limits(&mut self, interface: &Interface) {
        let has_v6 = interface.dhcp6 || interface.addresses.iter().any(|cidr| cidr.address.is_ipv6());
        let (name, place) = (&interface.name, interface.place);
        match interface.mtu {
            Some(mtu) if !(68..=65535).contains(&mtu) => {
                self.error(place, format!("an MTU of {mtu} for '{name}' is not from 68 to 65535"));
            }
            Some(mtu) if has_v6 && mtu < 1280 => {
                self.error(
                    place,
                    format!("an MTU of {mtu} for '{name}' is too small for IPv6, which needs 1280"),
                );
            }
            _ => {}
        }
    }

    /// Two ways to everywhere with one metric: which one is taken is chance.
    fn default_routes(&mut self, network: &Network) {
        let mut seen = BTreeMap::new();
        for interface in &network.interfaces {
            for route in interface.routes.iter().filter(|route| route.destination.prefix == 0) {
                let key = (route.destination.address, route.metric, route.table);
                if let Some(other) = seen.insert(key, &interface.name) {
                    let name = &interface.name;
                    let message = format!("'{other}' and '{name}' have default routes of the same metric");
                    self.problems.push(Problem::warning(route.place, message));
                }
            }
        }
    }
}

/// Tells whether following members and links from `start` comes back to it.
fn is_below_itself(network: &Network, start: &Interface) -> bool {
    let mut waiting = vec![start];
    let mut seen = BTreeSet::new();
    while let Some(interface) = waiting.pop() {
        let link = if let Kind::Vlan(vlan) = &interface.kind { Some(&vlan.link) } else { None };
        for below in interface.members().iter().chain(link) {
            if *below == start.name {
                return true;
            }
            if seen.insert(below) {
                waiting.extend(network.find(below));
            }
        }
    }
    false
}
