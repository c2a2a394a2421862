//! One boot of the image with all tests.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;

use super::firmware;
use crate::machine::{
    self, Accelerator, AcceleratorChoice, Firmware, Machine, MachineError, TestReport, Transcript,
};
use crate::plan::Plan;
use crate::progress::{Reporter, Stage};

/// What a machine is given.
#[derive(Debug)]
pub(super) struct Settings {
    /// How the processor is provided.
    pub accelerator: AcceleratorChoice,
    /// Memory in MiB.
    pub memory: u32,
    /// Processors.
    pub processors: u32,
    /// Where it is remembered whether KVM works.
    pub cache: Option<PathBuf>,
    /// How long until the guest must report.
    pub boot_limit: Duration,
    /// How long its system may then take to finish its start.
    pub settle_limit: Duration,
}

/// What came of one boot.
#[derive(Debug)]
pub(super) struct Run {
    /// How the image was booted.
    pub firmware: Firmware,
    /// How the processor was provided, where a machine ran to the end.
    pub accelerator: Option<Accelerator>,
    /// When it began.
    pub started: SystemTime,
    /// How long it took, the boot included.
    pub elapsed: Duration,
    /// What came of it.
    pub outcome: Outcome,
    /// What the serial console said.
    pub serial: String,
    /// Where that was kept.
    pub log: Option<PathBuf>,
}

/// What came of a boot, by kind.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The guest reported on every test.
    Ran(TestReport),
    /// It did not: why, and the last lines of its console.
    Silent {
        /// What was expected and what happened.
        what: String,
        /// The end of the serial console's text.
        tail: String,
    },
}

impl Run {
    /// Tells whether every test passed.
    pub(super) fn passed(&self) -> bool {
        matches!(&self.outcome, Outcome::Ran(report) if report.passed())
    }
}

/// Boots `image` and runs the plan's tests.
///
/// # Errors
///
/// When the machine cannot be started, not when the guest fails.
pub(super) fn run(
    plan: &Plan,
    image: &Path,
    firmware: Firmware,
    settings: &Settings,
    reporter: &dyn Reporter,
) -> Result<Run> {
    let stage = Stage::start(reporter, stage_name(firmware));
    let (started, clock) = (SystemTime::now(), Instant::now());
    let transcript = Transcript::default();
    let machine = Machine::new(image)
        .firmware(firmware)
        .accelerator(settings.accelerator)
        .memory(settings.memory)
        .processors(settings.processors)
        .cache(settings.cache.clone())
        .mirror(Box::new(transcript.clone()));
    let (outcome, accelerator) =
        match machine::run_tests(machine, &plan.tests, settings.boot_limit, settings.settle_limit) {
            Ok((report, running)) => {
                if let Some(reason) = running.note() {
                    stage.note(format!("without KVM, which is slower: {reason}"));
                }
                let accelerator = running.accelerator();
                running.stop()?;
                (Outcome::Ran(report), Some(accelerator))
            }
            Err(MachineError::Guest { what, serial }) => (Outcome::Silent { what, tail: serial }, None),
            Err(other) => return Err(other.into()),
        };
    let elapsed = clock.elapsed();
    let run = Run { firmware, accelerator, started, elapsed, outcome, serial: transcript.text(), log: None };
    stage.finish(summary(&run));
    Ok(run)
}

fn summary(run: &Run) -> String {
    match &run.outcome {
        Outcome::Ran(report) => {
            let failed = report.results.iter().filter(|result| !result.outcome.passed()).count();
            format!("{} by {}, {failed} failed", tests(report.results.len()), firmware::name(run.firmware))
        }
        Outcome::Silent { .. } => format!("the guest did not report, by {}", firmware::name(run.firmware)),
    }
}

/// Writes a number of tests.
pub(super) fn tests(count: usize) -> String {
    if count == 1 { "1 test".to_owned() } else { format!("{count} tests") }
}

fn stage_name(firmware: Firmware) -> &'static str {
    match firmware {
        Firmware::Bios => "test bios",
        Firmware::Uefi => "test uefi",
        Firmware::Secure => "test secure",
    }
}
