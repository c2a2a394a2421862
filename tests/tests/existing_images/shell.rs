//! `shell`: what runs inside, what reaches the image, and what is left: nothing.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use integration_tests::program::debian_minimal;
use integration_tests::scratch::Scratch;
use integration_tests::witness::witness;

use super::support::{MIB, Traces, is_root, raw_minimal, run, said, shell, shell_command, small, text};

/// Long enough for a machine under load; the kernel needs milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// These tests look at the whole machine's loop devices, so one at a time.
fn alone() -> Option<MutexGuard<'static, ()>> {
    static ALONE: Mutex<()> = Mutex::new(());
    if !is_root() {
        eprintln!("only root may mount images");
        return None;
    }
    Some(ALONE.lock().unwrap_or_else(PoisonError::into_inner))
}

fn copy(scratch: &Scratch) -> PathBuf {
    let copy = scratch.path().join("copy.raw");
    witness("cp", &["--sparse=always", text(raw_minimal()), text(&copy)]);
    copy
}

fn digest(path: &Path) -> String {
    witness("sha256sum", &[text(path)]).split_whitespace().next().expect("a digest").to_owned()
}

fn same_again(before: &Traces, backing: &str) {
    let deadline = Instant::now() + PATIENCE;
    while Traces::read(backing) != *before {
        assert!(Instant::now() < deadline, "{:?}\nis not\n{before:?}", Traces::read(backing));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn programs_run_in_the_image_and_change_nothing() {
    let Some(_alone) = alone() else { return };
    for image in [raw_minimal(), debian_minimal()] {
        let before = Traces::read("debian-minimal");
        let bytes = digest(image);
        let script = "cat /etc/hostname; ls /boot/efi/EFI; dpkg-query -W bash; echo change > /etc/hostname && cat /etc/hostname; touch /boot/x; exit 7";
        let output = shell(&[], image, script);
        let all = said(&output);
        assert_eq!(output.status.code(), Some(7), "the command's own code: {all}");
        assert!(
            all.contains("debian\n")
                && all.contains("BOOT")
                && all.contains("bash\t")
                && all.contains("change\n"),
            "{all}"
        );
        assert_eq!(digest(image), bytes, "what is written is thrown away");
        same_again(&before, "debian-minimal");
    }
}

#[test]
fn with_write_changes_reach_a_raw_image() {
    let Some(_alone) = alone() else { return };
    let scratch = Scratch::new("shell-write");
    let image = copy(&scratch);
    let before = Traces::read(text(&image));
    let output = shell(
        &["--write"],
        &image,
        "echo written > /root/note && chmod 600 /root/note && ls /usr/sbin/policy-rc.d",
    );
    assert_ne!(output.status.code(), Some(0), "no stub is put into the image: {}", said(&output));
    same_again(&before, text(&image));
    let root = root_of(&image);
    witness("e2fsck", &["-fn", &root]);
    let dumped = Command::new("/usr/sbin/debugfs")
        .args(["-R", "cat /root/note", &root])
        .output()
        .expect("debugfs runs");
    assert_eq!(String::from_utf8_lossy(&dumped.stdout), "written\n");
    let output = run(&["diff", text(raw_minimal()), text(&image)]);
    let all = said(&output);
    assert_eq!(output.status.code(), Some(10), "{all}");
    let files: Vec<&str> =
        all.lines().skip_while(|line| *line != "files").skip(1).take_while(|line| !line.is_empty()).collect();
    assert_eq!(files, ["  + /root/note  file 0600 0:0, 8 B"], "{all}");
}

/// The root partition as e2fsprogs take it.
fn root_of(image: &Path) -> String {
    let report = super::support::json(&["inspect", "--json", text(image)]);
    let partitions = report["partitions"].as_array().expect("a list").clone();
    let root = partitions.iter().find(|partition| partition["mount"] == "/").expect("a root");
    format!("{}?offset={}", text(image), root["start"].as_u64().expect("a number"))
}

#[test]
fn what_cannot_be_is_refused_with_a_remedy_and_leaves_nothing() {
    let Some(_alone) = alone() else { return };
    let scratch = Scratch::new("shell-refused");
    let before = Traces::read(text(scratch.path()));
    let output = shell(&["--write"], debian_minimal(), "true");
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("bootwright convert"), "{}", said(&output));
    let disk = small(&scratch, "no-shell", |_| {});
    let output = shell(&[], &disk, "true");
    assert_eq!(output.status.code(), Some(7), "there is no /bin/sh: {}", said(&output));
    same_again(&before, text(scratch.path()));
    let empty = scratch.path().join("empty.raw");
    witness("truncate", &["-s", "8M", text(&empty)]);
    let output = shell(&[], &empty, "true");
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("no root filesystem"), "{}", said(&output));
    same_again(&before, text(scratch.path()));
}

#[test]
fn an_image_in_use_is_not_written() {
    let Some(_alone) = alone() else { return };
    let scratch = Scratch::new("shell-in-use");
    let disk = small(&scratch, "used", |_| {});
    // QEMU's own tool holds the lock while it waits for its input.
    let mut holder = Command::new("qemu-io")
        .args(["-f", "raw", text(&disk)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("qemu-io starts");
    let mut prompt = [0];
    std::io::Read::read_exact(holder.stdout.as_mut().expect("piped"), &mut prompt)
        .expect("it has opened the image");
    let output = shell(&["--write"], &disk, "true");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("in use"), "{}", said(&output));
    drop(holder.stdin.take());
    holder.wait().expect("it ends");
}

#[test]
fn a_kill_in_the_middle_leaves_nothing() {
    let Some(_alone) = alone() else { return };
    let scratch = Scratch::new("shell-killed");
    let image = copy(&scratch);
    let cases: [(&Path, &[&str]); 3] = [(&image, &[]), (&image, &["--write"]), (debian_minimal(), &[])];
    for (image, flags) in cases {
        let before = Traces::read(text(image));
        let mark = format!("81{}", std::process::id());
        let script = format!("sleep {mark} & echo ready; sleep {mark}");
        let mut started =
            shell_command(flags, image, &script).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(started.stdout.take().expect("piped")).read_line(&mut line).expect("read");
        assert_eq!(line, "ready\n");
        // "ready" comes before the shell has become two sleeps.
        let deadline = Instant::now() + PATIENCE;
        while sleeping(&mark) < 2 {
            assert!(Instant::now() < deadline, "the command never ran");
            std::thread::sleep(Duration::from_millis(20));
        }
        started.kill().expect("killed by SIGKILL");
        started.wait().expect("it ends");
        same_again(&before, text(image));
        let deadline = Instant::now() + PATIENCE;
        while sleeping(&mark) > 0 {
            assert!(Instant::now() < deadline, "processes are left");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    // What was open for writing is as after a power cut: the journal puts it right, and nothing else is needed.
    let root = root_of(&image);
    let part = scratch.path().join("part");
    let start: u64 = root.rsplit('=').next().and_then(|text| text.parse().ok()).expect("an offset");
    witness(
        "dd",
        &[
            &format!("if={}", text(&image)),
            &format!("of={}", text(&part)),
            "bs=1M",
            &format!("skip={}", start / MIB),
            "conv=sparse",
            "status=none",
        ],
    );
    let checked = Command::new("/usr/sbin/e2fsck").args(["-p", text(&part)]).output().expect("e2fsck runs");
    assert!(matches!(checked.status.code(), Some(0 | 1)), "{}", said(&checked));
    witness("e2fsck", &["-fn", text(&part)]);
}

fn sleeping(mark: &str) -> usize {
    let wanted = format!("sleep\0{mark}\0").into_bytes();
    let is_wanted =
        |entry: &fs::DirEntry| fs::read(entry.path().join("cmdline")).is_ok_and(|line| line == wanted);
    fs::read_dir("/proc").expect("listed").flatten().filter(is_wanted).count()
}

#[test]
fn a_recipe_s_tree_is_built_and_entered() {
    let scratch = Scratch::new("shell-recipe");
    let recipe = scratch.path().join("small.yaml");
    let text_of = "version: 1\nname: small\narchitecture: amd64\ndistribution:\n  debian: { suite: bookworm, variant: minbase, components: [main] }\n  mirror: auto\nfiles:\n  - { path: /etc/mark, content: \"from the recipe\\n\" }\noutputs: [tar]\n";
    fs::write(&recipe, text_of).expect("written");
    let output = shell(&["--progress", "quiet"], &recipe, "cat /etc/mark; dpkg --audit; exit 5");
    assert_eq!(output.status.code(), Some(5), "{}", said(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "from the recipe\n", "{}", said(&output));
    let output = shell(&["--write"], &recipe, "true");
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("put the change into the recipe"), "{}", said(&output));
}
