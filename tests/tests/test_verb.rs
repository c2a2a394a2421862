//! `bootwright test` over real boots: what passes, what fails, and every report of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use integration_tests::draw::is_drawn;
use integration_tests::program::{bootwright, shared_cache};
use integration_tests::scratch::Scratch;
use integration_tests::witness::witness;
use serde_json::Value;

/// A recipe with a listener of its own, so that a port can be tested without a service's packages.
const HEAD: &str = "version: 1
name: tested
distribution: { debian: { suite: bookworm, variant: minbase, security: false, updates: false } }
packages: [systemd-sysv, udev, socat, iproute2]
kernel: linux-image-cloud-amd64
disk: { partitions: [{ type: bios-boot }, { type: esp, filesystem: vfat, mount: /boot/efi, size: 64MiB }, { type: root, filesystem: ext4, mount: / }] }
boot: { grub: { bios: true, uefi: true }, kernel_command_line: [\"console=ttyS0,115200\"] }
files:
  - path: /etc/systemd/network/80-dhcp.network
    content: \"[Match]\\nType=ether\\n[Network]\\nDHCP=yes\\n\"
  - path: /etc/systemd/system/greeter.service
    content: \"[Service]\\nExecStart=/usr/bin/socat TCP-LISTEN:7000,fork,reuseaddr SYSTEM:'echo hello'\\n[Install]\\nWantedBy=multi-user.target\\n\"
services: { enable: [systemd-networkd, greeter] }
outputs: [qcow2]
";

const GOOD: &str = "tests:
  - { name: the greeter answers, port: 7000 }
  - { name: the system is up, run: systemctl is-system-running --wait }
";

const BAD: &str = "tests:
  - { name: good, run: \"true\" }
  - { name: \"bad <&> \\\"one\\\"\", run: \"printf 'out \\\\033[1mbold\\\\001\\\\n'; echo why >&2; exit 3\" }
  - { name: slow, run: sleep 60, timeout: 2s }
  - { name: nobody listens, port: 7001, timeout: 3s }
";

fn test(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(bootwright())
        .arg("test")
        .args(arguments)
        .args(["--progress", "plain", "--accelerator", "tcg", "--cache"])
        .arg(shared_cache())
        .current_dir(folder)
        .output()
        .expect("bootwright starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The image of `HEAD`, built once by the first test that passes.
fn image() -> &'static Path {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let folder = shared_cache().with_file_name("test-verb");
        std::fs::create_dir_all(&folder).expect("a folder beside the cache");
        std::fs::write(folder.join("good.yaml"), format!("{HEAD}{GOOD}")).expect("a recipe");
        let output = test(&folder, &["good.yaml", "--junit", "good.xml"]);
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{stdout}{stderr}");
        assert!(
            stdout.starts_with("tested by BIOS (TCG), ") && stdout.ends_with("\n2 tests passed\n"),
            "{stdout}"
        );
        assert!(
            stdout.contains("pass  the greeter answers (") && stdout.contains("pass  the system is up ("),
            "{stdout}"
        );
        assert!(!folder.join("out/tested.bios.serial.log").exists(), "a log although all passed");
        let xml = std::fs::read_to_string(folder.join("good.xml")).expect("the JUnit report");
        assert!(xml.contains("tests=\"2\" failures=\"0\" errors=\"0\""), "{xml}");
        validate(&folder.join("good.xml"));
        folder.join("out/tested.qcow2")
    })
}

/// What both common schemas of JUnit's XML ask for.
fn validate(report: &Path) {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/junit.xsd");
    let (schema, report) = (schema.to_str().expect("a plain path"), report.to_str().expect("a plain path"));
    witness("xmllint", &["--noout", "--nonet", "--schema", schema, report]);
}

#[test]
fn a_recipe_whose_tests_pass_is_built_booted_and_reported() {
    assert!(image().is_file());
}

#[test]
fn failing_tests_are_told_in_every_report_and_keep_the_log() {
    let scratch = Scratch::new("test-verb-bad");
    std::fs::write(scratch.path().join("bad.yaml"), format!("{HEAD}{BAD}")).expect("a recipe");
    let image = image().to_str().expect("a plain path");
    let output = test(scratch.path(), &["bad.yaml", "--image", image, "--junit", "bad.xml"]);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(9), "{stdout}{stderr}");
    for words in [
        "pass  good (",
        "FAIL  bad <&> \"one\" (",
        "exit code 3",
        "stderr | why",
        "FAIL  slow (",
        "still running after 2 s, killed",
        "FAIL  nobody listens (",
        "port 7001 did not accept a connection within 3 s",
        "serial console: out/tested.bios.serial.log",
    ] {
        assert!(stdout.contains(words), "{words}:\n{stdout}");
    }
    assert!(
        stdout.ends_with("\n3 of 4 tests failed\n")
            && !stdout.contains('\u{1b}')
            && !stdout.contains('\u{1}'),
        "{stdout:?}"
    );
    let log =
        std::fs::read_to_string(scratch.path().join("out/tested.bios.serial.log")).expect("the serial log");
    assert!(log.contains("Linux version") && !log.contains('\u{1b}'), "{log}");
    let xml = std::fs::read_to_string(scratch.path().join("bad.xml")).expect("the JUnit report");
    assert!(
        xml.contains("tests=\"4\" failures=\"3\" errors=\"0\"")
            && xml.contains("bad &lt;&amp;&gt; &quot;one&quot;"),
        "{xml}"
    );
    assert!(xml.contains("\u{fffd}[1mbold\u{fffd}") && xml.contains("why"), "{xml}");
    validate(&scratch.path().join("bad.xml"));
}

#[test]
fn every_firmware_is_tested_and_json_says_the_same() {
    if !is_drawn("test verb", 0, 2) {
        return;
    }
    let scratch = Scratch::new("test-verb-all");
    std::fs::write(scratch.path().join("good.yaml"), format!("{HEAD}{GOOD}")).expect("a recipe");
    let image = image().to_str().expect("a plain path");
    let output = test(scratch.path(), &["good.yaml", "--image", image, "--firmware", "all", "--json"]);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{stdout}{stderr}");
    let report: Value = serde_json::from_str(&stdout).expect("one JSON object");
    assert_eq!((&report["name"], &report["passed"]), (&"tested".into(), &true.into()));
    let runs = report["runs"].as_array().expect("a list");
    let ways: Vec<&str> = runs.iter().filter_map(|run| run["firmware"].as_str()).collect();
    assert_eq!(ways, ["bios", "uefi", "secure"]);
    for run in runs {
        assert_eq!(
            (&run["accelerator"], &run["error"], &run["serial_log"]),
            (&"tcg".into(), &Value::Null, &Value::Null)
        );
        assert_eq!(run["tests"][0]["name"], "the greeter answers");
        assert_eq!((&run["tests"][0]["kind"], &run["tests"][1]["kind"]), (&"port".into(), &"run".into()));
        assert_eq!(run["system"]["state"], "running", "{run}");
    }
}

#[test]
fn a_guest_that_says_nothing_fails_every_test() {
    let scratch = Scratch::new("test-verb-silent");
    std::fs::write(scratch.path().join("good.yaml"), format!("{HEAD}{GOOD}")).expect("a recipe");
    std::fs::write(scratch.path().join("empty.raw"), vec![0; 1 << 20]).expect("an image");
    let arguments = [
        "good.yaml",
        "--image",
        "empty.raw",
        "--boot-timeout",
        "5",
        "--junit",
        "silent.xml",
        "--output",
        "logs",
    ];
    let output = test(scratch.path(), &arguments);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(9), "{stdout}{stderr}");
    assert!(stdout.contains("FAIL  no test ran: ") && stdout.contains("within 5 s"), "{stdout}");
    assert!(
        stdout.ends_with("  serial console: logs/tested.bios.serial.log\n2 of 2 tests failed\n"),
        "{stdout}"
    );
    assert!(scratch.path().join("logs/tested.bios.serial.log").is_file());
    let xml = std::fs::read_to_string(scratch.path().join("silent.xml")).expect("the JUnit report");
    assert!(
        xml.contains("tests=\"2\" failures=\"0\" errors=\"2\"") && xml.contains("<error type=\"guest\""),
        "{xml}"
    );
    validate(&scratch.path().join("silent.xml"));
}

#[test]
fn what_cannot_be_tested_is_said_before_anything_is_built() {
    let scratch = Scratch::new("test-verb-refused");
    let write =
        |name: &str, recipe: String| std::fs::write(scratch.path().join(name), recipe).expect("a recipe");
    write("none.yaml", HEAD.to_owned());
    write("bios.yaml", format!("{}{GOOD}", HEAD.replace("uefi: true", "uefi: false")));
    for (arguments, code, words) in [
        (&["none.yaml"][..], 3, "the recipe 'none.yaml' has no tests"),
        (
            &["bios.yaml", "--firmware", "secure"],
            2,
            "the recipe's image does not boot by UEFI with Secure Boot",
        ),
        (&["bios.yaml", "--firmware", "openbios"], 2, "possible values: bios, uefi, secure, all"),
        (&["absent.yaml"], 3, "cannot read `absent.yaml`"),
        (&["bios.yaml", "--image", "absent.qcow2"], 1, "absent.qcow2"),
    ] {
        let output = test(scratch.path(), arguments);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(words) && output.stdout.is_empty(), "{arguments:?}: {stderr}");
    }
    assert!(!scratch.path().join("out").exists());
}
