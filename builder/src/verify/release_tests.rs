//! Whole Release files: signed, forged, stale, of another suite.

use std::path::Path;
use std::process::Command;

use pgp::packet::SignatureType;
use pgp::ser::Serialize;

use crate::fetch::{Compression, SignedContent, SignedRelease, Source};
use crate::plan::Architecture;
use crate::store::Sha256Digest;

use super::error::{Problem, VerifyError};
use super::release::{Release, release};
use super::testing::{NOW, Said, Signer, armoured, clearsigned, now};

const ZERO: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn text(fields: &str) -> String {
    format!(
        "Origin: Test\nLabel: Test\nSuite: stable\nCodename: bookworm\nDate: {}\nAcquire-By-Hash: yes\n\
         Architectures: all amd64\nNo-Support-for-Architecture-all: Packages\n{fields}SHA256:\n \
         {ZERO} 7 main/binary-amd64/Packages\n {ZERO} 5 main/binary-amd64/Packages.gz\n \
         {ZERO} 4 main/binary-amd64/Packages.xz\n {ZERO} 6 contrib/binary-amd64/Packages.xz\n",
        date(NOW - 500)
    )
}

/// Writes a date as archives do.
fn date(seconds: i64) -> String {
    let output =
        Command::new("date").args(["-u", "-d", &format!("@{seconds}"), "+%a, %d %b %Y %T UTC"]).output();
    String::from_utf8(output.unwrap().stdout).unwrap().trim().to_owned()
}

fn source(suite: &str) -> Source {
    Source { name: "test".into(), base: "http://mirror.example.org/debian".into(), suite: suite.into() }
}

fn judge(signer: &Signer, content: SignedContent, suite: &str) -> Result<Release, VerifyError> {
    let signed = SignedRelease {
        url: "http://mirror.example.org/x/InRelease".into(),
        content,
        validators: Default::default(),
    };
    release(&signed, &source(suite), &signer.keyring(), now())
}

fn judge_text(signer: &Signer, text: &str) -> Result<Release, VerifyError> {
    judge(signer, SignedContent::Inline(signer.clearsign(text)), "bookworm")
}

#[test]
fn a_good_release_is_read() {
    let signer = Signer::new();
    let text = text("NotAutomatic: yes\nButAutomaticUpgrades: yes\n");
    let release = judge_text(&signer, &text).unwrap();
    assert_eq!(release.facts.codename, "bookworm");
    assert_eq!(release.facts.date, NOW - 500);
    assert_eq!(release.facts.signed_by, signer.fingerprint());
    assert_eq!(release.facts.sha256, Sha256Digest::of(text.as_bytes()));
    assert!(release.not_automatic && release.but_automatic_upgrades);
    assert_eq!((release.archive.as_str(), release.origin.as_str()), ("stable", "Test"));
    assert_eq!(
        judge(&signer, SignedContent::Inline(signer.clearsign(&text)), "stable").unwrap().facts.suite,
        "stable"
    );
}

#[test]
fn the_best_index_is_chosen() {
    let signer = Signer::new();
    let release = judge_text(&signer, &text("")).unwrap();
    let indexes = release.indexes(&["main".into(), "contrib".into()], Architecture::Amd64).unwrap();
    let seen: Vec<_> =
        indexes.iter().map(|index| (index.path.as_str(), index.size, index.compression)).collect();
    assert_eq!(
        seen,
        [
            ("main/binary-amd64/Packages.gz", 5, Compression::Gzip),
            ("contrib/binary-amd64/Packages.xz", 6, Compression::Xz)
        ]
    );
    assert!(indexes[0].by_hash);
    assert_eq!(indexes[0].text.unwrap().0, 7);
    assert_eq!(indexes[1].text, None);
    let missing = release.indexes(&["non-free".into()], Architecture::Amd64).unwrap_err();
    assert!(matches!(missing.problem, Problem::Missing(_)));
    assert!(missing.to_string().contains("non-free/binary-amd64/Packages"), "{missing}");
}

#[test]
fn packages_for_all_architectures_may_be_listed_apart() {
    let signer = Signer::new();
    let apart = text("").replace("No-Support-for-Architecture-all: Packages\n", "")
        + &format!(" {ZERO} 9 main/binary-all/Packages.xz\n");
    let indexes =
        judge_text(&signer, &apart).unwrap().indexes(&["main".into()], Architecture::Amd64).unwrap();
    let paths: Vec<_> = indexes.iter().map(|index| index.path.as_str()).collect();
    assert_eq!(paths, ["main/binary-amd64/Packages.gz", "main/binary-all/Packages.xz"]);
}

#[test]
fn detached_signatures_count_armoured_or_not() {
    let signer = Signer::new();
    let text = text("");
    let signature = signer.sign(&Said::new(SignatureType::Binary), text.as_bytes());
    let mut binary = Vec::new();
    pgp::packet::PacketTrait::to_writer_with_header(&signature, &mut binary).unwrap();
    for signature in [armoured(&signature).into_bytes(), binary] {
        let content = SignedContent::Detached { release: text.clone().into_bytes(), signature };
        assert_eq!(judge(&signer, content, "bookworm").unwrap().facts.signed_by, signer.fingerprint());
    }
    let signature = armoured(&signature).into_bytes();
    let release = text.replace("Origin: Test", "Origin: Tost").into_bytes();
    let forged = judge(&signer, SignedContent::Detached { release, signature }, "bookworm").unwrap_err();
    assert!(matches!(forged.problem, Problem::BadSignature(_)));
}

#[test]
fn forgeries_are_refused() {
    let signer = Signer::new();
    let good = String::from_utf8(signer.clearsign(&text(""))).unwrap();
    let signature = &good[good.find("-----BEGIN PGP SIGNATURE").unwrap()..];
    let evil = good.replace("Label: Test", "Label: Evil");
    for (what, forged) in [
        ("a changed field", evil.clone()),
        ("a changed digest", good.replace(&format!("{ZERO} 4"), &format!("{ZERO} 5"))),
        ("a field before", format!("Label: Evil\n\n{good}")),
        ("a field behind", format!("{good}Label: Evil\n")),
        ("a message before", format!("{}{good}", evil.replace(signature, ""))),
        ("a message behind", format!("{good}{evil}")),
        ("an escaped line", good.replace("Label: Test", "- Label: Test\n- Label: Evil")),
        ("no signature", good.replace(signature, "")),
        (
            "an empty signature",
            good.replace(signature, "-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n"),
        ),
        ("half a signature", good.replace(signature, &signature.replacen("\n\n", "\n\nAAAA", 1))),
    ] {
        assert_ne!(forged, good, "{what}");
        let refused = judge(&signer, SignedContent::Inline(forged.into_bytes()), "bookworm");
        let error = refused.map(|release| release.label).expect_err(what);
        assert!(matches!(error.problem, Problem::Malformed(_) | Problem::BadSignature(_)), "{what}: {error}");
        assert_eq!(error.exit_code(), crate::error::ExitCode::Verify);
    }
    // What the format does not sign may change: trailing blanks and line ends.
    let blanks = good.replace("Label: Test\n", "Label: Test \t\r\n");
    assert_eq!(judge(&signer, SignedContent::Inline(blanks.into_bytes()), "bookworm").unwrap().label, "Test");
}

#[test]
fn lines_that_begin_with_a_dash_are_escaped() {
    let signer = Signer::new();
    let dashed = text("Description: a\n -- b\n").replace("\n -- b", "\n  - b");
    assert!(judge_text(&signer, &dashed).is_ok());
    let first = signer.clearsign("-Field: x\n");
    let error = judge(&signer, SignedContent::Inline(first), "bookworm").unwrap_err();
    assert!(error.to_string().contains("no Date"), "the signature fits, the file does not: {error}");
}

#[test]
fn strangers_are_named() {
    let (signer, stranger) = (Signer::new(), Signer::new());
    let content = SignedContent::Inline(stranger.clearsign(&text("")));
    let error = judge(&signer, content, "bookworm").unwrap_err();
    assert!(matches!(error.problem, Problem::UnknownKey(_)), "{error}");
    assert!(error.to_string().contains("signed_by"), "{error}");
}

#[test]
fn one_of_several_signers_suffices() {
    let (signer, stranger) = (Signer::new(), Signer::new());
    let text = text("");
    let signed = text.trim_end().replace('\n', "\r\n");
    let sign = |signer: &Signer| signer.sign(&Said::new(SignatureType::Text), signed.as_bytes());
    let content = SignedContent::Inline(clearsigned(&text, &[sign(&stranger), sign(&signer)]));
    assert_eq!(judge(&signer, content, "bookworm").unwrap().facts.signed_by, signer.fingerprint());
}

#[test]
fn another_suite_is_refused() {
    let signer = Signer::new();
    for suite in ["trixie", "bookworm-security", "", "Test"] {
        let error = judge(&signer, SignedContent::Inline(signer.clearsign(&text(""))), suite).unwrap_err();
        assert!(matches!(error.problem, Problem::WrongSuite { .. }), "{suite}: {error}");
    }
}

#[test]
fn dates_are_judged() {
    let signer = Signer::new();
    let valid_until = |at: i64| text(&format!("Valid-Until: {}\n", date(at)));
    assert!(judge_text(&signer, &valid_until(NOW)).is_ok());
    let expired = judge_text(&signer, &valid_until(NOW - 1)).unwrap_err();
    assert!(matches!(expired.problem, Problem::Expired { .. }), "{expired}");
    let dated = |at| text("").replace(&date(NOW - 500), &date(at));
    assert!(judge_text(&signer, &dated(NOW + 10)).is_ok());
    let future = judge_text(&signer, &dated(NOW + 11)).unwrap_err();
    assert!(matches!(future.problem, Problem::FromTheFuture { .. }), "{future}");
    let none = judge_text(&signer, &text("").replace("Date:", "Day:")).unwrap_err();
    assert!(matches!(none.problem, Problem::Malformed(_)), "{none}");
    let odd = judge_text(&signer, &text("Valid-Until: tomorrow\n")).unwrap_err();
    assert!(matches!(odd.problem, Problem::Malformed(_)), "{odd}");
}

#[test]
fn doubtful_file_lists_are_refused() {
    let signer = Signer::new();
    for list in [" x 7 main/a\n", &format!(" {ZERO} -7 main/a\n"), &format!(" {ZERO} 7\n")] {
        assert!(judge_text(&signer, &(text("") + list)).is_err(), "{list}");
    }
    let twice = text("") + &format!(" {ZERO} 8 main/binary-amd64/Packages\n");
    assert!(judge_text(&signer, &twice).is_err());
    let weak = text("").replace("SHA256:", "SHA1:");
    assert!(judge_text(&signer, &weak).unwrap_err().to_string().contains("SHA256"));
}

/// The test's own clear-signing is right, says GnuPG's verifier.
#[test]
fn gpgv_agrees() {
    if !Path::new("/usr/bin/gpgv").exists() {
        eprintln!("no gpgv on this machine: nothing to compare with");
        return;
    }
    let folder = std::env::temp_dir().join(format!("bootwright-gpgv-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let signer = Signer::new();
    let mut key = Vec::new();
    signer.public().to_writer(&mut key).unwrap();
    std::fs::write(folder.join("key.gpg"), key).unwrap();
    let verdict = |message: &[u8]| {
        std::fs::write(folder.join("InRelease"), message).unwrap();
        let mut gpgv = Command::new("gpgv");
        gpgv.arg("--keyring").arg(folder.join("key.gpg")).arg("--ignore-time-conflict");
        gpgv.env("GNUPGHOME", &folder).arg(folder.join("InRelease")).output().unwrap().status.success()
    };
    let good = signer.clearsign(&text("Description: - dashed\n"));
    let forged = String::from_utf8(good.clone()).unwrap().replace("Label: Test", "Label: Evil").into_bytes();
    let seen = (verdict(&good), verdict(&forged));
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(seen, (true, false));
    assert!(judge(&signer, SignedContent::Inline(good), "bookworm").is_ok());
    assert!(judge(&signer, SignedContent::Inline(forged), "bookworm").is_err());
}
