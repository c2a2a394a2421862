//! A web server on loopback that misbehaves by script.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// One request, as the script sees it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub path: String,
    /// First line, as it came.
    pub line: String,
    /// Start of the range that is asked for.
    pub from: Option<usize>,
    /// How many requests of this path came before.
    pub earlier: usize,
    pub headers: HashMap<String, String>,
}

/// What the server does then.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Bytes of the body that are really sent.
    pub sent: usize,
    pub then: Then,
}

/// How a reply ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    KeepOpen,
    Close,
    Reset,
    Stall(Duration),
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), sent: usize::MAX, then: Then::KeepOpen }
    }

    /// The whole body, whatever range is asked for.
    pub(crate) fn whole(body: &[u8]) -> Self {
        Self { body: body.to_vec(), ..Self::status(200) }.with("Content-Length", body.len())
    }

    /// The range that is asked for.
    pub(crate) fn range(request: &Request, body: &[u8]) -> Self {
        let Some(from) = request.from else { return Self::whole(body) };
        if from >= body.len() {
            return Self::status(416).with("Content-Length", 0);
        }
        let span = format!("bytes {from}-{}/{}", body.len() - 1, body.len());
        let rest = &body[from..];
        Self { status: 206, ..Self::whole(rest) }.with("Content-Range", span)
    }

    pub(crate) fn missing() -> Self {
        Self::status(404).with("Content-Length", 0)
    }

    pub(crate) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// Sends only the first `sent` bytes of the body and then does `then`.
    pub(crate) fn breaking(self, sent: usize, then: Then) -> Self {
        Self { sent, then, ..self }
    }
}

/// The server. It ends with the value.
pub(crate) struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    connections: Arc<Mutex<usize>>,
    over: Arc<AtomicBool>,
}

impl Server {
    pub(crate) fn start(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
            connections: Arc::default(),
            over: Arc::default(),
        };
        let (requests, over, script) = (server.requests.clone(), server.over.clone(), Arc::new(script));
        let connections = server.connections.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                *connections.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                let (requests, script) = (requests.clone(), script.clone());
                thread::spawn(move || serve(stream.unwrap(), &requests, &*script));
            }
        });
        server
    }

    /// Serves files by their path, with ranges.
    pub(crate) fn of(files: HashMap<String, Vec<u8>>) -> Self {
        Self::start(move |request| match files.get(&request.path) {
            Some(body) => Reply::range(request, body),
            None => Reply::missing(),
        })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
    }
}

fn serve(mut stream: TcpStream, requests: &Mutex<Vec<Request>>, script: &(dyn Fn(&Request) -> Reply + Sync)) {
    while let Some(head) = peek_head(&stream) {
        let request = {
            let mut requests = requests.lock().unwrap_or_else(PoisonError::into_inner);
            let request = parse(&head, &requests);
            requests.push(request.clone());
            request
        };
        let reply = script(&request);
        // Closing while the request is unread makes the kernel reset the connection.
        if reply.then != Then::Reset {
            stream.read_exact(&mut vec![0; head.len()]).unwrap();
        }
        let fields: String =
            reply.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let answer = format!("HTTP/1.1 {} Scripted\r\n{fields}\r\n", reply.status);
        let body = &reply.body[..reply.sent.min(reply.body.len())];
        // The client may be gone already; that is its affair.
        if stream.write_all(answer.as_bytes()).and_then(|()| stream.write_all(body)).is_err() {
            return;
        }
        match reply.then {
            Then::KeepOpen => {}
            Then::Stall(time) => return thread::sleep(time),
            Then::Reset => return thread::sleep(Duration::from_millis(20)),
            Then::Close => return,
        }
    }
}

/// Waits for a whole request and leaves it in the socket.
fn peek_head(stream: &TcpStream) -> Option<String> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = stream.peek(&mut buffer).ok().filter(|count| *count > 0)?;
        let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
        if let Some(end) = text.find("\r\n\r\n") {
            return Some(text[..end + 4].to_owned());
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn parse(head: &str, earlier: &[Request]) -> Request {
    let mut lines = head.lines();
    let line = lines.next().unwrap_or_default().to_owned();
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let range = headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
    let from = range.and_then(|from| from.parse().ok());
    let earlier = earlier.iter().filter(|request| request.path == path).count();
    Request { path, line, from, earlier, headers }
}
