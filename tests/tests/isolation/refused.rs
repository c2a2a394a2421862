//! Hosts that do not allow a level say what to change.

use std::process::Command;

use super::level::{Level, all, is_root, without_ids};

#[test]
fn root_is_refused_to_others() {
    for mut level in all().into_iter().filter(Level::is_ordinary) {
        level.request = "root";
        let run = level.probe_refused();
        assert_eq!(run.code, Some(8), "{run:?}");
        assert!(run.stderr.contains("isolation 'root' needs root"), "{}", run.stderr);
    }
}

#[test]
fn missing_subordinate_ids_are_named_with_their_remedy() {
    if !is_root() {
        eprintln!("only root can make a user without subordinate ids");
        return;
    }
    let run = without_ids().probe_refused();
    assert_eq!(run.code, Some(8), "{run:?}");
    assert!(
        run.stderr.contains("/etc/subuid grants 'bwt") && run.stderr.contains("usermod"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_missing_newuidmap_names_its_package() {
    for level in all().iter().filter(|level| level.is_ordinary()) {
        let folder = level.folder();
        let mut command = level.command(folder.path(), "inside", "true");
        // setpriv itself is found before.
        let output = command.env("PATH", "/nonexistent").output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(8), "{said}");
        assert!(said.contains("'newuidmap' is not installed") && said.contains("uidmap"), "{said}");
    }
}

#[test]
fn a_container_s_root_is_told_what_it_lacks() {
    if !is_root() {
        eprintln!("only root can give up root's capabilities");
        return;
    }
    let level = Level::of_root("root");
    let folder = level.folder();
    let probe = level.command(folder.path(), "inside", "true");
    let output = Command::new("setpriv")
        .args(["--bounding-set=-sys_admin", "--inh-caps=-sys_admin"])
        .arg(probe.get_program())
        .args(probe.get_args())
        .output()
        .expect("setpriv runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(8), "{said}");
    assert!(said.contains("CAP_SYS_ADMIN") && said.contains("--isolation user"), "{said}");
}

#[test]
fn a_setting_that_forbids_user_namespaces_is_named() {
    for level in all().into_iter().filter(|level| level.request == "user") {
        let folder = level.folder();
        let probe = level.command(folder.path(), "inside", "true");
        // The limit of a user namespace of the test's own, so that the machine keeps its setting.
        let script = "echo 0 > /proc/sys/user/max_user_namespaces; exec \"$@\"";
        let output = Command::new("unshare")
            .args(["--user", "--map-root-user", "sh", "-c", script, "sh"])
            .arg(folder.path().join("probe"))
            .args(probe.get_args().skip_while(|argument| *argument != "user"))
            .output()
            .expect("unshare runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(8), "{said}");
        assert!(said.contains("sysctl -w user.max_user_namespaces="), "{said}");
    }
}
