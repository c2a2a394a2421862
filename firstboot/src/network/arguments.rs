//! `net static`: from arguments to the network that shall be.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::{Context, Result, bail};
use clap::Args;
use contract::network::{
    Cidr, Interface, InterfaceMatch, Kind, MacAddress, Network, Route, is_interface_name,
};

use super::address::parse_route;
use super::machine::Machine;

/// Which interface, and what shall be on it.
#[derive(Debug, Clone, Default, Args)]
pub struct StaticArguments {
    /// The interface by its name
    #[arg(long, value_name = "NAME", required_unless_present = "mac", conflicts_with = "mac")]
    pub interface: Option<String>,
    /// The interface by its hardware address
    #[arg(long, value_name = "MAC")]
    pub mac: Option<MacAddress>,
    /// An address with the length of its prefix, as 192.0.2.10/24; may be repeated
    #[arg(long, value_name = "CIDR", required_unless_present = "ip")]
    pub address: Vec<Cidr>,
    /// An address without a prefix; needs --netmask
    #[arg(long, value_name = "ADDRESS", requires = "netmask")]
    pub ip: Option<IpAddr>,
    /// The mask of --ip, as 255.255.255.0 or 24
    #[arg(long, value_name = "MASK", requires = "ip")]
    pub netmask: Option<String>,
    /// The gateway to everywhere; one of each family
    #[arg(long, value_name = "ADDRESS")]
    pub gateway: Vec<IpAddr>,
    /// Gateways are on the link though no address says so
    #[arg(long)]
    pub on_link: bool,
    /// A route, as '10.0.0.0/8 via 192.0.2.254 metric 5'; may be repeated
    #[arg(long, value_name = "ROUTE", value_parser = parse_route)]
    pub route: Vec<Route>,
    /// A name server; may be repeated
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    pub dns: Vec<IpAddr>,
    /// A domain to search; may be repeated
    #[arg(long, value_name = "DOMAIN", value_delimiter = ',')]
    pub search: Vec<String>,
    /// Largest packet, in bytes
    #[arg(long, value_name = "BYTES")]
    pub mtu: Option<u32>,
}

impl StaticArguments {
    /// Puts what is asked for into `network`. The families of the given addresses are replaced, others stay.
    pub fn put_into(&self, network: &mut Network, machine: &Machine) -> Result<()> {
        let addresses = self.addresses()?;
        let index = self.place(network, machine)?;
        let interface = &mut network.interfaces[index];
        for family in [true, false] {
            let of_family = |address: IpAddr| address.is_ipv4() == family;
            if !addresses.iter().any(|cidr| of_family(cidr.address)) {
                continue;
            }
            interface.addresses.retain(|cidr| !of_family(cidr.address));
            interface.routes.retain(|route| !of_family(route.destination.address));
            if family {
                interface.dhcp4 = false;
            } else {
                interface.dhcp6 = false;
            }
        }
        interface.addresses.extend(addresses);
        for gateway in &self.gateway {
            interface.routes.push(Route { on_link: self.on_link, ..Route::default_by(*gateway) });
        }
        interface.routes.extend(self.route.iter().cloned());
        if !self.dns.is_empty() {
            interface.dns.servers.clone_from(&self.dns);
        }
        if !self.search.is_empty() {
            interface.dns.search.clone_from(&self.search);
        }
        interface.mtu = self.mtu.or(interface.mtu);
        Ok(())
    }

    fn addresses(&self) -> Result<Vec<Cidr>> {
        let mut addresses = self.address.clone();
        if let (Some(address), Some(mask)) = (self.ip, &self.netmask) {
            addresses.push(Cidr::with_mask(address, mask)?);
        }
        for (name, v4) in [("IPv4", true), ("IPv6", false)] {
            if self.gateway.iter().filter(|gateway| gateway.is_ipv4() == v4).count() > 1 {
                bail!(
                    "more than one {name} gateway; say --route 'default via …  metric …' for each further one"
                );
            }
        }
        Ok(addresses)
    }

    /// Finds the interface in the network, or adds it.
    fn place(&self, network: &mut Network, machine: &Machine) -> Result<usize> {
        let found = match (&self.interface, self.mac) {
            (Some(name), _) => machine.by_name(name),
            (None, Some(mac)) => machine.by_mac(mac),
            (None, None) => None,
        };
        if !machine.interfaces.is_empty() && found.is_none() && !self.is_described(network) {
            let names: Vec<_> = machine.interfaces.iter().map(|found| found.name.as_str()).collect();
            bail!("there is no interface {}; there are {}", self.shown(), names.join(", "));
        }
        // A physical one is found by its own address wherever it has one: names change with slots.
        let physical = found.filter(|found| found.physical);
        let mac = self.mac.or_else(|| physical.and_then(|found| found.permanent.or(found.mac)));
        let names = machine.names(network);
        match network.interfaces.iter().position(|one| self.is_it(one, mac, &names)) {
            Some(index) => Ok(index),
            None => self.add(network, found.map(|found| found.name.as_str()), mac),
        }
    }

    /// Tells whether an interface of the network is the one that is meant.
    fn is_it(&self, one: &Interface, mac: Option<MacAddress>, names: &BTreeMap<String, String>) -> bool {
        let by_name = |name: &String| match &one.kind {
            Kind::Physical(InterfaceMatch { mac: None, name: Some(exact), .. }) if exact == name => true,
            Kind::Physical(_) => names.get(&one.name) == Some(name),
            _ => one.name == *name,
        };
        let own = if let Kind::Physical(matching) = &one.kind { matching.mac } else { None };
        own.is_some() && own == mac || self.interface.as_ref().is_some_and(by_name)
    }

    fn add(&self, network: &mut Network, found: Option<&str>, mac: Option<MacAddress>) -> Result<usize> {
        let named = self.interface.as_deref().or(found).map(str::to_owned);
        let name = named.or_else(|| mac.map(|mac| mac.to_string().replace(':', "")));
        let name = name.context("no interface is named")?;
        if !is_interface_name(&name) {
            return Err(contract::network::NameError(name)).context("reading --interface");
        }
        if network.find(&name).is_some() {
            bail!(
                "'{name}' is already what another interface is called in firstboot's record; name it by --mac"
            );
        }
        let matching = match mac {
            Some(mac) => InterfaceMatch { mac: Some(mac), ..InterfaceMatch::default() },
            None => InterfaceMatch { name: Some(name.clone()), ..InterfaceMatch::default() },
        };
        network.interfaces.push(Interface::new(name, Kind::Physical(matching)));
        Ok(network.interfaces.len() - 1)
    }

    /// Tells whether the network knows it though the machine does not have it now.
    fn is_described(&self, network: &Network) -> bool {
        let by_mac = |one: &Interface| matches!(&one.kind, Kind::Physical(matching) if matching.mac.is_some() && matching.mac == self.mac);
        let by_name = self.interface.as_ref().is_some_and(|name| network.find(name).is_some());
        by_name || network.interfaces.iter().any(by_mac)
    }

    fn shown(&self) -> String {
        match (&self.interface, self.mac) {
            (Some(name), _) => format!("'{name}'"),
            (None, Some(mac)) => format!("with the address {mac}"),
            (None, None) => "without a name".to_owned(),
        }
    }
}
