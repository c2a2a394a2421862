//! The report that programs read.

use std::path::Path;

use serde_json::{Value, json};

use super::{Outcome, Run, firmware};
use crate::date;
use crate::machine::{Accelerator, TestOutcome, TestResult};
use crate::plan::{Plan, TestAction};

/// Returns one object; docs/ci.md describes it.
pub(super) fn report(plan: &Plan, image: &Path, runs: &[Run]) -> Value {
    json!({
        "name": plan.name,
        "image": image,
        "passed": runs.iter().all(Run::passed),
        "runs": runs.iter().map(|run| describe(plan, run)).collect::<Vec<_>>(),
    })
}

fn describe(plan: &Plan, run: &Run) -> Value {
    let (error, system, tests) = match &run.outcome {
        Outcome::Ran(report) => {
            let system = json!({
                "state": report.system.state,
                "failed_units": report.system.failed_units,
                "seconds": report.system.seconds,
            });
            let tests = plan.tests.iter().zip(&report.results);
            (None, system, tests.map(|(test, result)| of_test(&test.action, result)).collect::<Vec<_>>())
        }
        Outcome::Silent { what, .. } => (Some(what), Value::Null, Vec::new()),
    };
    json!({
        "firmware": firmware::word(run.firmware),
        "accelerator": run.accelerator.map(|accelerator| match accelerator {
            Accelerator::Kvm => "kvm",
            Accelerator::Tcg => "tcg",
        }),
        "started": date::show(date::seconds(run.started)),
        "seconds": run.elapsed.as_secs_f64(),
        "passed": run.passed(),
        "error": error,
        "serial_log": run.log,
        "system": system,
        "tests": tests,
    })
}

fn of_test(action: &TestAction, result: &TestResult) -> Value {
    let (stdout, stderr) = match &result.outcome {
        TestOutcome::Script(script) => (Some(&script.stdout.text), Some(&script.stderr.text)),
        TestOutcome::Port(_) => (None, None),
    };
    json!({
        "name": result.name,
        "kind": match action {
            TestAction::Run(_) => "run",
            TestAction::Port(_) => "port",
        },
        "passed": result.outcome.passed(),
        "seconds": result.elapsed.as_secs_f64(),
        "failure": result.outcome.failure(),
        "stdout": stdout,
        "stderr": stderr,
    })
}
