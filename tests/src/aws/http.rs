//! Requests and answers, as far as AWS's clients need them.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use std::net::TcpStream;

/// A request.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Its code, if it is a refusal.
    pub(super) code: Option<String>,
    kind: &'static str,
    body: String,
}

impl Answer {
    pub(super) fn xml(body: String) -> Self {
        Self { status: 200, code: None, kind: "text/xml", body }
    }

    pub(super) fn json(status: u16, body: String) -> Self {
        Self { status, code: None, kind: "application/json", body }
    }

    pub(super) fn write(&self, mut stream: &TcpStream) -> io::Result<()> {
        let code = match &self.code {
            Some(code) if self.kind == "application/json" => format!("x-amzn-ErrorType: {code}\r\n"),
            _ => String::new(),
        };
        let text = format!(
            "HTTP/1.1 {} X\r\nContent-Type: {}\r\nContent-Length: {}\r\n{code}\r\n{}",
            self.status,
            self.kind,
            self.body.len(),
            self.body
        );
        stream.write_all(text.as_bytes())
    }
}

impl Asked {
    /// Reads a request; none at the connection's end.
    pub(super) fn read(reader: &mut impl BufRead) -> Option<Self> {
        let mut first = String::new();
        reader.read_line(&mut first).ok().filter(|count| *count > 0)?;
        let mut words = first.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").map_or(Some(0), |length| length.parse().ok())?;
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        Some(Self { method, path: path.to_owned(), query: query.to_owned(), headers, body })
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Returns what is asked, by AWS's name.
    pub(super) fn action(&self) -> String {
        let parts: Vec<&str> = self.path.trim_matches('/').split('/').collect();
        match (self.method.as_str(), parts.as_slice()) {
            ("POST", [""]) => self.form().remove("Action").unwrap_or_default(),
            ("POST", ["snapshots"]) => "StartSnapshot".to_owned(),
            ("POST", ["snapshots", "completion", _]) => "CompleteSnapshot".to_owned(),
            ("PUT", ["snapshots", _, "blocks", _]) => "PutSnapshotBlock".to_owned(),
            _ => format!("{} {}", self.method, self.path),
        }
    }

    /// Reads the body as a form.
    pub(super) fn form(&self) -> BTreeMap<String, String> {
        let text = String::from_utf8_lossy(&self.body);
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        pairs.map(|(key, value)| (decoded(key), decoded(value))).collect()
    }

    /// Makes an error in the words of the service that was asked.
    pub(super) fn refuse(&self, status: u16, code: &str, message: &str) -> Answer {
        let (kind, body) = if self.path == "/" {
            let error = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
            ("text/xml", format!("<Response><Errors>{error}</Errors><RequestID>1</RequestID></Response>"))
        } else {
            ("application/json", serde_json::json!({ "Message": message }).to_string())
        };
        Answer { status, code: Some(code.to_owned()), kind, body }
    }
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.bytes());
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
                let digits = str::from_utf8(&digits).unwrap_or("00");
                bytes.push(u8::from_str_radix(digits, 16).unwrap_or(b'?'));
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
