//! A metadata server: pages by path, the token of EC2 demanded where EC2 demands it, posts remembered.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

const TOKEN: &str = "AQAEAJ-token==";

/// A server on the loopback interface; it ends with the test's process.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    /// The bodies of what was posted.
    pub posted: Arc<Mutex<Vec<String>>>,
    /// The requests, `METHOD PATH`.
    pub asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Serves these pages. A page `STATUS` is answered with that status alone.
    pub fn start(pages: BTreeMap<String, String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its number");
        let server = Self { address, posted: Arc::default(), asked: Arc::default() };
        let (posted, asked) = (Arc::clone(&server.posted), Arc::clone(&server.asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that hangs up early is its own affair.
                drop(answer(&stream, &pages, &posted, &asked));
            }
        });
        server
    }
}

fn answer(
    mut stream: &TcpStream,
    pages: &BTreeMap<String, String>,
    posted: &Mutex<Vec<String>>,
    asked: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let (mut length, mut has_token) = (0, false);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? <= 2 {
            break;
        }
        let (name, value) = line.split_once(": ").unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "x-aws-ec2-metadata-token" => has_token = value.trim() == TOKEN,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut words = request.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    asked.lock().expect("no panic").push(format!("{method} {path}"));
    let (status, text) = match (method, pages.get(path).map(String::as_str)) {
        ("PUT", None) if path == "/latest/api/token" => ("200 OK", TOKEN),
        ("POST", _) => {
            posted.lock().expect("no panic").push(String::from_utf8_lossy(&body).into_owned());
            ("200 OK", "")
        }
        _ if path.starts_with("/2018-09-24/") && !has_token => ("401 Unauthorized", ""),
        (_, Some("500\n")) => ("500 Error", ""),
        (_, Some("403\n")) => ("403 Forbidden", ""),
        ("GET", Some(text)) => ("200 OK", text),
        _ => ("404 Not Found", ""),
    };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{text}", text.len())
}
