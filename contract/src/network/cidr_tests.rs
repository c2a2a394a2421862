use super::*;

fn cidr(text: &str) -> Cidr {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn networks_have_edges() {
    for (text, network, broadcast) in [
        ("192.0.2.77/24", "192.0.2.0/24", Some("192.0.2.255")),
        ("192.0.2.77/30", "192.0.2.76/30", Some("192.0.2.79")),
        ("192.0.2.77/31", "192.0.2.76/31", None),
        ("192.0.2.77/32", "192.0.2.77/32", None),
        ("192.0.2.77/0", "0.0.0.0/0", Some("255.255.255.255")),
        ("2001:db8::ff/64", "2001:db8::/64", None),
        ("2001:db8::ff/0", "::/0", None),
        ("2001:db8::ff/128", "2001:db8::ff/128", None),
    ] {
        assert_eq!(cidr(text).network(), cidr(network), "{text}");
        assert_eq!(cidr(text).broadcast().map(|address| address.to_string()).as_deref(), broadcast, "{text}");
        assert!(cidr(network).contains(cidr(text).address), "{text}");
    }
    assert!(!cidr("192.0.2.0/24").contains("192.0.3.1".parse().expect("an address")));
    assert!(!cidr("0.0.0.0/0").contains("::1".parse().expect("an address")));
}

#[test]
fn masks_are_read_in_every_form() {
    for (address, mask, prefix) in [
        ("10.0.0.1", "255.255.255.0", 24),
        ("10.0.0.1", "0.0.0.0", 0),
        ("10.0.0.1", "255.255.255.255", 32),
        ("10.0.0.1", "24", 24),
        ("10.0.0.1", "/22", 22),
        ("2001:db8::1", "ffff:ffff:ffff:ffff::", 64),
        ("2001:db8::1", "64", 64),
    ] {
        let address = address.parse().expect("an address");
        assert_eq!(Cidr::with_mask(address, mask).expect(mask).prefix, prefix, "{mask}");
    }
    for (address, mask) in [
        ("10.0.0.1", "255.0.255.0"),
        ("10.0.0.1", "33"),
        ("10.0.0.1", ""),
        ("10.0.0.1", "+8"),
        ("10.0.0.1", "ffff::"),
        ("2001:db8::1", "255.255.255.0"),
        ("2001:db8::1", "129"),
    ] {
        let address = address.parse().expect("an address");
        assert!(Cidr::with_mask(address, mask).is_err(), "{mask}");
    }
}

#[test]
fn other_texts_are_refused() {
    for text in [
        "",
        "/",
        "10.0.0.1",
        "10.0.0.1/",
        "10.0.0.1/33",
        "10.0.0.256/8",
        "10.0.0/8",
        "::1/129",
        "fe80::1%eth0/64",
        "10.0.0.1/8/8",
        "010.0.0.1/8",
    ] {
        assert!(text.parse::<Cidr>().is_err(), "{text:?}");
    }
}
