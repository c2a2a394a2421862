//! Reading certificates and keys: only what somebody has to know of them.

use anyhow::{Context, Result, anyhow};
use ring::digest::{SHA256, digest};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::authority::BACKDATED_SECONDS;

/// What is known of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The subject's common name.
    pub common_name: String,
    /// The public key (SubjectPublicKeyInfo, DER).
    pub public_key: Vec<u8>,
    /// When it begins and ends to hold, seconds since 1970.
    pub holds: std::ops::Range<u64>,
}

impl Facts {
    /// When it is time for the next one: a third of its life before the end. What it holds before it was made is no life.
    pub fn renew_at(&self) -> u64 {
        let life = (self.holds.end - self.holds.start).saturating_sub(BACKDATED_SECONDS);
        self.holds.end.saturating_sub(life / 3)
    }
}

/// Looks into a certificate.
///
/// # Errors
///
/// When it is none.
pub fn facts(der: &[u8]) -> Result<Facts> {
    let (_, certificate) =
        X509Certificate::from_der(der).map_err(|error| anyhow!("this is no certificate: {error}"))?;
    let common_name = certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
    let seconds = |time: i64| u64::try_from(time).unwrap_or_default();
    let validity = certificate.validity();
    Ok(Facts {
        common_name: common_name.unwrap_or_default().to_owned(),
        public_key: certificate.public_key().raw.to_vec(),
        holds: seconds(validity.not_before.timestamp())..seconds(validity.not_after.timestamp()),
    })
}

/// Looks into the first certificate of a PEM text.
///
/// # Errors
///
/// When it is none.
pub fn facts_of_pem(text: &str) -> Result<Facts> {
    facts(&certificate(text)?)
}

/// The first certificate of a PEM text.
///
/// # Errors
///
/// When there is none.
pub fn certificate(text: &str) -> Result<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(text.as_bytes()).context("reading a certificate")
}

/// The first private key of a PEM text.
///
/// # Errors
///
/// When there is none.
pub fn private_key(text: &str) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(text.as_bytes()).context("reading a private key")
}

/// What pins an authority: SHA-256 of its public key, which outlives its certificate.
pub fn pin(public_key: &[u8]) -> [u8; 32] {
    let mut pin = [0; 32];
    pin.copy_from_slice(digest(&SHA256, public_key).as_ref());
    pin
}

/// Tells whether the holder of a public key (SubjectPublicKeyInfo, P-256) signed these bytes.
pub fn is_signed(public_key: &[u8], bytes: &[u8], signature: &[u8]) -> bool {
    let Ok((_, info)) = SubjectPublicKeyInfo::from_der(public_key) else { return false };
    let point = info.subject_public_key.as_ref();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(bytes, signature).is_ok()
}

#[cfg(test)]
mod tests {
    use rcgen::{KeyPair, PublicKeyData, SigningKey};

    use super::*;
    use crate::authority::{Authority, Subject};

    #[test]
    fn what_is_issued_is_read_back() {
        let (key, made) = Authority::create("test authority", 1_000_000).expect("made");
        let authority = Authority::load(made.certificate.clone(), &key).expect("loaded");
        let node = KeyPair::generate().expect("a key");
        let names = vec!["node.example.org".to_owned(), "192.0.2.7".to_owned()];
        let subject = Subject { common_name: "node:7", names, is_server: true, seconds: 600 };
        let text = authority.issue(&subject, &node, 1_000_000).expect("issued");
        let read = facts_of_pem(&text).expect("a certificate");
        assert_eq!(read.common_name, "node:7");
        assert_eq!(read.public_key, node.subject_public_key_info());
        assert_eq!(read.holds, 1_000_000 - BACKDATED_SECONDS..1_000_600);
        assert_eq!(read.renew_at(), 1_000_400);
        let signature = node.sign(b"text").expect("signed");
        assert!(is_signed(&read.public_key, b"text", &signature));
        assert!(!is_signed(&read.public_key, b"other", &signature));
        let of_authority = authority.sign(b"text").expect("signed");
        assert!(!is_signed(&read.public_key, b"text", &of_authority));
        let public = facts_of_pem(&made.certificate).expect("a certificate").public_key;
        assert!(is_signed(&public, b"text", &of_authority));
        facts(b"not one").expect_err("no certificate");
    }
}
