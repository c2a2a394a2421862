//! A stand-in of AWS on loopback: EBS direct and the calls of EC2 about snapshots and images, in any region.
//!
//! It is strict where AWS is: signatures (version 4), lengths, checksums, counts, tokens, states, names. It keeps the
//! digests of blocks, not their bytes. It fails where it is told to: throttles, 5xx, resets, stalls, answers that are
//! lost, snapshots that are not known at first; and it can be as slow as a way to another continent. boto3 is the
//! judge of it, see `tests/tests/upload`.

mod ebs;
mod ec2;
mod http;
mod signature;

use std::collections::{BTreeMap, HashMap};
use std::io::BufReader;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use http::{Answer, Asked};

/// The one account.
pub const ACCESS_KEY: &str = "AKIDOFTHESTANDIN";
/// Its secret.
pub const SECRET_KEY: &str = "secret-of-the-stand-in";
/// Its number.
pub const ACCOUNT: &str = "123456789012";
/// Bytes of a block.
pub const BLOCK: usize = 512 << 10;

/// What is not as it should be.
#[derive(Debug, Clone, Default)]
pub struct Trouble {
    /// Time that every answer takes.
    pub latency: Duration,
    /// Every so many-th block meets a failure, of another kind each time.
    pub every: u64,
    /// Blocks a second beyond which they are throttled.
    pub most_per_second: Option<u32>,
    /// How long a new snapshot is not known.
    pub forgetful: Duration,
    /// How long completing takes, and an image until it is available.
    pub slow: Duration,
    /// The next snapshot that is completed fails afterwards.
    pub snapshot_fails: bool,
    /// The next image that is registered fails afterwards.
    pub image_fails: bool,
    /// Codes of errors that the next calls of an action meet, once each.
    pub refusals: Vec<(&'static str, u16, &'static str)>,
}

/// A snapshot.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "as AWS calls them")]
pub struct Snapshot {
    pub region: String,
    pub size: u64,
    pub description: String,
    pub tags: BTreeMap<String, String>,
    pub encrypted: bool,
    pub kms_key: Option<String>,
    pub blocks: HashMap<u32, [u8; 32]>,
    /// Blocks that came, the same ones again included.
    pub puts: u64,
    pub failed: bool,
    token: Option<(String, String)>,
    begun: Instant,
    completed: Option<Instant>,
}

/// A machine image.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "as AWS calls them")]
pub struct Image {
    pub region: String,
    pub name: String,
    /// What it was registered with, by EC2's names.
    pub fields: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    pub snapshot: String,
    pub shared: Vec<String>,
    pub deprecated: Option<String>,
    pub disabled: bool,
    pub failed: bool,
    token: Option<String>,
    made: Instant,
}

/// All that is there.
#[derive(Debug, Default)]
pub struct State {
    /// By their ids.
    pub snapshots: BTreeMap<String, Snapshot>,
    /// By their ids.
    pub images: BTreeMap<String, Image>,
    /// The action of every call, with its code if it was refused.
    pub log: Vec<String>,
    /// What is not as it should be.
    pub trouble: Trouble,
    /// Most connections that were open at once.
    pub most_connections: usize,
    connections: usize,
    blocks: u64,
    second: Option<(Instant, u32)>,
    count: u64,
}

impl State {
    /// Gives out an id.
    fn id(&mut self, kind: &str) -> String {
        self.count += 1;
        format!("{kind}-{:017x}", self.count)
    }
}

impl Snapshot {
    /// Tells its state: completing takes a while.
    fn state(&self, trouble: &Trouble) -> &'static str {
        match self.completed {
            Some(_) if self.failed => "error",
            Some(at) if at.elapsed() >= trouble.slow => "completed",
            _ => "pending",
        }
    }
}

/// The service. It ends with the test's process.
#[derive(Debug, Clone)]
pub struct StandIn {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl StandIn {
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
                thread::spawn(move || serving.serve(stream));
            }
        });
        service
    }

    /// Returns the address as `AWS_ENDPOINT_URL` takes it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns all that is there.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts snapshots and images.
    pub fn counts(&self) -> (usize, usize) {
        let state = self.state();
        (state.snapshots.len(), state.images.len())
    }

    /// Returns how many calls there were, and how many different blocks came.
    pub fn progress(&self) -> (u64, u64) {
        let state = self.state();
        let blocks = state.snapshots.values().map(|snapshot| snapshot.blocks.len() as u64).sum();
        (state.log.len() as u64, blocks)
    }

    /// Counts the calls whose line begins so.
    pub fn count(&self, action: &str) -> usize {
        self.state().log.iter().filter(|line| line.starts_with(action)).count()
    }

    fn serve(&self, stream: TcpStream) {
        // Answers are small and waited for.
        let _ = stream.set_nodelay(true);
        {
            let mut state = self.state();
            state.connections += 1;
            state.most_connections = state.most_connections.max(state.connections);
        }
        let mut reader = BufReader::with_capacity(1 << 16, &stream);
        while let Some(asked) = Asked::read(&mut reader) {
            let Some(answer) = self.answer(&asked) else { break };
            let latency = self.state().trouble.latency;
            thread::sleep(latency);
            if answer.write(&stream).is_err() {
                break;
            }
        }
        self.state().connections -= 1;
    }

    /// Answers; nothing to break the connection.
    fn answer(&self, asked: &Asked) -> Option<Answer> {
        let region = match signature::check(asked) {
            Ok(region) => region,
            Err(why) => return Some(asked.refuse(403, "SignatureDoesNotMatch", &why)),
        };
        let action = asked.action();
        let planned = {
            let mut state = self.state();
            let at = state.trouble.refusals.iter().position(|(wanted, ..)| *wanted == action);
            at.map(|at| state.trouble.refusals.remove(at))
        };
        let answer = match planned {
            Some((_, status, code)) => asked.refuse(status, code, "as the test says"),
            None if asked.path == "/" => ec2::answer(&mut self.state(), &region, asked),
            None => self.ebs(&region, asked)?,
        };
        let code = answer.code.as_deref().unwrap_or("");
        self.state().log.push(format!("{action} {code}").trim_end().to_owned());
        Some(answer)
    }
}
