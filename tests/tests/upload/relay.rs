//! A way to a service that is no quicker than it is told.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

const CHUNK: usize = 64 << 10;
/// Carries connections to `service` until the test's process ends; returns where it listens.
pub fn slow(service: &str, bytes_per_second: u64) -> SocketAddr {
    listen(service, move |client, server| {
        let (mut back, mut forth) = (server.try_clone()?, client.try_clone()?);
        thread::spawn(move || {
            // What comes back is little.
            let _ = io::copy(&mut back, &mut forth);
        });
        let (mut client, mut server) = (client, server);
        let (mut buffer, mut moved, began) = (vec![0; CHUNK], 0, Instant::now());
        loop {
            let count = client.read(&mut buffer)?;
            if count == 0 {
                return server.shutdown(std::net::Shutdown::Write);
            }
            server.write_all(&buffer[..count])?;
            moved += count as u64;
            let due = Duration::from_secs_f64(moved as f64 / bytes_per_second as f64);
            thread::sleep(due.saturating_sub(began.elapsed()));
        }
    })
}

fn listen(
    service: &str,
    carry: impl Fn(TcpStream, TcpStream) -> io::Result<()> + Clone + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    // What the kernel keeps is sent as far as the client can tell. It shall be little beside an image.
    nix::sys::socket::setsockopt(&listener, nix::sys::socket::sockopt::RcvBuf, &(128 << 10)).expect("set");
    let address = listener.local_addr().expect("an address");
    let service = service.trim_start_matches("http://").to_owned();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (service, carry) = (service.clone(), carry.clone());
            thread::spawn(move || {
                let server = TcpStream::connect(&service)?;
                // Whichever side hangs up, the other sees that it did.
                carry(client, server)
            });
        }
    });
    address
}
