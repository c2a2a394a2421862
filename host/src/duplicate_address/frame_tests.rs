use super::*;

const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const OTHER: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x57];

fn v4() -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, 7)
}

fn v6() -> Ipv6Addr {
    "2001:db8::1234:5678".parse().expect("an address")
}

#[test]
fn probes_tell_no_address() {
    let frame = question(MAC, v4().into());
    assert_eq!(frame.len(), 42);
    assert_eq!(frame[28..32], [0; 4]);
    assert_eq!(frame[38..42], v4().octets());
    // Our own probe, heard back from a switch, names its sender; the caller knows itself.
    assert_eq!(answer(&frame, v4().into()), Some(MAC));
}

#[test]
fn answers_are_understood() {
    let mut reply = question(OTHER, v4().into());
    reply[21] = 2;
    assert_eq!(answer(&reply, v4().into()), None, "a reply from 0.0.0.0 says nothing");
    reply[28..32].copy_from_slice(&v4().octets());
    assert_eq!(answer(&reply, v4().into()), Some(OTHER));
    assert_eq!(answer(&reply, Ipv4Addr::new(192, 0, 2, 8).into()), None);
}

#[test]
fn solicitations_are_what_the_standard_says() {
    let frame = question(MAC, v6().into());
    assert_eq!(frame[..6], [0x33, 0x33, 0xff, 0x34, 0x56, 0x78]);
    assert_eq!(frame[38..54], solicited(v6()).octets());
    // The sum over everything with its checksum in place is zero.
    let (mut message, sum) = (frame[54..].to_vec(), &frame[56..58]);
    assert_ne!(sum, [0, 0]);
    assert_eq!(checksum(Ipv6Addr::UNSPECIFIED, solicited(v6()), &message), 0);
    message[20] ^= 1;
    assert_ne!(checksum(Ipv6Addr::UNSPECIFIED, solicited(v6()), &message), 0);
}

#[test]
fn advertisements_are_understood() {
    let mut frame = question(OTHER, v6().into());
    assert_eq!(answer(&frame, v6().into()), Some(OTHER), "another machine wants it as well");
    frame[54] = NEIGHBOUR_ADVERTISEMENT;
    assert_eq!(answer(&frame, v6().into()), Some(OTHER));
    frame[21] = 64;
    assert_eq!(answer(&frame, v6().into()), None, "it came through a router");
}

#[test]
fn no_frame_is_too_short_or_too_strange() {
    for frame in [question(OTHER, v4().into()), question(OTHER, v6().into())] {
        for length in 0..frame.len() {
            assert_eq!(answer(&frame[..length], v4().into()), None);
            assert_eq!(answer(&frame[..length], v6().into()), None);
        }
        for at in 0..frame.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut frame = frame.clone();
                frame[at] = value;
                let _ = (answer(&frame, v4().into()), answer(&frame, v6().into()));
            }
        }
    }
}
