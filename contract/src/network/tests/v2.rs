use super::*;

/// Every kind of interface and every key that has an effect.
pub(super) const EVERYTHING: &str = r#"
network:
  version: 2
  renderer: networkd
  ethernets:
    wan:
      match: { macaddress: "52:54:00:12:34:56" }
      set-name: wan0
      dhcp4: false
      accept-ra: false
      addresses: [192.0.2.10/24, "2001:db8::10/64"]
      routes:
        - { to: default, via: 192.0.2.1, metric: 50 }
        - { to: "::/0", via: "fe80::1" }
        - { to: 198.51.100.0/24, via: 203.0.113.1, on-link: true, from: 192.0.2.10, table: 100 }
      nameservers: { addresses: [192.0.2.53, "2001:db8::53"], search: [example.com, lab.example.com] }
      mtu: 1400
    a: { match: { name: "enp1s*", driver: virtio_net } }
    eth5: { dhcp4: true, dhcp6: yes, optional: true, dhcp-identifier: mac, dhcp4-overrides: { route-metric: 200, use-dns: false, use-routes: true } }
    b: { match: { macaddress: 52-54-00-12-34-58 } }
  bonds:
    bond0:
      interfaces: [a, b]
      macaddress: "52:54:00:12:34:99"
      parameters: { mode: 802.3ad, lacp-rate: fast, mii-monitor-interval: 100, min-links: 1, transmit-hash-policy: layer3+4, up-delay: 200, down-delay: 200, primary: a }
  vlans:
    bond0.100: { id: 100, link: bond0, addresses: [10.100.0.2/24] }
    bond0.200: { id: 200, link: bond0 }
  bridges:
    br0: { interfaces: [bond0.200], parameters: { stp: false, forward-delay: 4, priority: 100 }, dhcp4: true }
"#;

#[test]
fn everything_is_read() {
    let network = clean(EVERYTHING);
    let wan = network.find("wan").expect("wan");
    assert_eq!(mac_of(wan), "52:54:00:12:34:56");
    assert_eq!(cidrs(wan), ["192.0.2.10/24", "2001:db8::10/64"]);
    assert_eq!(
        routes(wan),
        ["0.0.0.0/0 192.0.2.1 metric 50", "::/0 fe80::1", "198.51.100.0/24 203.0.113.1 onlink"]
    );
    assert_eq!((wan.mtu, wan.accept_ra, wan.dns.search.len()), (Some(1400), Some(false), 2));
    let dynamic = network.find("eth5").expect("eth5");
    assert!(dynamic.dhcp4 && dynamic.dhcp6 && dynamic.optional && dynamic.dhcp.identify_by_mac);
    assert_eq!((dynamic.dhcp.route_metric, dynamic.dhcp.use_dns), (Some(200), Some(false)));
    let Kind::Bond(bond) = &network.find("bond0").expect("bond0").kind else { panic!("no bond") };
    assert_eq!(
        (bond.mode, bond.lacp_rate, bond.minimum_links),
        (BondMode::Lacp, Some(LacpRate::Fast), Some(1))
    );
    assert_eq!(network.master_of("a").expect("a master").name, "bond0");
    assert_eq!(
        network.find("bond0.100").expect("a VLAN").kind,
        Kind::Vlan(Vlan { id: 100, link: "bond0".into() })
    );
}

/// What EC2, Azure, GCE-like and Hetzner-like clouds, and NoCloud disks, have in this format.
#[test]
fn documents_of_clouds_are_read() {
    let ec2 = "version: 2\nethernets:\n  ens5:\n    dhcp4: true\n    dhcp4-overrides: {route-metric: 100}\n    dhcp6: false\n    match: {macaddress: '0a:ff:c5:1b:22:11'}\n    set-name: ens5\n";
    assert!(clean(ec2).interfaces[0].dhcp4);
    let single = "network: {version: 2, ethernets: {eth0: {addresses: [203.0.113.7/32, '2001:db8:1::1/64'], gateway4: 172.31.1.1, gateway6: 'fe80::1'}}}";
    let network = clean(single);
    // Beside a single address, every gateway is on the link.
    assert_eq!(routes(&network.interfaces[0]), ["0.0.0.0/0 172.31.1.1 onlink", "::/0 fe80::1"]);
    let by_id = clean("version: 2\nethernets:\n  eth0:\n  eth1: {dhcp4: true}\n");
    assert_eq!(by_id.interfaces.len(), 2);
    let disabled = parse_network_config("network: {config: disabled}").expect("disabled");
    assert!(disabled.disabled && disabled.network.interfaces.is_empty());
}

#[test]
fn wrong_values_are_errors_with_their_place() {
    for (body, line, wanted) in [
        ("    addresses: [10.0.0.1]", 4, "needs the length of its prefix"),
        ("    addresses: [10.0.0.1/33]", 4, "0 to 32"),
        ("    addresses: [10.0.0.0/24]", 4, "the network itself"),
        ("    addresses: [10.0.0.255/24]", 4, "broadcast"),
        ("    addresses: [127.0.0.1/8]", 4, "loopback"),
        ("    addresses: [224.0.0.1/24]", 4, "group"),
        ("    addresses: [0.0.0.0/0]", 4, "every address"),
        ("    addresses: ['2001:db8::/64']", 4, "the network itself"),
        ("    addresses: [10.0.0.1/24, 10.0.0.1/24]", 4, "twice"),
        ("    addresses: [10.0.0.1/24]\n    gateway4: 10.0.1.1", 5, "is on no network"),
        ("    addresses: [10.0.0.1/24]\n    gateway4: 10.0.0.1", 5, "own address"),
        ("    addresses: [10.0.0.1/24]\n    gateway4: 10.0.0.255", 5, "broadcast address"),
        ("    addresses: [10.0.0.1/24]\n    gateway4: 'fe80::1'", 5, "wrong family"),
        ("    mtu: 67", 4, "68 to 65535"),
        ("    mtu: 1200\n    dhcp6: true", 3, "1280"),
        ("    dhcp4: perhaps", 4, "neither true nor false"),
        ("    macaddress: 'ff:ff:ff:ff:ff:ff'", 4, "group"),
        ("    match: {macaddress: '52:54'}", 4, "hardware address"),
        ("    match: {name: 'a b'}", 3, "no pattern"),
        ("    match: {}", 3, "neither MAC"),
        ("    nameservers: {addresses: [example.com]}", 4, "no IPv4 or IPv6"),
        ("    nameservers: {search: ['a..b']}", 3, "no domain"),
        ("    dhcp4: true\n    dhcp4: true", 5, "twice"),
        ("    routes: [{via: 10.0.0.1}]", 4, "needs 'to'"),
        ("    routes: [{to: 10.0.0.0/8, via: 'fe80::1'}]", 4, "other family"),
    ] {
        let said = messages(&format!("version: 2\nethernets:\n  eth0:\n{body}\n"));
        assert!(said.contains(wanted) && said.starts_with(&format!("line {line},")), "{body}: {said}");
    }
}

#[test]
fn unknown_keys_are_warnings_with_a_guess() {
    let said =
        messages("version: 2\nethernets:\n  eth0:\n    adresses: [10.0.0.1/24]\n    wakeonlan: true\n");
    assert!(
        said.contains("line 4, column 5: an interface has no key 'adresses'; perhaps 'addresses'"),
        "{said}"
    );
    assert!(said.contains("line 5, column 5: 'wakeonlan' of an interface has no effect"), "{said}");
}

#[test]
fn relations_are_checked() {
    for (text, wanted) in [
        ("bonds: {bond0: {interfaces: [gone]}}", "not described"),
        ("vlans: {v: {id: 5, link: gone}}", "not described"),
        ("vlans: {v: {id: 0, link: gone}}", "1 to 4094"),
        ("vlans: {v: {link: gone}}", "needs 'id'"),
        ("vlans: {a: {id: 5, link: b}, b: {id: 6, link: a}}", "on itself"),
        ("bridges: {br0: {interfaces: [br0]}}", "on itself"),
        (
            "ethernets: {a: {}}\nbonds: {b: {interfaces: [a]}, c: {interfaces: [a]}}",
            "is a member of 'b' and of 'c'",
        ),
        ("ethernets: {a: {dhcp4: true}}\nbonds: {b: {interfaces: [a]}}", "cannot have addresses"),
        ("ethernets: {a: {}}\nbridges: {a: {}}", "two interfaces"),
        ("bridges: {sixteen-letters-x: {}}", "no name of an interface"),
        ("bonds: {b: {parameters: {mode: 9}}}", "no mode of a bond"),
        (
            "ethernets: {a: {addresses: [10.0.0.1/24]}, b: {addresses: [10.0.0.1/16]}}",
            "given to 'a' and to 'b'",
        ),
        (
            "ethernets: {a: {match: {macaddress: '52:54:00:00:00:01'}}, b: {match: {macaddress: '52-54-00-00-00-01'}}}",
            "same hardware address",
        ),
        ("ethernets: []", "map of names"),
    ] {
        let said = messages(&format!("version: 2\n{text}\n"));
        assert!(said.contains(wanted), "{text}: {said}");
    }
    for (text, wanted) in [
        ("version: 3", "has version '3'"),
        ("{}", "says no version"),
        ("[]", "no version"),
        ("", "empty"),
        ("a: [", "not YAML"),
    ] {
        assert!(messages(text).contains(wanted), "{text}: {}", messages(text));
    }
}
