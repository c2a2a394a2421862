use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

use super::*;

/// The time of all cases.
const NOW: u64 = 2_000_000_000;
const DAY: u64 = 24 * 60 * 60;

struct Signer {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

fn parameters(name: &str, holds: Range<u64>) -> CertificateParams {
    let start = rcgen::date_time_ymd(1970, 1, 1);
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.not_before = start + Duration::from_secs(holds.start);
    parameters.not_after = start + Duration::from_secs(holds.end);
    parameters
}

fn authority(name: &str, by: Option<&Signer>, holds: Range<u64>) -> Signer {
    let mut parameters = parameters(name, holds);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let certificate = match by {
        Some(signer) => parameters.signed_by(&key, &signer.issuer),
        None => parameters.self_signed(&key),
    };
    Signer { certificate: certificate.expect("signed").pem(), issuer: Issuer::new(parameters, key) }
}

fn leaf(names: &[&str], by: &Signer, holds: Range<u64>, usage: ExtendedKeyUsagePurpose) -> (String, String) {
    let mut parameters = parameters("leaf", holds);
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    parameters.subject_alt_names = CertificateParams::new(names).expect("names").subject_alt_names;
    parameters.extended_key_usages = vec![usage];
    let key = KeyPair::generate().expect("a key");
    let certificate = parameters.signed_by(&key, &by.issuer).expect("signed");
    (certificate.pem(), key.serialize_pem())
}

fn years() -> Range<u64> {
    NOW - 1000 * DAY..NOW + 1000 * DAY
}

fn ask<'a>(name: &'a str, authorities: &'a str) -> Demand<'a> {
    Demand { name, now: NOW, authorities }
}

const SERVER: ExtendedKeyUsagePurpose = ExtendedKeyUsagePurpose::ServerAuth;

fn subjects(text: &str) -> Vec<String> {
    let ders = read_certificates(text).expect("certificates");
    ders.iter().map(|der| Read::of(der).expect("read").subject()).collect()
}

#[test]
fn a_chain_in_any_order_is_put_into_the_right_one() {
    let root = authority("root", None, years());
    let upper = authority("upper", Some(&root), years());
    let lower = authority("lower", Some(&upper), years());
    let stranger = authority("stranger", None, years());
    let (own, key) = leaf(&["api.example.org", "*.api.example.org"], &lower, years(), SERVER);
    let in_order = format!("{own}{}{}", lower.certificate, upper.certificate);
    let judged = judge(&in_order, &key, &ask("api.example.org", &root.certificate)).expect("good");
    assert_eq!(judged.notes, Vec::<String>::new());
    assert_eq!(subjects(&judged.text), ["CN=leaf", "CN=lower", "CN=upper"]);
    assert!(judged.text.trim_end().ends_with("-----END PRIVATE KEY-----"), "{}", judged.text);

    // Upside down, with its own root, which this machine does not know, and with one that has nothing to do with it.
    let mixed = format!(
        "{}{}{}{}{own}",
        stranger.certificate, root.certificate, upper.certificate, lower.certificate
    );
    let judged = judge(&mixed, &key, &ask("web.api.example.org", "")).expect("good");
    assert_eq!(subjects(&judged.text), ["CN=leaf", "CN=lower", "CN=upper"]);
    assert!(judged.notes.iter().any(|note| note.contains("put into order")), "{:?}", judged.notes);
    assert!(judged.notes.iter().any(|note| note.contains("1 of the file's")), "{:?}", judged.notes);
    assert!(judged.notes.iter().any(|note| note.contains("does not know 'CN=root'")), "{:?}", judged.notes);
    let summary = summary(&judged.text).expect("a summary");
    assert_eq!((summary.issuer.as_str(), summary.ends), ("CN=lower", years().end));
}

#[test]
fn what_clients_would_refuse_is_refused_and_says_why() {
    let root = authority("root", None, years());
    let lower = authority("lower", Some(&root), years());
    let late = authority("late", Some(&root), NOW - 10 * DAY..NOW - 3 * DAY);
    // Another authority of the same name, so only the signature tells.
    let other = authority("lower", Some(&root), years());
    let (own, key) = leaf(&["api.example.org", "192.0.2.7"], &lower, years(), SERVER);
    let (_, another_key) = leaf(&["x"], &lower, years(), SERVER);
    let (ended, ended_key) = leaf(&["api.example.org"], &lower, NOW - 9 * DAY..NOW - 2 * DAY, SERVER);
    let (early, early_key) = leaf(&["api.example.org"], &lower, NOW + 2 * DAY..NOW + 9 * DAY, SERVER);
    let (by_late, late_key) = leaf(&["api.example.org"], &late, years(), SERVER);
    let (client, client_key) =
        leaf(&["api.example.org"], &lower, years(), ExtendedKeyUsagePurpose::ClientAuth);
    let (nameless, nameless_key) = leaf(&[], &lower, years(), SERVER);
    let whole = |certificate: &str| format!("{certificate}{}", lower.certificate);
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (certificates, key, name, why) in [
        (
            whole(&own),
            another_key.as_str(),
            "api.example.org",
            "the key is not that of the certificate: the file has CN=leaf; CN=lower",
        ),
        (
            own.clone(),
            key.as_str(),
            "api.example.org",
            "the chain ends too early: 'CN=leaf' is signed by 'CN=lower'",
        ),
        (
            format!("{own}{}", other.certificate),
            key.as_str(),
            "api.example.org",
            "a client would refuse the certificate",
        ),
        (
            whole(&own),
            key.as_str(),
            "example.org",
            "is for api.example.org, 192.0.2.7, and not for 'example.org'",
        ),
        (whole(&ended), ended_key.as_str(), "api.example.org", "'CN=leaf' ended 2 days ago"),
        (whole(&early), early_key.as_str(), "api.example.org", "'CN=leaf' begins to hold in 2 days only"),
        (
            format!("{by_late}{}", late.certificate),
            late_key.as_str(),
            "api.example.org",
            "'CN=late' ended 3 days ago",
        ),
        (whole(&client), client_key.as_str(), "api.example.org", "a client would refuse the certificate"),
        (whole(&nameless), nameless_key.as_str(), "api.example.org", "has no names that clients look at"),
        (String::new(), key.as_str(), "api.example.org", "the file of the certificate has none"),
        (key.clone(), key.as_str(), "api.example.org", "the file of the certificate has none"),
        (whole(&own), "", "api.example.org", "has no private key"),
        (whole(&own), encrypted, "api.example.org", "the key is encrypted"),
    ] {
        let told = judge(&certificates, key, &ask(name, &root.certificate)).expect_err(why);
        assert!(format!("{told:#}").contains(why), "{why}: {told:#}");
    }
    judge(&whole(&own), &key, &ask("192.0.2.7", &root.certificate)).expect("addresses are names as well");
}

#[test]
fn one_that_signed_itself_is_taken_and_said() {
    let mut parameters = parameters("self", years());
    parameters.subject_alt_names =
        CertificateParams::new(vec!["api.example.org".to_owned()]).expect("names").subject_alt_names;
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let certificate = parameters.self_signed(&key).expect("signed").pem();
    let judged = judge(&certificate, &key.serialize_pem(), &ask("api.example.org", "")).expect("good");
    assert!(judged.notes[0].contains("signed by itself"), "{:?}", judged.notes);
    assert_eq!(subjects(&judged.text), ["CN=self"]);
}

#[test]
fn names_cover_one_label() {
    for (pattern, name, wanted) in [
        ("*.example.org", "api.example.org", true),
        ("*.example.org", "a.b.example.org", false),
        ("*.example.org", "example.org", false),
        ("API.example.org", "api.example.org", true),
        ("example.org", "xexample.org", false),
    ] {
        assert_eq!(covers(pattern, name), wanted, "{pattern} {name}");
    }
}
