use std::collections::BTreeMap;

use super::*;
use crate::network::network_data;

/// Values that mean something to a shell, to systemd, to ifupdown, to a terminal, or to a careless reader.
const VALUES: &[&str] = &[
    "",
    " ",
    "\"",
    "'",
    "$(reboot)",
    "`id`",
    "a;b",
    "a\nb",
    "a\r\n[Network]\nDHCP=yes",
    "\u{0}",
    "\u{1b}[2J",
    "../../etc/passwd",
    "%n",
    "-x",
    "!eth0",
    "*",
    "a=b",
    "#",
    "0",
    "-1",
    "4294967296",
    "99999999999999999999",
    "NaN",
    "1e9",
    "0x10",
    "١",
    "é",
    "\u{202e}",
    "10.0.0.1/24\nGateway=1.1.1.1",
    "255.255.255.255/32",
    "::ffff:10.0.0.1/96",
    "fe80::1%eth0/64",
    "2001:db8::1/-1",
];

/// A generator of numbers that every run repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

fn assert_harmless(network: &Network, from: &str) {
    for interface in &network.interfaces {
        let texts = [&interface.name].into_iter().chain(&interface.dns.search).chain(interface.members());
        for text in texts {
            assert!(!text.chars().any(char::is_control), "{text:?} from {from:?}");
        }
    }
    assert!(validate(network).iter().all(|problem| problem.severity == Severity::Warning), "{from:?}");
}

#[test]
fn hostile_values_are_refused_or_harmless() {
    let templates = [
        "version: 2\nethernets: {eth0: {KEY: VALUE}}",
        "version: 2\nethernets: {VALUE: {dhcp4: true}}",
        "version: 2\nethernets: {eth0: {match: {macaddress: VALUE, name: VALUE}, set-name: VALUE}}",
        "version: 2\nethernets: {eth0: {nameservers: {search: [VALUE], addresses: [VALUE]}, routes: [{to: VALUE, via: VALUE}]}}",
        "version: 2\nbonds: {VALUE: {interfaces: [VALUE], parameters: {mode: VALUE, transmit-hash-policy: VALUE, primary: VALUE}}}",
        "version: 1\nconfig: [{type: physical, name: VALUE, mac_address: VALUE, subnets: [{type: static, address: VALUE, netmask: VALUE}]}]",
        "version: 1\nconfig: [{type: VALUE, name: VALUE, params: {bond-mode: VALUE}, subnets: VALUE}]",
    ];
    for template in templates {
        for key in ["addresses", "mtu", "gateway4", "routes", "macaddress", "match", "dhcp4-overrides"] {
            for value in VALUES {
                let quoted = serde_json::to_string(value).expect("text");
                let text = template.replace("KEY", key).replace("VALUE", &quoted);
                if let Ok(reading) = parse_network_config(&text) {
                    assert_harmless(&reading.network, &text);
                } else {
                    assert!(!messages(&text).contains('\u{1b}'), "{text}");
                }
            }
        }
    }
}

#[test]
fn hostile_variables_are_refused_or_harmless() {
    let keys = [
        "MAC",
        "IP",
        "MASK",
        "GATEWAY",
        "DNS",
        "SEARCH_DOMAIN",
        "MTU",
        "METHOD",
        "ROUTES",
        "IP6",
        "ALIAS0_IP",
        "FOO",
    ];
    for key in keys {
        for value in VALUES {
            let mut variables = BTreeMap::from([("ETH0_MAC".to_owned(), "02:00:0a:00:00:07".to_owned())]);
            variables.insert(format!("ETH0_{key}"), (*value).to_owned());
            if let Ok(reading) = super::super::opennebula::parse(&variables) {
                assert_harmless(&reading.network, value);
            }
        }
    }
}

#[test]
fn damaged_documents_end_the_reader_well() {
    let documents =
        [v2::EVERYTHING, "version: 1\nconfig: [{type: physical, name: a, subnets: [{type: dhcp}]}]"];
    let mut random = Random(20_261_126);
    for document in documents {
        for _ in 0..3000 {
            let mut bytes = document.as_bytes().to_vec();
            for _ in 0..=random.below(6) {
                let at = random.below(bytes.len());
                if bytes.len() < 8 {
                    break;
                }
                match random.below(3) {
                    0 => bytes[at] = b" \n{}[]:,'\"&*!|>-%@0a\t"[random.below(21)],
                    1 => drop(bytes.remove(at)),
                    _ => bytes.truncate(at.max(1)),
                }
            }
            let Ok(text) = String::from_utf8(bytes) else { continue };
            if let Ok(reading) = parse_network_config(&text) {
                assert_harmless(&reading.network, &text);
            }
            // Any answer will do; what counts is that there is one.
            drop(network_data::parse(&text));
        }
    }
}

#[test]
fn bombs_are_refused() {
    let deep = "[".repeat(5000);
    let long = format!("version: 2\nethernets:\n{}", "  a: {}\n".repeat(200_000));
    let wide = format!("version: 2\nx: [{}]", "1,".repeat(60_000));
    let mut aliases = String::from("version: 2\na0: &a0 [1,1,1,1,1,1,1,1,1,1]\n");
    for level in 1..8 {
        let below = format!("*a{}", level - 1);
        aliases += &format!("a{level}: &a{level} [{}]\n", vec![below; 10].join(","));
    }
    for (text, wanted) in [
        (deep.as_str(), "recursion limit"),
        (long.as_str(), "bytes"),
        (wide.as_str(), "more than 10000 items"),
        (aliases.as_str(), "aliases stand for"),
        ("version: !!int 2", "a tag"),
        ("version: 2\n---\nversion: 2", "second document"),
    ] {
        let said = messages(text);
        assert!(said.contains(wanted), "{}: {said}", &text[..20.min(text.len())]);
    }
}
