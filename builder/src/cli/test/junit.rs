//! The report as JUnit XML: one suite per boot, one case per test.
//!
//! There is no one schema. This keeps to what both Ant's (the strictest, with its order and its required attributes)
//! and the one of Jenkins' xUnit plugin take; GitLab and GitHub's actions read a part of it. A crate would be
//! `quick-junit`, whose `disabled` attribute neither takes.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Outcome, Run, firmware};
use crate::date;
use crate::machine::{TestOutcome, TestResult};
use crate::plan::Plan;

/// Most of a stream that is put into the report, from its end.
const KEPT_BYTES: usize = 64 << 10;

/// Returns the whole document.
pub(super) fn report(plan: &Plan, runs: &[Run]) -> String {
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    for (id, run) in runs.iter().enumerate() {
        suite(&mut xml, plan, id, run);
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn suite(xml: &mut String, plan: &Plan, id: usize, run: &Run) {
    let (failures, errors) = match &run.outcome {
        Outcome::Ran(report) => (report.results.iter().filter(|result| !result.outcome.passed()).count(), 0),
        Outcome::Silent { .. } => (0, plan.tests.len()),
    };
    let way = firmware::word(run.firmware);
    let name = escape(&format!("{} {way}", plan.name));
    let class = escape(&format!("{}.{way}", plan.name));
    // Ant's schema wants the time without a zone; it is UTC.
    let shown = date::show(date::seconds(run.started));
    let timestamp = shown.trim_end_matches(" UTC").replace(' ', "T");
    put(
        xml,
        format_args!(
            "  <testsuite id=\"{id}\" name=\"{name}\" package=\"{}\" timestamp=\"{timestamp}\" hostname=\"localhost\" tests=\"{}\" \
         failures=\"{failures}\" errors=\"{errors}\" time=\"{}\">",
            escape(&plan.name),
            plan.tests.len(),
            seconds(run.elapsed)
        ),
    );
    put(xml, format_args!("    <properties>"));
    put(xml, format_args!("      <property name=\"firmware\" value=\"{way}\"/>"));
    if let Outcome::Ran(report) = &run.outcome {
        let state = escape(&report.system.state);
        put(xml, format_args!("      <property name=\"system\" value=\"{state}\"/>"));
    }
    put(xml, format_args!("    </properties>"));
    cases(xml, plan, &class, run);
    put(xml, format_args!("    <system-out>{}</system-out>", escape(end_of(&run.serial))));
    put(xml, format_args!("    <system-err></system-err>\n  </testsuite>"));
}

fn cases(xml: &mut String, plan: &Plan, class: &str, run: &Run) {
    match &run.outcome {
        Outcome::Ran(report) => report.results.iter().for_each(|result| case(xml, class, result)),
        Outcome::Silent { what, tail } => {
            let (what, tail) = (escape(what), escape(tail));
            for test in &plan.tests {
                let name = escape(&test.name);
                put(xml, format_args!("    <testcase classname=\"{class}\" name=\"{name}\" time=\"0.000\">"));
                put(xml, format_args!("      <error type=\"guest\" message=\"{what}\">{tail}</error>"));
                put(xml, format_args!("    </testcase>"));
            }
        }
    }
}

fn case(xml: &mut String, class: &str, result: &TestResult) {
    let (name, time) = (escape(&result.name), seconds(result.elapsed));
    let open = format!("    <testcase classname=\"{class}\" name=\"{name}\" time=\"{time}\"");
    let Some(reason) = result.outcome.failure() else {
        put(xml, format_args!("{open}/>"));
        return;
    };
    let (kind, details) = match &result.outcome {
        TestOutcome::Script(script) => {
            let streams = [("stdout", &script.stdout.text), ("stderr", &script.stderr.text)];
            let shown = streams.iter().filter(|(_, text)| !text.is_empty());
            ("run", shown.map(|(stream, text)| format!("{stream}:\n{}\n", end_of(text))).collect())
        }
        TestOutcome::Port(_) => ("port", String::new()),
    };
    put(xml, format_args!("{open}>"));
    let (reason, details) = (escape(&reason), escape(&details));
    put(xml, format_args!("      <failure type=\"{kind}\" message=\"{reason}\">{details}</failure>"));
    put(xml, format_args!("    </testcase>"));
}

fn seconds(elapsed: Duration) -> String {
    format!("{:.3}", elapsed.as_secs_f64())
}

/// Returns the end of a text, from the beginning of a character.
fn end_of(text: &str) -> &str {
    let from = text.len().saturating_sub(KEPT_BYTES);
    let from = (from..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    &text[from..]
}

/// Escapes text for attributes and elements. What XML 1.0 cannot hold at all becomes the replacement character.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\n' | '\t' => out.push(letter),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(letter),
        }
    }
    out
}

fn put(xml: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(xml, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_hold_is_replaced() {
        assert_eq!(
            escape("a<b>&\"c\"\u{1b}[1m\u{0}\r\n\tü"),
            "a&lt;b&gt;&amp;&quot;c&quot;\u{fffd}[1m\u{fffd}&#13;\n\tü"
        );
        let long = format!("{}ü{}", "a".repeat(10), "b".repeat(KEPT_BYTES - 1));
        assert_eq!(end_of(&long).len(), KEPT_BYTES - 1, "no half character");
    }
}
