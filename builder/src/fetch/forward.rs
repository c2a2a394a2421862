//! Plain HTTP through a proxy in the absolute form, `GET http://HOST/PATH`, as apt and curl ask.
//!
//! The HTTP library asks every proxy for a tunnel (`CONNECT`), which proxies commonly refuse to port 80. Here a
//! connection leads to the proxy, whatever host is asked for, and each request line is completed on its way out.
//! This uses the library's `unversioned` interface, which may change with its minor versions.

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, NextTimeout, TcpConnector, Transport,
};
use ureq::{Agent, Error, Proxy};

use super::names::Remembering;

/// Makes an agent for `http://` addresses whose requests go to `proxy`, which speaks plain HTTP.
pub(super) fn agent(config: Config, proxy: &Proxy) -> Agent {
    let connector = ().chain(TcpConnector::default()).chain(AbsoluteForm);
    Agent::with_parts(
        config,
        connector,
        AlwaysProxy { uri: proxy.uri().clone(), inner: Remembering::default() },
    )
}

/// Returns the value of `Proxy-Authorization` for the user whom the proxy's address names.
pub(super) fn authorization(proxy: &Proxy) -> Option<String> {
    let user = proxy.username()?;
    Some(basic(user, proxy.password().unwrap_or_default()))
}

/// Returns the value of an `Authorization` field in the scheme Basic (RFC 7617).
pub(super) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64(format!("{user}:{password}").as_bytes()))
}

/// Knows one address only.
#[derive(Debug)]
struct AlwaysProxy {
    uri: Uri,
    inner: Remembering,
}

impl Resolver for AlwaysProxy {
    fn resolve(&self, _: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        self.inner.resolve(&self.uri, config, timeout)
    }
}

/// Wraps connections so that request lines leave in the absolute form.
#[derive(Debug)]
struct AbsoluteForm;

impl<In: Transport> Connector<In> for AbsoluteForm {
    type Out = Completed<In>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        let host = details.uri.authority().map_or("", |authority| authority.as_str());
        // Who asks is the origin's affair and goes by its own header.
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        let prefix = format!("http://{host}").into_bytes();
        Ok(chained.map(|inner| Completed { inner, prefix }))
    }
}

#[derive(Debug)]
struct Completed<T> {
    inner: T,
    /// What stands before the path in a request line.
    prefix: Vec<u8>,
}

/// What a request for a path begins with; requests here have no body that could look like this.
const REQUEST: &[u8] = b"GET /";

impl<T: Transport> Transport for Completed<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let output = self.inner.buffers().output();
        let mut length = amount;
        if output[..amount].starts_with(REQUEST) {
            let (path, prefix) = (REQUEST.len() - 1, &self.prefix);
            length = amount + prefix.len();
            if length > output.len() {
                return Err(Error::LargeResponseHeader(length, output.len()));
            }
            output.copy_within(path..amount, path + prefix.len());
            output[path..path + prefix.len()].copy_from_slice(prefix);
        }
        self.inner.transmit_output(length, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = char::from(DIGITS[bits >> (18 - 6 * place) & 63]);
            text.push(if place <= group.len() { digit } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_of_proxies_are_encoded() {
        for (plain, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob\u{ff}", "Zm9vYsO/")]
        {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
        let proxy = Proxy::new("http://user:secret@proxy.example.org:3128").unwrap();
        assert_eq!(authorization(&proxy).unwrap(), "Basic dXNlcjpzZWNyZXQ=");
        assert_eq!(authorization(&Proxy::new("http://proxy.example.org:3128").unwrap()), None);
    }
}
