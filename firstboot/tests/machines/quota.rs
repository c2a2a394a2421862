//! `firstboot quota`: what it refuses, and what it says then. That limits hold only a kernel with quotas can show.

use std::process::Command;

fn firstboot(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_firstboot")).arg("quota").args(arguments).output();
    let output = output.expect("firstboot starts");
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), said)
}

#[test]
fn wrong_arguments_are_refused_with_what_would_be_right() {
    for (arguments, wanted) in [
        (&["set", "--user", "root", "/proc"][..], "--block"),
        (&["set", "--block", "1GiB", "/proc"], "--user"),
        (&["set", "--user", "root", "--group", "root", "--block", "1GiB"], "cannot be used with"),
        (
            &["set", "--user", "root", "--block", "1000"],
            "512MiB, 1GiB:2GiB (soft and hard) and none are limits",
        ),
        (&["set", "--user", "root", "--inode", "many"], "900:1000"),
        (&["set", "--project", "0", "--inode", "5"], "0 is not in"),
    ] {
        let (code, said) = firstboot(arguments);
        assert!(code == Some(2) && said.contains(wanted), "{arguments:?}: {said}");
    }
}

#[test]
fn a_filesystem_without_quotas_is_refused_with_what_can_be_done() {
    for (arguments, wanted) in [
        (
            &["set", "--user", "0", "--block", "1GiB", "/proc"][..],
            "does not count what a user uses; ext4 and xfs can",
        ),
        (&["report", "/proc"], "does not count"),
        (
            &["set", "--user", "root", "--folder", "/tmp", "--inode", "5", "/proc"],
            "--folder goes with --project",
        ),
        (&["report", "/nowhere"], "looking for '/nowhere'"),
        (
            &["set", "--user", "nobody-of-this-name", "--inode", "5", "/proc"],
            "'/etc/passwd' has no 'nobody-of-this-name'",
        ),
    ] {
        let (code, said) = firstboot(arguments);
        assert!(code == Some(1) && said.contains(wanted), "{arguments:?}: {said}");
    }
}
