//! How the two programs are linked.

use std::process::Command;

use bootwright::rootfs::seed::{find_firstboot, is_static_program};
use integration_tests::program::bootwright;

#[test]
fn firstboot_is_static_and_bootwright_is_not() {
    let ours = bootwright();
    let firstboot =
        find_firstboot(Some(&ours.with_file_name("firstboot"))).expect("one build gives both programs");
    let read = |path| std::fs::read(path).expect("a program");
    assert!(is_static_program(&read(&firstboot)), "'{}' has an interpreter", firstboot.display());
    assert!(!is_static_program(&read(&ours)), "bootwright needs the host's name service");
}

/// Every image carries it, so it may not grow unseen; a build for development is larger.
#[test]
fn firstboot_is_small() {
    let firstboot = bootwright().with_file_name("firstboot");
    let is_release = firstboot.parent().is_some_and(|folder| folder.ends_with("release"));
    let size = std::fs::metadata(&firstboot).expect("a program").len();
    assert!(!is_release || size < 10 << 20, "firstboot has {size} bytes");
}

#[test]
fn firstboot_runs_alone_and_refuses_where_nothing_asked_for_it() {
    let firstboot = bootwright().with_file_name("firstboot");
    let version = Command::new(&firstboot).arg("--version").output().expect("firstboot starts");
    assert!(String::from_utf8_lossy(&version.stdout).starts_with("firstboot "));
    let refused = Command::new(&firstboot).arg("test-bundle").output().expect("firstboot starts");
    assert!(!refused.status.success(), "this machine is no image with tests");
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("/etc/firstboot/test-enabled"), "{told}");
}
