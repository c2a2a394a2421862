//! TLS of `https://` addresses: the authorities that the machine itself trusts vouch for a server, and nothing else does.

use std::io::{Read, Write};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::machine::Machine;

/// What `update-ca-certificates` makes of the package ca-certificates and of the machine's own authorities.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What a server has to prove.
#[derive(Debug, Clone)]
pub(super) struct Trust {
    configuration: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Trust {
    /// Trusts what the machine trusts, for a server of this name or number.
    pub(super) fn of(machine: &Machine, name: &str) -> Result<Self, String> {
        let text = machine.read(AUTHORITIES).map_err(|error| format!("{error:#}"))?.unwrap_or_default();
        let mut authorities = RootCertStore::empty();
        authorities.add_parsable_certificates(CertificateDer::pem_slice_iter(&text).filter_map(Result::ok));
        if authorities.is_empty() {
            return Err(format!(
                "'{AUTHORITIES}' has no certificate, so no server can be trusted; is the package ca-certificates there?"
            ));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| format!("setting up TLS: {error}"))?;
        let configuration = builder.with_root_certificates(authorities).with_no_client_auth();
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| format!("'{name}' is no name that a certificate can have"))?;
        Ok(Self { configuration: Arc::new(configuration), name })
    }

    /// Speaks TLS over a stream; the server proves itself when the first bytes are sent.
    pub(super) fn wrap<S: Read + Write>(
        &self,
        stream: S,
    ) -> Result<StreamOwned<ClientConnection, S>, rustls::Error> {
        let connection = ClientConnection::new(Arc::clone(&self.configuration), self.name.clone())?;
        Ok(StreamOwned::new(connection, stream))
    }
}
