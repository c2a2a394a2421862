//! A metadata service of EC2's second version for one connection, on stdin and stdout, as QEMU's `guestfwd=…-cmd:`
//! wants it. The argument is a folder: `tree/` has the answers as files, `tokens` those tokens that were given, and
//! `log` gets a line for each request. Without a token that was given here, nothing is answered.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use anyhow::{Context, Result};

const TOKEN: &str = "x-aws-ec2-metadata-token";
const LIFETIME: &str = "x-aws-ec2-metadata-token-ttl-seconds";

struct Request {
    verb: String,
    path: String,
    headers: Vec<(String, String)>,
}

impl Request {
    fn read(input: &mut impl BufRead) -> Result<Self> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            input.read_line(&mut line)?;
            let line = line.trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let mut words = lines.first().context("a request has a line")?.split(' ');
        let (verb, path) =
            (words.next().context("a verb")?.to_owned(), words.next().context("a path")?.to_owned());
        let header = |line: &String| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        Ok(Self { verb, path, headers: lines[1..].iter().filter_map(header).collect() })
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn answer(folder: &Path, request: &Request) -> Result<(u16, Vec<u8>)> {
    let tokens = folder.join("tokens");
    if request.path == "/latest/api/token" {
        let lifetime = request.header(LIFETIME).and_then(|text| text.parse::<u32>().ok());
        if request.verb != "PUT" || !lifetime.is_some_and(|seconds| (1..=21600).contains(&seconds)) {
            return Ok((400, Vec::new()));
        }
        let token = format!("token-{}", std::process::id());
        writeln!(OpenOptions::new().create(true).append(true).open(&tokens)?, "{token}")?;
        return Ok((200, token.into_bytes()));
    }
    let given = fs::read_to_string(&tokens).unwrap_or_default();
    if !request.header(TOKEN).is_some_and(|token| given.lines().any(|known| known == token)) {
        return Ok((401, Vec::new()));
    }
    let path = request.path.trim_matches('/');
    if request.verb != "GET" || path.contains("..") {
        return Ok((404, Vec::new()));
    }
    // Each version serves the same here.
    let path = folder.join("tree").join(path.split_once('/').map_or("", |(_, rest)| rest));
    if path.is_dir() {
        return Ok((200, fs::read(path.join("index")).unwrap_or_default()));
    }
    Ok(fs::read(path).map_or((404, Vec::new()), |body| (200, body)))
}

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).context("give a folder")?;
    let folder = Path::new(&folder);
    let request = Request::read(&mut BufReader::new(std::io::stdin()))?;
    let (status, body) = answer(folder, &request)?;
    let mut log = OpenOptions::new().create(true).append(true).open(folder.join("log"))?;
    writeln!(log, "{} {} {status}", request.verb, request.path)?;
    let mut out = std::io::stdout();
    write!(out, "HTTP/1.1 {status} -\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    out.write_all(&body)?;
    out.flush()?;
    Ok(())
}
