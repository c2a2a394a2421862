//! Golden machines: every case of `tests/golden/` is planned, run, run again, and compared with what it expects.
//!
//! Whatever a case is about, `plan` must change nothing, a second run must change nothing, and nothing that looks like
//! this case's secrets may be said.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::case::{Case, Section};
use crate::support::machine::GoldenMachine;

/// How many cases run at once.
const WORKERS: usize = 8;

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let entries = fs::read_dir(folder).expect("the cases");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "case"));
    paths.sort();
    paths.iter().map(|path| Case::load(path)).collect()
}

#[test]
fn machines_become_what_their_cases_say() {
    let cases = cases();
    assert!(cases.len() >= 20, "only {} cases", cases.len());
    // Most of the time goes to waiting for the disk, so more run at once than there are processors.
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let chunks = cases.chunks(cases.len().div_ceil(WORKERS));
        let workers: Vec<_> =
            chunks.map(|chunk| scope.spawn(|| chunk.iter().filter_map(told).collect::<Vec<_>>())).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker ends well")).collect()
    });
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Returns what is wrong with a case, if anything is.
fn told(case: &Case) -> Option<String> {
    let problems = check(case);
    (!problems.is_empty()).then(|| format!("== {}\n{}", case.name, problems.join("\n")))
}

fn check(case: &Case) -> Vec<String> {
    let machine = GoldenMachine::build(case, "case");
    let mut problems = Vec::new();
    let before = machine.snapshot();
    let planned = machine.firstboot(&["plan"]);
    if machine.snapshot() != before {
        problems.push("`plan` changed the machine".to_owned());
    }
    let mut arguments = vec!["run"];
    let more = case.of("arguments").next().map(|section| section.text.clone()).unwrap_or_default();
    arguments.extend(more.split_whitespace());
    let ran = machine.firstboot(&arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&ran.stdout) + &text(&ran.stderr);
    let wanted = case.of("expect-exit").next().map_or("0", |section| section.text.trim());
    if ran.status.code().map(|code| code.to_string()).as_deref() != Some(wanted) {
        problems.push(format!("exit code {:?}, not {wanted}; it said:\n{said}", ran.status.code()));
    }
    let after = machine.snapshot();
    problems.extend(case.sections.iter().filter_map(|section| check_section(section, &machine, &said)));
    if wanted == "0" {
        machine.firstboot(&arguments);
        let again = machine.snapshot();
        let ignored = |name: &&String| !name.ends_with("/report.json");
        for name in again
            .keys()
            .chain(after.keys())
            .filter(ignored)
            .filter(|name| again.get(*name) != after.get(*name))
        {
            problems.push(format!(
                "a second run changed '{name}': {:?} → {:?}",
                after.get(name),
                again.get(name)
            ));
        }
    }
    let json = machine.firstboot(&["status", "--json"]);
    let shown = said + &text(&planned.stdout) + &text(&planned.stderr) + &text(&json.stdout);
    for secret in case.of("expect-hidden").flat_map(|section| section.text.lines()) {
        if shown.contains(secret) || journal_of(&machine).contains(secret) {
            problems.push(format!("the secret '{secret}' is shown"));
        }
    }
    problems
}

fn journal_of(machine: &GoldenMachine) -> String {
    fs::read_to_string(machine.at("/var/lib/firstboot/journal")).unwrap_or_default()
}

fn check_section(section: &Section, machine: &GoldenMachine, said: &str) -> Option<String> {
    let path = section.path();
    let read = || fs::read_to_string(machine.at(path)).unwrap_or_else(|error| format!("({error})"));
    let missing = |text: &str, wanted: &str| {
        let lines =
            wanted.lines().filter(|line| !line.is_empty() && !text.contains(line)).collect::<Vec<_>>();
        (!lines.is_empty()).then(|| format!("{lines:?} is not in\n{text}"))
    };
    match section.kind.as_str() {
        "expect" => {
            let found = read();
            let mode = fs::metadata(machine.at(path)).map(|metadata| metadata.permissions().mode() & 0o7777);
            let mode = mode.map(|mode| format!("{mode:04o}")).unwrap_or_default();
            if found != section.text {
                return Some(format!("'{path}' is\n{found}not\n{}", section.text));
            }
            let wanted = section.arguments.get(1).filter(|wanted| **wanted != mode);
            wanted.map(|wanted| format!("'{path}' has mode {mode}, not {wanted}"))
        }
        "expect-contains" => missing(&read(), &section.text).map(|told| format!("'{path}': {told}")),
        "expect-link" => {
            let found = fs::read_link(machine.at(path))
                .map(|target| target.display().to_string())
                .unwrap_or_default();
            (found != section.text.trim()).then(|| format!("'{path}' is a link to '{found}'"))
        }
        "expect-absent" => {
            let there: Vec<&str> =
                section.text.lines().filter(|path| machine.at(path).symlink_metadata().is_ok()).collect();
            (!there.is_empty()).then(|| format!("{there:?} should not be there"))
        }
        "expect-output" => missing(said, &section.text),
        "expect-posted" => {
            let posted = machine.server.posted.lock().expect("no panic").join("\n");
            missing(&posted, &section.text)
        }
        _ => None,
    }
}
