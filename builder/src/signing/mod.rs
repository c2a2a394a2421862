//! Detached OpenPGP signatures by a key that the user gives: over the manifest, which names all else by digests.
//!
//! ```text
//! key file ─ Signer::load ─▶ Signer ─ sign ─▶ NAME.manifest.json.asc
//! ```
//!
//! A signature tells when it was made, so it is not the same twice; it stands outside of what a build makes and of what the
//! cache keeps. A key signs only if our own judge ([`crate::verify`]) would accept what it signs: not expired, not revoked,
//! strong enough and meant for signing.

mod error;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::SystemTime;

use pgp::composed::{ArmorOptions, Deserializable, DetachedSignature, SignedPublicKey, SignedSecretKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::Signature;
use pgp::types::{Password, SigningKey};

pub use error::{Problem, SigningError};

use crate::date;
use crate::verify::Keyring;

/// A key that can sign.
#[derive(Debug)]
pub struct Signer {
    secret: SignedSecretKey,
    password: Password,
    place: Place,
    fingerprint: String,
}

/// Which of its keys signs.
#[derive(Debug, Clone, Copy)]
enum Place {
    Subkey(usize),
    Primary,
}

impl Signer {
    /// Reads a secret key, binary or armoured, and tries it out.
    ///
    /// # Errors
    /// When the file holds no secret key, the password is not the key's, or no part of the key may sign now.
    pub fn load(path: &Path, password: Option<&str>, now: SystemTime) -> Result<Self, SigningError> {
        let wrong = |problem| SigningError { path: path.to_owned(), problem };
        let bytes = std::fs::read(path).map_err(|error| wrong(Problem::Unreadable(error)))?;
        Self::parse(&bytes, password, now).map_err(wrong)
    }

    fn parse(bytes: &[u8], password: Option<&str>, now: SystemTime) -> Result<Self, Problem> {
        let parsed = SignedSecretKey::from_reader_single(bytes);
        let (secret, _) = parsed.map_err(|error| Problem::NotASecretKey(error.to_string()))?;
        let password = password.map_or_else(Password::empty, Password::from);
        let subkeys = (0..secret.secret_subkeys.len()).rev().map(Place::Subkey);
        let mut problem = None;
        let mut signer = Self { secret, password, place: Place::Primary, fingerprint: String::new() };
        for place in subkeys.chain([Place::Primary]) {
            signer.place = place;
            match signer.make(b"", now).and_then(|signature| signer.judge(&signature, b"", now)) {
                Ok(fingerprint) => return Ok(Self { fingerprint, ..signer }),
                // Of those that cannot sign, the newest subkey's reason is told: it is what GnuPG would use.
                Err(other) => problem = problem.or(Some(other)),
            }
        }
        Err(problem.unwrap_or_else(|| Problem::NotASecretKey("it is empty".to_owned())))
    }

    /// Returns the fingerprint of the primary key, upper-case hex.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Signs `data` and returns the signature, armoured.
    ///
    /// # Errors
    /// When the key does not serve any more.
    pub fn sign(&self, data: &[u8], now: SystemTime) -> Result<String, Problem> {
        let signature = self.make(data, now)?;
        self.judge(&signature, data, now)?;
        let armoured = DetachedSignature::new(signature).to_armored_string(ArmorOptions::default());
        armoured.map_err(|error| Problem::Failed(error.to_string()))
    }

    fn make(&self, data: &[u8], now: SystemTime) -> Result<Signature, Problem> {
        let is_locked = match self.place {
            Place::Subkey(at) => self.secret.secret_subkeys[at].key.secret_params().is_encrypted(),
            Place::Primary => self.secret.primary_key.secret_params().is_encrypted(),
        };
        let made = match self.place {
            Place::Subkey(at) => signature(&self.secret.secret_subkeys[at].key, &self.password, data, now),
            Place::Primary => signature(&self.secret.primary_key, &self.password, data, now),
        };
        made.map_err(|error| match is_locked {
            true => Problem::Locked,
            false => Problem::Failed(error.to_string()),
        })
    }

    fn judge(&self, signature: &Signature, data: &[u8], now: SystemTime) -> Result<String, Problem> {
        let own = Keyring::of_keys(vec![SignedPublicKey::from(self.secret.clone())]);
        own.judge(signature, data, date::seconds(now)).map_err(Problem::Unfit)
    }
}

/// Signs `data` as GnuPG does: a binary signature with SHA-512, the time, and the key's names.
fn signature(
    key: &impl SigningKey,
    password: &Password,
    data: &[u8],
    now: SystemTime,
) -> pgp::errors::Result<Signature> {
    use pgp::packet::{SignatureConfig, SignatureType, Subpacket, SubpacketData};
    use pgp::types::{KeyVersion, Timestamp};

    let (kind, hash) = (SignatureType::Binary, HashAlgorithm::Sha512);
    let mut config = match key.version() {
        KeyVersion::V6 => SignatureConfig::v6(rand::thread_rng(), kind, key.algorithm(), hash)?,
        _ => SignatureConfig::v4(kind, key.algorithm(), hash),
    };
    let seconds = u32::try_from(date::seconds(now)).unwrap_or(u32::MAX);
    config.hashed_subpackets = vec![
        Subpacket::regular(SubpacketData::SignatureCreationTime(Timestamp::from_secs(seconds)))?,
        Subpacket::regular(SubpacketData::IssuerFingerprint(key.fingerprint()))?,
    ];
    if key.version() == KeyVersion::V4 {
        let id = SubpacketData::IssuerKeyId(key.legacy_key_id());
        config.unhashed_subpackets = vec![Subpacket::regular(id)?];
    }
    config.sign(key, password, data)
}
