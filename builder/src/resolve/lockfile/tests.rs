use super::*;
use crate::resolve::Sha256Digest;

fn entry(name: &str, version: &str) -> LockedEntry {
    LockedEntry {
        name: name.into(),
        version: version.into(),
        architecture: "amd64".into(),
        from: "debian".into(),
        file: format!("pool/{name}_{version}.deb"),
        size: 7,
        sha256: Sha256Digest::of(format!("{name}{version}").as_bytes()),
        base_set: false,
        automatic: true,
    }
}

fn lockfile(packages: &[(&str, &str)]) -> Lockfile {
    Lockfile {
        wanted: vec!["architecture amd64".into(), "package \"odd: name\"".into()],
        releases: vec![LockedRelease {
            name: "bookworm".into(),
            suite: "bookworm".into(),
            codename: "bookworm".into(),
            origin: "Debian".into(),
            label: String::new(),
            archive: "oldstable".into(),
            date: 1_783_764_997,
            signed_by: "ABCD".into(),
            sha256: Sha256Digest::of(b"release"),
        }],
        packages: packages.iter().map(|(name, version)| entry(name, version)).collect(),
        tools: Vec::new(),
        order: packages.iter().rev().map(|(name, _)| (*name).to_owned()).collect(),
    }
}

#[test]
fn what_is_written_is_read() {
    let lock = lockfile(&[("adduser", "3.134"), ("bash", "5.2.15-2+b8")]);
    let text = lock.to_text().unwrap();
    assert_eq!(Lockfile::parse(&text, "x.lock"), Ok(lock));
    assert!(text.contains("\"date\":\"11 Jul 2026 10:16:37 UTC\""), "{text}");
    let packages: Vec<&str> = text.lines().filter(|line| line.contains("\"version\"")).collect();
    assert!(
        packages.len() == 2 && packages[0].starts_with("  - {\"name\":\"adduser\",\"version\":\"3.134\"")
    );
}

#[test]
fn what_is_no_lock_is_refused_with_its_place() {
    let good = lockfile(&[("adduser", "3.134")]).to_text().unwrap();
    let refused = |text: &str| Lockfile::parse(text, "x.lock").unwrap_err().to_string();
    let wrong = refused(&good.replace("\"size\":7", "\"size\":\"seven\""));
    assert!(wrong.starts_with("x.lock:10:") && wrong.contains("--update"), "{wrong}");
    assert!(refused(&good.replace("format: 1", "format: 9")).contains("its format is 9"));
    assert!(refused(&good.replace("\"size\"", "\"sise\"")).contains("x.lock:"));
    assert!(refused(&good.replace("11 Jul 2026", "some day in")).contains("a date is written like"));
    assert!(refused("- a list\n").contains("is not a lock"));
    assert!(refused("").contains("is not a lock"));
}

#[test]
fn changes_are_told_by_name() {
    let old = lockfile(&[("adduser", "3.134"), ("bash", "5.2"), ("gone", "1")]);
    let mut new = lockfile(&[("adduser", "3.134"), ("bash", "5.3"), ("new", "2")]);
    new.releases[0].date += 86_400;
    let changes = Changes::between(&old, &new).to_string();
    assert_eq!(
        changes,
        "release bookworm: 2026-07-11 10:16:37 UTC → 2026-07-12 10:16:37 UTC\n  bash 5.2 → 5.3\n- gone 1\n+ new 2\n"
    );
    assert!(Changes::between(&old, &old).is_empty());
    new = old.clone();
    new.packages[0].sha256 = Sha256Digest::of(b"other");
    assert!(Changes::between(&old, &new).to_string().contains("the same version with other bytes"));
}

#[test]
fn an_older_archive_is_refused() {
    let lock = lockfile(&[]);
    let mut older = lock.clone();
    older.releases[0].date -= 1;
    assert!(lock.refuse_older(&lock).is_ok() && older.refuse_older(&lock).is_ok());
    let error = lock.refuse_older(&older).unwrap_err().to_string();
    assert!(error.contains("'bookworm'") && error.contains("2026-07-11 10:16:36"), "{error}");
}

#[test]
fn wishes_that_differ_are_named_and_counted() {
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    assert!(changes::of_wishes(&words(&["a", "b"]), &words(&["a", "b"])).is_empty());
    assert_eq!(
        changes::of_wishes(&words(&["a", "b"]), &words(&["a", "c"])),
        ["it now wants 'c'", "it no longer wants 'b'"]
    );
    assert_eq!(changes::of_wishes(&words(&["a", "b"]), &words(&["b", "a"])).len(), 1);
    let many = changes::of_wishes(&[], &words(&["1", "2", "3", "4", "5", "6", "7"]));
    assert_eq!((many.len(), many[5].as_str()), (6, "and 2 more"));
}
