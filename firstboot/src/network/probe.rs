//! Looks whether somebody on the link has an address that this machine is about to take.

use std::net::IpAddr;

use anyhow::{Result, bail};
use contract::network::Network;
use host::duplicate_address;

use super::machine::Machine;

/// Asks for every fixed address of `network` that this machine does not have yet.
///
/// What cannot be asked (the interface is not there, is down, or nothing is at its other end) is said and is no
/// error: such a machine could not be set up at all.
///
/// # Errors
///
/// When somebody has one of them.
pub fn check(network: &Network, machine: &Machine, present: &[IpAddr]) -> Result<()> {
    let names = machine.names(network);
    for interface in &network.interfaces {
        let wanted: Vec<_> =
            interface.addresses.iter().filter(|cidr| !present.contains(&cidr.address)).collect();
        if wanted.is_empty() {
            continue;
        }
        let found = names.get(&interface.name).and_then(|name| machine.by_name(name));
        let Some((found, mac)) = found.and_then(|found| Some((found, found.mac?))) else {
            eprintln!("firstboot: '{}' is not there yet; nobody was asked for its addresses", interface.name);
            continue;
        };
        if found.carrier != Some(true) {
            eprintln!(
                "firstboot: nothing answers on '{}' (no carrier); nobody was asked for its addresses",
                found.name
            );
            continue;
        }
        for cidr in wanted {
            match duplicate_address::owner_of(&found.name, mac.octets(), cidr.address) {
                Ok(None) => {}
                Ok(Some(owner)) => bail!(
                    "{} is in use on '{}' by {}; give another address, or --no-probe to take it all the same",
                    cidr.address,
                    found.name,
                    shown(owner)
                ),
                Err(error) => {
                    eprintln!("firstboot: asking for {} on '{}': {error}", cidr.address, found.name)
                }
            }
        }
    }
    Ok(())
}

fn shown(mac: [u8; 6]) -> String {
    let pairs: Vec<_> = mac.iter().map(|octet| format!("{octet:02x}")).collect();
    pairs.join(":")
}
