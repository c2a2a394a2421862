//! Host names, looked up once.
//!
//! The HTTP library looks a name up for every request, also for one that goes over a connection it has. A build
//! asks for hundreds of files of one host; a name server that drops some of that many questions makes the client
//! wait five seconds each time. This uses the library's `unversioned` interface, which may change with its minor
//! versions.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// How long an answer is used. A mirror that moves during a build is met by the retries.
const KEPT: Duration = Duration::from_secs(300);

/// Scheme, host and port, and what the name server said of them.
type Answers = HashMap<(Option<String>, String), (Instant, Vec<SocketAddr>)>;

/// Asks the system, and remembers what it said.
#[derive(Debug, Default)]
pub(super) struct Remembering {
    inner: DefaultResolver,
    answers: Mutex<Answers>,
}

impl Resolver for Remembering {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let authority = uri.authority().map_or_else(String::new, ToString::to_string);
        let key = (uri.scheme_str().map(str::to_owned), authority);
        // Held over the question, so that threads that start together ask once.
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((asked, addresses)) = answers.get(&key)
            && asked.elapsed() < KEPT
        {
            let mut known = self.empty();
            addresses.iter().for_each(|address| known.push(*address));
            return Ok(known);
        }
        let fresh = self.inner.resolve(uri, config, timeout)?;
        answers.insert(key, (Instant::now(), fresh.to_vec()));
        Ok(fresh)
    }
}
