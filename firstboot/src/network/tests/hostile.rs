//! Whatever a reader lets through, what is written has only lines that we meant.

use super::super::{ifupdown, networkd};
use super::*;

const VALUES: &[&str] = &[
    "a;reboot",
    "a\nDHCP=yes",
    "a\r\n[Network]\nDHCP=yes",
    "$(reboot)",
    "`id`",
    "a b",
    "a=b",
    "[Network]",
    "#",
    "%n",
    "../x",
    "eth0",
    "-x",
    "!eth0",
    "lan",
    "e*",
    "a|b",
    "a&b",
    "a>b",
    "\u{1b}[2J",
    "\u{85}x",
    "\u{2028}x",
    "é",
    "~.",
    "example.com",
];

const TEMPLATES: &[&str] = &[
    "version: 2\nethernets: {V: {addresses: [10.0.0.1/24]}}",
    "version: 2\nethernets: {V: {match: {macaddress: '52:54:00:00:00:01'}, dhcp4: true}}\nvlans: {v5: {id: 5, link: V}}",
    "version: 2\nethernets: {a: {match: {name: V, driver: V}, set-name: V, dhcp4: true}}",
    "version: 2\nethernets: {a: {addresses: [10.0.0.1/24], nameservers: {search: [V], addresses: [9.9.9.9]}}}",
    "version: 2\nethernets: {a: {}}\nbonds: {V: {interfaces: [a], parameters: {primary: a}}}",
    "version: 2\nethernets: {V: {}}\nbridges: {br0: {interfaces: [V], dhcp4: true}}",
    "version: 1\nconfig: [{type: physical, name: V, subnets: [{type: static, address: 10.0.0.1/24, dns_search: [V]}]}]",
];

fn is_of_systemd(line: &str) -> bool {
    let is_word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let section = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let key = line.split_once('=').map(|(key, _)| key);
    line.is_empty()
        || line.starts_with("# Written by firstboot")
        || section.is_some_and(is_word)
        || key.is_some_and(is_word)
}

fn is_of_ifupdown(line: &str) -> bool {
    let own = ["# Written by firstboot", "auto ", "allow-hotplug ", "iface "];
    let option =
        ["address", "dns-nameservers", "dns-search", "bond-", "bridge_", "vlan-", "post-up ip ", "metric "];
    let rest = line.strip_prefix("    ");
    let plain =
        !line.contains(['$', ';', '`', '|', '&', '>', '<', '(', '\\']) || line.starts_with("# Written");
    plain
        && (own.iter().any(|start| line.starts_with(start))
            || rest.is_some_and(|rest| option.iter().any(|start| rest.starts_with(start))))
}

#[test]
fn only_lines_that_we_meant_are_written() {
    let mut written = 0;
    for template in TEMPLATES {
        for value in VALUES {
            let text = template.replace('V', &serde_json::to_string(value).expect("text"));
            let Ok(reading) = parse_network_config(&text) else { continue };
            // ifupdown knows names of the kernel, which have no such signs by themselves.
            let pairs = reading.network.interfaces.iter().enumerate();
            let names = pairs.map(|(index, one)| (one.name.clone(), format!("eth{index}"))).collect();
            for file in networkd::render(&reading.network, &BTreeSet::new()) {
                written += 1;
                assert!(file.content.lines().all(is_of_systemd), "{value:?}\n{}", file.content);
                let sections = file.content.lines().filter(|line| *line == "[Network]").count();
                assert_eq!(sections, usize::from(file.path.ends_with(".network")), "{value:?}");
                assert_eq!(file.path.matches('/').count(), 4, "{}", file.path);
            }
            for file in ifupdown::render(&reading.network, &names) {
                assert!(file.content.lines().all(is_of_ifupdown), "{value:?}\n{}", file.content);
            }
        }
    }
    assert!(written > 50, "only {written} files came about");
}
