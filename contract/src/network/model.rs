//! The one model of a network.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Cidr, Kind, MacAddress, Place};

/// The interfaces of a machine and what shall be on them, in the order of their description.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Each has a name of its own.
    pub interfaces: Vec<Interface>,
    /// Name service for the whole machine.
    #[serde(default)]
    pub dns: Dns,
}

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// How others refer to it. For what is made here (bond, VLAN, bridge) also its name in the kernel.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Hardware address to set; not what it is found by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_mac: Option<MacAddress>,
    /// Largest packet, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// Asks for IPv4 addresses.
    #[serde(default)]
    pub dhcp4: bool,
    /// Asks for IPv6 addresses.
    #[serde(default)]
    pub dhcp6: bool,
    /// Whether routers' announcements are heard; unsaid, the system's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_ra: Option<bool>,
    /// What is taken from a DHCP server's answer.
    #[serde(default)]
    pub dhcp: Dhcp,
    /// Fixed addresses.
    #[serde(default)]
    pub addresses: Vec<Cidr>,
    /// Routes, the default ones among them.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// Name service by this interface.
    #[serde(default)]
    pub dns: Dns,
    /// The boot does not wait for it.
    #[serde(default)]
    pub optional: bool,
    /// Where it was described.
    #[serde(skip)]
    pub place: Place,
}

/// What is taken from a DHCP server's answer. What is `None` is left to the system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dhcp {
    /// Metric of its routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_metric: Option<u32>,
    /// Whether its name servers are used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_dns: Option<bool>,
    /// Whether its routes are used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_routes: Option<bool>,
    /// The client says its hardware address, not the machine's identity.
    #[serde(default)]
    pub identify_by_mac: bool,
}

/// A way to a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Where to; prefix 0 is everywhere.
    pub destination: Cidr,
    /// By whom; none means that the destination is on the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// The gateway is on the link though no address says so.
    #[serde(default)]
    pub on_link: bool,
    /// The lower one is preferred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<u32>,
    /// The address that packets of this machine say they come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// The kernel's table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// Where it was described.
    #[serde(skip)]
    pub place: Place,
}

impl Route {
    /// Returns the way to everywhere by `gateway`.
    pub fn default_by(gateway: IpAddr) -> Self {
        Self::new(Cidr::default_route(gateway), Some(gateway))
    }

    /// Returns a way without further conditions.
    pub fn new(destination: Cidr, gateway: Option<IpAddr>) -> Self {
        Self {
            destination,
            gateway,
            on_link: false,
            metric: None,
            source: None,
            table: None,
            place: Place::default(),
        }
    }
}

/// Name service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dns {
    /// Whom to ask.
    #[serde(default)]
    pub servers: Vec<IpAddr>,
    /// What is appended to short names.
    #[serde(default)]
    pub search: Vec<String>,
}

impl Dns {
    /// Takes in what it does not have yet.
    pub fn extend(&mut self, other: &Self) {
        for server in &other.servers {
            if !self.servers.contains(server) {
                self.servers.push(*server);
            }
        }
        for domain in &other.search {
            if !self.search.contains(domain) {
                self.search.push(domain.clone());
            }
        }
    }
}

impl Interface {
    /// Returns an interface with nothing on it.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self {
            name: name.into(),
            kind,
            set_mac: None,
            mtu: None,
            dhcp4: false,
            dhcp6: false,
            accept_ra: None,
            dhcp: Dhcp::default(),
            addresses: Vec::new(),
            routes: Vec::new(),
            dns: Dns::default(),
            optional: false,
            place: Place::default(),
        }
    }

    /// Tells whether the other end may give it addresses of the family of `like`.
    pub fn is_dynamic(&self, like: IpAddr) -> bool {
        if like.is_ipv4() { self.dhcp4 } else { self.dhcp6 || self.accept_ra == Some(true) }
    }

    /// Returns the names of its members.
    pub fn members(&self) -> &[String] {
        match &self.kind {
            Kind::Bond(bond) => &bond.members,
            Kind::Bridge(bridge) => &bridge.members,
            Kind::Physical(_) | Kind::Vlan(_) => &[],
        }
    }

    /// Makes gateways reachable that nothing else could reach: beside a single address every gateway is on the link.
    pub(super) fn settle_gateways(&mut self) {
        for route in &mut self.routes {
            let Some(gateway) = route.gateway else { continue };
            let mut same_family =
                self.addresses.iter().filter(|a| a.address.is_ipv4() == gateway.is_ipv4()).peekable();
            if same_family.peek().is_some() && same_family.all(|address| address.is_single()) {
                route.on_link = true;
            }
        }
    }
}

impl Network {
    /// Returns the interface of that name.
    pub fn find(&self, name: &str) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.name == name)
    }

    /// Returns the bond or bridge that an interface is a member of.
    pub fn master_of(&self, name: &str) -> Option<&Interface> {
        self.interfaces.iter().find(|other| other.members().iter().any(|member| member == name))
    }
}
