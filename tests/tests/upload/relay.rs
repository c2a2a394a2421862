//! A way to a service: no quicker than it is told, or by TLS, as the terminator in front of a cloud's services.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection};

/// Wait for either side when neither has something.
const PAUSE: Duration = Duration::from_millis(1);
const CHUNK: usize = 64 << 10;
/// How long a client may take to hear why it was refused.
const FAREWELL: Duration = Duration::from_secs(5);

/// Carries connections to `service` until the test's process ends; returns where it listens.
pub fn slow(service: &str, bytes_per_second: u64) -> SocketAddr {
    listen(service, move |client, server| {
        let (mut back, mut forth) = (server.try_clone()?, client.try_clone()?);
        thread::spawn(move || {
            // What comes back is little.
            let _ = io::copy(&mut back, &mut forth);
        });
        let (mut client, mut server) = (client, server);
        let (mut buffer, mut next) = (vec![0; CHUNK], Instant::now());
        loop {
            let count = client.read(&mut buffer)?;
            if count == 0 {
                return server.shutdown(std::net::Shutdown::Write);
            }
            server.write_all(&buffer[..count])?;
            // What was lost by a service that paused is not made up for: the speed is never higher than told.
            next = next.max(Instant::now()) + Duration::from_secs_f64(count as f64 / bytes_per_second as f64);
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    })
}

/// As [`slow`], but at once, by TLS on the client's side.
pub fn secure(service: &str, config: Arc<ServerConfig>) -> SocketAddr {
    listen(service, move |client, server| {
        let tls = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
        client.set_nonblocking(true)?;
        server.set_nonblocking(true)?;
        carry(&client, &server, tls)
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

/// Carries until one side hangs up.
fn carry(mut client: &TcpStream, mut server: &TcpStream, mut tls: ServerConnection) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let mut moved = false;
        if let Some(count) = ready(tls.read_tls(&mut client))? {
            if let Err(refused) = tls.process_new_packets() {
                return dismiss(client, &mut tls, &refused);
            }
            while let Some(count) = ready(tls.reader().read(&mut buffer))?.filter(|count| *count > 0) {
                write_all(server, &buffer[..count])?;
            }
            if count == 0 {
                return Ok(());
            }
            moved = true;
        }
        if let Some(count) = ready(server.read(&mut buffer))? {
            if count == 0 {
                tls.send_close_notify();
            }
            tls.writer().write_all(&buffer[..count])?;
            flush(client, &mut tls)?;
            if count == 0 {
                return Ok(());
            }
            moved = true;
        }
        flush(client, &mut tls)?;
        if !moved {
            thread::sleep(PAUSE);
        }
    }
}

/// Tells a client why it is refused, and takes what it still sends, so that it hears that.
fn dismiss(mut client: &TcpStream, tls: &mut ServerConnection, refused: &rustls::Error) -> io::Result<()> {
    flush(client, tls)?;
    client.shutdown(std::net::Shutdown::Write)?;
    client.set_nonblocking(false)?;
    client.set_read_timeout(Some(FAREWELL))?;
    let mut rest = vec![0; CHUNK];
    while client.read(&mut rest)? > 0 {}
    Err(io::Error::other(refused.to_string()))
}

fn flush(client: &TcpStream, tls: &mut ServerConnection) -> io::Result<()> {
    let mut to = client;
    while tls.wants_write() {
        if ready(tls.write_tls(&mut to))?.is_none() {
            thread::sleep(PAUSE);
        }
    }
    Ok(())
}

fn write_all(mut to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match ready(to.write(bytes))? {
            Some(count) => bytes = &bytes[count..],
            None => thread::sleep(PAUSE),
        }
    }
    Ok(())
}

/// Nothing where there is nothing yet.
fn ready(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
