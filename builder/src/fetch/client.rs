//! One request: an address becomes a stream of bytes, over HTTP, HTTPS or from a file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ureq::config::Config;
use ureq::http::{HeaderMap, Response, Uri, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body, Proxy, ProxyProtocol};

use crate::plan::Credential;

use super::error::Cause;
use super::forward;
use super::names::Remembering;
use super::proxy::ProxyRules;
use super::retry::Retry;

/// How patient a client is. Time is counted while nothing comes; how big a file is does not matter.
#[derive(Debug, Clone, Copy)]
pub struct ClientOptions {
    /// Limit for a connection to be made.
    pub connect: Duration,
    /// Limit for a connection on which no byte comes.
    pub idle: Duration,
    /// Tries without progress before giving up.
    pub attempts: u32,
    /// Upper bound of the first wait between tries; doubles with each try.
    pub wait: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        let wait = Duration::from_millis(500);
        Self { connect: Duration::from_secs(15), idle: Duration::from_secs(30), attempts: 5, wait }
    }
}

/// Longest wait between tries that we choose ourselves.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Longest wait that a server may ask for.
const LONGEST_ASKED_WAIT: Duration = Duration::from_secs(60);
/// Redirects followed for one request.
const REDIRECTS: u32 = 5;
/// Idle connections kept per host; more than are ever used at once.
const IDLE_CONNECTIONS: usize = 8;

/// Gets files. Cheap to share between threads; connections are reused.
#[derive(Debug)]
pub struct Client {
    rules: ProxyRules,
    direct: Agent,
    http: Option<Route>,
    https: Option<Route>,
    credentials: Vec<Credential>,
    pub(super) retry: Retry,
}

/// The way through a proxy.
#[derive(Debug)]
struct Route {
    agent: Agent,
    /// Value of `Proxy-Authorization` where the agent does not see to it.
    authorization: Option<String>,
}

/// A file that has begun to come.
pub(super) struct Opened {
    /// Offset of the first byte of `body`.
    pub start: u64,
    /// Size of the whole file, if the server says.
    pub total: Option<u64>,
    /// How to ask whether it has changed.
    pub validators: Validators,
    /// The bytes.
    pub body: Box<dyn Read>,
}

/// What a server calls the present state of a file, for `If-None-Match` and `If-Modified-Since`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub last_modified: Option<String>,
}

impl Validators {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Self { etag: text(header::ETAG), last_modified: text(header::LAST_MODIFIED) }
    }
}

/// How a file is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ask<'a> {
    /// Offset of the first byte.
    pub from: u64,
    /// Whether caches on the way are to look whether what they have is current.
    pub fresh: bool,
    /// The state in which it need not be sent.
    pub unless: Option<&'a Validators>,
}

impl Client {
    /// Makes a client that obeys the proxies of the environment and trusts the system's certificates (or those
    /// of `SSL_CERT_FILE`).
    ///
    /// # Errors
    /// [`Cause::Address`] when a proxy's address cannot be used.
    pub fn new(options: ClientOptions) -> Result<Self, Cause> {
        let rules = ProxyRules::from_environment(|name| std::env::var(name).ok());
        Self::with_rules(options, rules)
    }

    pub(super) fn with_rules(options: ClientOptions, rules: ProxyRules) -> Result<Self, Cause> {
        let parse = |address: &Option<String>| match address.as_deref().map(Proxy::new) {
            None => Ok(None),
            Some(Ok(proxy)) => Ok(Some(proxy)),
            // The address may hold a password and is not shown.
            Some(Err(_)) => {
                Err(Cause::Address("the proxy's address in the environment cannot be used".into()))
            }
        };
        let http = parse(&rules.http)?.map(|proxy| Route::plain(options, proxy));
        let https = parse(&rules.https)?.map(|proxy| Route::tunnel(options, proxy));
        let retry = Retry {
            attempts: options.attempts.max(1),
            base: options.wait,
            cap: LONGEST_WAIT,
            longest_asked: LONGEST_ASKED_WAIT,
        };
        let direct = agent(config(options, None));
        Ok(Self { rules, direct, http, https, credentials: Vec::new(), retry })
    }

    /// Gives servers the names and passwords that are meant for them.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Vec<Credential>) -> Self {
        self.credentials = credentials;
        self
    }

    /// Asks once for `url`; nothing comes of a file that is as it is asked not to be.
    pub(super) fn open(&self, url: &str, ask: Ask<'_>) -> Result<Option<Opened>, Cause> {
        if let Some(path) = url.strip_prefix("file://") {
            return open_file(path, ask.from).map(Some);
        }
        let response = self.request(url, ask)?;
        let (parts, body) = response.into_parts();
        let (start, total) = match parts.status.as_u16() {
            200 => (0, body.content_length()),
            304 if ask.unless.is_some() => return Ok(None),
            206 => content_range(&parts.headers)
                .ok_or_else(|| Cause::Connection("the server sent a range without saying which".into()))?,
            404 | 410 => return Err(Cause::NotFound),
            status => return Err(Cause::Status { status, retry_after: retry_after(&parts.headers) }),
        };
        let validators = Validators::of(&parts.headers);
        Ok(Some(Opened { start, total, validators, body: Box::new(body.into_reader()) }))
    }

    /// Asks for `url`, and for what it redirects to; each address by its own way.
    fn request(&self, url: &str, ask: Ask<'_>) -> Result<Response<Body>, Cause> {
        let mut uri: Uri = url.parse().map_err(|error| Cause::Address(format!("{error}")))?;
        for _ in 0..=REDIRECTS {
            let response = self.request_one(&uri, ask)?;
            let location = response.headers().get(header::LOCATION);
            match location.and_then(|location| location.to_str().ok()) {
                Some(location) if response.status().is_redirection() => uri = redirected(&uri, location)?,
                _ => return Ok(response),
            }
        }
        Err(Cause::Redirects)
    }

    fn request_one(&self, uri: &Uri, ask: Ask<'_>) -> Result<Response<Body>, Cause> {
        let route = match uri.scheme_str() {
            Some("https") => self.https.as_ref(),
            _ => self.http.as_ref(),
        };
        let route = route.filter(|_| !self.rules.is_direct(uri.host().unwrap_or_default()));
        let mut request = route.map_or(&self.direct, |route| &route.agent).get(uri);
        if let Some(value) = route.and_then(|route| route.authorization.as_ref()) {
            request = request.header(header::PROXY_AUTHORIZATION, value);
        }
        // Asked anew for each address, so that a redirect takes no password to another server.
        let address = uri.to_string();
        if let Some(credential) = self.credentials.iter().find(|credential| credential.fits(&address)) {
            let value = forward::basic(&credential.login, credential.password.expose());
            request = request.header(header::AUTHORIZATION, value);
        }
        if ask.from > 0 {
            request = request.header(header::RANGE, format!("bytes={}-", ask.from));
        }
        let Validators { etag, last_modified } = ask.unless.cloned().unwrap_or_default();
        if let Some(etag) = etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        if let Some(last_modified) = last_modified {
            request = request.header(header::IF_MODIFIED_SINCE, last_modified);
        }
        if ask.fresh {
            request = request.header(header::CACHE_CONTROL, "max-age=0");
        }
        request.call().map_err(cause)
    }
}

impl Route {
    /// The way of `http://` addresses. A proxy that itself wants TLS is asked for a tunnel.
    fn plain(options: ClientOptions, proxy: Proxy) -> Self {
        if proxy.protocol() != ProxyProtocol::Http {
            return Self::tunnel(options, proxy);
        }
        let agent = forward::agent(config(options, None), &proxy);
        Self { agent, authorization: forward::authorization(&proxy) }
    }

    /// The way of `https://` addresses.
    fn tunnel(options: ClientOptions, proxy: Proxy) -> Self {
        Self { agent: agent(config(options, Some(proxy))), authorization: None }
    }
}

/// Makes an agent that looks each name up once.
fn agent(config: Config) -> Agent {
    Agent::with_parts(config, DefaultConnector::default(), Remembering::default())
}

fn config(options: ClientOptions, proxy: Option<Proxy>) -> Config {
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    Agent::config_builder()
        .tls_config(tls)
        .proxy(proxy)
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_connect(Some(options.connect))
        .timeout_per_read(Some(options.idle))
        .timeout_per_write(Some(options.idle))
        .max_idle_connections(2 * IDLE_CONNECTIONS)
        .max_idle_connections_per_host(IDLE_CONNECTIONS)
        .user_agent(concat!("bootwright/", env!("CARGO_PKG_VERSION")))
        .accept("*/*")
        .build()
}

/// Returns where `location` leads from `uri`. It never leads to this machine's files.
fn redirected(uri: &Uri, location: &str) -> Result<Uri, Cause> {
    let scheme = uri.scheme_str().unwrap_or("http");
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let target = match location {
        absolute if absolute.contains("://") => absolute.to_owned(),
        other if other.starts_with("//") => format!("{scheme}:{other}"),
        other if other.starts_with('/') => format!("{scheme}://{host}{other}"),
        other => {
            let folder = uri.path().rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{scheme}://{host}{folder}/{other}")
        }
    };
    let refused = || Cause::Address("it redirects to an address that cannot be used".into());
    let uri: Uri = target.parse().map_err(|_| refused())?;
    match uri.scheme_str() {
        Some("http" | "https") => Ok(uri),
        _ => Err(refused()),
    }
}

/// Says why a request failed.
pub(super) fn cause(error: ureq::Error) -> Cause {
    use ureq::Error as E;
    match error {
        E::Timeout(what) => Cause::Stalled(format!("{what}")),
        E::HostNotFound => Cause::HostName,
        E::TooManyRedirects | E::RedirectFailed => Cause::Redirects,
        E::BadUri(_) | E::Http(_) | E::RequireHttpsOnly(_) | E::InvalidProxyUrl => {
            Cause::Address(format!("{error}"))
        }
        E::Tls(_) | E::Rustls(_) | E::Pem(_) => Cause::Tls(format!("{error}")),
        E::Io(error) => io_cause(&error),
        other => Cause::Connection(format!("{other}")),
    }
}

/// Says why reading failed.
fn io_cause(error: &io::Error) -> Cause {
    // rustls hands its own errors through as io errors.
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match (tls, error.kind()) {
        (Some(tls), _) => Cause::Tls(format!("{tls}")),
        (None, io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) => Cause::Stalled(format!("{error}")),
        // The standard library has no kind for this.
        (None, _) if error.to_string().starts_with("failed to lookup address") => Cause::HostName,
        (None, _) => Cause::Connection(format!("{error}")),
    }
}

/// Reads `Content-Range: bytes FIRST-LAST/TOTAL`.
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let range = headers.get(header::CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
    let (span, total) = range.split_once('/')?;
    let first = span.split_once('-')?.0.trim().parse().ok()?;
    Some((first, total.trim().parse().ok()))
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    crate::date::retry_after(headers.get(header::RETRY_AFTER)?.to_str().ok()?, SystemTime::now())
}

fn open_file(path: &str, from: u64) -> Result<Opened, Cause> {
    let path = file_path(path)?;
    let refused = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Cause::NotFound,
        _ => Cause::Address(format!("{error}")),
    };
    let mut file = File::open(&path).map_err(refused)?;
    let metadata = file.metadata().map_err(refused)?;
    if !metadata.is_file() {
        return Err(Cause::NotFound);
    }
    file.seek(SeekFrom::Start(from)).map_err(refused)?;
    let validators = Validators::default();
    Ok(Opened { start: from, total: Some(metadata.len()), validators, body: Box::new(file) })
}

/// Decodes what follows `file://`: an absolute path with `%XX` for odd bytes, `localhost` allowed before it.
fn file_path(text: &str) -> Result<PathBuf, Cause> {
    use std::os::unix::ffi::OsStringExt;
    let path = text.strip_prefix("localhost").unwrap_or(text);
    if !path.starts_with('/') {
        return Err(Cause::Address("a file address needs an absolute path".into()));
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|byte| (byte as char).to_digit(16));
        let value = digit().zip(digit()).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        decoded.push(value.ok_or_else(|| Cause::Address("a '%' without two hexadecimal digits".into()))?);
    }
    Ok(PathBuf::from(std::ffi::OsString::from_vec(decoded)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_addresses_are_decoded() {
        assert_eq!(file_path("/a%20b/c").unwrap(), PathBuf::from("/a b/c"));
        assert_eq!(file_path("localhost/x").unwrap(), PathBuf::from("/x"));
        for bad in ["relative", "/bad%2", "/bad%zz", ""] {
            assert!(matches!(file_path(bad), Err(Cause::Address(_))), "{bad}");
        }
    }

    #[test]
    fn redirects_lead_to_servers_only() {
        let from: Uri = "http://a.example.org:8080/x/y?z".parse().unwrap();
        for (location, target) in [
            ("https://b.example.org/q", Some("https://b.example.org/q")),
            ("//b.example.org/q", Some("http://b.example.org/q")),
            ("/q?r", Some("http://a.example.org:8080/q?r")),
            ("q", Some("http://a.example.org:8080/x/q")),
            ("file:///etc/passwd", None),
            ("ftp://b.example.org/", None),
        ] {
            let seen = redirected(&from, location).ok().map(|uri| uri.to_string());
            assert_eq!(seen.as_deref(), target, "{location}");
        }
    }

    #[test]
    fn ranges_and_waits_are_read() {
        let mut headers = HeaderMap::new();
        assert_eq!(content_range(&headers), None);
        headers.insert(header::CONTENT_RANGE, "bytes 5-9/10".parse().unwrap());
        assert_eq!(content_range(&headers), Some((5, Some(10))));
        headers.insert(header::CONTENT_RANGE, "bytes 5-9/*".parse().unwrap());
        assert_eq!(content_range(&headers), Some((5, None)));
        headers.insert(header::RETRY_AFTER, "12".parse().unwrap());
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(12)));
        headers.insert(header::RETRY_AFTER, "Thu, 01 Jan 1970 00:00:00 GMT".parse().unwrap());
        assert_eq!(retry_after(&headers), Some(Duration::ZERO));
        headers.insert(header::RETRY_AFTER, "soon".parse().unwrap());
        assert_eq!(retry_after(&headers), None);
    }
}
