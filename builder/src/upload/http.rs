//! Requests to a cloud's services: small ones, which are tried again, and the one that carries the image.
//!
//! Time limits count only while nothing moves; how long a transfer takes does not matter.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ureq::http::{Response, header};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector, DefaultConnector};
use ureq::{Agent, Body, Proxy, SendBody, http};

use super::answer::{Answer, is_transient};
use super::listening::Listening;
use super::trust::{Trust, tls, untrusted};
use super::{Kind, Patience, UploadError};

/// Largest answer that is read whole; lists come in pages that are smaller.
const ANSWER_LIMIT: u64 = 16 << 20;

/// Time limits of connections.
#[derive(Debug, Clone, Copy)]
pub struct HttpOptions {
    /// For a connection to be made.
    pub connect: Duration,
    /// For a connection on which nothing moves.
    pub idle: Duration,
    /// For the answer to an image that was sent whole: the service may still copy it to its store.
    pub answer: Duration,
}

impl Default for HttpOptions {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(10), idle: seconds(60), answer: seconds(15 * 60) }
    }
}

/// Talks to services. For one thread.
#[derive(Debug)]
pub struct Http {
    agent: Agent,
    /// For the request that carries the image.
    long: Agent,
    /// Raised when a server hung up while it was sent to.
    pub(super) cut: Arc<AtomicBool>,
    pub(super) patience: Arc<Patience>,
}

/// A small request. It has no `Debug`, since headers and body may hold secrets.
pub(super) struct Request {
    pub method: &'static str,
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    /// Content type and bytes.
    pub body: Option<(&'static str, Vec<u8>)>,
}

impl Http {
    /// Makes a client that obeys the proxies of the environment.
    ///
    /// # Errors
    /// When a file of `trust` cannot be used.
    pub fn new(options: HttpOptions, trust: &Trust, patience: Arc<Patience>) -> Result<Self, UploadError> {
        let cut = Arc::new(AtomicBool::new(false));
        let tls = tls(trust)?;
        let agent = |idle| {
            let config = Agent::config_builder()
                .tls_config(tls.clone())
                .proxy(Proxy::try_from_env())
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .timeout_connect(Some(options.connect))
                .timeout_per_read(Some(idle))
                .timeout_per_write(Some(options.idle))
                .user_agent(concat!("bootwright/", env!("CARGO_PKG_VERSION")))
                .accept("*/*")
                .build();
            let connector = DefaultConnector::default().chain(Listening { cut: cut.clone() });
            Agent::with_parts(config, connector, DefaultResolver::default())
        };
        let (agent, long) = (agent(options.idle), agent(options.answer));
        Ok(Self { agent, long, cut, patience })
    }

    /// Sends a request that does no harm when it is sent twice, and again while the failure is a passing one. An answer
    /// of any other status is an answer.
    pub(super) fn send(&self, request: &Request) -> Result<Answer, UploadError> {
        let mut attempt = 1;
        loop {
            self.patience.interrupt.check()?;
            match self.send_once(request) {
                Ok(answer) => return Ok(answer),
                Err(error) => self.patience.wait(attempt, error)?,
            }
            attempt += 1;
        }
    }

    fn send_once(&self, request: &Request) -> Result<Answer, UploadError> {
        let doing = format!("asking {} {}", request.method, request.url);
        let (kind, bytes) =
            request.body.as_ref().map_or((None, None), |(kind, bytes)| (Some(*kind), Some(bytes)));
        let mut builder = http::Request::builder().method(request.method).uri(&request.url);
        for (name, value) in request.headers.iter().map(|(name, value)| (*name, value.as_str())) {
            builder = builder.header(name, value);
        }
        if let Some(kind) = kind {
            builder = builder.header(header::CONTENT_TYPE, kind);
        }
        let unusable = |error: http::Error| unusable(&doing, &error);
        let response = match bytes {
            Some(bytes) => self.agent.run(builder.body(bytes).map_err(unusable)?),
            None => self.agent.run(builder.body(()).map_err(unusable)?),
        };
        let answer = read(response.map_err(|error| failed(&doing, error))?, &doing)?;
        if is_transient(answer.status) { Err(answer.refused(&doing, "try again later")) } else { Ok(answer) }
    }

    /// Sends `length` bytes of `body` once.
    pub(super) fn put(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        length: u64,
        body: &mut dyn Read,
    ) -> Result<Answer, UploadError> {
        let doing = format!("sending the image to {url}");
        self.cut.store(false, Ordering::Relaxed);
        let mut builder = http::Request::builder()
            .method("PUT")
            .uri(url)
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_LENGTH, length)
            // A service that will refuse says so before it is sent gigabytes.
            .header(header::EXPECT, "100-continue");
        for (name, value) in headers {
            builder = builder.header(*name, value.as_str());
        }
        let request = builder.body(SendBody::from_reader(body)).map_err(|error| unusable(&doing, &error))?;
        read(self.long.run(request).map_err(|error| failed(&doing, error))?, &doing)
    }

    /// Asks for a large body; the second part reads it.
    pub(super) fn get(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
    ) -> Result<(u16, impl Read + use<>), UploadError> {
        let doing = format!("reading {url}");
        let mut builder = http::Request::builder().method("GET").uri(url);
        for (name, value) in headers {
            builder = builder.header(*name, value.as_str());
        }
        let request = builder.body(()).map_err(|error| unusable(&doing, &error))?;
        let response = self.agent.run(request).map_err(|error| failed(&doing, error))?;
        Ok((response.status().as_u16(), response.into_body().into_reader()))
    }
}

fn read(response: Response<Body>, doing: &str) -> Result<Answer, UploadError> {
    let (parts, body) = response.into_parts();
    let status = parts.status.as_u16();
    let mut bytes = Vec::new();
    let whole = body.into_reader().take(ANSWER_LIMIT).read_to_end(&mut bytes);
    match whole {
        // The status counts even when the connection breaks before the words to it.
        Err(error) if (200..300).contains(&status) => Err(failed(doing, error.into())),
        _ => Ok(Answer { status, headers: parts.headers, body: bytes }),
    }
}

fn unusable(doing: &str, error: &http::Error) -> UploadError {
    UploadError::input(doing, error, "check the address, and that names and tokens have no line breaks")
}

/// Says why a request got no answer.
pub(super) fn failed(doing: &str, error: ureq::Error) -> UploadError {
    use ureq::Error as E;
    let passing = |why: String| {
        let kind = Kind::Transient { retry_after: None };
        UploadError::new(kind, doing, why, "check the network and the proxy, and run the same again")
    };
    match error {
        E::Timeout(what) => passing(format!("nothing moved for too long ({what})")),
        E::HostNotFound => passing("the host name cannot be resolved".into()),
        E::Io(error) => match error.downcast::<UploadError>() {
            Ok(ours) => ours,
            Err(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                Some(inner) => untrusted(doing, inner),
                None => passing(error.to_string()),
            },
        },
        E::Tls(why) => untrusted(doing, &rustls::Error::General(why.to_owned())),
        E::Rustls(error) => untrusted(doing, &error),
        E::BadUri(why) => UploadError::input(doing, why, "write it as https://HOST/PATH"),
        other => passing(other.to_string()),
    }
}
