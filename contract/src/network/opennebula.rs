//! `ETHx_*` variables of an OpenNebula context.
//!
//! Shape: names and values, as read from `context.sh` (which is never executed). `ETH0_MAC` names the interface,
//! `ETH0_IP`, `ETH0_MASK`, … what is on it; `ETH0_ALIAS1_IP` is one more address of it. `DNS` and `SEARCH_DOMAIN` are
//! for all. Source: <https://docs.opennebula.io/7.0/product/operation_references/configuration_references/template/>
//! and what OpenNebula's contextualization packages do where that page is silent: a mask that is not given is
//! 255.255.255.0, an IPv6 prefix 64, and an address that is not given is the last four octets of a MAC
//! that begins with `02:00`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::fields::Report;
use super::name::nearest;
use super::{
    Cidr, Interface, InterfaceMatch, Kind, MacAddress, Network, Place, Problem, Problems, Reading, Route,
};
use crate::context::parse_variables;

/// What is read of an interface.
const KEYS: &[&str] = &[
    "MAC",
    "IP",
    "MASK",
    "GATEWAY",
    "DNS",
    "SEARCH_DOMAIN",
    "MTU",
    "METRIC",
    "METHOD",
    "ROUTES",
    "IP6",
    "IP6_ULA",
    "IP6_GATEWAY",
    "GATEWAY6",
    "IP6_METRIC",
    "IP6_METHOD",
    "IP6_PREFIX_LENGTH",
];

/// What is about the host's side, or follows from the rest.
const OF_THE_HOST: &[&str] = &[
    "NETWORK",
    "VLAN_ID",
    "EXTERNAL",
    "VROUTER_IP",
    "VROUTER_IP6",
    "VROUTER_MANAGEMENT",
    "GUEST_MTU",
    "BRIDGE",
    "NETWORK_ID",
    "GLOBAL",
    "DETACH",
    "IP6_LINK",
    "IP6_GLOBAL",
    "IPV6",
    "CONTEXT_FORCE_IPV4",
    "VXLAN_MODE",
    "EXTRA_ADDRESS",
];

/// Most interfaces that are looked for: no machine has more slots.
const INTERFACES_LIMIT: usize = 256;

/// Reads the variables; those that are not about the network are left alone.
///
/// # Errors
///
/// Everything that is wrong with them, and with the network that they describe.
pub fn parse(variables: &BTreeMap<String, String>) -> Result<Reading, Problems> {
    let mut report = Vec::new();
    let mut network = Network::default();
    let context = Context { variables };
    for number in context.numbers(&mut report) {
        network.interfaces.extend(context.interface(number, &mut report));
    }
    network.dns.servers = context.addresses("DNS", &mut report);
    network.dns.search = context.words("SEARCH_DOMAIN");
    network.interfaces.iter_mut().for_each(Interface::settle_gateways);
    super::finish(network, report)
}

/// Reads the text of a `context.sh`.
///
/// # Errors
///
/// As [`parse`], and where the text is more than assignments.
pub fn parse_text(text: &str) -> Result<Reading, Problems> {
    let variables = parse_variables(text).map_err(|error| {
        let line = u32::try_from(error.line).unwrap_or(u32::MAX);
        Problems(vec![Problem::error(Place { line, column: 1 }, error.reason)])
    })?;
    parse(&variables.into_iter().map(|variable| (variable.name, variable.value)).collect())
}

struct Context<'v> {
    variables: &'v BTreeMap<String, String>,
}

impl Context<'_> {
    /// The numbers of all interfaces, in order; what has a number and no meaning is reported.
    fn numbers(&self, report: &mut Report) -> Vec<usize> {
        let mut numbers = Vec::new();
        for name in self.variables.keys() {
            let Some((number, key)) = name.strip_prefix("ETH").and_then(|rest| rest.split_once('_')) else {
                continue;
            };
            let Some(number) = number.parse().ok().filter(|number| *number < INTERFACES_LIMIT) else {
                continue;
            };
            numbers.push(number);
            let key = match key.strip_prefix("ALIAS").and_then(|rest| rest.split_once('_')) {
                Some((alias, key)) if alias.bytes().all(|byte| byte.is_ascii_digit()) => key,
                _ => key,
            };
            if !KEYS.contains(&key) && !OF_THE_HOST.contains(&key) {
                let guess =
                    nearest(key, KEYS.iter().copied()).map(|guess| format!("; perhaps '{guess}' is meant"));
                let message = format!("{name} has no effect{}", guess.unwrap_or_default());
                report.push(Problem::warning(Place::default(), message));
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    fn interface(&self, number: usize, report: &mut Report) -> Option<Interface> {
        let name = format!("eth{number}");
        let prefix = format!("ETH{number}_");
        let Some(mac) = self.get(&format!("{prefix}MAC")) else {
            let message = format!("{prefix}* has no effect without {prefix}MAC");
            report.push(Problem::warning(Place::default(), message));
            return None;
        };
        let mac: MacAddress = parsed(&format!("{prefix}MAC"), mac, report)?;
        let matching = InterfaceMatch { mac: Some(mac), ..InterfaceMatch::default() };
        let mut interface = Interface::new(name, Kind::Physical(matching));
        interface.mtu = self.number(&format!("{prefix}MTU"), report);
        interface.dns.servers = self.addresses(&format!("{prefix}DNS"), report);
        interface.dns.search = self.words(&format!("{prefix}SEARCH_DOMAIN"));
        self.ipv4(&mut interface, &prefix, mac, report);
        self.ipv6(&mut interface, &prefix, report);
        self.aliases(&mut interface, &prefix, report);
        self.routes(&mut interface, &prefix, report);
        Some(interface)
    }

    fn ipv4(&self, interface: &mut Interface, prefix: &str, mac: MacAddress, report: &mut Report) {
        let method = format!("{prefix}METHOD");
        match self.get(&method) {
            Some("dhcp") => interface.dhcp4 = true,
            Some("skip") => {}
            None | Some("static") => {
                let address = self.get(&format!("{prefix}IP"));
                // A machine with only IPv6 addresses has no IPv4 address that its MAC could stand for.
                let only_v6 = self.get(&format!("{prefix}IP6")).is_some()
                    || self.get(&format!("{prefix}IP6_METHOD")).is_some();
                let derived = of_mac(mac).filter(|_| !only_v6).map(|address| address.to_string());
                if let Some(address) = address.map(str::to_owned).or(derived) {
                    let mask = self.get(&format!("{prefix}MASK")).unwrap_or("255.255.255.0");
                    interface.addresses.extend(cidr(&format!("{prefix}IP"), &address, mask, report));
                }
                self.gateway(interface, &format!("{prefix}GATEWAY"), &format!("{prefix}METRIC"), report);
            }
            Some(other) => refuse(&method, other, "static, dhcp and skip are", report),
        }
        if interface.dhcp4 {
            interface.dhcp.route_metric = self.number(&format!("{prefix}METRIC"), report);
        }
    }

    fn ipv6(&self, interface: &mut Interface, prefix: &str, report: &mut Report) {
        let method = format!("{prefix}IP6_METHOD");
        match self.get(&method) {
            Some("dhcp") => interface.dhcp6 = true,
            Some("auto") => interface.accept_ra = Some(true),
            Some("disable") => interface.accept_ra = Some(false),
            Some("skip") => {}
            None | Some("static") => {
                let length = self.get(&format!("{prefix}IP6_PREFIX_LENGTH")).unwrap_or("64");
                for key in ["IP6", "IP6_ULA"] {
                    let name = format!("{prefix}{key}");
                    if let Some(address) = self.get(&name) {
                        interface.addresses.extend(cidr(&name, address, length, report));
                    }
                }
                let key = ["IP6_GATEWAY", "GATEWAY6"]
                    .into_iter()
                    .find(|key| self.get(&format!("{prefix}{key}")).is_some());
                if let Some(key) = key {
                    self.gateway(
                        interface,
                        &format!("{prefix}{key}"),
                        &format!("{prefix}IP6_METRIC"),
                        report,
                    );
                }
            }
            Some(other) => refuse(&method, other, "static, auto, dhcp, disable and skip are", report),
        }
    }

    /// Further addresses of the same interface, by the number of the alias.
    fn aliases(&self, interface: &mut Interface, prefix: &str, report: &mut Report) {
        for number in 0..INTERFACES_LIMIT {
            let prefix = format!("{prefix}ALIAS{number}_");
            if self.get(&format!("{prefix}DETACH")).is_some() {
                continue;
            }
            let mask = self.get(&format!("{prefix}MASK")).unwrap_or("255.255.255.0");
            let length = self.get(&format!("{prefix}IP6_PREFIX_LENGTH")).unwrap_or("64");
            for (key, mask) in [("IP", mask), ("IP6", length), ("IP6_ULA", length)] {
                let name = format!("{prefix}{key}");
                if let Some(address) = self.get(&name) {
                    interface.addresses.extend(cidr(&name, address, mask, report));
                }
            }
        }
    }

    /// `NETWORK via GATEWAY, …`.
    fn routes(&self, interface: &mut Interface, prefix: &str, report: &mut Report) {
        let name = format!("{prefix}ROUTES");
        for item in self.get(&name).unwrap_or("").split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let mut words = item.split_whitespace();
            let (Some(network), Some("via"), Some(gateway), None) =
                (words.next(), words.next(), words.next(), words.next())
            else {
                refuse(&name, item, "'NETWORK via GATEWAY' is", report);
                continue;
            };
            let destination = super::fields::destination(network, None, Place::default(), report);
            let gateway: Option<IpAddr> = parsed(&name, gateway, report);
            if let (Some(destination), Some(gateway)) = (destination, gateway) {
                interface.routes.push(Route::new(destination, Some(gateway)));
            }
        }
    }

    fn gateway(&self, interface: &mut Interface, name: &str, metric: &str, report: &mut Report) {
        let Some(written) = self.get(name) else { return };
        let gateway = parsed(name, written, report);
        let metric = self.number(metric, report);
        interface.routes.extend(gateway.map(|gateway| Route { metric, ..Route::default_by(gateway) }));
    }

    /// A variable with something in it; OpenNebula gives many that are empty.
    fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    fn number(&self, name: &str, report: &mut Report) -> Option<u32> {
        self.get(name).and_then(|written| parsed(name, written, report))
    }

    fn words(&self, name: &str) -> Vec<String> {
        self.get(name)
            .unwrap_or("")
            .split([' ', '\t', '\n', ','])
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    }

    fn addresses(&self, name: &str, report: &mut Report) -> Vec<IpAddr> {
        self.words(name).iter().filter_map(|word| parsed(name, word, report)).collect()
    }
}

/// OpenNebula's own MACs, `02:00:…`, carry the IPv4 address in their last four octets; others carry none.
fn of_mac(mac: MacAddress) -> Option<Ipv4Addr> {
    match mac.octets() {
        [2, 0, 127, ..] => None,
        [2, 0, a @ 1..=223, b, c, d] => Some(Ipv4Addr::new(a, b, c, d)),
        _ => None,
    }
}

fn cidr(name: &str, address: &str, mask: &str, report: &mut Report) -> Option<Cidr> {
    if address.contains('/') {
        return parsed(name, address, report);
    }
    let address: IpAddr = parsed(name, address, report)?;
    let result = Cidr::with_mask(address, mask);
    result.map_err(|error| report.push(Problem::error(Place::default(), format!("{name}: {error}")))).ok()
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
    name: &str,
    written: &str,
    report: &mut Report,
) -> Option<T> {
    let refused = |error: T::Err| Problem::error(Place::default(), format!("{name}='{written}': {error}"));
    written.parse().map_err(|error| report.push(refused(error))).ok()
}

fn refuse(name: &str, written: &str, wanted: &str, report: &mut Report) {
    report.push(Problem::error(Place::default(), format!("{name}='{written}' is not known; {wanted}")));
}
