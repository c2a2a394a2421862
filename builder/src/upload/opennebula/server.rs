//! A server of one file, for as long as the front-end needs to fetch it.
//!
//! The path has 256 random bits, so only who was told it finds the file. It says the length to HEAD, sends the whole to
//! every GET, and bears it when whoever asks breaks off: OpenNebula does so several times to look at the beginning.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{Access, Source};
use crate::upload::source::hexadecimal;
use crate::upload::{Kind, SourceImage, UploadError};

/// For a peer that does not take what it asked for.
const IDLE: Duration = Duration::from_secs(120);
/// For a peer that does not ask.
const SILENCE: Duration = Duration::from_secs(10);
/// Longest head of a request.
const HEAD: u64 = 16 << 10;
const CHUNK: usize = 1 << 20;
/// How many connections are answered at a time; OpenNebula has a few. More are hung up on, so that strangers cost no memory.
const CONNECTIONS: usize = 32;

/// The server; it ends with the value.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) url: String,
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    file: File,
    size: u64,
    path: String,
    over: AtomicBool,
    /// How far the one who got furthest is.
    furthest: AtomicU64,
    asked: AtomicU64,
    answering: AtomicUsize,
}

impl Server {
    /// Begins to serve `image`.
    ///
    /// # Errors
    /// When the address cannot be listened on, or is not known.
    pub(super) fn start(image: &SourceImage, source: &Source, access: &Access) -> Result<Self, UploadError> {
        let Source::Server { listen, advertise } = source else {
            return Err(UploadError::input(
                "serving the image",
                "it is to come from a path",
                "leave the path out",
            ));
        };
        let failed = |error: io::Error| {
            let doing = format!("listening on {listen} for the front-end");
            UploadError::new(Kind::Local, doing, error, "name another address and port by --listen")
        };
        let listener = TcpListener::bind(listen.as_str()).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let mut random = [0; 32];
        File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut random)).map_err(failed)?;
        let file =
            image.file.try_clone().map_err(|error| crate::upload::source::unreadable(&image.path, &error))?;
        // OpenNebula takes a name's ending for the format.
        let path = format!("/{}/image.{}", hexadecimal(&random), image.format.name());
        let host = match advertise {
            Some(host) => host.clone(),
            None if !address.ip().is_unspecified() => address.ip().to_string(),
            None => towards(access)?,
        };
        let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host };
        let url = format!("http://{host}:{}{path}", address.port());
        let (over, furthest, asked) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
        let answering = AtomicUsize::new(0);
        let shared =
            Arc::new(Shared { file, size: image.stamp.size, path, over, furthest, asked, answering });
        let serving = shared.clone();
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.over.load(Ordering::Acquire) {
                    break;
                }
                let (Ok(stream), serving) = (stream, serving.clone()) else { continue };
                if serving.answering.fetch_add(1, Ordering::AcqRel) >= CONNECTIONS {
                    serving.answering.fetch_sub(1, Ordering::AcqRel);
                    continue;
                }
                thread::spawn(move || {
                    // Who breaks off is not heard any more.
                    let _ = serving.answer(&stream);
                    serving.answering.fetch_sub(1, Ordering::AcqRel);
                });
            }
        });
        Ok(Self { url, address, shared, thread: Some(thread) })
    }

    /// Returns how many bytes have gone out of one reading, the longest.
    pub(super) fn furthest(&self) -> u64 {
        self.shared.furthest.load(Ordering::Relaxed)
    }

    /// Returns whether anybody has asked.
    pub(super) fn was_asked(&self) -> bool {
        self.shared.asked.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        // Wakes it up, so that it sees that it is over.
        let port = self.address.port();
        let woken =
            TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), Duration::from_secs(1))
                .or_else(|_| TcpStream::connect_timeout(&self.address, Duration::from_secs(1)));
        if let Some(thread) = self.thread.take().filter(|_| woken.is_ok()) {
            // It has nothing to tell.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn answer(&self, stream: &TcpStream) -> Option<()> {
        stream.set_read_timeout(Some(SILENCE)).and_then(|()| stream.set_write_timeout(Some(IDLE))).ok()?;
        let mut head = BufReader::new(stream.take(HEAD));
        let mut first = String::new();
        head.read_line(&mut first).ok()?;
        loop {
            let mut line = String::new();
            let count = head.read_line(&mut line).ok()?;
            if count == 0 || line.trim_end().is_empty() {
                break;
            }
        }
        let mut words = first.split(' ');
        let (method, path) = (words.next()?, words.next()?);
        let status = match method {
            _ if path != self.path => "404 Not Found",
            "GET" | "HEAD" => "200 OK",
            _ => "405 Method Not Allowed",
        };
        let (found, mut stream) = (status.starts_with("200"), stream);
        let length = if found { self.size } else { 0 };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).ok()?;
        if found {
            self.asked.fetch_add(1, Ordering::Relaxed);
        }
        if found && method == "GET" { self.send(stream) } else { Some(()) }
    }

    fn send(&self, mut stream: &TcpStream) -> Option<()> {
        let mut chunk = vec![0; CHUNK];
        let mut done = 0;
        while done < self.size && !self.over.load(Ordering::Acquire) {
            let length = usize::try_from(self.size - done).unwrap_or(CHUNK).min(CHUNK);
            self.file.read_exact_at(&mut chunk[..length], done).ok()?;
            stream.write_all(&chunk[..length]).ok()?;
            done += length as u64;
            self.furthest.fetch_max(done, Ordering::Relaxed);
        }
        Some(())
    }
}

/// Returns the address that this machine has on the way to the front-end.
fn towards(access: &Access) -> Result<String, UploadError> {
    let doing = "finding the address by which the front-end reaches this machine";
    let hint = "name it by --advertise";
    let (host, port) =
        access.host().ok_or_else(|| UploadError::input(doing, "the endpoint has no host", hint))?;
    let found = UdpSocket::bind("[::]:0").or_else(|_| UdpSocket::bind("0.0.0.0:0")).and_then(|socket| {
        // Nothing is sent: this only asks for the route.
        socket.connect((host.as_str(), port))?;
        socket.local_addr()
    });
    let ip = found.map_err(|error| UploadError::input(doing, error, hint))?.ip();
    Ok(ip.to_canonical().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upload::Secret;
    use crate::upload::tests::Folder;

    fn ask(server: &Server, request: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // A server that is over hangs up.
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    #[test]
    fn one_file_is_served_to_who_knows_its_path() {
        let folder = Folder::with(&vec![7; 3 << 20]);
        let image = folder.open().1;
        let source = Source::Server { listen: "127.0.0.1:0".to_owned(), advertise: None };
        let access = Access {
            endpoint: "http://127.0.0.1:1/RPC2".to_owned(),
            session: Secret::new("a:b"),
            user: "a".to_owned(),
        };
        let server = Server::start(&image, &source, &access).unwrap();
        let path = server.url.splitn(4, '/').nth(3).unwrap().to_owned();
        // Broken off at the beginning, as OpenNebula does.
        for _ in 0..4 {
            let mut stream = TcpStream::connect(server.address).unwrap();
            stream.write_all(format!("GET /{path} HTTP/1.1\r\n\r\n").as_bytes()).unwrap();
            stream.read_exact(&mut [0; 100]).unwrap();
        }
        let head = String::from_utf8(ask(&server, &format!("HEAD /{path} HTTP/1.1\r\n\r\n"))).unwrap();
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("Content-Length: 3145728"), "{head}");
        let whole = ask(&server, &format!("GET /{path} HTTP/1.0\r\nRange: bytes=5-\r\n\r\n"));
        assert!(whole.ends_with(&vec![7; 3 << 20]) && whole.len() < (3 << 20) + 300);
        assert_eq!(server.furthest(), 3 << 20);
        for wrong in ["/", "/image.raw", &format!("/x{path}")] {
            assert!(
                ask(&server, &format!("GET {wrong} HTTP/1.1\r\n\r\n")).starts_with(b"HTTP/1.1 404"),
                "{wrong}"
            );
        }
        let held: Vec<_> = (0..40).map(|_| TcpStream::connect(server.address).unwrap()).collect();
        assert!(ask(&server, &format!("HEAD /{path} HTTP/1.1\r\n\r\n")).is_empty(), "too many strangers");
        drop(held);
        let address = server.address;
        drop(server);
        assert!(TcpStream::connect(address).is_err(), "it is over");
    }
}
