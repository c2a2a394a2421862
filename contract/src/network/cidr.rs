//! An address with the length of its network's prefix.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Place;

/// `192.0.2.10/24`, `2001:db8::10/64`: an interface's address, or a destination when no host bit is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    /// The address.
    pub address: IpAddr,
    /// How many leading bits name the network.
    pub prefix: u8,
    /// Where it was written.
    pub place: Place,
}

/// Why an address and its prefix cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CidrError {
    /// The text is no address.
    #[error("'{0}' is no IPv4 or IPv6 address")]
    Address(String),
    /// There is no prefix.
    #[error("'{0}' needs the length of its prefix, as in '{0}/24'")]
    NoPrefix(String),
    /// The prefix is too long or no number.
    #[error("'/{prefix}' is no length of a prefix: for {address} it is 0 to {most}")]
    Prefix {
        /// What it belongs to.
        address: IpAddr,
        /// As written.
        prefix: String,
        /// The longest one.
        most: u8,
    },
    /// The mask has a hole or is of the other family.
    #[error("'{mask}' is no network mask for {address}")]
    Mask {
        /// What it belongs to.
        address: IpAddr,
        /// As written.
        mask: String,
    },
}

impl Cidr {
    /// Joins an address and the length of its prefix.
    ///
    /// # Errors
    ///
    /// When the prefix is longer than the address.
    pub fn new(address: IpAddr, prefix: u8) -> Result<Self, CidrError> {
        let most = bits(address);
        if prefix > most {
            return Err(CidrError::Prefix { address, prefix: prefix.to_string(), most });
        }
        Ok(Self { address, prefix, place: Place::default() })
    }

    /// Joins an address and a mask as people write it: `255.255.255.0`, `ffff:ffff::`, `24` or `/24`.
    ///
    /// # Errors
    ///
    /// When the mask does not fit.
    pub fn with_mask(address: IpAddr, mask: &str) -> Result<Self, CidrError> {
        let refuse = || CidrError::Mask { address, mask: mask.to_owned() };
        let prefix = match (address, mask.parse::<IpAddr>()) {
            (IpAddr::V4(_), Ok(IpAddr::V4(mask))) => prefix_of(u128::from(u32::from(mask)) << 96),
            (IpAddr::V6(_), Ok(IpAddr::V6(mask))) => prefix_of(u128::from(mask)),
            (_, Ok(_)) => None,
            (_, Err(_)) => {
                return Self::new(address, parse_prefix(address, mask.strip_prefix('/').unwrap_or(mask))?);
            }
        };
        Self::new(address, prefix.ok_or_else(refuse)?)
    }

    /// Returns everything of one family: the destination of a default route.
    pub fn default_route(family_of: IpAddr) -> Self {
        let address = match family_of {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        Self { address, prefix: 0, place: Place::default() }
    }

    /// Returns the same with the place where it was written.
    #[must_use]
    pub fn at(self, place: Place) -> Self {
        Self { place, ..self }
    }

    /// Returns the network's own address, with the prefix.
    #[must_use]
    pub fn network(self) -> Self {
        let masked = self.number() & self.mask();
        Self { address: self.with_number(masked), ..self }
    }

    /// Returns the address of all hosts of an IPv4 network; none for networks without one.
    pub fn broadcast(self) -> Option<IpAddr> {
        let all = self.number() | !self.mask();
        (self.address.is_ipv4() && self.prefix < 31).then(|| self.with_number(all))
    }

    /// Tells whether an address is of this network.
    pub fn contains(self, address: IpAddr) -> bool {
        let other = Self { address, ..self };
        address.is_ipv4() == self.address.is_ipv4()
            && self.number() & self.mask() == other.number() & self.mask()
    }

    /// Tells whether it names one machine: the prefix is as long as the address.
    pub fn is_single(self) -> bool {
        self.prefix == bits(self.address)
    }

    /// The address as bits, the first at the top.
    fn number(self) -> u128 {
        match self.address {
            IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
            IpAddr::V6(address) => u128::from(address),
        }
    }

    fn with_number(self, number: u128) -> IpAddr {
        match self.address {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from((number >> 96) as u32)),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from(number)),
        }
    }

    fn mask(self) -> u128 {
        u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0)
    }
}

/// How long an address is, in bits.
fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The length of a mask's prefix; none when a zero is followed by a one.
fn prefix_of(mask: u128) -> Option<u8> {
    let ones = mask.leading_ones();
    (mask.count_ones() == ones).then_some(ones as u8)
}

fn parse_prefix(address: IpAddr, text: &str) -> Result<u8, CidrError> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let refuse = || CidrError::Prefix { address, prefix: text.to_owned(), most: bits(address) };
    text.parse().ok().filter(|_| plain).ok_or_else(refuse)
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().map_err(|_| CidrError::Address(address.to_owned()))?;
        let prefix = prefix.ok_or_else(|| CidrError::NoPrefix(text.to_owned()))?;
        Self::new(address, parse_prefix(address, prefix)?)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl TryFrom<String> for Cidr {
    type Error = CidrError;

    fn try_from(text: String) -> Result<Self, CidrError> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> Self {
        cidr.to_string()
    }
}

#[cfg(test)]
#[path = "cidr_tests.rs"]
mod tests;
