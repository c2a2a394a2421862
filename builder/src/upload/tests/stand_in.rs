//! A stand-in of Keystone and Glance on loopback: as strict as they are about tokens, states, types and lengths, and
//! failing where a test says so.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha512};

use crate::upload::source::hexadecimal;

/// What goes wrong with the next request that fits.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// This status instead of an answer.
    Status(u16),
    /// The connection breaks after so many bytes of the body.
    Break(usize),
    /// This status after so many bytes of the body, and the connection is closed.
    Early(usize, u16),
    /// Nothing is read or answered for so long.
    Stall(Duration),
    /// The data is kept with its first byte changed.
    Damage,
    /// The data comes and is kept, but the answer does not.
    LoseAnswer,
    /// What was asked is done, and answered without a body.
    Silence,
}

#[derive(Default)]
pub(super) struct State {
    pub images: BTreeMap<String, Value>,
    pub data: BTreeMap<String, Vec<u8>>,
    /// Ids that were given out once.
    used: Vec<String>,
    /// Method, path and status of every request.
    pub log: Vec<String>,
    /// Requests whose log line begins so meet the fault; once each.
    pub faults: VecDeque<(&'static str, Fault)>,
    tokens: u32,
    /// Tokens that have not ended.
    valid: Vec<String>,
    /// Whether the hash is by an algorithm that the client does not take.
    pub odd_hash: bool,
}

/// The service. It ends with the test's process.
#[derive(Clone)]
pub(super) struct StandIn {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct Asked {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    length: Option<usize>,
}

type Reply = (u16, Value);

impl StandIn {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let service = Self { address: listener.local_addr().unwrap(), state: Arc::default() };
        let serving = service.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                thread::spawn(move || serving.serve(&stream));
            }
        });
        service
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn fail(&self, request: &'static str, fault: Fault) {
        self.state().faults.push_back((request, fault));
    }

    /// Counts requests whose line begins so.
    pub(super) fn count(&self, request: &str) -> usize {
        self.state().log.iter().filter(|line| line.starts_with(request)).count()
    }

    /// One request per connection, as some set-ups of the real one do.
    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        let Some(asked) = head(&mut reader) else { return };
        let fault = self.fault(&format!("{} {}", asked.method, asked.path));
        let reply = match self.answer(&asked, &mut reader, stream, fault) {
            Some(reply) => reply,
            None => return,
        };
        self.state().log.push(format!("{} {} {}", asked.method, asked.path, reply.0));
        let body = match asked.path.strip_suffix("/file").filter(|_| asked.method == "GET") {
            Some(path) => self.state().data[path.trim_start_matches("/v2/images/")].clone(),
            None if reply.1.is_null() => Vec::new(),
            None => reply.1.to_string().into_bytes(),
        };
        let subject = match reply.1["granted"].as_str() {
            Some(token) => format!("X-Subject-Token: {token}\r\n"),
            None => String::new(),
        };
        let text = format!(
            "HTTP/1.1 {} X\r\nContent-Length: {}\r\n{subject}Connection: close\r\n\r\n",
            reply.0,
            body.len()
        );
        let mut stream = stream;
        // The client may be gone already.
        let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.write_all(&body));
    }

    fn fault(&self, line: &str) -> Option<Fault> {
        let mut state = self.state();
        let at = state.faults.iter().position(|(request, _)| line.starts_with(request))?;
        state.faults.remove(at).map(|(_, fault)| fault)
    }

    fn answer(
        &self,
        asked: &Asked,
        reader: &mut impl Read,
        stream: &TcpStream,
        fault: Option<Fault>,
    ) -> Option<Reply> {
        match fault {
            Some(Fault::Status(status)) => return Some((status, json!({ "message": "as the test says" }))),
            Some(Fault::Stall(time)) => {
                thread::sleep(time);
                return None;
            }
            _ => {}
        }
        if asked.path == "/v3/auth/tokens" {
            return Some(self.token(&body(asked, reader)?));
        }
        let token = asked.headers.get("x-auth-token");
        if token.is_none_or(|token| !self.state().valid.contains(token)) {
            return Some((401, json!({ "message": "no such token" })));
        }
        if asked.method == "PUT" {
            return self.put(asked, reader, stream, fault);
        }
        let sent = body(asked, reader)?;
        let (status, said) = self.state().small(asked, &sent);
        Some((status, if matches!(fault, Some(Fault::Silence)) { Value::Null } else { said }))
    }

    fn token(&self, sent: &[u8]) -> Reply {
        let sent: Value = serde_json::from_slice(sent).unwrap();
        let user = &sent["auth"]["identity"]["password"]["user"];
        if user["password"] != "secret" || sent["auth"]["scope"]["project"]["name"] != "demo" {
            return (401, json!({ "error": { "message": "wrong password" } }));
        }
        let mut state = self.state();
        state.tokens += 1;
        let token = format!("token-{}", state.tokens);
        state.valid.push(token.clone());
        let endpoint = |interface, url| json!({ "interface": interface, "region_id": "One", "url": url });
        let catalog = json!([
            { "type": "compute", "endpoints": [endpoint("public", "http://127.0.0.1:1".to_owned())] },
            { "type": "image", "endpoints": [
                endpoint("internal", "http://127.0.0.1:1".to_owned()),
                endpoint("public", format!("http://{}", self.address)),
            ] },
        ]);
        (201, json!({ "granted": token, "token": { "project": { "id": "project-1" }, "catalog": catalog } }))
    }

    /// Takes data as Glance does: on a queued image only, of a known length, all or nothing.
    fn put(
        &self,
        asked: &Asked,
        reader: &mut impl Read,
        mut stream: &TcpStream,
        fault: Option<Fault>,
    ) -> Option<Reply> {
        let id = asked.path.trim_start_matches("/v2/images/").trim_end_matches("/file").to_owned();
        if asked.headers.get("content-type").map(String::as_str) != Some("application/octet-stream") {
            return Some((415, Value::Null));
        }
        let length = asked.length.expect("a length is known");
        {
            let mut state = self.state();
            let image = match state.images.get_mut(&id) {
                None => return Some((404, Value::Null)),
                Some(image) => image,
            };
            if image["status"] != "queued" {
                return Some((409, json!({ "message": "transition not allowed" })));
            }
            image["status"] = "saving".into();
        }
        let _ = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
        let wanted = match fault {
            Some(Fault::Break(count) | Fault::Early(count, _)) => count,
            _ => length,
        };
        let mut data = vec![0; wanted];
        let whole = reader.read_exact(&mut data).is_ok() && wanted == length;
        let mut state = self.state();
        let Some(image) = state.images.get_mut(&id) else { return Some((410, Value::Null)) };
        if !whole {
            image["status"] = "queued".into();
            return match fault {
                Some(Fault::Early(_, status)) => Some((status, json!({ "message": "not all of it" }))),
                _ => None,
            };
        }
        if matches!(fault, Some(Fault::Damage)) {
            data[0] ^= 1;
        }
        image["status"] = "active".into();
        image["size"] = length.into();
        image["os_hash_algo"] = "sha512".into();
        image["os_hash_value"] = hexadecimal(&Sha512::digest(&data)).into();
        if state.odd_hash {
            let image = state.images.get_mut(&id).unwrap();
            image["os_hash_algo"] = "blake2b".into();
            image["os_hash_value"] = "00".into();
        }
        state.data.insert(id, data);
        if matches!(fault, Some(Fault::LoseAnswer)) { None } else { Some((204, Value::Null)) }
    }
}

impl State {
    fn small(&mut self, asked: &Asked, sent: &[u8]) -> Reply {
        let kind = asked.headers.get("content-type").map_or("", String::as_str);
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        let id = path.trim_start_matches("/v2/images").trim_start_matches('/');
        match (asked.method.as_str(), id) {
            ("GET", "") => (200, json!({ "images": self.list(query) })),
            ("POST", "") if kind == "application/json" => self.create(sent),
            ("GET", id) if id.ends_with("/file") => (200, Value::Null),
            ("GET", id) => self.images.get(id).map_or((404, Value::Null), |image| (200, image.clone())),
            ("PATCH", id) if kind == "application/openstack-images-v2.1-json-patch" => self.patch(id, sent),
            ("POST", id) if id.ends_with("/members") => (200, json!({})),
            ("DELETE", id) => match self.images.get(id) {
                None => (404, Value::Null),
                Some(image) if image["protected"] == true => (403, Value::Null),
                Some(_) => {
                    self.images.remove(id);
                    (204, Value::Null)
                }
            },
            _ => (415, Value::Null),
        }
    }

    fn list(&self, query: &str) -> Vec<Value> {
        let pairs: Vec<(&str, &str)> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let fits = |image: &&Value| {
            pairs.iter().all(|(key, value)| match &image[*key] {
                Value::Bool(flag) => flag.to_string() == *value,
                other => other == value,
            })
        };
        self.images.values().filter(fits).cloned().collect()
    }

    fn create(&mut self, sent: &[u8]) -> Reply {
        let mut image: Value = serde_json::from_slice(sent).unwrap();
        let id = image["id"].as_str().expect("an id").to_owned();
        if self.used.contains(&id) {
            return (409, json!({ "message": "exists" }));
        }
        let hidden = image["os_hidden"] == true && image["visibility"] == "private";
        assert!(hidden, "nobody sees an image that is not verified");
        image["status"] = "queued".into();
        image["owner"] = "project-1".into();
        self.used.push(id.clone());
        self.images.insert(id, image.clone());
        (201, image)
    }

    fn patch(&mut self, id: &str, sent: &[u8]) -> Reply {
        let Some(image) = self.images.get_mut(id) else { return (404, Value::Null) };
        let operations: Vec<Value> = serde_json::from_slice(sent).unwrap();
        for operation in operations {
            let key = operation["path"].as_str().unwrap().trim_start_matches('/').to_owned();
            if key == "visibility" && operation["value"] == "public" {
                return (403, json!({ "message": "not allowed" }));
            }
            image[key] = operation["value"].clone();
        }
        (200, image.clone())
    }
}

fn head(reader: &mut impl BufRead) -> Option<Asked> {
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|count| *count > 0)?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    assert!(!headers.contains_key("transfer-encoding"), "chunks are refused");
    let length = headers.get("content-length").and_then(|length| length.parse().ok());
    Some(Asked { method, path, headers, length })
}

fn body(asked: &Asked, reader: &mut impl Read) -> Option<Vec<u8>> {
    let mut bytes = vec![0; asked.length.unwrap_or(0)];
    reader.read_exact(&mut bytes).ok()?;
    Some(bytes)
}
