//! Whom connections trust, and by what they are trusted; and what it means when they are not.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, CertificateError};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use super::{Kind, UploadError};

const AUTHORITIES: &str = "`cacert` (OS_CACERT)";
const CERTIFICATE: &str = "`cert` (OS_CERT)";
const KEY: &str = "`key` (OS_KEY)";

/// Whom to trust, and by what to be trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// File of authorities' certificates (PEM) instead of the system's.
    pub authorities: Option<PathBuf>,
    /// File of our own certificate chain (PEM).
    pub certificate: Option<PathBuf>,
    /// File of its key (PEM); none if it is in the same file.
    pub key: Option<PathBuf>,
    /// Whether anybody is trusted.
    pub blind: bool,
}

/// Makes out whom connections trust.
///
/// # Errors
/// When a file of `trust` cannot be used.
pub(super) fn tls(trust: &Trust) -> Result<TlsConfig, UploadError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = match &trust.authorities {
        None => RootCerts::PlatformVerifier,
        Some(path) => RootCerts::new_with_certs(&certificates(path, AUTHORITIES)?),
    };
    if let (None, Some(key)) = (&trust.certificate, &trust.key) {
        let why = format!("{KEY} names a key, and nothing names its certificate");
        return Err(UploadError::input(reading(key), why, format!("name the certificate by {CERTIFICATE}")));
    }
    let client = trust.certificate.as_ref().map(|certificate| {
        let chain = certificates(certificate, CERTIFICATE)?;
        let key_path = trust.key.as_ref().unwrap_or(certificate);
        let key = key(key_path)?;
        check_pair(certificate, &chain, key_path, &key, &provider)?;
        Ok::<_, UploadError>(ClientCert::new_with_certs(&chain, key))
    });
    Ok(TlsConfig::builder()
        .root_certs(roots)
        .client_cert(client.transpose()?)
        .disable_verification(trust.blind)
        .unversioned_rustls_crypto_provider(provider)
        .build())
}

fn certificates(path: &Path, setting: &str) -> Result<Vec<Certificate<'static>>, UploadError> {
    let text = pem(path, setting)?;
    let items = parse_pem(&text).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let found: Vec<_> = items.collect();
    if found.is_empty() { Err(unusable(path, "it holds no certificate", setting)) } else { Ok(found) }
}

fn key(path: &Path) -> Result<PrivateKey<'static>, UploadError> {
    let text = pem(path, KEY)?;
    PrivateKey::from_pem(&text).map_err(|_| {
        let is_locked = String::from_utf8_lossy(&text).contains("ENCRYPTED");
        let why = if is_locked { "its key is locked by a passphrase" } else { "it holds no key" };
        unusable(path, why, KEY)
    })
}

/// Checks that a key is the certificate's: the HTTP library takes that for granted.
fn check_pair(
    certificate: &Path,
    chain: &[Certificate<'static>],
    key_path: &Path,
    key: &PrivateKey<'static>,
    provider: &CryptoProvider,
) -> Result<(), UploadError> {
    let chain = chain.iter().map(|one| CertificateDer::from(one.der().to_vec())).collect();
    let der = PrivateKeyDer::try_from(key.der().to_vec())
        .map_err(|_| unusable(key_path, "its key is of no known kind", KEY))?;
    CertifiedKey::from_der(chain, der, provider).map(drop).map_err(|error| {
        let why = match error {
            rustls::Error::InconsistentKeys(_) => {
                format!("its key is not that of the certificate in '{}'", certificate.display())
            }
            other => other.to_string(),
        };
        UploadError::input(reading(key_path), why, format!("name a pair by {CERTIFICATE} and {KEY}"))
    })
}

fn pem(path: &Path, setting: &str) -> Result<Vec<u8>, UploadError> {
    std::fs::read(path).map_err(|error| unusable(path, &error.to_string(), setting))
}

fn reading(path: &Path) -> String {
    format!("reading '{}'", path.display())
}

fn unusable(path: &Path, why: &str, setting: &str) -> UploadError {
    UploadError::input(reading(path), why, format!("name a file in PEM form by {setting}"))
}

/// Says why there is no trust, and by which setting there may be.
pub(super) fn untrusted(doing: &str, error: &rustls::Error) -> UploadError {
    let hint = match error {
        rustls::Error::InvalidCertificate(why) => of_the_service(why),
        rustls::Error::AlertReceived(alert) if concerns_us(*alert) => {
            format!(
                "the service does not take the certificate of this machine, or wants one and gets none: \
                 check {CERTIFICATE} and {KEY}"
            )
        }
        rustls::Error::InvalidMessage(_) => {
            "what answers there may not speak TLS: check whether the address begins with http:// or https://"
                .to_owned()
        }
        _ => "check the address, and what the service wants of TLS".to_owned(),
    };
    UploadError::new(Kind::Refused, doing, format!("TLS: {error}"), hint)
}

/// Says what to do about the service's certificate.
fn of_the_service(why: &CertificateError) -> String {
    use CertificateError as C;
    match why {
        C::NotValidForName | C::NotValidForNameContext { .. } => {
            "the service's certificate is for other names: write its address with one of these".to_owned()
        }
        C::Expired | C::ExpiredContext { .. } | C::NotValidYet | C::NotValidYetContext { .. } => {
            "the service's certificate has ended or not begun, or this machine's clock is wrong".to_owned()
        }
        _ => format!(
            "if the cloud has a private authority, name its certificate by {AUTHORITIES} or SSL_CERT_FILE; what is \
             named does not vouch for this service"
        ),
    }
}

/// Tells whether an alert is about a certificate of ours. A service that wants one and gets none says by TLS 1.2 only
/// that the handshake failed.
fn concerns_us(alert: AlertDescription) -> bool {
    use AlertDescription as A;
    matches!(
        alert,
        A::HandshakeFailure
            | A::NoCertificate
            | A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::UnknownCA
            | A::AccessDenied
            | A::DecryptError
            | A::CertificateRequired
    )
}
