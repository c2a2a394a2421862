//! All packages of a build, into the store.

use std::cmp::Reverse;
use std::sync::{Mutex, PoisonError};

use crate::parallel;
use crate::progress::{Stage, Unit};
use crate::resolve::LockedPackage;
use crate::store::Store;

use super::client::Client;
use super::error::{Cause, Failures};

use super::transfer::Wanted;

/// Connections used at once: enough to hide a mirror's latency, few enough to be a polite guest.
const CONNECTIONS: usize = 4;

/// Brings every package of `packages` into `store`, the big ones first so that none is waited for alone.
/// `alternatives` gives the base addresses under which what is at a base address is found, in the order of trying.
///
/// # Errors
/// [`Failures`] with every package that failed. After a failure of the network, rather than of one file, no
/// further package is begun.
pub fn packages(
    client: &Client,
    store: &Store,
    packages: &[LockedPackage],
    alternatives: impl Fn(&str) -> Vec<String> + Sync,
    stage: &Stage<'_>,
) -> Result<(), Failures> {
    stage.total(packages.iter().map(|package| package.size).sum(), Unit::Bytes);
    let mut order: Vec<&LockedPackage> = packages.iter().collect();
    order.sort_by_key(|package| (Reverse(package.size), package.sha256));
    order.dedup_by_key(|package| package.sha256);
    let failures = Mutex::new(Vec::new());
    let ends_all = |failed: &bool| *failed;
    parallel::map(&order, CONNECTIONS, ends_all, |package| {
        stage.working(&package.name);
        let Err(error) = client.object(store, &wanted(package, &alternatives), stage) else { return false };
        let of_one_file = matches!(error.cause, Cause::NotFound | Cause::Mismatch(_) | Cause::Redirects);
        failures.lock().unwrap_or_else(PoisonError::into_inner).push(error);
        !of_one_file
    });
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    Failures::of(failures).map_or(Ok(()), Err)
}

fn wanted(package: &LockedPackage, alternatives: impl Fn(&str) -> Vec<String>) -> Wanted {
    let path = escaped(package.filename.trim_start_matches("./"));
    let urls = alternatives(&package.base).iter().map(|base| format!("{base}/{path}")).collect();
    Wanted { urls, size: package.size, sha256: package.sha256 }
}

/// Escapes what may not stand in an address; versions hold `~`, `+` and `:`, which may.
fn escaped(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte);
    path.bytes()
        .map(|byte| if plain(byte) { (byte as char).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
