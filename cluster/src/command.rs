//! Lines for `/bin/sh` of roles: run to their end, with a limit, their words kept for the error.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::place::Place;

/// How much of its words an error has.
const SHOWN: usize = 600;

/// Runs a line on this machine. One of a machine made of files finds its root in `FIRSTBOOT_ROOT`.
///
/// # Errors
///
/// When it ends with another code than 0, or not in time.
pub fn run(place: &Place, line: &str, limit: Duration) -> Result<()> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", line])
        .env("FIRSTBOOT_ROOT", &place.folder)
        .current_dir(&place.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .with_context(|| format!("starting '{line}'"))?;
    let mut words = child.stderr.take().context("the command has no standard error")?;
    // Read beside the wait: a command that says much must not block.
    let reader = thread::spawn(move || {
        let (mut kept, mut buffer) = (Vec::new(), [0; 4096]);
        while let Ok(count @ 1..) = words.read(&mut buffer) {
            kept.extend_from_slice(&buffer[..count]);
            let surplus = kept.len().saturating_sub(SHOWN);
            kept.drain(..surplus);
        }
        kept
    });
    let deadline = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait().with_context(|| format!("waiting for '{line}'"))? {
            break Some(status);
        }
        if Instant::now() > deadline {
            host::child::kill_group(child.id()).with_context(|| format!("ending '{line}'"))?;
            child.wait().with_context(|| format!("waiting for '{line}'"))?;
            break None;
        }
        thread::sleep(Duration::from_millis(5));
    };
    match status {
        Some(status) if status.success() => Ok(()),
        Some(status) => {
            // What it started in the background would keep its standard error open.
            host::child::kill_group(child.id()).with_context(|| format!("ending '{line}'"))?;
            let words = reader.join().unwrap_or_default();
            bail!("'{line}' failed ({status}): {}", String::from_utf8_lossy(&words).trim())
        }
        None => bail!("'{line}' took longer than {} s", limit.as_secs()),
    }
}
