//! A mirror that lies is refused with the documented exit code, and nothing is left.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use integration_tests::mirror::{Mirror, Source, Tamper, debian_mirrors};
use integration_tests::program::bootwright;
use integration_tests::scratch::Scratch;

const EXIT_FETCH: i32 = 4;
const EXIT_VERIFY: i32 = 5;

/// A recipe that only has to get as far as its packages.
const RECIPE: &str = "version: 1
name: refused
architecture: amd64
distribution:
  debian: { suite: bookworm, variant: minbase, components: [main], security: false, updates: false }
packages: [systemd-sysv]
kernel: linux-image-cloud-amd64
disk:
  table: gpt
  size: auto
  partitions: [{ type: bios-boot }, { type: root, filesystem: ext4, mount: / }]
boot: { grub: { bios: true, uefi: false } }
outputs: [qcow2]
";

/// Builds a small recipe against `mirror` from an empty cache.
fn build_against(mirror: &str, scratch: &Scratch) -> Output {
    let recipe = scratch.path().join("recipe.yaml");
    std::fs::write(&recipe, RECIPE).expect("the scratch folder is writable");
    Command::new(bootwright())
        .args(["build", "--progress", "plain", "--mirror", mirror, "--output"])
        .arg(scratch.path().join("out"))
        .arg("--cache")
        .arg(scratch.path().join("cache"))
        .arg(&recipe)
        .output()
        .expect("bootwright starts")
}

fn mounts() -> String {
    std::fs::read_to_string("/proc/self/mountinfo").expect("proc is mounted")
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries
        .flatten()
        .flat_map(|entry| if entry.path().is_dir() { files_below(&entry.path()) } else { vec![entry.path()] })
        .collect()
}

/// Runs a build against a mirror that tampers, and demands a refusal that says `words` and leaves nothing.
fn refused(tamper: Tamper, code: i32, words: &[&str]) {
    let scratch = Scratch::new("refusal");
    let (upstream, _) = debian_mirrors().expect("apt has sources");
    let mirror = Mirror::start(Source::Upstream(upstream), tamper).expect("a loopback port");
    let before = mounts();
    let output = build_against(&mirror.uri(), &scratch);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "expected '{word}' in:\n{stderr}");
    }
    assert_eq!(files_below(&scratch.path().join("out")), Vec::<PathBuf>::new(), "artifacts were left");
    assert_eq!(mounts(), before, "a mount was left");
}

/// Changes one byte in the middle of what `matches` selects.
fn flip(matches: fn(&str) -> bool) -> Tamper {
    Box::new(move |path, mut bytes| {
        matches(path).then(|| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            bytes
        })
    })
}

#[test]
fn a_changed_release_has_a_bad_signature() {
    // A digit of a digest in the signed text, so that the text still parses.
    let tamper: Tamper = Box::new(|path, bytes| {
        let text = String::from_utf8(bytes).ok()?;
        (path.ends_with("bookworm/InRelease")).then(|| text.replacen("\nDate: ", "\nDate:  ", 1).into_bytes())
    });
    refused(tamper, EXIT_VERIFY, &["InRelease", "signature"]);
}

#[test]
fn text_after_the_signature_is_refused() {
    let tamper: Tamper = Box::new(|path, mut bytes| {
        path.ends_with("bookworm/InRelease").then(|| {
            bytes.extend_from_slice(b"Suite: oldstable\n");
            bytes
        })
    });
    refused(tamper, EXIT_VERIFY, &["InRelease"]);
}

#[test]
fn another_suites_release_is_refused() {
    let (upstream, _) = debian_mirrors().expect("apt has sources");
    let trixie = ureq::get(&format!("{upstream}/dists/trixie/InRelease"))
        .call()
        .and_then(|mut response| response.body_mut().read_to_vec())
        .expect("the mirror has trixie");
    let tamper: Tamper =
        Box::new(move |path, _| path.ends_with("bookworm/InRelease").then(|| trixie.clone()));
    refused(tamper, EXIT_VERIFY, &["bookworm", "trixie"]);
}

#[test]
fn a_changed_index_is_refused() {
    refused(flip(|path| path.contains("binary-amd64")), EXIT_VERIFY, &["Packages", "SHA-256"]);
}

#[test]
fn a_changed_package_is_refused() {
    refused(
        flip(|path| path.contains("/pool/") && path.contains("libc6_")),
        EXIT_VERIFY,
        &["libc6", "SHA-256"],
    );
}

#[test]
fn a_missing_package_is_a_fetch_error() {
    let tamper: Tamper = Box::new(|path, _| path.contains("/pool/main/d/dpkg/").then(Vec::new));
    refused(tamper, EXIT_FETCH, &["no such file", "dpkg"]);
}

/// Debian's security suite is valid for a week; a month ahead it is not.
#[test]
fn an_expired_release_is_refused() {
    let scratch = Scratch::new("expired");
    let recipe = scratch.path().join("recipe.yaml");
    std::fs::write(&recipe, RECIPE.replace("security: false", "security: true")).expect("writable");
    let output = Command::new("faketime")
        .args(["-f", "+30d"])
        .arg(bootwright())
        .args(["build", "--progress", "plain", "--output"])
        .arg(scratch.path().join("out"))
        .arg("--cache")
        .arg(scratch.path().join("cache"))
        .arg(&recipe)
        .output()
        .expect("faketime starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(EXIT_VERIFY), "{stderr}");
    assert!(stderr.contains("bookworm-security") && stderr.contains("valid until"), "{stderr}");
    assert_eq!(files_below(&scratch.path().join("out")), Vec::<PathBuf>::new(), "artifacts were left");
}
