//! What starts and stops services: systemd in a machine, a record in tests.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Starts and stops units.
pub trait ServiceManager: std::fmt::Debug + Send + Sync {
    /// Runs one verb of systemctl(1), for example `enable --now`, on units.
    ///
    /// # Errors
    ///
    /// When it refuses; the error has its words.
    fn call(&self, verb: &[&str], units: &[&str]) -> Result<()>;

    /// Tells whether a unit runs.
    fn is_active(&self, unit: &str) -> bool {
        self.call(&["is-active", "--quiet"], &[unit]).is_ok()
    }
}

/// systemd, through systemctl(1).
#[derive(Debug)]
pub struct Systemctl {
    /// The program.
    pub program: PathBuf,
}

impl ServiceManager for Systemctl {
    fn call(&self, verb: &[&str], units: &[&str]) -> Result<()> {
        let mut command = Command::new(&self.program);
        command.args(verb);
        if !units.is_empty() {
            command.arg("--").args(units);
        }
        let shown = format!("systemctl {} {}", verb.join(" "), units.join(" "));
        let output = command
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("starting '{}'", self.program.display()))?;
        if output.status.success() {
            return Ok(());
        }
        let told = String::from_utf8_lossy(&output.stderr);
        bail!("'{}' failed ({}): {}", shown.trim(), output.status, told.trim())
    }
}

/// Remembers what was asked of it, and refuses what it is told to.
#[cfg(test)]
#[derive(Debug, Default)]
pub struct Recorded {
    /// Every call, words with spaces between.
    pub calls: std::sync::Mutex<Vec<String>>,
    /// Calls that fail.
    pub refused: Vec<String>,
}

#[cfg(test)]
impl ServiceManager for Recorded {
    fn call(&self, verb: &[&str], units: &[&str]) -> Result<()> {
        let call = [verb, units].concat().join(" ");
        self.calls.lock().expect("no test panics with it").push(call.clone());
        anyhow::ensure!(!self.refused.contains(&call), "'{call}' is refused");
        Ok(())
    }
}
