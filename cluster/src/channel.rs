//! A node's connection to `cored`: TLS 1.3, the authority pinned, one question after another.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
    StreamOwned,
};
use serde::de::DeserializeOwned;

use crate::address::CoreAddress;
use crate::certificate;
use crate::clock::{Clock, TlsTime};
use crate::frame;
use crate::message::{ALPN, Answer, EXPORTER_LABEL, PROTOCOLS, Refusal, Request, SERVER_NAME, Welcome};
use crate::names::Names;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// How long it may take while there are others to try.
const BRIEF: Duration = Duration::from_millis(1500);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// A connection.
#[derive(Debug)]
pub struct Channel {
    stream: StreamOwned<ClientConnection, TcpStream>,
    /// Where it leads.
    pub core: CoreAddress,
}

/// Whom a connection trusts, and who it says it is.
#[derive(Debug)]
pub struct Trust {
    /// SHA-256 of the public key of the cluster's authority.
    pub pin: [u8; 32],
    /// A node's certificate and private key (PEM); none for a machine that is no node yet.
    pub identity: Option<(String, String)>,
    /// How names of core nodes are found.
    pub names: Names,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

impl Channel {
    /// Connects to the first core node whose store answers; if none does, to the first that answers at all, which says why.
    ///
    /// # Errors
    ///
    /// When none does; the error says of each why.
    pub fn open(cores: &[CoreAddress], trust: &Trust) -> Result<Self> {
        let configuration = Arc::new(trust.configuration()?);
        // One that is gone must not hold up those that are there; a slow network gets its time in the second round.
        let rounds: &[Duration] = if cores.len() > 1 { &[BRIEF, CONNECT] } else { &[CONNECT] };
        let (mut failures, mut unready) = (Vec::new(), None);
        for limit in rounds {
            failures.clear();
            for core in cores {
                match Self::open_one(core, &configuration, &trust.names, *limit) {
                    Ok((channel, true)) => return Ok(channel),
                    Ok((channel, false)) => unready = unready.or(Some(channel)),
                    Err(error) => failures.push(format!("{core}: {error:#}")),
                }
            }
            if let Some(channel) = unready {
                return Ok(channel);
            }
        }
        Err(Unreachable(format!("no core node can be asked: {}", failures.join("; "))).into())
    }

    fn open_one(
        core: &CoreAddress,
        configuration: &Arc<ClientConfig>,
        names: &Names,
        limit: Duration,
    ) -> Result<(Self, bool)> {
        let mut last = anyhow!("the name has no address");
        for address in core.resolve(names)? {
            let opened = Self::connect(address, core, configuration, limit).and_then(|mut channel| {
                let is_ready = channel.is_ready()?;
                Ok((channel, is_ready))
            });
            match opened {
                Ok(opened) => return Ok(opened),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Asks whether the core's store answers. One of other versions counts: what is asked next is told which.
    fn is_ready(&mut self) -> Result<bool> {
        match self.ask::<Welcome>(&Request::Hello { protocols: PROTOCOLS }) {
            Ok(welcome) => Ok(welcome.is_ready),
            Err(error) if refusal(&error).is_some() => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn connect(
        address: SocketAddr,
        core: &CoreAddress,
        configuration: &Arc<ClientConfig>,
        limit: Duration,
    ) -> Result<Self> {
        let socket = TcpStream::connect_timeout(&address, limit).context("connecting")?;
        socket.set_nodelay(true).context("setting up the connection")?;
        socket.set_write_timeout(Some(ANSWER)).context("setting up the connection")?;
        socket.set_read_timeout(Some(CONNECT)).context("setting up the connection")?;
        let name = ServerName::try_from(SERVER_NAME).context("naming the core")?;
        let mut connection =
            ClientConnection::new(Arc::clone(configuration), name).context("beginning TLS")?;
        let mut socket = socket;
        while connection.is_handshaking() {
            connection.complete_io(&mut socket).map_err(|error| explain(&error))?;
        }
        socket.set_read_timeout(Some(ANSWER)).context("setting up the connection")?;
        Ok(Self { stream: StreamOwned::new(connection, socket), core: core.clone() })
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    ///
    /// A [`Refusal`], or what is wrong with the connection.
    pub fn ask<T: DeserializeOwned>(&mut self, request: &Request) -> Result<T> {
        let naming = || format!("asking the core at {}", self.core);
        let broken = |error: io::Error| Unreachable(format!("{}: {error}", naming()));
        frame::write(&mut self.stream, request).map_err(broken)?;
        match frame::read(&mut self.stream).map_err(broken)? {
            Answer::Ok(answer) => Ok(answer),
            Answer::Refused(refusal) => Err(refusal.into()),
        }
    }

    /// Lets an answer take this long.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn set_patience(&mut self, patience: Duration) -> Result<()> {
        self.stream.sock.set_read_timeout(Some(patience)).context("setting up the connection")
    }

    /// Keying material of this connection, which both sides know and nobody else.
    ///
    /// # Errors
    ///
    /// When the handshake is not complete.
    pub fn exporter(&self, cluster: &str) -> Result<[u8; 32]> {
        self.stream
            .conn
            .export_keying_material([0; 32], EXPORTER_LABEL, Some(cluster.as_bytes()))
            .context("binding the proof to the connection")
    }
}

/// Says what a failed handshake means for whoever has to do something about it.
fn explain(error: &io::Error) -> anyhow::Error {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let hint = match tls {
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            "the core is of another cluster than the token, or somebody is in between"
        }
        Some(rustls::Error::InvalidCertificate(
            CertificateError::NotValidYetContext { .. } | CertificateError::ExpiredContext { .. },
        )) => "by this machine's clock the core's certificate does not hold; is the clock right?",
        _ => return anyhow!("{error}"),
    };
    anyhow!("{error}: {hint}")
}

/// No core node answers; another try may find one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(String);

/// Tells whether an error is a refusal, and of which kind.
pub fn refusal(error: &anyhow::Error) -> Option<&Refusal> {
    error.downcast_ref()
}

impl Trust {
    fn configuration(&self) -> Result<ClientConfig> {
        let provider = Arc::new(ring::default_provider());
        let time = Arc::new(TlsTime(Arc::clone(&self.clock)));
        let verifier = Arc::new(PinVerifier { pin: self.pin, provider: Arc::clone(&provider) });
        let builder = ClientConfig::builder_with_details(provider, time)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .context("setting up TLS")?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut configuration = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((text, key)) => {
                let key: PrivateKeyDer<'static> = certificate::private_key(key)?;
                builder
                    .with_client_auth_cert(vec![certificate::certificate(text)?], key)
                    .context("showing this node's certificate")?
            }
        };
        configuration.alpn_protocols = vec![ALPN.to_vec()];
        configuration.resumption = rustls::client::Resumption::disabled();
        Ok(configuration)
    }
}

/// Trusts exactly one authority, known by its public key, and only certificates of core nodes.
#[derive(Debug)]
struct PinVerifier {
    pin: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let is_pinned = |der: &&CertificateDer<'_>| {
            certificate::facts(der).is_ok_and(|facts| certificate::pin(&facts.public_key) == self.pin)
        };
        let unknown = || rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let authority = intermediates.iter().find(is_pinned).ok_or_else(unknown)?;
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
                .build()
                .map_err(|error| rustls::Error::General(error.to_string()))?;
        verifier.verify_server_cert(end_entity, &[], server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 only".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
