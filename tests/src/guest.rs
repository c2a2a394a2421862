//! Boots an image and asks the running guest, through the machine that `bootwright boot` and `test` use.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
pub use bootwright::machine::{DirectKernel, Firmware, Machine, Running, TestReport};
use bootwright::machine::{TestOutcome, run_tests};
use bootwright::plan::{GuestTest, TestAction};

/// How long a guest may take until it reports; it may be translated, on a machine with other work.
pub const BOOT_LIMIT: Duration = Duration::from_secs(600);

/// How long its system may then take to finish starting.
pub const SETTLE_LIMIT: Duration = Duration::from_secs(300);

/// What a script in the guest answered.
#[derive(Debug)]
pub struct ProbeResult {
    /// Its exit code; none when it did not exit by itself.
    pub code: Option<i32>,
    /// How it ended, in words.
    pub ending: String,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// The word of `systemctl is-system-running`.
    pub system: String,
    /// Units that failed.
    pub failed_units: Vec<String>,
    /// What the serial console said until then.
    pub serial_log: String,
}

impl ProbeResult {
    /// Returns the output of a script that exited with 0.
    ///
    /// # Errors
    ///
    /// When it did not; shows both streams.
    pub fn output(&self) -> Result<&str> {
        let Self { ending, stdout, stderr, .. } = self;
        ensure!(
            self.code == Some(0),
            "the probe did not succeed: {ending}\nstdout:\n{stdout}\nstderr:\n{stderr}"
        );
        Ok(stdout)
    }
}

/// Boots `image` with what it writes thrown away, runs `script` by `/bin/sh -e` as root, and ends the machine.
///
/// # Errors
///
/// When the machine does not start or the guest does not report; not when the script fails.
pub fn probe(image: &Path, firmware: Firmware, script: &str, timeout: Duration) -> Result<ProbeResult> {
    let (result, running) = probe_machine(Machine::new(image).firmware(firmware), script, timeout)?;
    running.stop()?;
    Ok(result)
}

/// Boots `image`, runs `script` in it, and shuts the guest down, so that what it wrote is in the image.
///
/// # Errors
///
/// As [`probe`], and when the guest does not shut down.
pub fn change(image: &Path, firmware: Firmware, script: &str, timeout: Duration) -> Result<ProbeResult> {
    let machine = Machine::new(image).firmware(firmware).writable(true);
    let (result, mut running) = probe_machine(machine, script, timeout)?;
    running.power_off(SETTLE_LIMIT)?;
    Ok(result)
}

/// Boots `machine`, runs `script` in it, and returns the machine, which still runs.
///
/// # Errors
///
/// As [`probe`].
pub fn probe_machine(machine: Machine, script: &str, timeout: Duration) -> Result<(ProbeResult, Running)> {
    let action = TestAction::Run(script.to_owned());
    let test = GuestTest { name: "probe".to_owned(), action, timeout: timeout.as_secs() };
    let (report, running) =
        run_tests(machine, &[test], BOOT_LIMIT, SETTLE_LIMIT).context("probing a guest")?;
    let result = report.results.into_iter().next().context("the report has no result")?;
    let TestOutcome::Script(script) = result.outcome else {
        anyhow::bail!("the probe came back as something else than a script");
    };
    let probe = ProbeResult {
        code: script.ending.code(),
        ending: script.ending.to_string(),
        stdout: script.stdout.text,
        stderr: script.stderr.text,
        system: report.system.state,
        failed_units: report.system.failed_units,
        serial_log: report.serial_log,
    };
    Ok((probe, running))
}
