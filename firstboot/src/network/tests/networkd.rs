use super::super::networkd::render;
use super::*;

/// What systemd-networkd is given for [`EVERYTHING`]; `witness` has networkd itself read it.
const WANTED: &str = include_str!("networkd.golden");

#[test]
fn every_kind_of_interface_has_its_files() {
    let macs = BTreeSet::from(["52:54:00:12:34:58".parse().expect("a MAC")]);
    let text = joined(&render(&network(EVERYTHING), &macs));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/network/tests/networkd.golden"), &text)
            .expect("writing");
    }
    assert_eq!(text, WANTED);
    assert_eq!(joined(&render(&network(EVERYTHING), &macs)), text, "the same bytes again");
}

#[test]
fn names_that_no_file_has_do_not_collide() {
    let text = "version: 2\nethernets: {'a b': {match: {name: e0}}, 'a/b': {match: {name: e1}}}";
    let paths: Vec<_> = render(&network(text), &BTreeSet::new()).into_iter().map(|file| file.path).collect();
    assert_eq!(
        paths,
        ["/etc/systemd/network/05-firstboot-a_b-1.network", "/etc/systemd/network/05-firstboot-a_b.network"]
    );
}

#[test]
fn name_servers_for_all_are_asked_where_something_answers() {
    let text = "version: 1\nconfig:\n- {type: physical, name: e0, subnets: [{type: dhcp}]}\n- {type: physical, name: e1}\n- {type: nameserver, address: 9.9.9.9}\n";
    let files = render(&network(text), &BTreeSet::new());
    assert!(files[0].content.contains("DNS=9.9.9.9") && !files[1].content.contains("DNS="));
}
