//! `firstboot run` is killed at many points and run again: the machine ends as an undisturbed one does.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::case::Case;
use crate::support::machine::GoldenMachine;

/// What differs from machine to machine, or tells of the way and not of its end.
const VARYING: [&str; 2] = ["var/lib/firstboot/journal", "var/lib/firstboot/report.json"];
/// What each machine draws for itself, and must have.
const DRAWN: &str = "etc/ssh/ssh_host_";

fn case(name: &str) -> Case {
    Case::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.case")))
}

fn end_of(machine: &GoldenMachine) -> BTreeMap<String, String> {
    let mut end = machine.snapshot();
    end.retain(|name, _| !VARYING.iter().any(|varying| name.starts_with(varying)));
    for (_, content) in end.iter_mut().filter(|(name, _)| name.starts_with(DRAWN)) {
        "made".clone_into(content);
    }
    // Days of passwords are counted in UTC, whose midnight may come between two machines.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right");
    let today = since.as_secs() / 86_400;
    if let Some(shadow) = end.get_mut("etc/shadow") {
        for day in [today, today - 1] {
            *shadow = shadow.replace(&format!(":{day}:"), ":today:");
        }
    }
    end
}

/// Runs a machine that was cut to its end, and says what is not as on an undisturbed one.
fn compare(machine: &GoldenMachine, wanted: &BTreeMap<String, String>, varying: &[&str]) -> Vec<String> {
    assert!(machine.firstboot(&["run"]).status.success());
    let mut found = end_of(machine);
    found.retain(|name, _| !varying.contains(&name.as_str()));
    let names = wanted.keys().chain(found.keys().filter(|name| !wanted.contains_key(*name)));
    names
        .filter(|name| wanted.get(*name) != found.get(*name))
        .map(|name| format!("{name}: {:?} → {:?}", wanted.get(name), found.get(name)))
        .collect()
}

fn end_of_undisturbed(case: &Case, tag: &str, varying: &[&str]) -> BTreeMap<String, String> {
    let machine = GoldenMachine::build(case, tag);
    assert!(machine.firstboot(&["run"]).status.success());
    let mut end = end_of(&machine);
    end.retain(|name, _| !varying.contains(&name.as_str()));
    end
}

/// Kills a run after some time, from none to that of a whole run.
fn converges(name: &str, varying: &[&str]) {
    let case = case(name);
    let wanted = end_of_undisturbed(&case, "whole", varying);
    let mut cut_short = 0;
    for cut in 0..40_u64 {
        let machine = GoldenMachine::build(&case, &format!("cut{cut}"));
        let mut child = machine.command(&["run"]).stdout(Stdio::null()).spawn().expect("firstboot starts");
        std::thread::sleep(Duration::from_micros(cut * cut * 60));
        child.kill().expect("killing it");
        cut_short += u32::from(!child.wait().expect("waiting for it").success());
        let differing = compare(&machine, &wanted, varying);
        assert!(differing.is_empty(), "cut {cut}:\n{}", differing.join("\n"));
    }
    assert!(cut_short > 0, "no run was cut short");
}

/// Kills a run at each of the calls that make a change last, in turn: there is no other place where a cut matters.
fn converges_at_every_call(name: &str, varying: &[&str]) {
    if Command::new("strace").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("skipped: strace does not start");
        return;
    }
    let case = case(name);
    let wanted = end_of_undisturbed(&case, "untraced", varying);
    for call in ["fsync", "renameat", "mkdirat", "symlinkat", "unlinkat"] {
        for count in 1..500 {
            let machine = GoldenMachine::build(&case, &format!("{call}{count}"));
            let run = machine.command(&["run"]);
            let mut traced = Command::new("strace");
            traced.args(["-f", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e"]);
            traced.arg(format!("inject={call}:signal=KILL:when={count}"));
            traced.arg(run.get_program()).args(run.get_args()).stdout(Stdio::null());
            let ended = traced.status().expect("strace starts");
            let differing = compare(&machine, &wanted, varying);
            assert!(differing.is_empty(), "{call} {count}:\n{}", differing.join("\n"));
            if ended.success() {
                assert!(count > 1 || call == "symlinkat", "'{call}' was never called");
                break;
            }
        }
    }
}

#[test]
fn a_first_boot_that_was_cut_converges() {
    converges("nocloud_disk_full", &[]);
}

#[test]
fn a_clone_that_was_cut_converges() {
    converges("clone", &["etc/machine-id"]);
}

#[test]
fn a_first_boot_converges_wherever_it_was_cut() {
    converges_at_every_call("nocloud_disk_full", &[]);
}

#[test]
fn a_network_converges_wherever_it_was_cut() {
    converges_at_every_call("network_nocloud_v2", &[]);
    converges_at_every_call("network_ifupdown", &[]);
}

#[test]
fn mounts_converge_wherever_they_were_cut() {
    converges_at_every_call("mounts", &[]);
}

#[test]
fn a_clone_converges_wherever_it_was_cut() {
    converges_at_every_call("clone", &["etc/machine-id"]);
}
