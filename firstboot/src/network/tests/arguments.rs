use clap::Parser;

use super::super::arguments::StaticArguments;
use super::*;
use contract::network::validate;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    what: StaticArguments,
}

const TWO: &[(&str, &str, bool)] =
    &[("eth0", "52:54:00:00:00:01", true), ("eth1", "52:54:00:00:00:02", true)];

/// The network after `arguments`, or what is said against them.
fn after(start: &str, arguments: &str) -> Result<Network, String> {
    let words = std::iter::once("x").chain(arguments.split('|'));
    let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
    let mut network = network(start);
    line.what.put_into(&mut network, &SmallMachine::new(TWO).load()).map_err(|error| format!("{error:#}"))?;
    let problems = validate(&network);
    if problems.is_empty() { Ok(network) } else { Err(contract::network::Problems(problems).to_string()) }
}

#[test]
fn every_argument_has_its_place() {
    let line = "--interface|eth0|--address|192.0.2.10/24|--address|192.0.2.11/24|--address|2001:db8::10/64|--gateway|192.0.2.1\
                |--gateway|2001:db8::1|--dns|9.9.9.9,1.1.1.1|--search|example.com|--mtu|1400|--route|10.0.0.0/8 via 192.0.2.254 metric 7";
    let wanted = "version: 2\nethernets: {eth0: {match: {macaddress: '52:54:00:00:00:01'}, addresses: [192.0.2.10/24, 192.0.2.11/24, '2001:db8::10/64'], mtu: 1400,\
                  routes: [{to: default, via: 192.0.2.1}, {to: '::/0', via: '2001:db8::1'}, {to: 10.0.0.0/8, via: 192.0.2.254, metric: 7}], nameservers: {addresses: [9.9.9.9, 1.1.1.1], search: [example.com]}}}";
    assert_eq!(after("version: 2", line).expect("arguments"), network(wanted));
    let by_mac = after("version: 2", "--mac|52:54:00:00:00:02|--ip|10.0.0.2|--netmask|255.255.0.0")
        .expect("arguments");
    assert_eq!(
        (by_mac.interfaces[0].name.as_str(), by_mac.interfaces[0].addresses[0].to_string()),
        ("eth1", "10.0.0.2/16".into())
    );
}

#[test]
fn what_is_described_already_keeps_the_rest() {
    let start = "version: 2\nethernets: {lan: {match: {macaddress: '52:54:00:00:00:01'}, dhcp4: true, dhcp6: true, mtu: 1300}, b: {match: {name: eth1}, dhcp4: true}}";
    let network = after(start, "--interface|eth0|--address|192.0.2.10/24").expect("arguments");
    let lan = &network.interfaces[0];
    assert_eq!((network.interfaces.len(), lan.dhcp4, lan.dhcp6, lan.mtu), (2, false, true, Some(1300)));
    let bond =
        "version: 2\nethernets: {a: {match: {name: eth0}}}\nbonds: {bond0: {interfaces: [a], dhcp4: true}}";
    let network = after(bond, "--interface|bond0|--address|192.0.2.10/24").expect("arguments");
    assert_eq!(network.interfaces.len(), 2);
    let error = after(bond, "--interface|eth0|--address|192.0.2.10/24").expect_err("a member");
    assert!(error.contains("member of 'bond0'"), "{error}");
}

#[test]
fn what_cannot_be_is_refused() {
    for (line, wanted) in [
        ("--address|10.0.0.1/8", "--interface"),
        ("--interface|eth0", "--address"),
        ("--interface|eth0|--mac|52:54:00:00:00:01|--address|10.0.0.1/8", "cannot be used with"),
        ("--interface|eth9|--address|10.0.0.1/8", "there is no interface 'eth9'; there are eth0, eth1"),
        ("--mac|52:54:00:00:00:09|--address|10.0.0.1/8", "with the address 52:54:00:00:00:09"),
        ("--mac|zz|--address|10.0.0.1/8", "no hardware address"),
        ("--interface|eth0|--address|10.0.0.1", "needs the length of its prefix"),
        ("--interface|eth0|--address|10.0.0.0/8", "the network itself"),
        ("--interface|eth0|--ip|10.0.0.1", "--netmask"),
        ("--interface|eth0|--ip|10.0.0.1|--netmask|255.0.255.0", "no network mask"),
        ("--interface|eth0|--address|10.0.0.1/24|--gateway|10.0.1.1", "on no network"),
        (
            "--interface|eth0|--address|10.0.0.1/24|--gateway|10.0.0.2|--gateway|10.0.0.3",
            "more than one IPv4 gateway",
        ),
        ("--interface|eth0|--address|10.0.0.1/24|--mtu|12", "68 to 65535"),
        ("--interface|eth0|--address|10.0.0.1/24|--search|a b", "no domain"),
        ("--interface|eth0|--address|10.0.0.1/24|--dns|one", "invalid"),
        ("--interface|eth0|--address|10.0.0.1/24|--route|10.0.0.0/8 by x", "not known"),
    ] {
        let error = after("version: 2", line).expect_err(line);
        assert!(error.contains(wanted), "{line}: {error}");
    }
}
