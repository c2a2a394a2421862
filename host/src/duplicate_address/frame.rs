//! The frames: ARP over Ethernet (RFC 826), neighbour discovery over IPv6 (RFC 4861).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const ETHERNET_HEADER: usize = 14;
const IPV6_HEADER: usize = 40;
const NEXT_HEADER_ICMPV6: u8 = 58;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// Bytes of either message without options: type, code, checksum, flags, target.
const NEIGHBOUR_MESSAGE: usize = 24;

/// The kind of frames in which is asked and answered.
pub(super) fn protocol(address: IpAddr) -> u16 {
    if address.is_ipv4() { ETHERTYPE_ARP } else { ETHERTYPE_IPV6 }
}

/// The frame that asks who has `address`, from a machine that has no address yet.
pub(super) fn question(mac: [u8; 6], address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => arp_probe(mac, address),
        IpAddr::V6(address) => solicitation(mac, address),
    }
}

/// Who says in this frame that it has, or is about to take, `address`.
pub(super) fn answer(frame: &[u8], address: IpAddr) -> Option<[u8; 6]> {
    match address {
        IpAddr::V4(address) => arp_owner(frame, address),
        IpAddr::V6(address) => neighbour_owner(frame, address),
    }
}

fn arp_probe(mac: [u8; 6], address: Ipv4Addr) -> Vec<u8> {
    let mut frame = ethernet([0xff; 6], mac, ETHERTYPE_ARP);
    // Ethernet, IPv4, lengths of their addresses, and the operation: a request.
    frame.extend([0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(mac);
    frame.extend([0; 4]);
    frame.extend([0; 6]);
    frame.extend(address.octets());
    frame
}

/// Anyone who sends with the address has it; another probe for it wants it at the same time (RFC 5227, 2.1.1).
fn arp_owner(frame: &[u8], address: Ipv4Addr) -> Option<[u8; 6]> {
    let body = body(frame, ETHERTYPE_ARP)?.get(..28)?;
    if body[..6] != [0, 1, 8, 0, 6, 4] {
        return None;
    }
    let sender_mac = body[8..14].try_into().ok()?;
    let (sender, target) = (&body[14..18], &body[24..28]);
    let probes_too = body[6..8] == [0, 1] && sender == [0; 4] && target == address.octets();
    (sender == address.octets() || probes_too).then_some(sender_mac)
}

/// Where all that share the last three octets of an address listen.
fn solicited(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c])
}

/// The Ethernet group of the solicited-node group of `address`.
pub(super) fn solicited_multicast_mac(address: Ipv6Addr) -> [u8; 6] {
    let [.., a, b, c] = address.octets();
    [0x33, 0x33, 0xff, a, b, c]
}

fn solicitation(mac: [u8; 6], address: Ipv6Addr) -> Vec<u8> {
    let (source, destination) = (Ipv6Addr::UNSPECIFIED, solicited(address));
    let mut message = vec![NEIGHBOUR_SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
    message.extend(address.octets());
    let sum = checksum(source, destination, &message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut frame = ethernet(solicited_multicast_mac(address), mac, ETHERTYPE_IPV6);
    frame.extend([0x60, 0, 0, 0, 0, NEIGHBOUR_MESSAGE as u8, NEXT_HEADER_ICMPV6, 255]);
    frame.extend(source.octets());
    frame.extend(destination.octets());
    frame.extend(message);
    frame
}

/// An advertisement of the address, or another solicitation from `::` for it.
fn neighbour_owner(frame: &[u8], address: Ipv6Addr) -> Option<[u8; 6]> {
    let body = body(frame, ETHERTYPE_IPV6)?;
    let header = body.get(..IPV6_HEADER)?;
    // Hop limit 255 shows that no router has passed it on.
    if header[0] >> 4 != 6 || header[6] != NEXT_HEADER_ICMPV6 || header[7] != 255 {
        return None;
    }
    let message = body.get(IPV6_HEADER..)?.get(..NEIGHBOUR_MESSAGE)?;
    let from_nobody = header[8..24] == [0; 16];
    let says = match message[0] {
        NEIGHBOUR_ADVERTISEMENT => true,
        NEIGHBOUR_SOLICITATION => from_nobody,
        _ => false,
    };
    let target: [u8; 16] = message[8..24].try_into().ok()?;
    (says && target == address.octets()).then(|| frame[6..12].try_into().ok()).flatten()
}

fn ethernet(to: [u8; 6], from: [u8; 6], ethertype: u16) -> Vec<u8> {
    let mut frame = Vec::with_capacity(ETHERNET_HEADER + IPV6_HEADER + NEIGHBOUR_MESSAGE);
    frame.extend(to);
    frame.extend(from);
    frame.extend(ethertype.to_be_bytes());
    frame
}

/// What is behind the header of a frame of that kind.
fn body(frame: &[u8], ethertype: u16) -> Option<&[u8]> {
    (frame.get(12..ETHERNET_HEADER)? == ethertype.to_be_bytes()).then(|| &frame[ETHERNET_HEADER..])
}

/// The Internet checksum over the message and its pseudo-header.
fn checksum(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> u16 {
    let mut bytes = Vec::with_capacity(IPV6_HEADER + message.len());
    bytes.extend(source.octets());
    bytes.extend(destination.octets());
    bytes.extend((message.len() as u32).to_be_bytes());
    bytes.extend([0, 0, 0, NEXT_HEADER_ICMPV6]);
    bytes.extend(message);
    let mut sum: u32 = 0;
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
