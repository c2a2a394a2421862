//! Keys and signatures made for tests, with every detail under the test's control.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pgp::composed::{
    ArmorOptions, DetachedSignature, KeyType, SecretKeyParamsBuilder, SignedPublicKey, SignedSecretKey,
    SubkeyParamsBuilder,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{KeyFlags, Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::types::{KeyDetails, KeyVersion, Password, SigningKey, Tag, Timestamp};

use super::keyring::Keyring;

/// The instant at which tests judge: 2026-09-21.
pub(crate) const NOW: i64 = 1_790_000_000;
/// When test keys were made.
pub(crate) const BIRTH: i64 = NOW - 1_000_000;

/// Returns [`NOW`] as a time.
pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW.unsigned_abs())
}

pub(crate) fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_secs(u32::try_from(seconds).unwrap())
}

pub(crate) fn lifetime(seconds: u32) -> pgp::types::Duration {
    pgp::types::Duration::from_secs(seconds)
}

/// What a test signature says of itself.
#[derive(Clone)]
pub(crate) struct Said {
    pub typ: SignatureType,
    pub hash: HashAlgorithm,
    pub at: i64,
    pub more: Vec<Subpacket>,
}

impl Said {
    pub(crate) fn new(typ: SignatureType) -> Self {
        Self { typ, hash: HashAlgorithm::Sha256, at: NOW - 1000, more: Vec::new() }
    }

    pub(crate) fn at(self, at: i64) -> Self {
        Self { at, ..self }
    }

    pub(crate) fn hash(self, hash: HashAlgorithm) -> Self {
        Self { hash, ..self }
    }

    pub(crate) fn with(mut self, data: SubpacketData) -> Self {
        self.more.push(Subpacket::regular(data).unwrap());
        self
    }

    pub(crate) fn with_critical(mut self, data: SubpacketData) -> Self {
        self.more.push(Subpacket::critical(data).unwrap());
        self
    }

    pub(crate) fn flags(self, sign: bool) -> Self {
        let mut flags = KeyFlags::default();
        flags.set_certify(true);
        flags.set_sign(sign);
        self.with(SubpacketData::KeyFlags(flags))
    }

    pub(crate) fn config(&self, key: &impl SigningKey) -> SignatureConfig {
        let mut config = match key.version() {
            KeyVersion::V6 => {
                SignatureConfig::v6(rand::thread_rng(), self.typ, key.algorithm(), self.hash).unwrap()
            }
            _ => SignatureConfig::v4(self.typ, key.algorithm(), self.hash),
        };
        let mut hashed = vec![
            Subpacket::regular(SubpacketData::SignatureCreationTime(timestamp(self.at))).unwrap(),
            Subpacket::regular(SubpacketData::IssuerFingerprint(key.fingerprint())).unwrap(),
        ];
        hashed.extend(self.more.iter().cloned());
        config.hashed_subpackets = hashed;
        if key.version() == KeyVersion::V4 {
            // GnuPG looks for nothing else.
            let id = SubpacketData::IssuerKeyId(key.legacy_key_id());
            config.unhashed_subpackets = vec![Subpacket::regular(id).unwrap()];
        }
        config
    }
}

/// A key that signs for tests: a primary key that may sign, and a signing subkey.
pub(crate) struct Signer {
    pub secret: SignedSecretKey,
}

impl Signer {
    /// Makes an Ed25519 key.
    pub(crate) fn new() -> Self {
        Self::of(KeyType::Ed25519Legacy, KeyVersion::V4)
    }

    /// Returns an RSA key, always the same one: making one takes long.
    pub(crate) fn rsa() -> Self {
        static SECRET: OnceLock<SignedSecretKey> = OnceLock::new();
        let secret = SECRET.get_or_init(|| Self::of(KeyType::Rsa(2048), KeyVersion::V4).secret);
        Self { secret: secret.clone() }
    }

    pub(crate) fn of(kind: KeyType, version: KeyVersion) -> Self {
        let subkey = SubkeyParamsBuilder::default()
            .version(version)
            .key_type(kind.clone())
            .can_sign(true)
            .created_at(timestamp(BIRTH))
            .build()
            .unwrap();
        let secret = SecretKeyParamsBuilder::default()
            .version(version)
            .key_type(kind)
            .can_certify(true)
            .can_sign(true)
            .created_at(timestamp(BIRTH))
            .primary_user_id("Test Archive <archive@example.org>".to_owned())
            .subkey(subkey)
            .build()
            .unwrap()
            .generate(rand::thread_rng())
            .unwrap();
        let mut signer = Self { secret };
        signer.certify(vec![Said::new(SignatureType::CertPositive).at(BIRTH).flags(true)]);
        signer.bind(Said::new(SignatureType::SubkeyBinding).at(BIRTH).flags(true), Back::Good);
        signer
    }

    /// Replaces what the key says of its user, and all it says of itself directly.
    pub(crate) fn certify(&mut self, all: Vec<Said>) {
        let key = &self.secret.primary_key;
        let user = &mut self.secret.details.users[0];
        let sign = |said: Said| {
            let config = said.config(key);
            config
                .sign_certification(key, key.public_key(), &Password::empty(), Tag::UserId, &user.id)
                .unwrap()
        };
        user.signatures = all.into_iter().map(sign).collect();
        self.secret.details.direct_signatures.clear();
    }

    /// Adds a signature directly on the key: a statement or a revocation.
    pub(crate) fn say(&mut self, said: Said) {
        let key = &self.secret.primary_key;
        let signature = said.config(key).sign_key(key, &Password::empty(), key.public_key()).unwrap();
        match said.typ {
            SignatureType::KeyRevocation => self.secret.details.revocation_signatures.push(signature),
            _ => self.secret.details.direct_signatures.push(signature),
        }
    }

    /// Replaces the subkey's bond.
    pub(crate) fn bind(&mut self, said: Said, back: Back) {
        self.secret.secret_subkeys[0].signatures.clear();
        self.add_to_subkey(said, back);
    }

    /// Adds a bond or a revocation to the subkey.
    pub(crate) fn add_to_subkey(&mut self, mut said: Said, back: Back) {
        let (primary, subkey) = (&self.secret.primary_key, &self.secret.secret_subkeys[0].key);
        let (hash, at) = match back {
            Back::None => (None, said.at),
            Back::Good => (Some(HashAlgorithm::Sha256), said.at),
            Back::Weak => (Some(HashAlgorithm::Sha1), said.at),
        };
        if let Some(hash) = hash {
            let back = Said::new(SignatureType::KeyBinding).at(at).hash(hash).config(subkey);
            let public = primary.public_key();
            let signature = back
                .sign_primary_key_binding(subkey, subkey.public_key(), &Password::empty(), public)
                .unwrap();
            said = said.with(SubpacketData::EmbeddedSignature(Box::new(signature)));
        }
        let bond = said
            .config(primary)
            .sign_subkey_binding(primary, primary.public_key(), &Password::empty(), subkey.public_key())
            .unwrap();
        self.secret.secret_subkeys[0].signatures.push(bond);
    }

    pub(crate) fn public(&self) -> SignedPublicKey {
        SignedPublicKey::from(self.secret.clone())
    }

    pub(crate) fn keyring(&self) -> Keyring {
        Keyring::of_keys(vec![self.public()])
    }

    pub(crate) fn fingerprint(&self) -> String {
        format!("{:X}", self.secret.primary_key.fingerprint())
    }

    pub(crate) fn sign(&self, said: &Said, data: &[u8]) -> Signature {
        let key = &self.secret.primary_key;
        said.config(key).sign(key, &Password::empty(), data).unwrap()
    }

    pub(crate) fn sign_by_subkey(&self, said: &Said, data: &[u8]) -> Signature {
        let key = &self.secret.secret_subkeys[0].key;
        said.config(key).sign(key, &Password::empty(), data).unwrap()
    }

    /// Returns `text` clear-signed by the subkey.
    pub(crate) fn clearsign(&self, text: &str) -> Vec<u8> {
        let signed = text.trim_end_matches('\n').replace('\n', "\r\n");
        let signature = self.sign_by_subkey(&Said::new(SignatureType::Text), signed.as_bytes());
        clearsigned(text, &[signature])
    }
}

/// How a subkey answers its bond.
#[derive(Clone, Copy)]
pub(crate) enum Back {
    None,
    Good,
    Weak,
}

pub(crate) fn armoured(signature: &Signature) -> String {
    DetachedSignature::new(signature.clone()).to_armored_string(ArmorOptions::default()).unwrap()
}

/// Frames `text`, escaping dashes.
pub(crate) fn clearsigned(text: &str, signatures: &[Signature]) -> Vec<u8> {
    let mut message = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n".to_owned();
    for line in text.lines() {
        message.push_str(if line.starts_with('-') { "- " } else { "" });
        message.push_str(line);
        message.push('\n');
    }
    signatures.iter().for_each(|signature| message.push_str(&armoured(signature)));
    message.into_bytes()
}
