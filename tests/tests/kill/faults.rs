//! What a machine can lack in the middle of a build: space, the right to write, descriptors, a disk that answers, the right time.
//! A build then ends with an error that says so, and leaves neither half an artifact nor anything that spoils the next one.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use integration_tests::draw::is_drawn;
use integration_tests::witness::witness;

use super::bench::{Bench, Dice, setting};

/// How many tests of a kind of fault there are; `scripts/test` draws one.
const KINDS: u64 = 5;

/// A tmpfs of a size, mounted as long as the value lives.
struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    fn mount(at: &'a Path, options: &str) -> Self {
        fs::create_dir_all(at).expect("a folder");
        witness("mount", &["-t", "tmpfs", "-o", options, "bootwright-test", &at.display().to_string()]);
        Self(at)
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

fn run(command: &mut Command) -> (Output, String) {
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, said)
}

/// What stands under its final name in the folder has the bytes that it should have.
fn no_half(bench: &Bench, folder: &Path, what: &str) {
    for line in bench.sums.lines() {
        let (digest, name) = line.split_once("  ").expect("a digest and a name");
        let path = folder.join(name);
        if path.exists() {
            assert!(
                witness("sha256sum", &[&path.display().to_string()]).starts_with(digest),
                "{what}: half '{name}'"
            );
        }
    }
}

#[test]
fn a_full_disk_is_told_wherever_it_fills_up() {
    if !is_drawn("kinds of faults", 0, KINDS) {
        return;
    }
    let bench = Bench::new("full");
    let at = bench.path("small");
    let mut told = 0;
    for mebibytes in [1, 20, 60, 100, 140, 180, 220, 300, 420, 2000] {
        let disk = Small::mount(&at, &format!("size={mebibytes}m"));
        let (output, said) = run(&mut bench.command_in(&at, "root", false));
        let what = format!("{mebibytes} MiB");
        no_half(&bench, &at.join("out"), &what);
        if output.status.success() {
            assert_eq!(
                fs::read_to_string(at.join("out/ended.SHA256SUMS")).expect("checksums"),
                bench.sums,
                "{what}"
            );
        } else {
            told += 1;
            assert!(said.contains("No space left on device"), "{what}: {said}");
            assert!(said.contains(&at.display().to_string()), "{what}: no folder is named: {said}");
            assert!(!said.contains("panicked"), "{what}: {said}");
        }
        drop(disk);
    }
    assert!((4..10).contains(&told), "{told} of ten sizes were too small");
}

#[test]
fn a_folder_that_cannot_be_written_to_is_named() {
    if !is_drawn("kinds of faults", 1, KINDS) {
        return;
    }
    let bench = Bench::new("read-only");
    let at = bench.path("read-only");
    for (read_only, other) in [("out", "cache"), ("cache", "out")] {
        let disk = Small::mount(&at, "ro");
        let mut command = integration_tests::program::interruptible();
        command.args(["build", "--locked", "--progress", "plain"]).arg(bench.path("recipe.yaml"));
        command.arg(format!("--{}", if read_only == "out" { "output" } else { "cache" })).arg(&at);
        command.arg(format!("--{}", if other == "out" { "output" } else { "cache" })).arg(bench.path(other));
        let (output, said) = run(&mut command);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("Read-only file system") && said.contains(&at.display().to_string()), "{said}");
        drop(disk);
    }
}

#[test]
fn too_few_descriptors_are_an_error_and_no_more() {
    if !is_drawn("kinds of faults", 2, KINDS) {
        return;
    }
    let bench = Bench::new("descriptors");
    let before = bench.traces();
    let mut failed = 0;
    for limit in [8, 12, 16, 20, 24, 32, 48, 1024] {
        let command = bench.command("root", true);
        let mut limited = Command::new("sh");
        limited.args(["-c", &format!("ulimit -n {limit}; exec \"$@\""), "sh"]);
        limited.arg(command.get_program()).args(command.get_args()).env("TMPDIR", bench.path("tmp"));
        let (output, said) = run(&mut limited);
        if output.status.success() {
            assert_eq!(bench.checksums(), bench.sums, "{limit} descriptors");
            bench.clear();
        } else {
            failed += 1;
            assert!(said.contains("Too many open files") || limit < 16, "{limit} descriptors: {said}");
            assert!(!said.contains("panicked"), "{limit} descriptors: {said}");
        }
        assert_eq!(bench.traces(), before, "{limit} descriptors");
    }
    assert!((2..8).contains(&failed), "{failed} of eight limits were too low");
}

/// strace lets one system call of each kind fail, at a random place in the build.
#[test]
fn a_disk_that_does_not_answer_leaves_nothing_half() {
    if !is_drawn("kinds of faults", 3, KINDS) {
        return;
    }
    let (faults, seed) = (setting("BOOTWRIGHT_FAULTS", 3), setting("BOOTWRIGHT_KILL_SEED", 20_261_126));
    let bench = Bench::new("eio");
    let before = bench.traces();
    let mut dice = Dice::new(seed ^ 3);
    let calls = [
        "write",
        "pwrite64",
        "copy_file_range",
        "linkat",
        "rename",
        "ftruncate",
        "read",
        "openat",
        "fsync",
        "mkdir",
    ];
    for number in 1..=faults {
        let call = calls[dice.below(calls.len())];
        let place = 1 + dice.below(if matches!(call, "write" | "read" | "openat") { 3000 } else { 40 });
        let what = format!("fault {number} of seed {seed}: EIO at {call} number {place}");
        println!("{what}");
        let command = bench.command("root", true);
        let mut traced = Command::new("strace");
        traced.args([
            "--follow-forks",
            "--seccomp-bpf",
            "--quiet=all",
            "--output=/dev/null",
            "-e",
            &format!("trace={call}"),
        ]);
        traced.args(["-e", &format!("inject={call}:error=EIO:when={place}")]);
        traced.arg(command.get_program()).args(command.get_args()).env("TMPDIR", bench.path("tmp"));
        let (output, said) = run(&mut traced);
        assert!(!said.contains("panicked"), "{what}: {said}");
        assert_eq!(bench.traces(), before, "{what}: {said}");
        if output.status.success() {
            // A program of the image, or nobody, had the fault.
            bench.clear();
        }
        bench.succeed(&mut bench.command("root", dice.below(2) == 0), &what);
        assert_eq!(bench.checksums(), bench.sums, "{what}");
        bench.clear();
    }
}

#[test]
fn a_wrong_clock_changes_no_byte_of_a_locked_build_or_is_told() {
    if !is_drawn("kinds of faults", 4, KINDS) {
        return;
    }
    let bench = Bench::new("clock");
    let before = bench.traces();
    let at = |shift: &str, command: &Command| {
        let mut shifted = Command::new("faketime");
        shifted.args(["-f", shift]).arg(command.get_program()).args(command.get_args());
        run(shifted.env("TMPDIR", bench.path("tmp")))
    };
    let mut lock = integration_tests::program::interruptible();
    lock.args(["lock", "--update"]).arg(bench.path("recipe.yaml")).arg("--cache").arg(bench.path("cache"));
    // Ahead: files that a build makes have the image's "now" whatever the clock says.
    let (output, said) = at("+20y", &bench.command("root", true));
    assert!(output.status.success(), "{said}");
    assert_eq!(bench.checksums(), bench.sums);
    bench.clear();
    // What is signed has its time, and its keys have.
    let (output, said) = at("+20y", &lock);
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains("this machine's clock is wrong"), "{said}");
    // Behind: they would have a time before that, which nothing tells from the times that packages bring.
    let (output, said) = at("-20y", &bench.command("root", true));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("set the clock"), "{said}");
    let (output, said) = at("-20y", &lock);
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains("set this machine's clock"), "{said}");
    assert_eq!(bench.traces(), before);
    bench.succeed(&mut bench.command("root", false), "with the right clock again");
    assert_eq!(bench.checksums(), bench.sums);
}
