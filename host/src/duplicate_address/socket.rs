//! A socket for whole frames on one interface.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Closed when dropped.
#[derive(Debug)]
pub(super) struct PacketSocket {
    fd: OwnedFd,
    index: i32,
}

impl PacketSocket {
    /// Opens one that hears frames of one kind.
    pub(super) fn open(interface: &str, ethertype: u16) -> io::Result<Self> {
        let index = nix::net::if_::if_nametoindex(interface)?.cast_signed();
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // Protocol 0 hears nothing until the socket is bound to the interface: no frame of another one gets in.
        // SAFETY: only numbers are passed.
        let fd = Errno::result(unsafe { libc::socket(libc::AF_PACKET, kind, 0) })?;
        // SAFETY: the call has just returned this descriptor, and nothing else knows its number.
        let socket = Self { fd: unsafe { OwnedFd::from_raw_fd(fd) }, index };
        socket.bind(ethertype)?;
        Ok(socket)
    }

    fn bind(&self, ethertype: u16) -> io::Result<()> {
        // SAFETY: `sockaddr_ll` is plain numbers, for which all zeroes are valid.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = ethertype.to_be();
        address.sll_ifindex = self.index;
        let length = size_of_val(&address) as libc::socklen_t;
        // SAFETY: the address lives through the call and has the length that is passed.
        let result = unsafe { libc::bind(self.fd.as_raw_fd(), (&raw const address).cast(), length) };
        Errno::result(result)?;
        Ok(())
    }

    /// Hears frames to a group as well.
    pub(super) fn join(&self, group: [u8; 6]) -> io::Result<()> {
        let mut address = [0; 8];
        address[..6].copy_from_slice(&group);
        let request = libc::packet_mreq {
            mr_ifindex: self.index,
            mr_type: libc::PACKET_MR_MULTICAST as u16,
            mr_alen: 6,
            mr_address: address,
        };
        let length = size_of_val(&request) as libc::socklen_t;
        let (level, name) = (libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP);
        // SAFETY: the request lives through the call and has the length that is passed.
        let result = unsafe {
            libc::setsockopt(self.fd.as_raw_fd(), level, name, (&raw const request).cast(), length)
        };
        Errno::result(result)?;
        Ok(())
    }

    /// Sends one frame.
    pub(super) fn send(&self, frame: &[u8]) -> io::Result<()> {
        nix::unistd::write(&self.fd, frame)?;
        Ok(())
    }

    /// Waits for one frame and returns its length; none when the time is over.
    pub(super) fn receive(&self, buffer: &mut [u8], limit: Duration) -> io::Result<Option<usize>> {
        let timeout = PollTimeout::try_from(limit.as_millis().max(1)).unwrap_or(PollTimeout::MAX);
        let mut waiting = [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
        match poll(&mut waiting, timeout) {
            Ok(0) | Err(Errno::EINTR) => return Ok(None),
            Ok(_) => {}
            Err(errno) => return Err(errno.into()),
        }
        match nix::unistd::read(&self.fd, buffer) {
            Ok(count) => Ok(Some(count)),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(Some(0)),
            Err(errno) => Err(errno.into()),
        }
    }
}
