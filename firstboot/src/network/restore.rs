//! Puts back what was before a change, and looks whether it is.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use host::beneath::Root;

use super::change;
use super::live::{Live, addresses_of};
use super::trial::{Trial, Was};

/// How long addresses may take to be there.
const PATIENCE: Duration = Duration::from_secs(20);

/// Restores the files, makes the running machine take them if `live` is given, and verifies both.
///
/// The marker stays until the files are verified, so that a crash in between only means to begin again.
///
/// # Errors
///
/// When something cannot be put back, or is not there afterwards.
pub fn restore(root: &Root, trial: &Trial, live: Option<&dyn Live>) -> Result<()> {
    if let Some(live) = live {
        // What fails here is about the new state, which goes anyway.
        if let Err(error) = live.before_files(trial.manager, &trial.interfaces) {
            eprintln!("firstboot: {error:#}");
        }
    }
    for before in &trial.files {
        before.was.put(root, &before.path)?;
    }
    verify_files(root, trial)?;
    if let Some(live) = live {
        live.remove(trial.manager, &trial.made);
        live.take(trial.manager, &trial.interfaces).context("making the machine take the files of before")?;
        wait_for_addresses(&trial.addresses, &trial.interfaces, live)
            .context("the files of before are back, but not yet what they say")?;
    }
    change::finish(root)
}

/// Every file is what it was: bytes, mode and owner.
fn verify_files(root: &Root, trial: &Trial) -> Result<()> {
    for before in &trial.files {
        let now = Was::read(root, &before.path)?;
        if now != before.was {
            bail!("'{}' was restored and is not what it was", before.path);
        }
    }
    Ok(())
}

/// Waits until every one of `wanted` is on its interface.
///
/// # Errors
///
/// When one is not, after a while.
pub fn wait_for_addresses(wanted: &[(String, String)], interfaces: &[String], live: &dyn Live) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        let now = addresses_of(&live.addresses()?, interfaces);
        let missing: Vec<_> = wanted.iter().filter(|address| !now.contains(address)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        if Instant::now() >= until {
            let shown: Vec<_> =
                missing.iter().map(|(name, address)| format!("{address} on {name}")).collect();
            bail!("after {} s these addresses are not there: {}", PATIENCE.as_secs(), shown.join(", "));
        }
        std::thread::sleep(Duration::from_millis(250));
    }
}
