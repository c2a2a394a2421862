//! Asks the link whether somebody has an address already, before this machine takes it.
//!
//! IPv4: ARP probes (RFC 5227: the sender's address is zero, so no cache learns a wrong one). IPv6: neighbour
//! solicitations from `::` (RFC 4862). Both are whole frames through a packet socket, since the address is not this
//! machine's yet. `frame` writes and reads them and is pure; `socket` sends.

mod frame;
mod socket;

use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use socket::PacketSocket;

/// How often is asked: a frame may be lost.
const PROBES: u32 = 3;
/// How long an answer is waited for, each time.
const PATIENCE: Duration = Duration::from_millis(350);

/// Asks on `interface`, which has the hardware address `mac`, and returns who has `address`; none if nobody answers.
///
/// # Errors
///
/// When there is no such interface, it is down, or the kernel refuses (`CAP_NET_RAW` is needed).
pub fn owner_of(interface: &str, mac: [u8; 6], address: IpAddr) -> io::Result<Option<[u8; 6]>> {
    let socket = PacketSocket::open(interface, frame::protocol(address))?;
    if let IpAddr::V6(address) = address {
        socket.join(frame::solicited_multicast_mac(address))?;
        // Answers to `::` go to all nodes.
        socket.join([0x33, 0x33, 0, 0, 0, 1])?;
    }
    let question = frame::question(mac, address);
    let mut buffer = [0; 2048];
    for _ in 0..PROBES {
        socket.send(&question)?;
        let until = Instant::now() + PATIENCE;
        while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            let Some(count) = socket.receive(&mut buffer, left)? else { break };
            let owner = frame::answer(&buffer[..count], address).filter(|owner| *owner != mac);
            if owner.is_some() {
                return Ok(owner);
            }
        }
    }
    Ok(None)
}
