//! Hardware addresses of network interfaces.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Six octets that name one interface: neither all zero nor a group's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacAddress([u8; 6]);

/// Why a text is no hardware address of an interface.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no hardware address: {reason}")]
pub struct MacError {
    text: String,
    reason: &'static str,
}

impl MacAddress {
    /// Returns the octets in the order in which they are sent.
    pub fn octets(self) -> [u8; 6] {
        self.0
    }
}

impl FromStr for MacAddress {
    type Err = MacError;

    /// Takes `52:54:00:12:34:56` and `52-54-00-12-34-56`, in either case of letters.
    fn from_str(text: &str) -> Result<Self, MacError> {
        let refuse = |reason| MacError { text: text.to_owned(), reason };
        let separator = if text.contains('-') { '-' } else { ':' };
        let mut octets = [0; 6];
        let mut parts = text.split(separator);
        for octet in &mut octets {
            let part = parts.next().filter(|part| part.len() == 2).ok_or_else(|| refuse(SHAPE))?;
            if !part.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(refuse(SHAPE));
            }
            *octet = u8::from_str_radix(part, 16).map_err(|_| refuse(SHAPE))?;
        }
        match octets {
            _ if parts.next().is_some() => Err(refuse(SHAPE)),
            [0, 0, 0, 0, 0, 0] => Err(refuse("all octets are zero")),
            [first, ..] if first & 1 == 1 => Err(refuse("it is a group's address (the first octet is odd)")),
            octets => Ok(Self(octets)),
        }
    }
}

/// What one looks like.
const SHAPE: &str = "six pairs of hexadecimal digits with ':' between them are wanted, as 52:54:00:12:34:56";

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl TryFrom<String> for MacAddress {
    type Error = MacError;

    fn try_from(text: String) -> Result<Self, MacError> {
        text.parse()
    }
}

impl From<MacAddress> for String {
    fn from(mac: MacAddress) -> Self {
        mac.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_separators_and_cases_are_read() {
        for text in ["52:54:00:Ab:cD:ef", "52-54-00-AB-CD-EF"] {
            let mac: MacAddress = text.parse().expect(text);
            assert_eq!(mac.to_string(), "52:54:00:ab:cd:ef");
        }
    }

    #[test]
    fn what_names_no_interface_is_refused() {
        for text in [
            "",
            ":",
            "52:54:00:ab:cd",
            "52:54:00:ab:cd:ef:01",
            "52:54:00:ab:cd:e",
            "52:54:00:ab:cd:+f",
            "5254.00ab.cdef",
            "00:00:00:00:00:00",
            "ff:ff:ff:ff:ff:ff",
            "01:00:5e:00:00:01",
            "52:54:00-ab:cd:ef",
            "é2:54:00:ab:cd:ef",
        ] {
            assert!(text.parse::<MacAddress>().is_err(), "{text:?}");
        }
    }
}
