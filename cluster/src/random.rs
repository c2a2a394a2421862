//! Random numbers of the kernel, and the text forms of what is made of them.

use anyhow::{Context, Result};
use contract::encoding::{decode_base64, encode_base64};
use ring::rand::{SecureRandom, SystemRandom};

/// Returns random bytes.
///
/// # Errors
///
/// When the kernel has none.
pub fn bytes<const COUNT: usize>() -> Result<[u8; COUNT]> {
    let mut bytes = [0; COUNT];
    SystemRandom::new().fill(&mut bytes).ok().context("getting random numbers from the kernel")?;
    Ok(bytes)
}

/// Returns a random UUID (version 4 of RFC 9562).
///
/// # Errors
///
/// When the kernel has no random numbers.
pub fn uuid() -> Result<String> {
    let mut bytes = bytes::<16>()?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex(&bytes);
    Ok([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
}

/// Tells whether `text` has the form that [`uuid`] gives.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'),
        })
}

/// Writes bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes bytes in the alphabet of base64 that needs no quoting in a shell or an address (RFC 4648, section 5).
pub fn to_url_base64(bytes: &[u8]) -> String {
    encode_base64(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_")
}

/// Reads what [`to_url_base64`] wrote.
///
/// # Errors
///
/// When it is no base64.
pub fn from_url_base64(text: &str) -> Result<Vec<u8>, String> {
    let padding = "=".repeat((4 - text.len() % 4) % 4);
    decode_base64(&(text.replace('-', "+").replace('_', "/") + &padding))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let one = uuid().expect("random numbers");
        assert!(is_uuid(&one) && one != uuid().expect("random numbers"), "{one}");
        for bad in ["", "x", &one[1..], &one.to_uppercase().replace('4', "g")] {
            assert!(!is_uuid(bad), "{bad}");
        }
        for count in 0..9 {
            let bytes = &bytes::<9>().expect("random numbers")[..count];
            let text = to_url_base64(bytes);
            assert!(!text.contains(['+', '/', '=']), "{text}");
            assert_eq!(from_url_base64(&text).expect("base64"), bytes);
        }
    }
}
