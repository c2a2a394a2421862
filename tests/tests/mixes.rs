//! Partitions that do not go together: the real program names the line before it asks any server.

use std::net::TcpListener;
use std::process::Command;

use integration_tests::program::bootwright;
use integration_tests::scratch::Scratch;

const EXIT_RECIPE: i32 = 3;

/// What comes before the disk; its partitions begin in line 9.
const HEAD: &str = "version: 1
name: mixed
distribution: { debian: { suite: bookworm } }
kernel: linux-image-cloud-amd64
outputs: [qcow2]
boot: { grub: { bios: true, uefi: UEFI } }
disk:
  table: TABLE
  partitions:
";

/// Builds with these partitions against a mirror that must not be asked; returns what the program says.
fn refused(table: &str, uefi: bool, partitions: &[&str]) -> String {
    let scratch = Scratch::new("mixes");
    let recipe = scratch.path().join("recipe.yaml");
    let mut text = HEAD.replace("TABLE", table).replace("UEFI", &uefi.to_string());
    for partition in partitions {
        text.push_str(&format!("    - {{ {partition} }}\n"));
    }
    std::fs::write(&recipe, text).expect("writable");
    let mirror = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    mirror.set_nonblocking(true).expect("a socket");
    let uri = format!("http://{}/debian", mirror.local_addr().expect("bound"));
    let output = Command::new(bootwright())
        .args(["build", "--progress", "plain", "--mirror", &uri, "--output"])
        .arg(scratch.path().join("out"))
        .arg("--cache")
        .arg(scratch.path().join("cache"))
        .arg(&recipe)
        .env("NO_COLOR", "1")
        .output()
        .expect("bootwright starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(EXIT_RECIPE), "{said}");
    assert!(mirror.accept().is_err(), "the mirror was asked:\n{said}");
    assert!(!scratch.path().join("out").exists(), "an output folder was made");
    said
}

#[test]
fn the_line_is_named_before_anything_is_fetched() {
    let gpt: &[&str] = &["type: bios-boot", "type: esp"];
    let with = |more: &[&'static str]| [gpt, more].concat();
    for (table, uefi, partitions, place, words) in [
        ("msdos", false, vec!["type: bios-boot", "type: root"], "10:7", "no bios-boot partition"),
        (
            "msdos",
            false,
            vec!["type: esp", "type: root"],
            "10:7",
            "esp partition is not supported on an msdos",
        ),
        ("msdos", true, vec!["type: root"], "6:35", "GRUB for UEFI is not supported on an msdos table"),
        ("msdos", false, vec!["type: root, size: 3TiB"], "10:27", "more than the 2TiB"),
        (
            "msdos",
            false,
            vec!["type: home", "type: srv", "type: var", "type: linux", "type: root"],
            "14:7",
            "holds 4",
        ),
        ("gpt", true, vec!["type: bios-boot", "type: root"], "7:1", "GRUB for UEFI needs an esp partition"),
        ("gpt", true, with(&["type: root", "type: root"]), "13:7", "one root partition"),
        (
            "gpt",
            true,
            with(&["type: home", "type: linux, mount: /home", "type: root"]),
            "13:29",
            "given twice",
        ),
        (
            "gpt",
            true,
            with(&["type: root, label: longer-than-sixteen"]),
            "12:28",
            "cannot be a label of ext4",
        ),
        ("gpt", true, with(&["type: root, size: 16MiB"]), "12:27", "too small for root"),
        ("gpt", true, vec!["type: bios-boot, grow: true", "type: esp", "type: root"], "10:32", "cannot grow"),
        ("gpt", true, with(&["type: root, filesystem: ext3, quota: [user]"]), "12:47", "quota on ext3"),
        (
            "gpt",
            true,
            with(&["type: root, grow: true", "type: home"]),
            "12:27",
            "only the last partition can grow",
        ),
    ] {
        let said = refused(table, uefi, &partitions);
        assert!(
            said.contains(&format!("recipe.yaml:{place}")) && said.contains(words),
            "{place} {words}:\n{said}"
        );
    }
}
