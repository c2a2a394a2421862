//! `certificate …`: what roles show under the cluster's name.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Subcommand;
use serde_json::json;

use crate::endpoint::{chain, store};
use crate::node::roles::RoleRunner;
use crate::place::{Place, PlaceArguments};
use crate::record::Member;
use crate::{paths, roles};

/// Longest file that is taken.
const LIMIT: u64 = 1 << 20;
const DAY: u64 = 24 * 60 * 60;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Take a certificate, its chain and its key into use, in place of the one before
    Import {
        /// The certificate and those of the authorities between it and a root (PEM), in any order
        #[arg(long, value_name = "CHAIN.pem")]
        certificate: PathBuf,
        /// Its private key (PEM), which nobody else may be able to read
        #[arg(long, value_name = "KEY.pem")]
        key: PathBuf,
        /// The name under which clients ask; else the cluster's
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// Which machine
        #[command(flatten)]
        place: PlaceArguments,
    },
    /// Show which one is in use
    Info {
        /// Which machine
        #[command(flatten)]
        place: PlaceArguments,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Does what the command line says.
///
/// # Errors
///
/// Why it is not done.
pub fn run(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::Import { certificate, key, name, place } => {
            import(&Place::open(&place)?, &certificate, &key, name)?;
        }
        Verb::Info { place, json } => info(&Place::open(&place)?, json)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// How long a certificate holds, in words.
pub fn life(ends: u64, now: u64) -> String {
    let left = ends.saturating_sub(now);
    match left / DAY {
        0 if left == 0 => "has ended".into(),
        0 => "ends today".into(),
        days if left < store::SOON_SECONDS => format!("ends in {days} days: time for the next one"),
        days => format!("holds for {days} days"),
    }
}

fn import(place: &Place, certificate: &Path, key: &Path, name: Option<String>) -> Result<()> {
    let member = Member::load(place)?;
    let name = match (name, &member) {
        (Some(name), _) => name,
        (None, Some(member)) => member.endpoints.open(&place.require(paths::AUTHORITY)?)?.endpoint,
        (None, None) => anyhow::bail!(
            "this machine is in no cluster, so say under which name clients ask: --name api.example.org"
        ),
    };
    let (certificates, key_text) = (read(certificate)?, read_key(key)?);
    let authorities = place.read(paths::KNOWN_AUTHORITIES)?.unwrap_or_default();
    let now = place.clock.now();
    let demand = chain::Demand { name: &name, now, authorities: &authorities };
    let judged = chain::judge(&certificates, &key_text, &demand)
        .with_context(|| format!("'{}' is not taken into use", certificate.display()))?;
    let catalogue = roles::catalogue(place)?;
    let has = member.map(|member| member.roles).unwrap_or_default();
    let told = RoleRunner { place, catalogue: &catalogue }.replace_certificate(&has, &judged.text)?;
    judged.notes.iter().for_each(|note| eprintln!("firstboot: {note}"));
    let summary = chain::summary(&judged.text)?;
    if summary.ends.saturating_sub(now) < store::SOON_SECONDS {
        eprintln!("firstboot: it {}", life(summary.ends, now));
    }
    let shown = if told.is_empty() {
        "no role of this node shows it yet".into()
    } else {
        format!("shown by {}", told.join(", "))
    };
    println!("the certificate for {} {}; {shown}", summary.names.join(", "), life(summary.ends, now));
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    let naming = || format!("reading '{}'", path.display());
    ensure!(
        fs::metadata(path).with_context(naming)?.len() <= LIMIT,
        "'{}' is larger than 1 MiB",
        path.display()
    );
    fs::read_to_string(path).with_context(naming)
}

/// A key that others can read is no secret any more, and importing it would hide that.
fn read_key(path: &Path) -> Result<String> {
    let metadata = fs::metadata(path).with_context(|| format!("reading '{}'", path.display()))?;
    let mode = metadata.permissions().mode() & 0o777;
    ensure!(
        mode & 0o077 == 0,
        "others than its owner can read the key '{}' (mode {mode:04o}): `chmod 0600` closes it, and if somebody was there, get another one",
        path.display()
    );
    read(path)
}

fn info(place: &Place, json: bool) -> Result<()> {
    let text = store::load(place)?.context(
        "there is no certificate of a cluster's endpoint: a role that shows one makes it, or import one",
    )?;
    let summary = chain::summary(&text)?;
    let is_made = store::is_made(&text);
    let left = summary.ends.saturating_sub(place.clock.now());
    if json {
        let whole = json!({"names": summary.names, "issuer": summary.issuer, "ends": summary.ends,
            "days_left": left / DAY, "imported": !is_made});
        println!("{}", serde_json::to_string_pretty(&whole).context("rendering the certificate")?);
        return Ok(());
    }
    let origin = if is_made { "made by firstboot, and renewed by itself" } else { "imported" };
    println!("names    {}\nissuer   {}\norigin   {origin}", summary.names.join(", "), summary.issuer);
    println!("life     {}", life(summary.ends, place.clock.now()));
    Ok(())
}
