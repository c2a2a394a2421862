//! The addresses that this machine's interfaces have now.

use std::io;
use std::net::IpAddr;

use nix::sys::socket::SockaddrStorage;

/// One address of one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The kernel's name of the interface.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
    /// How many leading bits name the network.
    pub prefix: u8,
}

/// Returns all of them, in the kernel's order.
///
/// # Errors
///
/// When the kernel refuses.
pub fn load() -> io::Result<Vec<InterfaceAddress>> {
    let mut found = Vec::new();
    for entry in nix::ifaddrs::getifaddrs()? {
        let Some(address) = entry.address.as_ref().and_then(ip_of) else { continue };
        let prefix = entry.netmask.as_ref().and_then(ip_of).map_or(0, ones);
        found.push(InterfaceAddress { interface: entry.interface_name, address, prefix });
    }
    Ok(found)
}

fn ip_of(storage: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = storage.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
    v4.or_else(|| storage.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
}

fn ones(mask: IpAddr) -> u8 {
    let count = match mask {
        IpAddr::V4(mask) => u32::from(mask).count_ones(),
        IpAddr::V6(mask) => u128::from(mask).count_ones(),
    };
    // At most 128.
    count as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_has_an_interface_and_a_prefix_that_can_be() {
        for one in load().expect("addresses") {
            assert!(!one.interface.is_empty());
            assert!(one.prefix <= if one.address.is_ipv4() { 32 } else { 128 }, "{one:?}");
        }
        assert_eq!(ones("255.255.255.0".parse().expect("a mask")), 24);
        assert_eq!(ones("ffff:ffff::".parse().expect("a mask")), 32);
    }
}
