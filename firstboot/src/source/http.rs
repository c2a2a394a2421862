//! A small HTTP/1.1 client for metadata services: TCP, with TLS where the address says so, no redirects, every wait and
//! every size bounded.
//!
//! Addresses are numbers, or names that `/etc/hosts` or the machine's name servers know; a static program has no name
//! service of the system's. Metadata services are reached by number.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use cluster::names::Names;
use cluster::place::Place;

use super::DOCUMENT_LIMIT;
use super::tls::Trust;
use crate::machine::Machine;

/// Where clouds serve metadata.
pub(super) const LINK_LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)), 80);

/// How long a connection may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// How long a connection may be silent.
const IDLE_LIMIT: Duration = Duration::from_secs(5);
/// How long one answer may take as a whole, however lively it is.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// How long a service may be away before it is given up; the network may still be coming up.
const SERVICE_LIMIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(500);
/// Longest line of a header, and most lines.
const LINE_LIMIT: u64 = 8 << 10;
const HEADER_LIMIT: usize = 100;

/// What is asked of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Read.
    Get,
    /// Create, here: a token.
    Put,
    /// Tell.
    Post,
}

/// Where a request goes.
#[derive(Debug, Clone)]
pub struct Server {
    address: SocketAddr,
    /// What it has to prove, where TLS is spoken.
    trust: Option<Trust>,
}

impl From<SocketAddr> for Server {
    fn from(address: SocketAddr) -> Self {
        Self { address, trust: None }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The connection failed.
    #[error("{0}: {1}")]
    Connection(String, io::Error),
    /// The server answered with another status than 2xx and 404.
    #[error("{0}: the server answered with status {1}")]
    Status(String, u16),
    /// The answer cannot be used.
    #[error("{0}")]
    Answer(String),
}

impl HttpError {
    /// Tells whether another try may help.
    fn is_passing(&self) -> bool {
        match self {
            // A server that cannot prove who it is will not be able to in a second either.
            Self::Connection(_, error) => error.kind() != io::ErrorKind::InvalidData,
            Self::Status(_, status) => *status >= 500 || *status == 429,
            Self::Answer(_) => false,
        }
    }
}

/// Reads a document; tries again while the service is not there yet. None where it says 404.
///
/// # Errors
///
/// When the service stays away, or answers with something else.
pub(super) fn get_patiently(
    server: &Server,
    url: &str,
    headers: &[(&str, &str)],
) -> Result<Option<Vec<u8>>, HttpError> {
    patiently(|| request(Method::Get, server, url, headers, b""))
}

/// Tries until it works, an error stays, or [`SERVICE_LIMIT`] is over.
pub(super) fn patiently<T>(attempt: impl Fn() -> Result<T, HttpError>) -> Result<T, HttpError> {
    let deadline = Instant::now() + SERVICE_LIMIT;
    loop {
        match attempt() {
            Err(error) if error.is_passing() && Instant::now() + PAUSE < deadline => sleep(PAUSE),
            ended => return ended,
        }
    }
}

/// Sends a form, once.
///
/// # Errors
///
/// When there is no answer with status 2xx.
pub fn post_form(server: &Server, url: &str, body: &str) -> Result<(), HttpError> {
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    match request(Method::Post, server, url, &headers, body.as_bytes())? {
        Some(_) => Ok(()),
        None => Err(HttpError::Status(url.to_owned(), 404)),
    }
}

/// Returns the server that a URL names by a number, or a name of `/etc/hosts` or of a name server.
///
/// # Errors
///
/// When nobody knows the name, or the machine trusts nobody and shall speak TLS.
pub fn resolve(machine: &Machine, url: &str) -> Result<Server, String> {
    let Url { is_secure, host, .. } = Url::split(url).ok_or_else(|| format!("'{url}' {NO_URL}"))?;
    let usual = if is_secure { 443 } else { 80 };
    let plain = |host: &str| host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let (name, address) = if let Ok(address) = host.parse::<SocketAddr>() {
        (address.ip().to_string(), address)
    } else if let Ok(address) = plain(host).parse::<IpAddr>() {
        (address.to_string(), SocketAddr::new(address, usual))
    } else {
        let (name, port) = host.rsplit_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
        let port = port.map_or(Ok(usual), str::parse::<u16>);
        let port = port.map_err(|_| format!("'{url}' has no port that is a number"))?;
        let found = Place::at(&machine.folder).and_then(|place| Names::of(&place).find(name));
        let addresses = found.map_err(|error| format!("{error:#}"))?;
        let first = addresses.first().ok_or_else(|| format!("the name '{name}' has no address"))?;
        (name.to_owned(), SocketAddr::new(*first, port))
    };
    let trust = is_secure.then(|| Trust::of(machine, &name)).transpose()?;
    Ok(Server { address, trust })
}

/// Does as [`resolve`]; tries again while name servers are not there yet.
///
/// # Errors
///
/// When there is no address within [`SERVICE_LIMIT`].
pub(super) fn resolve_patiently(machine: &Machine, url: &str) -> Result<Server, String> {
    let deadline = Instant::now() + SERVICE_LIMIT;
    loop {
        match resolve(machine, url) {
            Err(_) if machine.is_live && Instant::now() + PAUSE < deadline => sleep(PAUSE),
            ended => return ended,
        }
    }
}

const NO_URL: &str = "is no http:// or https:// address";

/// The parts of an address that a request needs.
struct Url<'u> {
    is_secure: bool,
    /// With the port, if there is one.
    host: &'u str,
    path: &'u str,
}

impl<'u> Url<'u> {
    fn split(url: &'u str) -> Option<Self> {
        let (is_secure, rest) = match url.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, url.strip_prefix("http://")?),
        };
        let end = rest.find('/').unwrap_or(rest.len());
        Some(Self { is_secure, host: &rest[..end], path: if end == rest.len() { "/" } else { &rest[end..] } })
    }
}

/// Sends one request on a connection of its own. None where the server says 404.
pub(super) fn request(
    method: Method,
    server: &Server,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Option<Vec<u8>>, HttpError> {
    let failed = |error| HttpError::Connection(url.to_owned(), error);
    let Url { is_secure, host, path } =
        Url::split(url).ok_or_else(|| HttpError::Answer(format!("'{url}' {NO_URL}")))?;
    let verb = match method {
        Method::Get => "GET",
        Method::Put => "PUT",
        Method::Post => "POST",
    };
    let mut head =
        format!("{verb} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nUser-Agent: firstboot\r\n");
    if method != Method::Get {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    let message = [head.as_bytes(), b"\r\n", body].concat();
    let stream = TcpStream::connect_timeout(&server.address, CONNECT_LIMIT).map_err(failed)?;
    stream.set_read_timeout(Some(IDLE_LIMIT)).map_err(failed)?;
    stream.set_write_timeout(Some(IDLE_LIMIT)).map_err(failed)?;
    let stream = Timed { stream, deadline: Instant::now() + ANSWER_LIMIT };
    match (&server.trust, is_secure) {
        (Some(trust), true) => {
            let secure = trust.wrap(stream).map_err(|error| HttpError::Answer(format!("{url}: {error}")))?;
            converse(secure, &message, url)
        }
        (None, false) => converse(stream, &message, url),
        _ => Err(HttpError::Answer(format!("'{url}' was looked for as another kind of address"))),
    }
}

fn converse(mut stream: impl Read + Write, message: &[u8], url: &str) -> Result<Option<Vec<u8>>, HttpError> {
    let sent = stream.write_all(message).and_then(|()| stream.flush());
    sent.map_err(|error| HttpError::Connection(url.to_owned(), error))?;
    read_answer(&mut BufReader::new(stream), url)
}

/// A stream that fails at a deadline even while bytes keep coming.
struct Timed {
    stream: TcpStream,
    deadline: Instant,
}

impl Timed {
    fn is_in_time(&self) -> io::Result<()> {
        if Instant::now() >= self.deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the answer takes too long"));
        }
        Ok(())
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.is_in_time()?;
        self.stream.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.is_in_time()?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn read_answer(reader: &mut impl BufRead, url: &str) -> Result<Option<Vec<u8>>, HttpError> {
    let wrong = |what: &str| HttpError::Answer(format!("{url}: {what}"));
    let status = read_line(reader, url)?;
    let status = status.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)?.parse::<u16>().ok());
    let status = status.ok_or_else(|| wrong("the answer is not HTTP"))?;
    let (mut length, mut is_chunked) = (None, false);
    for count in 0.. {
        let line = read_line(reader, url)?;
        if line.is_empty() {
            break;
        }
        if count >= HEADER_LIMIT {
            return Err(wrong("the answer has too many headers"));
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        match name.to_ascii_lowercase().as_str() {
            "content-length" => {
                length =
                    Some(value.trim().parse::<u64>().map_err(|_| wrong("the answer's length is no number"))?);
            }
            "transfer-encoding" => is_chunked = value.trim().eq_ignore_ascii_case("chunked"),
            _ => {}
        }
    }
    match status {
        404 => return Ok(None),
        200..300 => {}
        _ => return Err(HttpError::Status(url.to_owned(), status)),
    }
    let mut body = Vec::new();
    if is_chunked {
        read_chunks(reader, &mut body, url)?;
    } else {
        read_up_to(reader, &mut body, length.unwrap_or(DOCUMENT_LIMIT as u64 + 1), url)?;
        if length.is_some_and(|length| body.len() as u64 != length) {
            return Err(wrong("the answer ends before its length"));
        }
    }
    Ok(Some(body))
}

fn read_chunks(reader: &mut impl BufRead, body: &mut Vec<u8>, url: &str) -> Result<(), HttpError> {
    loop {
        let line = read_line(reader, url)?;
        let size = line.split(';').next().and_then(|size| u64::from_str_radix(size.trim(), 16).ok());
        let size = size.ok_or_else(|| HttpError::Answer(format!("{url}: a chunk has no size")))?;
        if size == 0 {
            return Ok(());
        }
        let before = body.len() as u64;
        read_up_to(reader, body, size, url)?;
        if body.len() as u64 - before != size || !read_line(reader, url)?.is_empty() {
            return Err(HttpError::Answer(format!("{url}: a chunk has another length than it says")));
        }
    }
}

fn read_up_to(
    reader: &mut impl BufRead,
    body: &mut Vec<u8>,
    length: u64,
    url: &str,
) -> Result<(), HttpError> {
    let room = (DOCUMENT_LIMIT - body.len().min(DOCUMENT_LIMIT)) as u64;
    let count = reader
        .take(length.min(room + 1))
        .read_to_end(body)
        .map_err(|error| HttpError::Connection(url.to_owned(), error))?;
    if count as u64 > room {
        return Err(HttpError::Answer(format!("{url}: the answer has more than {DOCUMENT_LIMIT} bytes")));
    }
    Ok(())
}

fn read_line(reader: &mut impl BufRead, url: &str) -> Result<String, HttpError> {
    let mut line = Vec::new();
    reader
        .take(LINE_LIMIT)
        .read_until(b'\n', &mut line)
        .map_err(|error| HttpError::Connection(url.to_owned(), error))?;
    if !line.ends_with(b"\n") {
        return Err(HttpError::Answer(format!("{url}: the answer is cut short or not HTTP")));
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
