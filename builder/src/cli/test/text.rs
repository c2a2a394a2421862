//! The report that people read.

use super::run::tests;
use super::{Outcome, Run, firmware};
use crate::machine::Accelerator;
use crate::plan::Plan;

/// Returns one block per boot and a last line that says how it went.
pub(super) fn report(plan: &Plan, runs: &[Run]) -> String {
    let mut text = String::new();
    let (mut all, mut failed) = (0, 0);
    for run in runs {
        all += plan.tests.len();
        failed += failures(plan, run);
        text.push_str(&block(plan, run));
    }
    text.push_str(&match failed {
        0 => format!("{} passed\n", tests(all)),
        _ => format!("{failed} of {} failed\n", tests(all)),
    });
    text
}

fn failures(plan: &Plan, run: &Run) -> usize {
    match &run.outcome {
        Outcome::Ran(report) => report.results.iter().filter(|result| !result.outcome.passed()).count(),
        Outcome::Silent { .. } => plan.tests.len(),
    }
}

fn block(plan: &Plan, run: &Run) -> String {
    let accelerator = match run.accelerator {
        Some(Accelerator::Kvm) => " (KVM)",
        Some(Accelerator::Tcg) => " (TCG)",
        None => "",
    };
    let seconds = run.elapsed.as_secs_f64();
    let mut text =
        format!("{} by {}{accelerator}, {seconds:.1} s\n", plan.name, firmware::name(run.firmware));
    match &run.outcome {
        Outcome::Ran(report) => text.push_str(&indent(&report.render())),
        Outcome::Silent { what, tail } => {
            text.push_str(&format!("  FAIL  no test ran: {what}; the last lines of the serial console:\n"));
            text.push_str(&indent(&indent(tail)));
        }
    }
    if let Some(log) = &run.log {
        text.push_str(&format!("  serial console: {}\n", log.display()));
    }
    text
}

/// Indents each line. What a guest wrote must not act on a terminal: control characters are replaced.
fn indent(text: &str) -> String {
    let visible = |letter: char| if letter.is_control() && letter != '\t' { '\u{fffd}' } else { letter };
    text.lines().map(|line| format!("  {}\n", line.chars().map(visible).collect::<String>())).collect()
}

#[cfg(test)]
mod tests {
    use super::indent;

    #[test]
    fn a_guest_cannot_act_on_the_terminal() {
        assert_eq!(indent("a\u{1b}[1mb\u{1}\n\tc"), "  a\u{fffd}[1mb\u{fffd}\n  \tc\n");
    }
}
