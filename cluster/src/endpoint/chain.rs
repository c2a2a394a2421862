//! A certificate, the chain to an authority, and a key, as somebody got them: judged before a client does it.
//!
//! Each check of ours says what is wrong and what to do. The last word has the verifier that TLS clients have.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use contract::encoding::encode_base64;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// What is asked of a certificate.
#[derive(Debug)]
pub struct Demand<'a> {
    /// Under which name clients ask.
    pub name: &'a str,
    /// Seconds since 1970.
    pub now: u64,
    /// Authorities that this machine knows (PEM).
    pub authorities: &'a str,
}

/// A certificate that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// One text (PEM): the certificate, those that lead to its authority, and the key.
    pub text: String,
    /// What was done to the files, and what whoever imports them should know.
    pub notes: Vec<String>,
}

/// A certificate, and what is asked of it.
struct Read<'a> {
    der: &'a CertificateDer<'static>,
    parsed: X509Certificate<'a>,
}

/// Judges a chain and a key (PEM).
///
/// # Errors
///
/// The first thing that keeps a client of `demand.name` from accepting it.
pub fn judge(certificates: &str, key: &str, demand: &Demand<'_>) -> Result<Chain> {
    let ders = read_certificates(certificates)?;
    let key = read_key(key)?;
    let all = ders.iter().map(Read::of).collect::<Result<Vec<_>>>()?;
    let public_key = public_key(&key)?;
    let (ordered, unused) = order(&all, &public_key)?;
    let mut notes = notes(&all, &ordered, unused);
    for one in &ordered {
        one.check_dates(demand.now)?;
    }
    let leaf = ordered[0];
    leaf.check_name(demand.name)?;
    if leaf.is_self_signed() {
        notes.push("it is signed by itself, so clients have to be told to trust it".into());
    } else if !verify(&ordered, &all, demand)? {
        let root = ordered[ordered.len() - 1].subject();
        notes
            .push(format!("this machine does not know '{root}', so clients may have to be told to trust it"));
    }
    // A root in the chain is of no use: who trusts it has it.
    let sent: Vec<&Read<'_>> = ordered
        .iter()
        .enumerate()
        .filter(|(at, one)| *at == 0 || !one.is_self_signed())
        .map(|(_, one)| *one)
        .collect();
    let mut text: String = sent.iter().map(|one| to_pem("CERTIFICATE", one.der)).collect();
    text += &to_pem(label(&key), key.secret_der());
    Ok(Chain { text, notes })
}

fn read_certificates(text: &str) -> Result<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let all = all.map_err(|error| anyhow!("the file of the certificate cannot be read: {error}"))?;
    ensure!(
        !all.is_empty(),
        "the file of the certificate has none: it begins with '-----BEGIN CERTIFICATE-----' (PEM)"
    );
    Ok(all)
}

fn read_key(text: &str) -> Result<PrivateKeyDer<'static>> {
    ensure!(
        !text.contains("ENCRYPTED"),
        "the key is encrypted, and nobody is there to be asked when the machine boots: `openssl pkey -in KEY -out OPEN` opens it"
    );
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| {
        anyhow!("the file of the key has no private key: it begins with '-----BEGIN PRIVATE KEY-----' (PEM)")
    })
}

/// The public half of a key (SubjectPublicKeyInfo, DER).
fn public_key(key: &PrivateKeyDer<'static>) -> Result<Vec<u8>> {
    let unknown = "the key is of a kind that is not known here: RSA of 2048 bits or more, ECDSA on P-256 or P-384, Ed25519 are";
    let key = ring::sign::any_supported_type(key).map_err(|_| anyhow!(unknown))?;
    Ok(key.public_key().context(unknown)?.as_ref().to_vec())
}

/// Puts the certificate of the key first, and behind each the one that signed it; says also how many are of no use.
fn order<'r, 'a>(all: &'r [Read<'a>], public_key: &[u8]) -> Result<(Vec<&'r Read<'a>>, usize)> {
    let leaf = all.iter().find(|one| one.parsed.public_key().raw == public_key).with_context(|| {
        let subjects: Vec<String> = all.iter().map(Read::subject).collect();
        format!("the key is not that of the certificate: the file has {}", subjects.join("; "))
    })?;
    let mut ordered = vec![leaf];
    while let Some(last) = ordered.last().filter(|last| !last.is_self_signed()) {
        let issuer = last.parsed.issuer().as_raw();
        let signs = |one: &&Read<'_>| one.parsed.subject().as_raw() == issuer;
        // Two that sign each other have no end.
        let is_new = |one: &&Read<'_>| !ordered.iter().any(|known| std::ptr::eq(*known, *one));
        let Some(next) = all.iter().filter(signs).find(is_new) else { break };
        ordered.push(next);
    }
    let unused = all.len() - ordered.len();
    Ok((ordered, unused))
}

fn notes(all: &[Read<'_>], ordered: &[&Read<'_>], unused: usize) -> Vec<String> {
    let mut notes = Vec::new();
    let in_order = ordered.iter().zip(all).all(|(one, given)| std::ptr::eq(*one, given));
    if !in_order {
        notes.push("the certificates of the file were put into order".into());
    }
    if unused > 0 {
        notes.push(format!(
            "{unused} of the file's certificates are not part of the chain, and were left out"
        ));
    }
    notes
}

/// What a client does with the chain; tells whether its root is one that this machine knows.
fn verify(ordered: &[&Read<'_>], all: &[Read<'_>], demand: &Demand<'_>) -> Result<bool> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(demand.authorities.as_bytes()).flatten());
    let last = ordered[ordered.len() - 1];
    let issuer = last.parsed.issuer().as_raw();
    let is_known = roots.subjects().iter().any(|subject| subject.as_ref() == issuer);
    // Whoever brings a root of their own vouches for it.
    roots.add_parsable_certificates(
        all.iter().filter(|one| one.is_self_signed()).map(|one| (*one.der).clone()),
    );
    ensure!(
        is_known || last.is_self_signed(),
        "the chain ends too early: '{}' is signed by '{}', which is neither in the file nor an authority that this machine knows; \
         put the certificates of all authorities in between behind yours, or the root of your own authority at the end",
        last.subject(),
        last.parsed.issuer()
    );
    let name = ServerName::try_from(demand.name).map_err(|_| anyhow!("'{}' is no host name", demand.name))?;
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .context("taking the authorities that this machine knows")?;
    let between: Vec<CertificateDer<'_>> = ordered[1..].iter().map(|one| (*one.der).clone()).collect();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(demand.now));
    verifier
        .verify_server_cert(ordered[0].der, &between, &name, &[], now)
        .map_err(|error| anyhow!("a client would refuse the certificate: {error}"))?;
    Ok(is_known)
}

impl<'a> Read<'a> {
    fn of(der: &'a CertificateDer<'static>) -> Result<Self> {
        let (_, parsed) = X509Certificate::from_der(der)
            .map_err(|error| anyhow!("one of the file's certificates cannot be read: {error}"))?;
        Ok(Self { der, parsed })
    }

    fn subject(&self) -> String {
        self.parsed.subject().to_string()
    }

    fn is_self_signed(&self) -> bool {
        self.parsed.subject().as_raw() == self.parsed.issuer().as_raw()
    }

    fn check_dates(&self, now: u64) -> Result<()> {
        let holds = holds(&self.parsed);
        let days = |seconds: u64| seconds.div_ceil(24 * 60 * 60);
        ensure!(
            now >= holds.start,
            "'{}' begins to hold in {} days only; or is this machine's clock wrong?",
            self.subject(),
            days(holds.start.saturating_sub(now))
        );
        ensure!(
            now < holds.end,
            "'{}' ended {} days ago: get a new one",
            self.subject(),
            days(now.saturating_sub(holds.end))
        );
        Ok(())
    }

    fn check_name(&self, name: &str) -> Result<()> {
        let names = names(&self.parsed);
        if names.is_empty() {
            bail!("the certificate has no names that clients look at (subjectAltName)");
        }
        ensure!(
            names.iter().any(|one| covers(one, name)),
            "the certificate is for {}, and not for '{name}', under which clients ask; if they use another name, say it by --name",
            names.join(", ")
        );
        Ok(())
    }
}

/// When a certificate begins and ends to hold.
fn holds(parsed: &X509Certificate<'_>) -> Range<u64> {
    let seconds = |time: i64| u64::try_from(time).unwrap_or_default();
    let validity = parsed.validity();
    seconds(validity.not_before.timestamp())..seconds(validity.not_after.timestamp())
}

/// The names that clients look at.
fn names(parsed: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(list)) = parsed.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match (<[u8; 4]>::try_from(*bytes), <[u8; 16]>::try_from(*bytes)) {
            (Ok(four), _) => Some(std::net::Ipv4Addr::from(four).to_string()),
            (_, Ok(sixteen)) => Some(std::net::Ipv6Addr::from(sixteen).to_string()),
            _ => None,
        },
        _ => None,
    };
    list.value.general_names.iter().filter_map(name).collect()
}

/// Tells whether a name of a certificate covers what a client asks for; `*` stands for one label (RFC 6125, 6.4.3).
fn covers(pattern: &str, name: &str) -> bool {
    let rest = |text: &str| text.split_once('.').map(|(_, rest)| rest.to_ascii_lowercase());
    match pattern.strip_prefix("*.") {
        Some(domain) => rest(name).is_some_and(|rest| rest.eq_ignore_ascii_case(domain)),
        None => pattern.eq_ignore_ascii_case(name),
    }
}

fn label(key: &PrivateKeyDer<'_>) -> &'static str {
    match key {
        PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
        PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
        _ => "PRIVATE KEY",
    }
}

/// Writes bytes as PEM (RFC 7468), 64 letters a line.
fn to_pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    let letters = encode_base64(der);
    let mut rest = letters.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text + &format!("-----END {label}-----\n")
}

/// What is said of a chain that is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The names that it is for.
    pub names: Vec<String>,
    /// Who signed it.
    pub issuer: String,
    /// When the first of its certificates ends, seconds since 1970.
    pub ends: u64,
}

/// Looks into the text that [`judge`] made.
///
/// # Errors
///
/// When there is no certificate in it.
pub fn summary(text: &str) -> Result<Summary> {
    let ders = read_certificates(text)?;
    let all = ders.iter().map(Read::of).collect::<Result<Vec<_>>>()?;
    let ends = all.iter().map(|one| holds(&one.parsed).end).min().unwrap_or_default();
    Ok(Summary { names: names(&all[0].parsed), issuer: all[0].parsed.issuer().to_string(), ends })
}

#[cfg(test)]
mod tests;
