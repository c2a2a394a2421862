//! The machine's own certificate: a key that never leaves it, and its names, signed by itself.
//!
//! Services show it until an authority gives them another, which then stays. A clone gets another key (the identity step
//! takes a foreign one away); a rename keeps the key and puts the new name into CN and SAN.

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use contract::state::{DesiredState, Phase};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, SerialNumber,
    date_time_ymd,
};
use ring::rand::{SecureRandom, SystemRandom};
use x509_parser::extensions::GeneralName;
use x509_parser::pem::parse_x509_pem;

use super::change::Change;
use super::identity::Identity;
use super::{Step, Target, hostname};
use crate::machine::Machine;

/// Where the certificate is.
pub const CERTIFICATE: &str = "/etc/firstboot/tls/node.crt";
/// Where its key is.
pub const KEY: &str = "/etc/firstboot/tls/node.key";
/// The names that it is for beside the machine's own, for a rename.
const NAMES: &str = "/etc/firstboot/tls/names";
/// How many calendar years it holds, this one counted.
const YEARS: i32 = 10;
const SECONDS_OF_YEAR: u64 = 31_556_952;

/// Makes the certificate.
#[derive(Debug)]
pub struct CertificateStep;

impl Step for CertificateStep {
    fn name(&self) -> String {
        "certificate".into()
    }

    fn phase(&self) -> Phase {
        Phase::Early
    }

    fn wish(&self, clone: &Target<'_>) -> Option<serde_json::Value> {
        let wanted = clone.wanted.state.certificate.as_ref()?;
        // What cannot be read, planning says.
        let own = own_names(clone).unwrap_or_default();
        Some(serde_json::json!([wanted, own, clone.identity.key]))
    }

    fn plan(&self, clone: &Target<'_>) -> Result<Vec<Change>> {
        let Some(wanted) = &clone.wanted.state.certificate else { return Ok(Vec::new()) };
        // Until the identity step is done the key may be that of the machine this one is a copy of.
        ensure!(
            clone.previews || Identity::kept_key(clone.machine)? == clone.identity.key,
            "this machine has no identity of its own yet; the step 'identity' comes first"
        );
        match Found::read(clone.machine)? {
            // What another authority gave is that authority's to replace.
            Some(found) if !found.is_ours => Ok(Vec::new()),
            found => changes(clone.machine, found, &own_names(clone)?, &wanted.names),
        }
    }
}

/// The names of the machine itself: those that it keeps, else those that it is about to get.
fn own_names(clone: &Target<'_>) -> Result<Vec<String>> {
    let wanted = hostname::names(&clone.wanted.state);
    let mut own =
        if clone.keeps_name || wanted.is_empty() { hostname::present(clone.machine)? } else { wanted };
    if own.is_empty() {
        own.push("localhost".into());
    }
    Ok(own)
}

/// What a new name means for the machine's certificate.
#[derive(Debug)]
pub enum Renamed {
    /// There is none.
    Absent,
    /// Another authority gave it, this one; it stays.
    Foreign(String),
    /// It takes the name by these changes.
    Changes(Vec<Change>),
}

/// Returns what a new name means for the certificate.
///
/// # Errors
///
/// When the machine cannot be read, or its key or certificate is none.
pub fn renamed(machine: &Machine, name: &str) -> Result<Renamed> {
    let Some(found) = Found::read(machine)? else { return Ok(Renamed::Absent) };
    if !found.is_ours {
        return Ok(Renamed::Foreign(found.issuer));
    }
    ensure!(
        machine.exists(KEY),
        "'{CERTIFICATE}' is there, and its key '{KEY}' is not; remove the certificate"
    );
    let state = DesiredState { hostname: Some(name.to_owned()), ..DesiredState::default() };
    let more = machine.read_text(NAMES)?.unwrap_or_default();
    let more: Vec<String> = more.lines().map(str::to_owned).collect();
    changes(machine, Some(found), &hostname::names(&state), &more).map(Renamed::Changes)
}

/// The certificate that the machine has.
struct Found {
    text: String,
    issuer: String,
    /// Whether this program signed it by the key of the machine.
    is_ours: bool,
    public_key: Vec<u8>,
    /// CN, then SAN.
    names: Vec<String>,
}

impl Found {
    fn read(machine: &Machine) -> Result<Option<Self>> {
        let Some(text) = machine.read_text(CERTIFICATE)? else { return Ok(None) };
        let wrong = || format!("reading '{CERTIFICATE}'; when it is removed, a new one is made");
        let (_, pem) = parse_x509_pem(text.as_bytes()).with_context(wrong)?;
        let read = pem.parse_x509().with_context(wrong)?;
        let mut names: Vec<String> = read
            .subject()
            .iter_common_name()
            .filter_map(|name| name.as_str().ok().map(str::to_owned))
            .collect();
        if let Some(list) = read.subject_alternative_name().with_context(wrong)? {
            names.extend(list.value.general_names.iter().map(written));
        }
        Ok(Some(Self {
            issuer: read.issuer().to_string(),
            is_ours: read.issuer() == read.subject(),
            public_key: read.public_key().subject_public_key.data.to_vec(),
            names,
            text,
        }))
    }
}

/// Writes a name as documents do.
fn written(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) => (*name).to_owned(),
        GeneralName::IPAddress(bytes) => match (<[u8; 4]>::try_from(*bytes), <[u8; 16]>::try_from(*bytes)) {
            (Ok(bytes), _) => IpAddr::from(bytes).to_string(),
            (_, Ok(bytes)) => IpAddr::from(bytes).to_string(),
            _ => format!("{bytes:?}"),
        },
        other => other.to_string(),
    }
}

/// The certificate comes last: where it is, its key is as well.
fn changes(machine: &Machine, found: Option<Found>, own: &[String], more: &[String]) -> Result<Vec<Change>> {
    let kept = machine.read_text(KEY)?;
    let pair = match &kept {
        Some(text) => KeyPair::from_pem(text).with_context(|| format!("reading '{KEY}'"))?,
        None => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).context("making a key")?,
    };
    let common = own.first().context("a machine has a name")?;
    let mut names = own.to_vec();
    names.extend(more.iter().filter(|name| !own.contains(name)).cloned());
    // A certificate is another one each time it is signed, so one that says the same stays.
    let wanted = std::iter::once(common).chain(&names).map(|name| plain(name));
    let certificate = match found {
        Some(found)
            if found.public_key == pair.public_key_raw() && wanted.eq(found.names.iter().cloned()) =>
        {
            found.text
        }
        _ => sign(&pair, common, names)?,
    };
    let list: String = more.iter().map(|name| format!("{name}\n")).collect();
    Ok(vec![
        Change::file(KEY, kept.unwrap_or_else(|| pair.serialize_pem()), 0o600),
        Change::file(NAMES, list, 0o644),
        Change::file(CERTIFICATE, certificate, 0o644),
    ])
}

/// Writes an address in the one form that certificates are read back in.
fn plain(name: &str) -> String {
    name.parse::<IpAddr>().map_or_else(|_| name.to_owned(), |address| address.to_string())
}

/// Signs names by their own key. The clock of a machine may be wrong when it first boots, so the time begins early.
fn sign(pair: &KeyPair, common: &str, names: Vec<String>) -> Result<String> {
    let mut parameters = CertificateParams::new(names).context("putting names into a certificate")?;
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, common);
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let year = 1970 + i32::try_from(seconds / SECONDS_OF_YEAR).unwrap_or_default();
    // Another certificate of the same key needs another number (RFC 5280, 4.1.2.2).
    parameters.serial_number = Some(SerialNumber::from(serial()?));
    parameters.not_before = date_time_ymd(year - 1, 1, 1);
    parameters.not_after = date_time_ymd(year + YEARS, 1, 1);
    Ok(parameters.self_signed(pair).context("signing a certificate")?.pem())
}

/// 127 random bits: a positive number of at most 20 bytes.
fn serial() -> Result<Vec<u8>> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).ok().context("the system gives no random numbers")?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(bytes.to_vec())
}
