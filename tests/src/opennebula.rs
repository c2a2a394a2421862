//! A stand-in of OpenNebula's front-end on loopback, from the protocol: XML-RPC, and a driver that fetches images as
//! `downloader.sh` does, with its readings that are broken off, its retries and its comparison of SHA-1.
//!
//! pyone is the judge of it, see `tests/tests/upload`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Who may ask.
pub const SESSION: &str = "oneadmin:password-of-the-test";
const READY: i64 = 1;
const LOCKED: i64 = 4;
const ERROR: i64 = 5;
/// Codes of refusals.
const AUTHENTICATION: i64 = 0x100;
const NO_EXISTS: i64 = 0x400;
const ACTION: i64 = 0x800;
const ALLOCATE: i64 = 0x4000;

/// An image.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "as OpenNebula calls them")]
pub struct Image {
    pub name: String,
    pub state: i64,
    pub public: bool,
    pub attributes: BTreeMap<String, String>,
    pub data: Vec<u8>,
}

/// All that is there.
#[derive(Debug, Default)]
pub struct State {
    /// By their numbers.
    pub images: BTreeMap<i64, Image>,
    /// Names and texts of templates of machines.
    pub templates: BTreeMap<i64, (String, String)>,
    /// Methods, in order.
    pub log: Vec<String>,
    /// Readings of images, and how each ended.
    pub readings: Vec<&'static str>,
    /// What is fetched is damaged on the way.
    pub damage: bool,
    /// How long the driver waits before it fetches.
    pub slow: Duration,
    /// Answers that get lost, by method; once each.
    pub lost: Vec<&'static str>,
    count: i64,
}

/// The front-end. It ends with the test's process.
#[derive(Debug, Clone)]
pub struct FrontEnd {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

type Outcome = Result<String, (i64, String)>;

impl FrontEnd {
    /// Starts it on a free port.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let service = Self { address: listener.local_addr().expect("an address"), state: Arc::default() };
        let serving = service.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                thread::spawn(move || serving.serve(&stream));
            }
        });
        service
    }

    /// Returns the address as `ONE_XMLRPC` takes it.
    pub fn url(&self) -> String {
        format!("http://{}/RPC2", self.address)
    }

    /// Returns all that is there.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One request for each connection.
    fn serve(&self, mut stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let line = line.trim_end().to_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(text) = line.strip_prefix("content-length:") {
                length = text.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let body = String::from_utf8(body).ok()?;
        let method = between(&body, "<methodName>", "</methodName>")?.to_owned();
        let parameters: Vec<String> = body.split("<value>").skip(1).filter_map(parameter).collect();
        self.state().log.push(method.clone());
        let outcome = match parameters.first().map(String::as_str) {
            Some(SESSION) => self.answer(&method, &parameters[1..]),
            _ => Err((AUTHENTICATION, format!("[{method}] User couldn't be authenticated, aborting call."))),
        };
        let lost = self.state().lost.iter().position(|lost| *lost == method);
        if let Some(at) = lost {
            self.state().lost.remove(at);
            return None;
        }
        let values = match outcome {
            Ok(value) => {
                format!("<value><boolean>1</boolean></value><value>{value}</value><value><i4>0</i4></value>")
            }
            Err((code, why)) => format!(
                "<value><boolean>0</boolean></value><value><string>{}</string></value><value><i4>{code}</i4></value>",
                escaped(&why)
            ),
        };
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<methodResponse>\r\n<params>\r\n<param><value><array><data>\r\n{values}\
             </data></array></value></param>\r\n</params>\r\n</methodResponse>\r\n"
        );
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            text.len()
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(text.as_bytes())).ok()
    }

    fn answer(&self, method: &str, parameters: &[String]) -> Outcome {
        let number = |at: usize| parameters.get(at).and_then(|text| text.parse::<i64>().ok()).unwrap_or(-1);
        let text = |at: usize| parameters.get(at).cloned().unwrap_or_default();
        let done = |number: i64| Ok(format!("<i4>{number}</i4>"));
        match method {
            "one.system.version" => Ok("<string>6.10.0</string>".to_owned()),
            "one.datastorepool.info" => Ok(document(
                "<DATASTORE_POOL><DATASTORE><ID>0</ID><NAME>system</NAME><TYPE>1</TYPE><TEMPLATE></TEMPLATE></DATASTORE>\
                 <DATASTORE><ID>1</ID><NAME>default</NAME><TYPE>0</TYPE><FREE_MB>2000</FREE_MB>\
                 <TEMPLATE><SAFE_DIRS><![CDATA[/var/tmp]]></SAFE_DIRS></TEMPLATE></DATASTORE></DATASTORE_POOL>",
            )),
            "one.imagepool.info" => {
                let state = self.state();
                let images: String =
                    state.images.iter().map(|(number, image)| shown(*number, image)).collect();
                Ok(document(&format!("<IMAGE_POOL>{images}</IMAGE_POOL>")))
            }
            "one.templatepool.info" => {
                let state = self.state();
                let one = |(number, (name, text)): (&i64, &(String, String))| {
                    format!("<VMTEMPLATE><ID>{number}</ID><NAME>{}</NAME>{text}</VMTEMPLATE>", escaped(name))
                };
                let templates: String = state.templates.iter().map(one).collect();
                Ok(document(&format!("<VMTEMPLATE_POOL>{templates}</VMTEMPLATE_POOL>")))
            }
            "one.image.allocate" => self.allocate(&text(0), number(1)),
            "one.template.allocate" => {
                let mut state = self.state();
                let name = attributes(&text(0)).remove("NAME").unwrap_or_default();
                if let Some((taken, _)) = state.templates.iter().find(|(_, (known, _))| *known == name) {
                    return Err((
                        ALLOCATE,
                        format!(
                            "[{method}] Error allocating a new virtual machine template. NAME is already taken by TEMPLATE {taken}."
                        ),
                    ));
                }
                state.count += 1;
                let made = state.count;
                state.templates.insert(made, (name, text(0)));
                done(made)
            }
            "one.template.delete" => {
                let gone = self.state().templates.remove(&number(0));
                gone.map_or(
                    Err((NO_EXISTS, format!("[{method}] Error getting virtual machine template"))),
                    |_| done(number(0)),
                )
            }
            _ => self.of_image(method, number(0), parameters),
        }
    }

    fn of_image(&self, method: &str, id: i64, parameters: &[String]) -> Outcome {
        let mut state = self.state();
        let taken = state
            .images
            .iter()
            .any(|(number, image)| *number != id && parameters.get(1) == Some(&image.name));
        let Some(image) = state.images.get_mut(&id) else {
            return Err((NO_EXISTS, format!("[{method}] Error getting image [{id}].")));
        };
        let refused = |why: &str| Err((ACTION, format!("[{method}] {why}")));
        match method {
            "one.image.info" => return Ok(document(&shown(id, image))),
            "one.image.rename" if taken => return refused("NAME is already taken"),
            "one.image.rename" => image.name.clone_from(&parameters[1]),
            "one.image.chmod" if parameters.len() != 10 => return refused("nine bits are needed"),
            // The seventh bit after the id is that others may use it.
            "one.image.chmod" if parameters[7] != "-1" => image.public = parameters[7] == "1",
            "one.image.enable" if image.state == LOCKED => {
                return refused("Could not disable image: it is LOCKED");
            }
            "one.image.enable" => image.state = if parameters[1] == "1" { READY } else { 3 },
            "one.image.delete"
                if image.state == LOCKED && parameters.get(1).is_none_or(|force| force != "1") =>
            {
                return refused("Cannot delete image in state LOCKED");
            }
            "one.image.delete" => drop(state.images.remove(&id)),
            _ => return refused("no such method"),
        }
        Ok(format!("<i4>{id}</i4>"))
    }

    fn allocate(&self, template: &str, store: i64) -> Outcome {
        let refused = |code, why: &str| Err((code, format!("[one.image.allocate] {why}")));
        let attributes = attributes(template);
        let attribute = |name: &str| attributes.get(name).cloned().unwrap_or_default();
        if store != 1 {
            return refused(NO_EXISTS, "Error getting datastore");
        }
        if attribute("NAME").is_empty() || attribute("TYPE") != "OS" || attribute("PATH").is_empty() {
            return refused(ALLOCATE, "Error allocating a new image. NAME, TYPE or PATH is missing.");
        }
        if attribute("DEV_PREFIX") != "vd" || attribute("SHA1").len() != 40 {
            return refused(ALLOCATE, "the test wants DEV_PREFIX vd and a SHA1");
        }
        if let Some((number, _)) =
            self.state().images.iter().find(|(_, image)| image.name == attribute("NAME"))
        {
            return refused(
                ALLOCATE,
                &format!("Error allocating a new image. NAME is already taken by IMAGE {number}."),
            );
        }
        // What `stat` does, while the caller waits: the type by the beginning, and the size.
        let path = attribute("PATH");
        let size = if path.starts_with("http://") {
            (0..2).for_each(|_| self.reading(fetch(&path, "GET", Some(1024))));
            fetch(&path, "HEAD", None).map(|(length, _)| length)
        } else {
            std::fs::metadata(&path).ok().map(|file| file.len())
        };
        let Some(size) = size else {
            return refused(0x2000, "Cannot parse image SIZE: Error fetching the file");
        };
        let mut state = self.state();
        state.count += 1;
        let id = state.count;
        let mut kept = attributes.clone();
        kept.insert("SIZE".to_owned(), size.div_ceil(1 << 20).to_string());
        let image = Image {
            name: attribute("NAME"),
            state: LOCKED,
            public: false,
            attributes: kept,
            data: Vec::new(),
        };
        state.images.insert(id, image);
        let (driver, slow, sha1) = (self.clone(), state.slow, attribute("SHA1"));
        thread::spawn(move || {
            thread::sleep(slow);
            driver.copy(id, &path, &sha1);
        });
        Ok(format!("<i4>{id}</i4>"))
    }

    /// What `cp` does, afterwards.
    fn copy(&self, id: i64, path: &str, sha1: &str) {
        let data = if path.starts_with("http://") {
            (0..4).for_each(|_| self.reading(fetch(path, "GET", Some(1024))));
            let whole = fetch(path, "GET", None);
            self.reading(whole.clone());
            whole.map(|(_, data)| data)
        } else {
            std::fs::read(path).ok()
        };
        let mut state = self.state();
        let damage = state.damage;
        let Some(image) = state.images.get_mut(&id) else { return };
        let why = match data {
            None => Some("Error copying image in the datastore: cannot be fetched"),
            Some(mut data) => {
                if damage {
                    data[0] ^= 1;
                }
                let sum: String = sum(&data).iter().map(|byte| format!("{byte:02x}")).collect();
                image.data = data;
                (sum != sha1).then_some("Error copying image in the datastore: Hash does not match")
            }
        };
        image.state = if why.is_some() { ERROR } else { READY };
        if let Some(why) = why {
            image.attributes.insert("ERROR".to_owned(), format!("Thu Nov 26 12:00:00 2026 : {why}"));
        }
    }

    fn reading(&self, outcome: Option<(u64, Vec<u8>)>) {
        let how = match outcome {
            None => "failed",
            Some((length, data)) if data.len() as u64 == length => "whole",
            Some(_) => "broken off",
        };
        self.state().readings.push(how);
    }
}

/// SHA-1 by a program that is everywhere.
fn sum(data: &[u8]) -> [u8; 20] {
    let mut child = std::process::Command::new("sha1sum")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("sha1sum");
    child.stdin.take().expect("its end").write_all(data).expect("taken");
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("digits"))
}

/// Fetches a URL, or its first bytes; length and data.
fn fetch(url: &str, method: &str, most: Option<usize>) -> Option<(u64, Vec<u8>)> {
    let (host, path) = url.strip_prefix("http://")?.split_once('/')?;
    let mut stream = TcpStream::connect(host).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    stream
        .write_all(
            format!(
                "{method} /{path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n"
            )
            .as_bytes(),
        )
        .ok()?;
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).ok()?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().ok()?
            }
            Some(_) => {}
            None => break,
        }
    }
    first.contains(" 200 ").then_some(())?;
    let mut data = Vec::new();
    if method == "GET" {
        let wanted = most.map_or(length, |most| most as u64);
        reader.take(wanted).read_to_end(&mut data).ok()?;
    }
    Some((length, data))
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(inner, _)| inner)
}

/// Reads the value that begins here, of any kind.
fn parameter(text: &str) -> Option<String> {
    let inner = text.split("</value>").next()?.trim();
    let plain = inner
        .split_once('>')
        .map_or(inner, |(_, rest)| rest.rsplit_once('<').map_or(rest, |(value, _)| value));
    Some(unescaped(plain))
}

/// Reads the attributes of a template in XML, one level deep.
fn attributes(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = between(text, "<TEMPLATE>", "</TEMPLATE>").unwrap_or_default();
    while let Some((name, after)) = rest.trim_start().strip_prefix('<').and_then(|rest| rest.split_once('>'))
    {
        let Some((value, next)) = after.split_once(&format!("</{name}>")) else { break };
        found.insert(name.to_owned(), unescaped(value));
        rest = next;
    }
    found
}

fn shown(number: i64, image: &Image) -> String {
    let attributes: String = image
        .attributes
        .iter()
        .filter(|(name, _)| *name != "NAME")
        .map(|(name, value)| format!("<{name}>{}</{name}>", escaped(value)))
        .collect();
    format!(
        "<IMAGE><ID>{number}</ID><UID>0</UID><GID>0</GID><UNAME>oneadmin</UNAME><GNAME>oneadmin</GNAME><NAME>{}</NAME>\
         <PERMISSIONS><OWNER_U>1</OWNER_U><OTHER_U>{}</OTHER_U></PERMISSIONS><TYPE>0</TYPE><STATE>{}</STATE>\
         <TEMPLATE>{attributes}</TEMPLATE></IMAGE>",
        escaped(&image.name),
        u8::from(image.public),
        image.state
    )
}

/// A document as a value: text in text.
fn document(xml: &str) -> String {
    format!("<string>{}</string>", escaped(xml))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}
