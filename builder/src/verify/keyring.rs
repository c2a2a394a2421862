//! Keys that may sign: Debian's, shipped with the program, or those of a file.
//!
//! To add a Debian release: its three files go to `builder/keys/` and into [`DEBIAN`].

use std::io::Read;
use std::path::Path;

use pgp::armor::Dearmor;
use pgp::composed::{Deserializable, SignedPublicKey};

use super::error::{Problem, VerifyError};

/// The keys of Debian's archives.
const DEBIAN: [&[u8]; 6] = [
    include_bytes!("../../keys/debian-archive-bookworm-automatic.gpg"),
    include_bytes!("../../keys/debian-archive-bookworm-security-automatic.gpg"),
    include_bytes!("../../keys/debian-archive-bookworm-stable.gpg"),
    include_bytes!("../../keys/debian-archive-trixie-automatic.gpg"),
    include_bytes!("../../keys/debian-archive-trixie-security-automatic.gpg"),
    include_bytes!("../../keys/debian-archive-trixie-stable.gpg"),
];

/// First line of an armoured keyring.
const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
/// Last line of an armoured keyring.
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// A set of keys, any of which may sign.
#[derive(Debug, Clone)]
pub struct Keyring {
    pub(super) keys: Vec<SignedPublicKey>,
    /// The packets that the keys were read from.
    packets: Vec<u8>,
}

impl Keyring {
    /// Returns the keys of Debian's archives that are shipped with the program.
    ///
    /// # Errors
    /// [`Problem::Keyring`] when a shipped file does not parse, which a test excludes.
    pub fn debian_archive() -> Result<Self, VerifyError> {
        Self::parse(&DEBIAN.concat(), "the shipped Debian archive keys")
    }

    /// Returns the keyring as apt takes it in a file that ends in `.gpg`: binary, whatever it was read from.
    pub fn packets(&self) -> &[u8] {
        &self.packets
    }

    /// Reads a keyring file, binary or armoured.
    ///
    /// # Errors
    /// [`Problem::Keyring`] when it cannot be read or holds no usable key.
    pub fn load(path: &Path) -> Result<Self, VerifyError> {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|error| Problem::Keyring(error.to_string()).of(&name))?;
        Self::parse(&bytes, &name)
    }

    /// Parses a keyring; `name` says in messages whose it is.
    ///
    /// # Errors
    /// [`Problem::Keyring`] when it holds no usable key. Single keys that cannot be parsed are passed over.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Self, VerifyError> {
        let wrong = |what: String| Problem::Keyring(what).of(name);
        let mut keys = Vec::new();
        let mut packets = Vec::new();
        if bytes.first().is_some_and(|byte| byte & 0x80 != 0) {
            collect(&mut keys, bytes, name);
            packets.extend_from_slice(bytes);
        } else if bytes.get(8..12) == Some(b"KBXf") {
            let how = "it is a GnuPG keybox; export the keys with 'gpg --export'";
            return Err(wrong(how.to_owned()));
        } else {
            for block in armoured(bytes).map_err(wrong)? {
                let mut binary = Vec::new();
                Dearmor::new(block.as_bytes())
                    .read_to_end(&mut binary)
                    .map_err(|error| wrong(format!("a key block cannot be read: {error}")))?;
                collect(&mut keys, &binary, name);
                packets.extend(binary);
            }
        }
        if keys.is_empty() {
            return Err(wrong("it holds no OpenPGP public key that can be used".to_owned()));
        }
        Ok(Self { keys, packets })
    }

    /// Makes a keyring of keys that no file holds.
    pub(crate) fn of_keys(keys: Vec<SignedPublicKey>) -> Self {
        Self { keys, packets: Vec::new() }
    }
}

fn collect(keys: &mut Vec<SignedPublicKey>, bytes: &[u8], name: &str) {
    let pass_over = |error: pgp::errors::Error| tracing::warn!("passing over a key of '{name}': {error}");
    match SignedPublicKey::from_reader_many(bytes) {
        Ok((parsed, _)) => parsed.for_each(|key| match key {
            Ok(key) => keys.push(key),
            Err(error) => pass_over(error),
        }),
        Err(error) => pass_over(error),
    }
}

/// Splits armoured keyrings that were joined into one file.
fn armoured(bytes: &[u8]) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is neither binary nor armoured".to_owned())?;
    let mut blocks: Vec<String> = Vec::new();
    let mut inside = false;
    for line in text.lines().map(str::trim_end) {
        if line == BEGIN {
            inside = true;
            blocks.push(String::new());
        }
        if let Some(block) = blocks.last_mut().filter(|_| inside) {
            block.push_str(line);
            block.push('\n');
        }
        inside = inside && line != END;
    }
    if inside { Err("its last key block is not closed".to_owned()) } else { Ok(blocks) }
}

#[cfg(test)]
mod tests {
    use pgp::composed::ArmorOptions;
    use pgp::types::KeyDetails;

    use super::*;

    #[test]
    fn the_shipped_keys_are_the_documented_ones() {
        let shipped = Keyring::debian_archive().unwrap();
        let readme = include_str!("../../keys/README.md");
        let documented: Vec<&str> = readme
            .lines()
            .filter_map(|line| line.split(" | ").nth(1))
            .filter(|cell| cell.len() == 40)
            .collect();
        let fingerprints: Vec<String> =
            shipped.keys.iter().map(|key| format!("{:X}", key.fingerprint())).collect();
        assert_eq!(fingerprints, documented);
    }

    #[test]
    fn keyrings_may_be_binary_armoured_or_joined() {
        let binary = Keyring::parse(&DEBIAN.concat(), "x").unwrap();
        assert_eq!(binary.keys.len(), 6);
        let armour = |key: &SignedPublicKey| key.to_armored_string(ArmorOptions::default()).unwrap();
        let joined: String = binary.keys.iter().map(armour).collect();
        assert_eq!(Keyring::parse(joined.as_bytes(), "x").unwrap().keys, binary.keys);
        assert_eq!(Keyring::parse(format!("a comment\n{joined}").as_bytes(), "x").unwrap().keys.len(), 6);
    }

    #[test]
    fn useless_keyrings_are_refused() {
        for (bytes, what) in [
            (&b""[..], "holds no"),
            (b"hello\n", "holds no"),
            (b"\0\0\0 \x01\x01\0\0KBXf\0\0", "keybox"),
            (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n", "not closed"),
            (&DEBIAN[2][..50], "holds no"),
        ] {
            let error = Keyring::parse(bytes, "keys/x.gpg").unwrap_err().to_string();
            assert!(error.contains(what) && error.contains("keys/x.gpg"), "{error}");
        }
        assert!(Keyring::load(Path::new("/nonexistent/keyring")).is_err());
    }
}
