use super::*;
use crate::network::network_data::parse;

/// A config drive of nova: fixed addresses of both families, and an interface that asks by DHCP.
const NOVA: &str = r#"{"links": [
 {"id": "tap1a81968a-79", "vif_id": "1a81968a-797a-400f-8a80-567f997eb93f", "type": "ovs", "mtu": 1450, "ethernet_mac_address": "fa:16:3e:ed:9a:59"},
 {"id": "tapb4f2e7d3-01", "vif_id": "b4f2e7d3-0101-4b1e-9b1c-1c2d3e4f5061", "type": "bridge", "mtu": null, "ethernet_mac_address": "fa:16:3e:ed:9a:5a"}],
 "networks": [
 {"id": "network0", "type": "ipv4", "link": "tap1a81968a-79", "ip_address": "172.19.1.34", "netmask": "255.255.252.0", "network_id": "da5bb487-5193-4a65-a3df-4a0055a8c0d7",
  "routes": [{"netmask": "255.255.255.255", "network": "169.254.169.254", "gateway": "172.19.0.2"}, {"netmask": "0.0.0.0", "network": "0.0.0.0", "gateway": "172.19.3.254"}],
  "services": [{"type": "dns", "address": "172.19.0.53"}]},
 {"id": "network1", "type": "ipv6", "link": "tap1a81968a-79", "ip_address": "2001:db8::3257:9652", "netmask": "ffff:ffff:ffff:ffff::", "network_id": "x",
  "routes": [{"network": "::", "netmask": "::", "gateway": "2001:db8::1"}]},
 {"id": "network2", "type": "ipv4_dhcp", "link": "tapb4f2e7d3-01", "network_id": "y"},
 {"id": "network3", "type": "ipv6_slaac", "link": "tapb4f2e7d3-01", "network_id": "z"}],
 "services": [{"type": "dns", "address": "8.8.8.8"}]}"#;

/// Bare metal: a bond and a VLAN on it, as the schema's example has them.
const METAL: &str = r#"{"links": [
 {"id": "interface0", "type": "phy", "ethernet_mac_address": "a0:36:9f:2c:e8:70", "mtu": 9000},
 {"id": "interface1", "type": "phy", "ethernet_mac_address": "a0:36:9f:2c:e8:71", "mtu": 9000},
 {"id": "a-bond-whose-id-is-too-long", "type": "bond", "bond_links": ["interface0", "interface1"], "ethernet_mac_address": "a0:36:9f:2c:e8:70", "bond_mode": "802.3ad", "bond_xmit_hash_policy": "layer3+4", "bond_miimon": 100},
 {"id": "vlan0", "type": "vlan", "vlan_link": "a-bond-whose-id-is-too-long", "vlan_id": 101, "vlan_mac_address": "a0:36:9f:2c:e8:82"}],
 "networks": [{"id": "n", "link": "vlan0", "type": "ipv4", "ip_address": "10.184.0.244/20", "routes": []}], "services": []}"#;

#[test]
fn nova_is_read() {
    let reading = parse(NOVA).expect("a document of nova");
    assert_eq!(reading.warnings, Vec::new());
    let [first, second] = reading.network.interfaces.as_slice() else { panic!("two interfaces") };
    assert_eq!((mac_of(first).as_str(), first.mtu), ("fa:16:3e:ed:9a:59", Some(1450)));
    assert_eq!(cidrs(first), ["172.19.1.34/22", "2001:db8::3257:9652/64"]);
    assert_eq!(
        routes(first),
        ["169.254.169.254/32 172.19.0.2", "0.0.0.0/0 172.19.3.254", "::/0 2001:db8::1"]
    );
    assert!(second.dhcp4 && second.accept_ra == Some(true) && second.mtu.is_none());
    assert_eq!(reading.network.dns.servers, ["8.8.8.8".parse::<std::net::IpAddr>().expect("an address")]);
    let tabs = NOVA.replace("\n ", "\n\t");
    assert_eq!(parse(&tabs).expect("tabs").network, reading.network);
}

#[test]
fn bonds_and_vlans_get_names_that_the_kernel_takes() {
    let network = parse(METAL).expect("a document of ironic").network;
    let bond = network.find("bond0").expect("the bond");
    assert_eq!(bond.members(), ["interface0", "interface1"]);
    let vlan = network.find("vlan0").expect("the VLAN");
    assert_eq!(vlan.kind, Kind::Vlan(Vlan { id: 101, link: "bond0".into() }));
    assert_eq!(vlan.set_mac.expect("a MAC").to_string(), "a0:36:9f:2c:e8:82");
}

#[test]
fn wrong_documents_are_refused() {
    for (text, wanted) in [
        ("[]", "is a map"),
        (r#"{"links": [{"type": "phy"}]}"#, "needs 'id'"),
        (r#"{"links": [{"id": "a", "type": "phy"}]}"#, "needs 'ethernet_mac_address'"),
        (r#"{"links": [{"id": "a", "type": "vlan", "vlan_id": 1, "vlan_link": "b"}]}"#, "no link 'b'"),
        (r#"{"networks": [{"id": "n", "type": "ipv4", "link": "gone"}]}"#, "no usable link 'gone'"),
        (r#"{"linkz": []}"#, "perhaps 'links'"),
        (r#"{"links": [{"id": "a", "id": "b"}]}"#, "given twice"),
    ] {
        let said = match parse(text) {
            Ok(reading) => Problems(reading.warnings).to_string(),
            Err(problems) => problems.to_string(),
        };
        assert!(said.contains(wanted), "{text}: {said}");
    }
}
