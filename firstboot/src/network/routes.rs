//! The kernel's main routes, from `/proc/net`.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The gateways of default routes with their interfaces, IPv4 first.
pub fn gateways(route: &str, ipv6_route: &str) -> Vec<(String, String)> {
    let v4 = route.lines().skip(1).filter_map(v4_gateway);
    v4.chain(ipv6_route.lines().filter_map(v6_gateway)).collect()
}

/// `Iface Destination Gateway Flags RefCnt Use Metric Mask …`, numbers in the machine's byte order.
fn v4_gateway(line: &str) -> Option<(String, String)> {
    let words: Vec<_> = line.split_whitespace().collect();
    let number = |at: usize| u32::from_str_radix(words.get(at)?, 16).ok();
    let gateway = number(2)?;
    let is_default = number(1)? == 0 && number(7)? == 0 && gateway != 0;
    is_default.then(|| (words[0].to_owned(), Ipv4Addr::from(gateway.to_ne_bytes()).to_string()))
}

/// `destination length source length gateway metric refcount use flags interface`.
fn v6_gateway(line: &str) -> Option<(String, String)> {
    let words: Vec<_> = line.split_whitespace().collect();
    let gateway = u128::from_str_radix(words.get(4)?, 16).ok()?;
    let is_default = words[1] == "00" && gateway != 0;
    is_default.then(|| Some(((*words.get(9)?).to_owned(), Ipv6Addr::from(gateway).to_string())))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_routes_are_found() {
        let v4 = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                  eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                  eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        let v6 = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n\
                  fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n";
        let wanted = [("eth0".to_owned(), "192.0.2.1".to_owned()), ("eth0".to_owned(), "fe80::1".to_owned())];
        #[cfg(target_endian = "little")]
        assert_eq!(gateways(v4, v6), wanted);
        assert!(gateways("", "junk\n\n").is_empty() && gateways("x\njunk", "").is_empty());
    }
}
