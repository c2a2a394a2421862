//! `bootwright cache`: what is kept for the next build.

use std::time::SystemTime;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use super::args::Shared;
use super::{build, terminal};
use crate::error::ExitCode;
use crate::progress::{Stage, Unit, format_bytes, format_duration};
use crate::store::{Census, Holding, Store};

/// Arguments of `cache`.
#[derive(Debug, Args)]
pub struct CacheArguments {
    /// What to do
    #[command(subcommand)]
    pub verb: CacheVerb,
}

/// The verbs of `cache`.
#[derive(Debug, Subcommand)]
pub enum CacheVerb {
    /// List what is kept, what was used last at the end
    List {
        /// Print one JSON object instead of text
        #[arg(long)]
        json: bool,
    },
    /// Remove what was used longest ago, and what interrupted builds have left
    Prune {
        /// How much may stay, for example 5GiB; 0 removes everything
        #[arg(long, value_name = "SIZE", value_parser = parse_keep)]
        keep: u64,
    },
    /// Read everything that is kept and remove what is damaged
    Verify,
}

fn parse_keep(text: &str) -> Result<u64, String> {
    if text == "0" { Ok(0) } else { crate::recipe::parse_bytes(text) }
}

/// Does what a verb of `cache` says.
///
/// # Errors
/// When the cache cannot be read or written, or `verify` found damage.
pub fn cache(arguments: &CacheArguments, shared: &Shared) -> Result<u8> {
    let store = Store::open(&build::cache_folder(shared)?)?;
    match arguments.verb {
        CacheVerb::List { json } => list(&store, json),
        CacheVerb::Prune { keep } => prune(store, keep),
        CacheVerb::Verify => verify(&store, shared),
    }
}

fn list(store: &Store, as_json: bool) -> Result<u8> {
    let census = store.census()?;
    let text = if as_json { format!("{:#}\n", json_of(&census)) } else { text_of(&census) };
    terminal::print(&text)?;
    Ok(ExitCode::Success as u8)
}

fn json_of(census: &Census) -> serde_json::Value {
    let holding = |holding: &Holding| {
        json!({
            "stage": holding.stage,
            "subject": holding.subject,
            "bytes": census.bytes_of(holding),
            "used": crate::date::seconds(holding.used),
            "objects": holding.objects.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    };
    json!({ "bytes": census.bytes(), "holdings": census.holdings.iter().map(holding).collect::<Vec<_>>() })
}

/// One line for each result, and one for all that was fetched or decompressed.
fn text_of(census: &Census) -> String {
    let (nameless, results): (Vec<&Holding>, Vec<&Holding>) =
        census.holdings.iter().partition(|holding| holding.subject.is_empty());
    let now = SystemTime::now();
    let mut text = String::new();
    let mut line = |stage: &str, bytes: u64, used: Option<SystemTime>, subject: &str| {
        let age = used.and_then(|used| now.duration_since(used).ok()).map(format_duration);
        let age = age.map_or_else(|| "now".to_owned(), |age| format!("{age} ago"));
        text.push_str(&format!("{stage:<12} {:>9}  {age:>14}  {subject}\n", format_bytes(bytes)));
    };
    let is_fetched = |holding: &&&Holding| holding.stage == "fetched";
    let (fetched, unpacked): (Vec<&Holding>, Vec<&Holding>) = nameless.iter().partition(is_fetched);
    for (group, what) in [(fetched, "packages and lists"), (unpacked, "packages, decompressed")] {
        let Some(last) = group.last() else { continue };
        let bytes = group.iter().map(|holding| census.bytes_of(holding)).sum();
        line(&last.stage, bytes, Some(last.used), &format!("{} {what}", group.len()));
    }
    for holding in results {
        line(&holding.stage, census.bytes_of(holding), Some(holding.used), &holding.subject);
    }
    text.push_str(&format!(
        "{} in all; what several results share counts once\n",
        format_bytes(census.bytes())
    ));
    text
}

fn prune(store: Store, keep: u64) -> Result<u8> {
    let store = store.alone(|| terminal::say("the cache is in use; waiting for the builds that use it"))?;
    let pruned = store.prune(keep)?;
    terminal::say(&format!(
        "removed {} objects, {}; {} are left",
        pruned.objects,
        format_bytes(pruned.bytes),
        format_bytes(pruned.kept)
    ));
    Ok(ExitCode::Success as u8)
}

fn verify(store: &Store, shared: &Shared) -> Result<u8> {
    let reporter = terminal::reporter(shared);
    let stage = Stage::start(reporter.as_ref(), "verify the cache");
    stage.total(store.census()?.bytes(), Unit::Bytes);
    let verified = store.verify(|bytes| stage.advance(bytes))?;
    stage.finish(format!("{} objects are whole", verified.good));
    if verified.bad.is_empty() {
        return Ok(ExitCode::Success as u8);
    }
    verified
        .bad
        .iter()
        .for_each(|path| terminal::say(&format!("removed '{}': damaged or written to", path.display())));
    bail!("{} objects were not what their names say; what needs them is made anew", verified.bad.len());
}
