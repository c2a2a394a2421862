use std::collections::BTreeMap;

use super::*;
use crate::network::opennebula::parse;

fn variables(text: &str) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.trim().split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned())).collect()
}

/// The network part of a context, with the variables that OpenNebula gives empty.
const CONTEXT: &str = "DISK_ID='1'
    VMID='42'
    DNS='8.8.8.8'
    ETH0_CONTEXT_FORCE_IPV4=''
    ETH0_DNS='10.0.0.53 10.0.0.54'
    ETH0_EXTERNAL=''
    ETH0_GATEWAY='10.0.0.1'
    ETH0_IP='10.0.0.7'
    ETH0_IP6='2001:db8::7'
    ETH0_IP6_GATEWAY='2001:db8::1'
    ETH0_IP6_METHOD=''
    ETH0_IP6_PREFIX_LENGTH='48'
    ETH0_IP6_ULA='fd00::7'
    ETH0_MAC='02:00:0a:00:00:07'
    ETH0_MASK='255.255.0.0'
    ETH0_METHOD='static'
    ETH0_METRIC='5'
    ETH0_MTU='1450'
    ETH0_NETWORK='10.0.0.0'
    ETH0_ROUTES='10.9.0.0/16 via 10.0.0.254, 10.8.0.1 via 10.0.0.253'
    ETH0_SEARCH_DOMAIN='example.com lab.example.com'
    ETH0_ALIAS0_IP='10.0.0.8'
    ETH0_ALIAS0_MASK='/16'
    ETH1_MAC='02:00:c0:a8:01:05'
    ETH2_MAC='02:00:c0:a8:01:06'
    ETH2_METHOD='dhcp'
    ETH2_IP6_METHOD='auto'
    ETH10_MAC='02:00:c0:a8:01:07'
    ETH10_METHOD='skip'
    ETH10_IP6_METHOD='disable'";

#[test]
fn a_context_is_read() {
    let reading = parse(&variables(CONTEXT)).expect("a context");
    assert_eq!(reading.warnings, Vec::new());
    let names: Vec<_> = reading.network.interfaces.iter().map(|interface| interface.name.as_str()).collect();
    assert_eq!(names, ["eth0", "eth1", "eth2", "eth10"]);
    let first = &reading.network.interfaces[0];
    assert_eq!(cidrs(first), ["10.0.0.7/16", "2001:db8::7/48", "fd00::7/48", "10.0.0.8/16"]);
    assert_eq!(
        routes(first),
        [
            "0.0.0.0/0 10.0.0.1 metric 5",
            "::/0 2001:db8::1",
            "10.9.0.0/16 10.0.0.254",
            "10.8.0.1/32 10.0.0.253"
        ]
    );
    assert_eq!((first.dns.servers.len(), first.dns.search.len(), first.mtu), (2, 2, Some(1450)));
    // An address that is not given is in the MAC.
    assert_eq!(cidrs(&reading.network.interfaces[1]), ["192.168.1.5/24"]);
    assert!(reading.network.interfaces[2].dhcp4 && reading.network.interfaces[2].accept_ra == Some(true));
    assert_eq!(reading.network.interfaces[3].accept_ra, Some(false));
}

#[test]
fn wrong_values_name_their_variable() {
    for (text, wanted) in [
        ("ETH0_IP=10.0.0.1", "without ETH0_MAC"),
        ("ETH0_MAC=zz", "ETH0_MAC='zz'"),
        ("ETH0_MAC=02:00:0a:00:00:07\nETH0_IP=$(reboot)", "ETH0_IP='$(reboot)'"),
        ("ETH0_MAC=02:00:0a:00:00:07\nETH0_MASK=255.0.255.0", "no network mask"),
        ("ETH0_MAC=02:00:0a:00:00:07\nETH0_GATWAY=10.0.0.1", "perhaps 'GATEWAY'"),
        ("ETH0_MAC=02:00:0a:00:00:07\nETH0_METHOD=magic", "'magic' is not known"),
        ("ETH0_MAC=02:00:0a:00:00:07\nETH0_GATEWAY=10.9.0.1", "is on no network"),
        ("ETH0_MAC=02:00:0a:00:00:07\nETH0_ROUTES=10.9.0.0/16 by 10.0.0.1", "NETWORK via GATEWAY"),
        ("ETH0_MAC=02:00:0a:00:00:07\nETH0_MTU=`id`", "ETH0_MTU"),
    ] {
        let said = match parse(&variables(text)) {
            Ok(reading) => Problems(reading.warnings).to_string(),
            Err(problems) => problems.to_string(),
        };
        assert!(said.contains(wanted), "{text}: {said}");
    }
    // A mask may be a length, and an address may bring its own.
    let both = "ETH0_MAC=02:00:0a:00:00:07\nETH0_MASK=24\nETH1_MAC=02:00:0a:00:00:08\nETH1_IP=10.1.0.8/20";
    let network = parse(&variables(both)).expect("masks").network;
    assert_eq!(
        (cidrs(&network.interfaces[0])[0].as_str(), cidrs(&network.interfaces[1])[0].as_str()),
        ("10.0.0.7/24", "10.1.0.8/20")
    );
}
