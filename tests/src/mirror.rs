//! A mirror on loopback: passes requests on to this machine's real Debian mirror, or serves a folder, and lies
//! where a test asks for it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use anyhow::{Context, Result};

/// Decides what is sent instead of the true bytes of a path; `None` lets them pass.
pub type Tamper = Box<dyn Fn(&str, Vec<u8>) -> Option<Vec<u8>> + Send + Sync>;

/// Where true bytes come from.
#[derive(Debug)]
pub enum Source {
    /// Another mirror's base address.
    Upstream(String),
    /// A folder.
    Folder(PathBuf),
}

struct State {
    source: Source,
    tamper: Tamper,
    /// The value of `Authorization` without which nothing is sent.
    authorization: Option<String>,
    requests: Mutex<Vec<String>>,
    /// How many requests were answered by "as it was".
    unchanged: AtomicUsize,
    stop: AtomicBool,
    /// Upstream bytes already fetched, so that one test run asks each of them once.
    kept: Mutex<HashMap<String, Option<Vec<u8>>>>,
}

/// A running server; it ends with the value.
pub struct Mirror {
    state: Arc<State>,
    port: u16,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Mirror {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mirror").field("port", &self.port).finish_non_exhaustive()
    }
}

impl Mirror {
    /// Starts a server on a free loopback port.
    ///
    /// # Errors
    ///
    /// When no port can be bound.
    pub fn start(source: Source, tamper: Tamper) -> Result<Self> {
        Self::start_with(source, tamper, None)
    }

    /// Starts a server that serves `folder` to who sends this value of `Authorization`, and answers 401 to others.
    ///
    /// # Errors
    ///
    /// When no port can be bound.
    pub fn start_guarded(folder: PathBuf, authorization: &str) -> Result<Self> {
        Self::start_with(Source::Folder(folder), Box::new(|_, _| None), Some(authorization.to_owned()))
    }

    /// Starts a server that serves `folder` as it is.
    ///
    /// # Errors
    ///
    /// When no port can be bound.
    pub fn of_folder(folder: PathBuf) -> Result<Self> {
        Self::start(Source::Folder(folder), Box::new(|_, _| None))
    }

    fn start_with(source: Source, tamper: Tamper, authorization: Option<String>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("binding a loopback port")?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(State {
            source,
            tamper,
            authorization,
            requests: Mutex::default(),
            unchanged: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            kept: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || serve(&listener, &shared));
        Ok(Self { state, port, thread: Some(thread) })
    }

    /// Returns the base address.
    pub fn uri(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the paths asked for so far.
    pub fn requests(&self) -> Vec<String> {
        self.state.requests.lock().expect("no handler panics").clone()
    }

    /// Returns how many requests were answered by 304.
    pub fn unchanged(&self) -> usize {
        self.state.unchanged.load(Ordering::SeqCst)
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::SeqCst);
        // Wakes the accept loop; when nobody listens any more there is nothing to wake.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn serve(listener: &TcpListener, state: &Arc<State>) {
    for stream in listener.incoming() {
        if state.stop.load(Ordering::SeqCst) {
            return;
        }
        if let Ok(stream) = stream {
            let state = Arc::clone(state);
            std::thread::spawn(move || {
                // A client that hangs up ends its own conversation only.
                drop(converse(stream, &state));
            });
        }
    }
}

/// Serves requests of one connection until the client closes it.
fn converse(stream: TcpStream, state: &State) -> Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let mut request = String::new();
        if reader.read_line(&mut request)? == 0 {
            return Ok(());
        }
        let mut range = None;
        let mut authorization = None;
        let mut known = String::new();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            if header.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("authorization")
            {
                authorization = Some(value.trim().to_owned());
            }
            let lower = header.to_ascii_lowercase();
            if let Some(state) = lower.strip_prefix("if-none-match:") {
                known = state.trim().to_owned();
            }
            if let Some(from) = lower.strip_prefix("range: bytes=") {
                range = from.trim().trim_end_matches('-').parse::<usize>().ok();
            }
        }
        // A client that takes this for its proxy asks by the whole address.
        let address = request.split_whitespace().nth(1).unwrap_or("/");
        let path = match address.strip_prefix("http://").and_then(|rest| rest.find('/').map(|at| &rest[at..]))
        {
            Some(path) => path.to_owned(),
            None => address.to_owned(),
        };
        state.requests.lock().expect("no handler panics").push(path.clone());
        if state.authorization.is_some() && authorization != state.authorization {
            write!(stream, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")?;
            continue;
        }
        let body = fetch(state, &path)?.and_then(|bytes| match (state.tamper)(&path, bytes.clone()) {
            Some(changed) if changed.is_empty() => None,
            Some(changed) => Some(changed),
            None => Some(bytes),
        });
        let state_of = |bytes: &[u8]| {
            let mut hasher = DefaultHasher::new();
            hasher.write(bytes);
            format!("\"{:016x}\"", hasher.finish())
        };
        match (body, range) {
            (Some(bytes), None) if state_of(&bytes) == known => {
                state.unchanged.fetch_add(1, Ordering::SeqCst);
                write!(stream, "HTTP/1.1 304 Not Modified\r\nETag: {known}\r\n\r\n")?;
            }
            (None, _) => write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?,
            (Some(bytes), Some(from)) if from < bytes.len() => {
                let (rest, total) = (&bytes[from..], bytes.len());
                write!(
                    stream,
                    "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{}/{total}\r\nContent-Length: {}\r\n\r\n",
                    total - 1,
                    rest.len()
                )?;
                stream.write_all(rest)?;
            }
            (Some(bytes), _) => {
                let etag = state_of(&bytes);
                write!(stream, "HTTP/1.1 200 OK\r\nETag: {etag}\r\nContent-Length: {}\r\n\r\n", bytes.len())?;
                stream.write_all(&bytes)?;
            }
        }
    }
}

fn fetch(state: &State, path: &str) -> Result<Option<Vec<u8>>> {
    match &state.source {
        Source::Folder(folder) => {
            let file = folder.join(path.trim_start_matches('/'));
            Ok(if file.is_file() { Some(std::fs::read(file)?) } else { None })
        }
        Source::Upstream(base) => {
            if let Some(kept) = state.kept.lock().expect("no handler panics").get(path) {
                return Ok(kept.clone());
            }
            let url = format!("{}{path}", base.trim_end_matches('/'));
            let body = match ureq::get(&url).call() {
                Ok(mut response) => {
                    let mut bytes = Vec::new();
                    response.body_mut().as_reader().read_to_end(&mut bytes)?;
                    Some(bytes)
                }
                Err(ureq::Error::StatusCode(_)) => None,
                Err(error) => return Err(error).with_context(|| format!("fetching {url}")),
            };
            state.kept.lock().expect("no handler panics").insert(path.to_owned(), body.clone());
            Ok(body)
        }
    }
}

/// Base addresses of this machine's Debian and Debian security mirrors, from apt's own sources.
///
/// # Errors
///
/// When apt knows none.
pub fn debian_mirrors() -> Result<(String, String)> {
    let output = std::process::Command::new("apt-get")
        .args(["indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"])
        .output()
        .context("running apt-get indextargets")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let find = |wanted: &dyn Fn(&str) -> bool| {
        text.lines()
            .filter_map(|line| line.split_once(' '))
            .find(|(_, suite)| wanted(suite))
            .map(|(uri, _)| uri.trim_end_matches('/').to_owned())
    };
    let main = find(&|suite| matches!(suite, "bookworm" | "trixie" | "stable" | "oldstable" | "sid"));
    let security = find(&|suite| suite.ends_with("-security"));
    Ok((
        main.context("apt's sources name no Debian mirror")?,
        security.context("apt's sources name no security mirror")?,
    ))
}
