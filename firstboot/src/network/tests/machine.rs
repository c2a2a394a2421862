use super::*;

const ONE: &[(&str, &str, bool)] = &[("ens3", "52:54:00:00:00:01", true)];
const TWO: &[(&str, &str, bool)] =
    &[("ens3", "52:54:00:00:00:01", true), ("ens4", "52:54:00:00:00:02", false)];

fn by_mac(mac: &str) -> Network {
    network(&format!("version: 2\nethernets: {{lan: {{match: {{macaddress: '{mac}'}}, dhcp4: true}}}}"))
}

#[test]
fn a_clone_with_one_interface_is_not_left_without_network() {
    let machine = SmallMachine::new(ONE);
    let mut wanted = by_mac("52:54:00:99:99:99");
    let notes = machine.load().settle(&mut wanted);
    assert!(notes[0].contains("'ens3' (52:54:00:00:00:01), the only one, takes its place"), "{notes:?}");
    assert_eq!(wanted, by_mac("52:54:00:00:00:01"));
    assert!(machine.load().settle(&mut wanted).is_empty(), "now it fits");
}

#[test]
fn nothing_is_guessed_between_two_or_without_any() {
    let mut wanted = by_mac("52:54:00:99:99:99");
    let notes = SmallMachine::new(TWO).load().settle(&mut wanted);
    assert!(notes[0].contains("set when one comes"), "{notes:?}");
    assert!(SmallMachine::new(&[]).load().settle(&mut wanted).is_empty());
    assert_eq!(wanted, by_mac("52:54:00:99:99:99"));
}

#[test]
fn addresses_and_names_are_found() {
    let small = SmallMachine::new(TWO);
    small.write("sys/class/net/lo/type", "772\n");
    small.write("sys/class/net/vlan5/type", "1\n");
    small.write("sys/class/net/vlan5/address", "52:54:00:00:00:01\n");
    small.write("sys/class/net/vlan5/uevent", "DEVTYPE=vlan\nINTERFACE=vlan5\n");
    let machine = small.load();
    assert_eq!(machine.by_mac("52:54:00:00:00:01".parse().expect("a MAC")).expect("found").name, "ens3");
    assert_eq!(machine.without_permanent(), BTreeSet::from(["52:54:00:00:00:02".parse().expect("a MAC")]));
    let wanted = network(
        "version: 2\nethernets: {a: {match: {name: 'ens[4-9]'}}, b: {match: {name: 'eth?'}}}\nvlans: {v: {id: 5, link: a}}",
    );
    let names = machine.names(&wanted);
    assert_eq!(
        names,
        BTreeMap::from([("a".to_owned(), "ens4".to_owned()), ("v".to_owned(), "v".to_owned())])
    );
}

#[test]
fn the_manager_is_who_is_enabled_and_whose_files_speak_of_it() {
    let names = BTreeSet::from(["ens3".to_owned()]);
    let small = SmallMachine::new(ONE);
    let error = Manager::detect(&small.root(), &names).expect_err("nobody").to_string();
    assert!(error.contains("systemctl enable systemd-networkd") && error.contains("--manager"), "{error}");
    small.enable("networking.service");
    small.write("usr/sbin/ifup", "");
    assert_eq!(Manager::detect(&small.root(), &names).expect("one"), Manager::Ifupdown);
    small.enable("systemd-networkd.service");
    assert_eq!(Manager::detect(&small.root(), &names).expect("one"), Manager::Networkd);
    small.write("etc/network/interfaces", "iface ens3 inet dhcp\n");
    assert_eq!(Manager::detect(&small.root(), &names).expect("one"), Manager::Ifupdown);
}
