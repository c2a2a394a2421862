//! Java's keystore of certificate authorities, which tells when each certificate was added to it.
//!
//! `ca-certificates-java` writes `/etc/ssl/certs/java/cacerts` while it is configured, in the format JKS (OpenJDK,
//! `sun.security.provider.JavaKeyStore`): big-endian numbers, text with a length of two bytes.
//!
//! ```text
//! FEEDFEED, version 2, number of entries
//! entry: 2 (a certificate), alias, milliseconds since 1970 (8 bytes), type, length and bytes of the certificate
//! SHA-1 over the password in UTF-16, "Mighty Aphrodite", and all of the above
//! ```

use sha1::{Digest, Sha1};

const MAGIC: u32 = 0xfeed_feed;
const VERSION: u32 = 2;
const CERTIFICATE: u32 = 2;
/// The password that Debian's package gives it; what is in it is no secret.
const PASSWORD: &str = "changeit";
const SALT: &[u8] = b"Mighty Aphrodite";
const DIGEST_BYTES: usize = 20;

/// Returns the keystore with every time set to `epoch`, seconds since 1970; none if it is not one as the package writes it.
pub(super) fn settled(bytes: &[u8], epoch: i64) -> Option<Vec<u8>> {
    let (content, digest) = bytes.split_at_checked(bytes.len().checked_sub(DIGEST_BYTES)?)?;
    if seal(content) != digest {
        return None;
    }
    let mut content = content.to_vec();
    let time = u64::try_from(epoch).ok()?.checked_mul(1000)?;
    for at in times(&content)? {
        content[at..at + 8].copy_from_slice(&time.to_be_bytes());
    }
    let digest = seal(&content);
    content.extend(digest);
    Some(content)
}

fn seal(content: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut hasher = Sha1::new();
    PASSWORD.encode_utf16().for_each(|unit| hasher.update(unit.to_be_bytes()));
    hasher.update(SALT);
    hasher.update(content);
    hasher.finalize().into()
}

/// Returns where the times of the entries are.
fn times(content: &[u8]) -> Option<Vec<usize>> {
    let mut reader = Reader { content, at: 0 };
    if (reader.number()?, reader.number()?) != (MAGIC, VERSION) {
        return None;
    }
    let mut times = Vec::new();
    for _ in 0..reader.number()? {
        if reader.number()? != CERTIFICATE {
            return None;
        }
        reader.text()?;
        times.push(reader.at);
        reader.take(8)?;
        reader.text()?;
        let length = reader.number()?;
        reader.take(usize::try_from(length).ok()?)?;
    }
    (reader.at == content.len()).then_some(times)
}

struct Reader<'a> {
    content: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let taken = self.content.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        self.take(4).map(|bytes| u32::from_be_bytes(bytes.try_into().unwrap_or_default()))
    }

    fn text(&mut self) -> Option<()> {
        let length = self.take(2).map(|bytes| u16::from_be_bytes(bytes.try_into().unwrap_or_default()))?;
        self.take(usize::from(length)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keystore(time: u64) -> Vec<u8> {
        let mut bytes = [MAGIC, VERSION, 2].map(u32::to_be_bytes).concat();
        for alias in ["debian:first.pem", "debian:second.pem"] {
            bytes.extend(CERTIFICATE.to_be_bytes());
            bytes.extend((alias.len() as u16).to_be_bytes());
            bytes.extend(alias.as_bytes());
            bytes.extend(time.to_be_bytes());
            bytes.extend(b"\0\x05X.509\0\0\0\x04cert");
        }
        let digest = seal(&bytes);
        bytes.extend(digest);
        bytes
    }

    #[test]
    fn only_the_times_change() {
        assert_eq!(settled(&keystore(1_234_567), 1_700_000_000), Some(keystore(1_700_000_000_000)));
    }

    #[test]
    fn what_is_not_as_the_package_writes_it_is_left_alone() {
        let mut other = keystore(1);
        other[30] ^= 1;
        assert_eq!(settled(&other, 1), None, "another password, or damage");
        for length in [0, 19, 20, 40] {
            assert_eq!(settled(&keystore(1)[..length], 1), None, "{length}");
        }
        let mut longer = keystore(1);
        longer.truncate(longer.len() - DIGEST_BYTES);
        longer.push(0);
        let digest = seal(&longer);
        longer.extend(digest);
        assert_eq!(settled(&longer, 1), None, "something behind the last entry");
    }
}
