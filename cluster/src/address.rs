//! Where a core node listens: a host name or address, and a port.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::names::Names;

/// The port of `cored`, if none is said.
pub const PORT: u16 = 7979;

/// Where a core node is asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CoreAddress {
    /// A name by RFC 1123, or an address of either family.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl CoreAddress {
    /// The addresses that the host has now.
    ///
    /// # Errors
    ///
    /// When the name is not known.
    pub fn resolve(&self, names: &Names) -> Result<Vec<SocketAddr>> {
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, self.port)]);
        }
        Ok(names.find(&self.host)?.into_iter().map(|address| SocketAddr::new(address, self.port)).collect())
    }
}

impl fmt::Display for CoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_v6 = self.host.parse::<Ipv6Addr>().is_ok();
        let host = if is_v6 { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == PORT { f.write_str(&host) } else { write!(f, "{host}:{}", self.port) }
    }
}

impl FromStr for CoreAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shown = text.escape_debug();
        let wrong =
            |why: &str| format!("'{shown:.80}' is no address of a core node such as 192.0.2.1:{PORT}: {why}");
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => {
                (host, Some(port.strip_prefix(':').ok_or_else(|| wrong("a ':' is missing"))?))
            }
            None if text.parse::<Ipv6Addr>().is_ok() => (text, None),
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let port =
            port.map_or(Ok(PORT), str::parse).map_err(|_| wrong("its port is no number up to 65535"))?;
        if host.parse::<IpAddr>().is_err() {
            contract::name::check_host(host).map_err(|why| wrong(&why))?;
        }
        if port == 0 {
            return Err(wrong("no service has port 0"));
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl TryFrom<String> for CoreAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<CoreAddress> for String {
    fn from(address: CoreAddress) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (text, host, port, shown) in [
            ("192.0.2.1", "192.0.2.1", PORT, "192.0.2.1"),
            ("192.0.2.1:80", "192.0.2.1", 80, "192.0.2.1:80"),
            ("2001:db8::1", "2001:db8::1", PORT, "[2001:db8::1]"),
            ("[2001:db8::1]:80", "2001:db8::1", 80, "[2001:db8::1]:80"),
            ("core.example.org:7979", "core.example.org", PORT, "core.example.org"),
        ] {
            let address: CoreAddress = text.parse().expect(text);
            assert_eq!((address.host.as_str(), address.port), (host, port));
            assert_eq!(address.to_string(), shown);
        }
        for bad in ["", ":80", "a b", "a:0", "a:99999", "[::1", "[::1]80", "a:b:c"] {
            bad.parse::<CoreAddress>().expect_err(bad);
        }
    }
}
