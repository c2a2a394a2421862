//! A certificate authority of our own: ECDSA on P-256, which every TLS library knows.
//!
//! A cluster has two. One signs what nodes show to each other; the other, of which only core nodes know, signs what etcd
//! and `cored` show to each other, so that no node's certificate opens etcd.

use std::time::Duration;

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SerialNumber, SigningKey,
};

use crate::random;

/// Certificates begin to hold that long before they are made, for clocks that are a little behind.
pub const BACKDATED_SECONDS: u64 = 60 * 60;
/// Authorities hold for twenty years.
const AUTHORITY_SECONDS: u64 = 20 * 365 * 24 * 60 * 60;

/// An authority that can sign.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, PEM.
    pub certificate: String,
}

/// What a certificate says.
#[derive(Debug)]
pub struct Subject<'a> {
    /// Whose it is.
    pub common_name: &'a str,
    /// Host names and addresses under which the holder is reached.
    pub names: Vec<String>,
    /// Whether the holder serves with it; every holder may ask with it.
    pub is_server: bool,
    /// For how long it holds.
    pub seconds: u64,
}

impl Authority {
    /// Makes an authority; gives its private key as well (PEM).
    ///
    /// # Errors
    ///
    /// When the kernel has no random numbers.
    pub fn create(common_name: &str, now: u64) -> Result<(String, Self)> {
        let key = KeyPair::generate().context("making a key")?;
        let key_text = key.serialize_pem();
        let mut parameters = validity(now, AUTHORITY_SECONDS)?;
        parameters.distinguished_name.push(DnType::CommonName, common_name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = parameters.self_signed(&key).context("signing the authority's certificate")?.pem();
        Ok((key_text, Self { issuer: Issuer::new(parameters, key), certificate }))
    }

    /// Takes an authority that was made before.
    ///
    /// # Errors
    ///
    /// When one of the texts is no such thing.
    pub fn load(certificate: String, key: &str) -> Result<Self> {
        let key = KeyPair::from_pem(key).context("reading the authority's key")?;
        let issuer =
            Issuer::from_ca_cert_pem(&certificate, key).context("reading the authority's certificate")?;
        Ok(Self { issuer, certificate })
    }

    /// Certifies a public key.
    ///
    /// # Errors
    ///
    /// When a name cannot stand in a certificate.
    pub fn issue(&self, subject: &Subject<'_>, key: &impl PublicKeyData, now: u64) -> Result<String> {
        let mut parameters = parameters(subject, now)?;
        parameters.use_authority_key_identifier_extension = true;
        let certificate = parameters.signed_by(key, &self.issuer).context("signing a certificate")?;
        Ok(certificate.pem())
    }

    /// Signs bytes (ECDSA with SHA-256, ASN.1).
    ///
    /// # Errors
    ///
    /// When the kernel has no random numbers.
    pub fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        self.issuer.key().sign(bytes).context("signing by the authority")
    }
}

/// Certifies a key by itself.
///
/// # Errors
///
/// When a name cannot stand in a certificate.
pub fn self_signed(subject: &Subject<'_>, key: &KeyPair, now: u64) -> Result<String> {
    let certificate = parameters(subject, now)?.self_signed(key).context("signing a certificate")?;
    Ok(certificate.pem())
}

fn parameters(subject: &Subject<'_>, now: u64) -> Result<CertificateParams> {
    let mut parameters = validity(now, subject.seconds)?;
    parameters.subject_alt_names =
        CertificateParams::new(subject.names.clone()).context("naming a certificate")?.subject_alt_names;
    parameters.distinguished_name.push(DnType::CommonName, subject.common_name);
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    if subject.is_server {
        parameters.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    }
    Ok(parameters)
}

fn validity(now: u64, seconds: u64) -> Result<CertificateParams> {
    let start = rcgen::date_time_ymd(1970, 1, 1);
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.not_before = start + Duration::from_secs(now.saturating_sub(BACKDATED_SECONDS));
    parameters.not_after = start + Duration::from_secs(now + seconds);
    let mut serial = random::bytes::<16>()?;
    // A serial number is a positive integer.
    serial[0] = serial[0] & 0x7f | 0x40;
    parameters.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(parameters)
}

/// Makes a private key (PKCS #8, PEM).
///
/// # Errors
///
/// When the kernel has no random numbers.
pub fn make_key() -> Result<String> {
    Ok(KeyPair::generate().context("making a key")?.serialize_pem())
}
