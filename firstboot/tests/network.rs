//! `firstboot net` as its user sees it: the real program, systemd-networkd and a neighbour on the link, in namespaces.

use std::path::PathBuf;
use std::process::Command;

/// A folder that is removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("firstboot-net-{name}-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("etc")).expect("a folder");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A test that failed has more to say than what is left of it.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Exit code, standard output and standard error of `firstboot net ARGUMENTS`.
fn net(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_firstboot"))
        .arg("net")
        .args(arguments)
        .output()
        .expect("firstboot runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

const V2: &str =
    "version: 2\nethernets: {eth0: {addresses: [192.0.2.10/24], gateway4: 192.0.2.1, wakeonlan: true}}\n";
const DATA: &str = r#"{"links": [{"id": "a", "type": "phy", "ethernet_mac_address": "fa:16:3e:00:00:01"}], "networks": [{"id": "n", "link": "a", "type": "ipv4_dhcp"}]}"#;
const CONTEXT: &str = "ETH0_MAC='02:00:c0:00:02:0a'\nETH0_MASK='255.255.255.0'\n";

#[test]
fn every_format_is_written_below_a_root_and_written_once() {
    let folder = Folder::new("formats");
    let root = folder.0.to_str().expect("a plain path");
    for (format, text, file, wanted) in [
        ("network-config", V2, "05-firstboot-eth0.network", "Name=eth0\n"),
        ("network-data", DATA, "05-firstboot-a.network", "PermanentMACAddress=fa:16:3e:00:00:01\n"),
        ("opennebula", CONTEXT, "05-firstboot-eth0.network", "Address=192.0.2.10/24\n"),
    ] {
        let document = folder.0.join("document");
        std::fs::write(&document, text).expect("writing");
        let document = document.to_str().expect("a plain path");
        let arguments = ["apply", document, "--format", format, "--root", root, "--manager", "networkd"];
        let (code, shown, _) = net(&[&arguments[..], &["--dry-run"]].concat());
        assert!(code == 0 && shown.contains(wanted), "{format}: {shown}");
        let (code, shown, errors) = net(&arguments);
        assert_eq!((code, shown.as_str()), (0, "written; it counts from the next boot on\n"), "{errors}");
        assert_eq!(
            errors.contains("'wakeonlan' of an interface has no effect"),
            format == "network-config",
            "{errors}"
        );
        let written =
            std::fs::read_to_string(folder.0.join("etc/systemd/network").join(file)).expect("the file");
        assert!(written.contains(wanted), "{format}: {written}");
        assert_eq!(net(&arguments).1, "nothing to change\n", "{format}");
    }
}

#[test]
fn errors_say_where_and_what_to_do() {
    let folder = Folder::new("errors");
    let root = folder.0.to_str().expect("a plain path");
    let document = folder.0.join("document");
    std::fs::write(&document, "version: 2\nethernets:\n  eth0:\n    addresses: [10.0.0.0/24]\n")
        .expect("writing");
    let document = document.to_str().expect("a plain path");
    for (arguments, wanted) in [
        (&["check", document][..], "line 4, column 17: 10.0.0.0/24 of 'eth0' cannot be"),
        (&["check", "/no/such/file"], "reading '/no/such/file'"),
        (&["static", "--interface", "eth0", "--address", "10.0.0.1/24", "--root", root], "--manager"),
        (
            &["static", "--interface", "eth0", "--address", "10.0.0.1/24", "--root", root, "--try", "60"],
            "--try needs",
        ),
        (&["static", "--interface", "eth0", "--address", "10.0.0.1/24", "--try", "1"], "5..=86400"),
        (
            &["static", "--interface", "a b", "--address", "10.0.0.1/24", "--root", root],
            "no name of an interface",
        ),
    ] {
        let (code, shown, errors) = net(arguments);
        assert!(code != 0 && errors.contains(wanted), "{arguments:?}: {code} {shown} {errors}");
    }
    let (_, _, errors) = net(&["check", document, "--format", "network-data"]);
    assert!(errors.contains("line 1, column 1: network_data has no key 'version'"), "{errors}");
    assert_eq!(std::fs::read_dir(folder.0.join("etc")).expect("a folder").count(), 0, "nothing was written");
}

/// Runs a script on a small machine; it has to show `checks` things.
fn run_script(name: &str, needs: &str, checks: usize) {
    let found =
        Command::new("sh").args(["-c", &format!("test \"$(id -u)\" = 0 && command -v {needs}")]).output();
    if !found.expect("sh runs").status.success() {
        eprintln!("skipped: needs root and {needs}");
        return;
    }
    let root = Folder::new(name);
    let script = format!("{}/tests/network/{name}.sh", env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", &script]);
    let output = command.arg(&root.0).arg(env!("CARGO_BIN_EXE_firstboot")).output().expect("unshare runs");
    let shown = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    if shown.is_empty() && errors.contains("unshare failed") {
        eprintln!("skipped: no namespaces here: {errors}");
        return;
    }
    assert!(output.status.success(), "{shown}\n{errors}");
    assert_eq!(shown.matches("shown: ").count(), checks, "{shown}\n{errors}");
}

#[test]
fn networkd_is_changed_refused_restored_and_confirmed() {
    run_script("networkd", "/lib/systemd/systemd-networkd", 7);
}

#[test]
fn ifupdown_is_changed_and_restored() {
    run_script("ifupdown", "ifup", 2);
}
