//! Builds without namespaces, as root of this machine: what they lack is told, nothing of it stays.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use integration_tests::program::{bootwright, shared_cache};
use integration_tests::scratch::Scratch;
use integration_tests::witness::witness;

const RECIPE: &str = "\
version: 1
name: plain
architecture: amd64
distribution: { debian: { suite: bookworm, variant: essential, updates: false, security: false }, mirror: auto }
outputs: [tar]
";

/// Builds the recipe with more lines at level `chroot`; the exit code and what was said.
fn build(scratch: &Scratch, more: &str) -> (Option<i32>, String) {
    // The folder of a build that another test of this file runs would be seen here.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let recipe = scratch.path().join("plain.yaml");
    fs::write(&recipe, format!("{RECIPE}{more}")).expect("a recipe");
    let output = Command::new(bootwright())
        .args(["build", "--isolation", "chroot", "--progress", "plain", "--cache"])
        .arg(shared_cache())
        .arg("--output")
        .arg(scratch.path().join("out"))
        .arg(&recipe)
        .output()
        .expect("it starts");
    assert!(!shared_cache().join("work").exists(), "the folder of the build is gone");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A package whose postinst wants a process table.
fn demanding(folder: &Path) -> PathBuf {
    let source = folder.join("source/DEBIAN");
    fs::create_dir_all(&source).expect("a folder");
    let control = "Package: demanding\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: x\n";
    fs::write(source.join("control"), control).expect("written");
    fs::write(
        source.join("postinst"),
        "#!/bin/sh\nset -e\necho 'wants a process table'\ntest -e /proc/self\n",
    )
    .expect("written");
    fs::set_permissions(source.join("postinst"), fs::Permissions::from_mode(0o755)).expect("executable");
    let path = folder.join("demanding.deb");
    let (from, to) = (folder.join("source"), path.display().to_string());
    witness("dpkg-deb", &["--root-owner-group", "--build", &from.display().to_string(), &to]);
    path
}

#[test]
fn a_package_that_needs_what_the_level_lacks_is_named_with_the_level() {
    let scratch = Scratch::new("demanding");
    demanding(scratch.path());
    let (code, said) = build(&scratch, "packages: [./demanding.deb]\n");
    assert_eq!(code, Some(7), "{said}");
    assert!(said.contains("wants a process table"), "{said}");
    assert!(said.contains("isolation level 'chroot'") && said.contains("the package 'demanding'"), "{said}");
    assert!(said.contains("--isolation root"), "{said}");
}

#[test]
fn programs_see_devices_and_leave_nothing() {
    let scratch = Scratch::new("plain");
    let script = "set -e; echo x > /dev/null; head -c 4 /dev/urandom | wc -c | grep -qx 4; echo x > /dev/shm/left; \
                  sleep 1000 & setsid sleep 1000 & test ! -e /proc/self; grep -q 'nothing is started' /sbin/start-stop-daemon; \
                  test -x /usr/sbin/policy-rc.d";
    let (code, said) = build(&scratch, &format!("run: [{{ name: look, command: \"{script}\" }}]\n"));
    assert_eq!(code, Some(0), "{said}");
    let listed = witness(
        "tar",
        &["--list", "--verbose", "--file", &scratch.path().join("out/plain.tar").display().to_string()],
    );
    let inside = |path: &str| listed.lines().any(|line| line.ends_with(path));
    assert!(
        inside("./dev/") && !inside("./dev/null") && !inside("./dev/shm/left"),
        "the tree's own /dev is back"
    );
    assert!(!inside("./usr/sbin/policy-rc.d"), "the stub is gone");
    let daemon =
        listed.lines().find(|line| line.ends_with("sbin/start-stop-daemon")).expect("dpkg's program");
    let size: u64 = daemon.split_whitespace().nth(2).and_then(|size| size.parse().ok()).expect("a size");
    assert!(size > 10_000, "dpkg's own program is back: {daemon}");
}
