//! Whom connections trust, and by what they are trusted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use super::UploadError;

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
    let roots = match &trust.authorities {
        None => RootCerts::PlatformVerifier,
        Some(path) => RootCerts::new_with_certs(&certificates(path)?),
    };
    let client = trust.certificate.as_ref().map(|certificate| {
        let chain = certificates(certificate)?;
        Ok::<_, UploadError>(ClientCert::new_with_certs(
            &chain,
            key(trust.key.as_ref().unwrap_or(certificate))?,
        ))
    });
    Ok(TlsConfig::builder()
        .root_certs(roots)
        .client_cert(client.transpose()?)
        .disable_verification(trust.blind)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build())
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, UploadError> {
    let text = pem(path)?;
    let items = parse_pem(&text).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let found: Vec<_> = items.collect();
    if found.is_empty() { Err(unusable_pem(path, "it holds no certificate")) } else { Ok(found) }
}

fn key(path: &Path) -> Result<PrivateKey<'static>, UploadError> {
    PrivateKey::from_pem(&pem(path)?).map_err(|_| unusable_pem(path, "it holds no key"))
}

fn pem(path: &Path) -> Result<Vec<u8>, UploadError> {
    std::fs::read(path).map_err(|error| unusable_pem(path, &error.to_string()))
}

fn unusable_pem(path: &Path, why: &str) -> UploadError {
    UploadError::input(format!("reading '{}'", path.display()), why, "name a file in PEM form")
}
