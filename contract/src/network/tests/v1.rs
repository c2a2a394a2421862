use super::*;

/// Proxmox VE's generator of NoCloud disks, in its own shape.
const PROXMOX: &str = "version: 1
config:
    - type: physical
      name: eth0
      mac_address: 'bc:24:11:5f:0a:01'
      subnets:
      - type: static
        address: '192.168.1.50'
        netmask: '255.255.255.0'
        gateway: '192.168.1.1'
      - type: static6
        address: 'fd00:1::50/64'
        gateway: 'fd00:1::1'
    - type: physical
      name: eth1
      mac_address: 'bc:24:11:5f:0a:02'
      subnets:
      - type: dhcp4
      - type: ipv6_slaac
    - type: nameserver
      address:
      - '192.168.1.1'
      - '1.1.1.1'
      search:
      - 'example.com'
";

/// The example of the format's own description: a bond, a VLAN on it, a bridge.
const NESTED: &str = "network:
  version: 1
  config:
    - {type: loopback, name: lo}
    - {type: physical, name: eth0, mac_address: 'c0:d6:9f:2c:e8:80'}
    - {type: physical, name: eth1, mac_address: 'c0:d6:9f:2c:e8:81', mtu: 9000}
    - type: bond
      name: bond0
      mac_address: aa:bb:cc:dd:ee:ff
      bond_interfaces: [eth0, eth1]
      params: {bond-mode: active-backup, bond_miimon: 100, bond-primary: eth0}
    - type: vlan
      name: bond0.111
      vlan_link: bond0
      vlan_id: 111
      subnets:
        - {type: static, address: 10.0.0.2/24, gateway: 10.0.0.1, dns_nameservers: [10.0.0.53], dns_search: [a.example],
           routes: [{destination: 10.9.0.0, netmask: 255.255.0.0, gateway: 10.0.0.254, metric: 3}]}
    - {type: bridge, name: br0, bridge_interfaces: [], params: {bridge_stp: 'off', bridge_fd: 0}}
    - {type: route, destination: 172.16.0.0/12, gateway: 10.0.0.253}
";

#[test]
fn proxmox_is_read() {
    let network = clean(PROXMOX);
    let [first, second] = network.interfaces.as_slice() else { panic!("two interfaces") };
    assert_eq!(mac_of(first), "bc:24:11:5f:0a:01");
    assert_eq!(cidrs(first), ["192.168.1.50/24", "fd00:1::50/64"]);
    assert_eq!(routes(first), ["0.0.0.0/0 192.168.1.1", "::/0 fd00:1::1"]);
    assert!(second.dhcp4 && second.accept_ra == Some(true));
    assert_eq!((network.dns.servers.len(), network.dns.search.len()), (2, 1));
}

#[test]
fn nested_interfaces_are_read() {
    let network = clean(NESTED);
    let Kind::Bond(bond) = &network.find("bond0").expect("bond0").kind else { panic!("no bond") };
    assert_eq!(
        (bond.mode, bond.monitor_milliseconds, bond.primary.as_deref()),
        (BondMode::ActiveBackup, Some(100), Some("eth0"))
    );
    let vlan = network.find("bond0.111").expect("a VLAN");
    assert_eq!(
        routes(vlan),
        ["0.0.0.0/0 10.0.0.1", "10.9.0.0/16 10.0.0.254 metric 3", "172.16.0.0/12 10.0.0.253"]
    );
    assert_eq!(vlan.dns.search, ["a.example"]);
    let Kind::Bridge(bridge) = &network.find("br0").expect("br0").kind else { panic!("no bridge") };
    assert_eq!((bridge.spanning_tree, bridge.forward_delay_seconds), (Some(false), Some(0)));
}

#[test]
fn wrong_documents_are_refused() {
    for (item, wanted) in [
        ("{type: physical}", "needs 'name'"),
        ("{name: eth0}", "needs 'type'"),
        ("{type: wifi, name: w}", "no type 'wifi'"),
        ("{type: physical, name: e, subnets: [{type: static}]}", "needs 'address'"),
        ("{type: physical, name: e, subnets: [{type: static, address: 10.0.0.1}]}", "length of its prefix"),
        (
            "{type: physical, name: e, subnets: [{type: static, address: 10.0.0.1, netmask: 255.0.255.0}]}",
            "no network mask",
        ),
        ("{type: physical, name: e, subnets: [{type: magic}]}", "no type 'magic'"),
        ("{type: nameserver, address: 1.1.1.1, interface: gone}", "no interface 'gone'"),
        ("{type: route, destination: 10.0.0.0/8, gateway: 10.1.1.1}", "on its network"),
        ("{type: vlan, name: v, vlan_id: 4095, vlan_link: e}", "1 to 4094"),
        ("{type: bond, name: b, params: {bond-fancy: 1}}", "'bond-fancy' has no effect"),
        ("nonsense", "is a map, not a single value"),
    ] {
        let said = messages(&format!("version: 1\nconfig:\n- {item}\n"));
        assert!(said.contains(wanted) && said.contains("line 3,"), "{item}: {said}");
    }
}
