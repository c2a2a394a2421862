//! What a clone must be, seen from inside after its first and its second boot.

use serde_json::Value;

use crate::guest::{Answers, DISK_BYTES};

/// A key that some seeds let in; nobody has its other half.
pub const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0000000000000000000000000000000000000000000 who@where";

/// What a seed asks for.
#[derive(Debug, Default)]
pub struct Expected<'e> {
    /// The host name.
    pub hostname: &'e str,
    /// The full name.
    pub fqdn: &'e str,
    /// Addresses with their prefixes.
    pub addresses: &'e [&'e str],
    /// How the source that spoke begins in the report; none for the image alone.
    pub source: Option<&'e str>,
    /// Whether [`KEY`] lets in.
    pub has_key: bool,
}

/// Looks at the first boot alone.
///
/// # Panics
///
/// When something is not as it must be.
pub fn check_first(answers: &Answers, expected: &Expected<'_>) {
    is_configured(answers, 1, expected);
}

/// Looks at both boots, and at quotas.
///
/// # Panics
///
/// When something is not as it must be.
pub fn check(answers: &Answers, expected: &Expected<'_>) {
    for boot in [1, 2] {
        is_configured(answers, boot, expected);
    }
    second_boot_changes_nothing(answers);
    quotas_hold(answers);
}

fn is_configured(answers: &Answers, boot: u32, expected: &Expected<'_>) {
    assert_eq!(answers.text(boot, "hostname"), expected.hostname);
    if !expected.fqdn.is_empty() {
        assert_eq!(answers.text(boot, "fqdn"), expected.fqdn);
    }
    let network: Value = serde_json::from_str(answers.text(boot, "addresses")).expect("ip writes JSON");
    let addresses: Vec<String> = network
        .as_array()
        .expect("a list")
        .iter()
        .flat_map(|card| card["addr_info"].as_array().expect("a list"))
        .map(|one| format!("{}/{}", one["local"].as_str().expect("an address"), one["prefixlen"]))
        .collect();
    for address in expected.addresses {
        assert!(addresses.iter().any(|one| one == address), "{address} is not among {addresses:?}");
    }
    if expected.has_key {
        assert_eq!(answers.text(boot, "keys"), KEY);
    } else {
        assert_ne!(answers.answer(boot, "keys").code, 0, "nobody gave a key");
    }
    let size: u64 =
        answers.text(boot, "size").lines().last().expect("a line").trim().parse().expect("a size");
    assert!(size > DISK_BYTES / 5 * 4, "the root has grown: {size} bytes");
    assert_eq!(answers.text(boot, "failed"), "", "no unit failed");
    assert_eq!(answers.answer(boot, "wait").code, 0);
    reports(answers, boot, expected);
}

fn reports(answers: &Answers, boot: u32, expected: &Expected<'_>) {
    let report: Value = serde_json::from_str(answers.text(boot, "status")).expect("the report is JSON");
    assert_eq!(report["state"], "done", "{report:#}");
    let sources: Vec<&str> =
        report["sources"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    match expected.source {
        Some(source) => assert!(sources.iter().any(|one| one.starts_with(source)), "{source}: {sources:?}"),
        None => assert_eq!(sources, ["'/etc/firstboot/10-recipe.yaml'"]),
    }
    let hostname =
        report["provenance"].as_array().expect("a list").iter().find(|one| one["key"] == "hostname");
    let origin = hostname.and_then(|one| one["origin"].as_str()).expect("the name has an origin");
    assert!(origin.starts_with(expected.source.unwrap_or("'/etc/firstboot/")), "{origin}");
}

fn second_boot_changes_nothing(answers: &Answers) {
    let (first, second) = (answers.text(1, "manifest"), answers.text(2, "manifest"));
    let changed: Vec<&str> = second.lines().filter(|line| !first.lines().any(|one| one == *line)).collect();
    assert!(first == second, "the second boot changed {changed:#?}");
    assert!(first.contains(" /etc/hostname\n") && first.contains(" /etc/ssh/ssh_host_ed25519_key\n"));
    for name in ["machine-id", "host-keys", "keys", "hosts"] {
        assert_eq!(answers.answer(1, name), answers.answer(2, name), "{name}");
    }
    let report: Value = serde_json::from_str(answers.text(2, "status")).expect("the report is JSON");
    let steps = report["steps"].as_array().expect("a list");
    assert!(!steps.is_empty() && steps.iter().all(|step| step["outcome"] == "unchanged"), "{report:#}");
    assert!(answers.text(1, "journal").contains("identity: changed"));
    let journal = answers.text(2, "journal");
    assert!(journal.contains("identity: unchanged") && !journal.contains(": changed"), "{journal}");
}

/// An ordinary user writes 3 MiB where 1 MiB is allowed, and in the second boot where 2 MiB are.
fn quotas_hold(answers: &Answers) {
    let told = answers.answer(1, "plain refused");
    assert!(told.code == 1 && told.text.contains("tune2fs -O quota"), "{}", told.text);
    for place in ["ext4", "xfs"] {
        let question = |what: &str| format!("{place} {what}");
        for what in
            ["set user", "set group", "set project", "set inodes", "clear user", "clear group", "set again"]
        {
            assert!(answers.text(1, &question(what)).contains("the limit holds on"));
        }
        for whose in ["user", "group", "project"] {
            is_refused(answers, 1, &question(&format!("write {whose}")), place, whose);
        }
        assert!(answers.text(1, &question("write outside")).contains("3145728 bytes"));
        let told = answers.answer(1, &question("create inodes"));
        let words = refusal(place, "project");
        assert!(
            told.code != 0 && told.text.contains("cannot create f8:") && told.text.contains(words),
            "{told:?}"
        );
        is_refused(answers, 2, &question("kept"), place, "user");
        let report = answers.text(2, &question("report"));
        assert!(
            report.lines().any(|line| line.starts_with("user 1000 ") && line.ends_with(" yes")),
            "{report}"
        );
    }
}

/// XFS says of a project that its space is used up, as if it were a disk.
fn refusal(place: &str, whose: &str) -> &'static str {
    if place == "xfs" && whose == "project" { "No space left on device" } else { "Disk quota exceeded" }
}

fn is_refused(answers: &Answers, boot: u32, question: &str, place: &str, whose: &str) {
    let told = answers.answer(boot, question);
    assert_ne!(told.code, 0, "{question}: {}", told.text);
    assert!(told.text.contains(refusal(place, whose)), "{question}: {}", told.text);
}
