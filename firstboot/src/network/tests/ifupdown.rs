use super::super::ifupdown::{interfaces_in, render, without};
use super::*;

const WANTED: &str = include_str!("ifupdown.golden");

fn names() -> BTreeMap<String, String> {
    let pairs = [
        "a:ens1",
        "b:ens2",
        "wan:ens3",
        "dyn:enp4s0",
        "bond0:bond0",
        "bond0.100:bond0.100",
        "bond0.200:bond0.200",
        "br0:br0",
    ];
    pairs.iter().filter_map(|pair| pair.split_once(':')).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}

#[test]
fn every_kind_of_interface_has_its_stanzas() {
    let text = joined(&render(&network(EVERYTHING), &names()));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/network/tests/ifupdown.golden"), &text)
            .expect("writing");
    }
    assert_eq!(text, WANTED);
}

#[test]
fn what_is_not_here_is_not_written() {
    let names = BTreeMap::from([("wan".to_owned(), "ens3".to_owned())]);
    let files = render(&network(EVERYTHING), &names);
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].path, "/etc/network/interfaces.d/05-firstboot-ens3");
}

const DEBIAN: &str = "# The loopback
auto lo
iface lo inet loopback

allow-hotplug ens3 ens4
iface ens3 inet dhcp
    # a comment
    mtu 1400
iface ens4 inet dhcp
source /etc/network/interfaces.d/*
";

#[test]
fn stanzas_of_others_stay() {
    let names = BTreeSet::from(["ens3".to_owned()]);
    let text = without(DEBIAN, &names).expect("a change");
    for line in [
        "#firstboot: allow-hotplug ens3 ens4\nallow-hotplug ens4\n",
        "#firstboot: iface ens3 inet dhcp\n",
        "#firstboot:     mtu 1400\n",
        "\niface ens4 inet dhcp\n",
        "\nauto lo\niface lo inet loopback\n",
        "\nsource /etc",
    ] {
        assert!(text.contains(line), "{line:?}\n{text}");
    }
    assert_eq!(without(&text, &names), None, "once is enough");
    assert_eq!(interfaces_in(&text), BTreeSet::from(["lo".to_owned(), "ens4".to_owned()]));
    assert_eq!(without(DEBIAN, &BTreeSet::from(["eth9".to_owned()])), None);
}
