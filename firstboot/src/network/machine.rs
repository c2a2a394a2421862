//! What interfaces this machine has, from `/sys/class/net`; read once and passed on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use contract::network::{Interface, InterfaceMatch, Kind, MacAddress, Network};

/// An interface as the kernel shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The kernel's name.
    pub name: String,
    /// Its hardware address now.
    pub mac: Option<MacAddress>,
    /// The address that it was made with; of members of a bond the one now is another.
    pub permanent: Option<MacAddress>,
    /// A device is behind it, or it is the end of a virtual cable.
    pub physical: bool,
    /// The name of the device's driver.
    pub driver: Option<String>,
    /// Something is at the other end; none while it is down.
    pub carrier: Option<bool>,
    /// Largest packet, in bytes.
    pub mtu: Option<u32>,
}

/// All interfaces, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// Without the loopback.
    pub interfaces: Vec<Found>,
}

impl Machine {
    /// Reads them below `root`; a root without `/sys` has none.
    pub fn load(root: &Path) -> Self {
        let folder = root.join("sys/class/net");
        let mut interfaces: Vec<_> = fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name != "lo")
            .filter_map(|name| load_one(&folder.join(&name), name))
            .collect();
        interfaces.sort_by(|left, right| left.name.cmp(&right.name));
        Self { interfaces }
    }

    /// Returns the interface of that name.
    pub fn by_name(&self, name: &str) -> Option<&Found> {
        self.interfaces.iter().find(|found| found.name == name)
    }

    /// Returns the physical interface of that address.
    pub fn by_mac(&self, mac: MacAddress) -> Option<&Found> {
        let mut physical = self.interfaces.iter().filter(|found| found.physical);
        physical
            .find(|found| found.permanent == Some(mac) || found.permanent.is_none() && found.mac == Some(mac))
    }

    /// Returns the addresses that are found by the current address only.
    pub fn without_permanent(&self) -> BTreeSet<MacAddress> {
        let physical = self.interfaces.iter().filter(|found| found.physical && found.permanent.is_none());
        physical.filter_map(|found| found.mac).collect()
    }

    /// Returns the kernel's name of each interface of the model that is here, or is made.
    pub fn names(&self, network: &Network) -> BTreeMap<String, String> {
        let mut names = BTreeMap::new();
        for interface in &network.interfaces {
            let name = match &interface.kind {
                Kind::Physical(matching) => self.find(matching).map(|found| found.name.clone()),
                _ => Some(interface.name.clone()),
            };
            names.extend(name.map(|name| (interface.name.clone(), name)));
        }
        names
    }

    /// Returns the network with one interface for each that a pattern finds, for managers that know names only.
    pub fn expand(&self, network: &Network) -> Network {
        let mut expanded = network.clone();
        let mut taken: BTreeSet<String> = self.names(network).into_values().collect();
        for interface in &network.interfaces {
            let Kind::Physical(matching) = &interface.kind else { continue };
            if matching.mac.is_some() {
                continue;
            }
            for found in self.interfaces.iter().filter(|found| fits(matching, found)) {
                if taken.insert(found.name.clone()) && network.find(&found.name).is_none() {
                    let exact =
                        InterfaceMatch { name: Some(found.name.clone()), ..InterfaceMatch::default() };
                    let kind = Kind::Physical(exact);
                    expanded.interfaces.push(Interface {
                        name: found.name.clone(),
                        kind,
                        ..interface.clone()
                    });
                }
            }
        }
        expanded
    }

    fn find(&self, matching: &InterfaceMatch) -> Option<&Found> {
        if let Some(mac) = matching.mac {
            return self.by_mac(mac);
        }
        self.interfaces.iter().find(|found| fits(matching, found))
    }

    /// Gives the one interface of the description to the one interface of the machine when no address fits.
    ///
    /// A clone has other hardware addresses than its original; without this it would be without network. Where more
    /// than one could be meant nothing is guessed. Returns what was done, for people to read.
    pub fn settle(&self, network: &mut Network) -> Vec<String> {
        let mut notes = Vec::new();
        let physical: Vec<_> = self.interfaces.iter().filter(|found| found.physical).collect();
        let count = network.interfaces.iter().filter(|one| matches!(one.kind, Kind::Physical(_))).count();
        for interface in &mut network.interfaces {
            let Kind::Physical(InterfaceMatch { mac: Some(mac), .. }) = &mut interface.kind else { continue };
            if physical.is_empty() || self.by_mac(*mac).is_some() {
                continue;
            }
            let name = &interface.name;
            match physical.as_slice() {
                [only] if count == 1 => match only.permanent.or(only.mac) {
                    Some(other) => {
                        notes.push(format!("no interface has the address {mac} of '{name}'; '{}' ({other}), the only one, takes its place", only.name));
                        *mac = other;
                    }
                    None => {
                        notes.push(format!("'{}', the only interface, has no hardware address", only.name))
                    }
                },
                _ => notes.push(format!(
                    "no interface has the address {mac} of '{name}'; it is set when one comes"
                )),
            }
        }
        notes
    }
}

fn load_one(folder: &Path, name: String) -> Option<Found> {
    let read = |file: &str| fs::read_to_string(folder.join(file)).ok().map(|text| text.trim().to_owned());
    // 1: Ethernet.
    if read("type")? != "1" {
        return None;
    }
    let mac: Option<MacAddress> = read("address").and_then(|text| text.parse().ok());
    // 0: the address is the permanent one.
    let own = (read("addr_assign_type").as_deref() == Some("0")).then_some(mac).flatten();
    let permanent = read("bonding_slave/perm_hwaddr").and_then(|text| text.parse().ok()).or(own);
    let virtual_kind =
        read("uevent").is_some_and(|text| text.lines().any(|line| line.starts_with("DEVTYPE=")));
    let has_device = folder.join("device").exists();
    let driver = fs::read_link(folder.join("device/driver")).ok();
    let driver = driver.and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
    Some(Found {
        name,
        mac,
        permanent,
        physical: has_device || !virtual_kind,
        driver,
        carrier: read("carrier").map(|text| text == "1"),
        mtu: read("mtu").and_then(|text| text.parse().ok()),
    })
}

/// Tells whether an interface is one that is found by name and driver.
fn fits(matching: &InterfaceMatch, found: &Found) -> bool {
    let name = matching.name.as_ref().is_none_or(|pattern| is_match(pattern, &found.name));
    let driver = matching
        .driver
        .as_ref()
        .is_none_or(|pattern| found.driver.as_ref().is_some_and(|driver| is_match(pattern, driver)));
    name && driver && found.physical
}

/// A shell pattern with `*`, `?` and sets, as systemd matches names.
fn is_match(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    matches(&pattern, &text)
}

fn matches(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['*', rest @ ..] => (0..=text.len()).any(|skipped| matches(rest, &text[skipped..])),
        ['?', rest @ ..] => !text.is_empty() && matches(rest, &text[1..]),
        ['[', rest @ ..] if rest.contains(&']') => {
            let end = rest.iter().position(|letter| *letter == ']').unwrap_or(0);
            !text.is_empty() && in_set(&rest[..end], text[0]) && matches(&rest[end + 1..], &text[1..])
        }
        [letter, rest @ ..] => text.first() == Some(letter) && matches(rest, &text[1..]),
    }
}

fn in_set(set: &[char], letter: char) -> bool {
    match set {
        [from, '-', to, rest @ ..] => (*from..=*to).contains(&letter) || in_set(rest, letter),
        [one, rest @ ..] => *one == letter || in_set(rest, letter),
        [] => false,
    }
}
