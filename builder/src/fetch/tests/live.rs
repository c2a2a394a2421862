//! The real archive, through the mirror of this machine's own apt sources. Needs the network.

use std::path::Path;
use std::time::{Instant, SystemTime};

use crate::fetch::{Client, ClientOptions, MirrorOverrides, Mirrors, Source, load_host_sources, packages};
use crate::plan::{Architecture, Origin, Repository, SignedBy};
use crate::progress::{Silent, Stage};
use crate::resolve::LockedPackage;
use crate::store::Sha256Digest;
use crate::store::tests::Cache;
use crate::verify::{Keyring, release};

fn repository(suite: &str, origin: Origin) -> Repository {
    Repository {
        name: suite.into(),
        origin,
        suite: suite.into(),
        components: vec!["main".into()],
        signed_by: SignedBy::DebianArchive,
        pin: None,
        in_image: None,
    }
}

/// Reads the first stanza of an index whose package is `name`.
fn locked(text: &str, base: &str, name: &str) -> LockedPackage {
    let stanza = text.split("\n\n").find(|stanza| stanza.starts_with(&format!("Package: {name}\n"))).unwrap();
    let field = |key: &str| {
        stanza.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": ")).unwrap().to_owned()
    };
    LockedPackage {
        name: name.into(),
        version: field("Version"),
        architecture: field("Architecture"),
        base: base.into(),
        filename: field("Filename"),
        size: field("Size").parse().unwrap(),
        sha256: Sha256Digest::parse(&field("SHA256")).unwrap(),
        base_set: true,
        automatic: false,
    }
}

#[test]
fn network_the_debian_archive_is_listed_and_a_package_fetched() {
    let mirrors = Mirrors::choose(&MirrorOverrides::default(), &load_host_sources(Path::new("/")));
    let repositories = [
        repository("bookworm", Origin::Debian),
        repository("bookworm-updates", Origin::Debian),
        repository("bookworm-security", Origin::DebianSecurity),
        repository("trixie", Origin::Debian),
    ];
    let places: Vec<Vec<Source>> = repositories.iter().map(|one| mirrors.sources(one)).collect();
    let sources: Vec<Source> = places.iter().map(|places| places[0].clone()).collect();
    let keyring = Keyring::debian_archive().unwrap();
    let client = Client::new(ClientOptions::default()).unwrap();
    let cache = Cache::new();
    let check = |source: &Source, signed: &crate::fetch::SignedRelease| {
        let release = release(signed, source, &keyring, SystemTime::now())?;
        let files = release.indexes(&["main".into()], Architecture::Amd64)?;
        Ok((release, files))
    };
    let stage = Stage::start(&Silent, "test");
    for run in ["cold", "warm"] {
        let begun = Instant::now();
        let store = cache.store();
        let listed = super::listed(&client, &store, &places, check, &stage).unwrap();
        eprintln!("{run}: {:?}", begun.elapsed());
        for (listed, source) in listed.iter().zip(&sources) {
            assert_eq!(listed.release.facts.codename, source.suite);
            assert_eq!(listed.release.origin, "Debian");
            assert!(listed.release.facts.signed_by.len() == 40 && listed.release.facts.date > 1_700_000_000);
            assert!(listed.indexes[0].text.starts_with(b"Package: "), "{}", source.name);
        }
        let text = std::str::from_utf8(&listed[0].indexes[0].text).unwrap();
        let wanted = [locked(text, &sources[0].base, "hello"), locked(text, &sources[0].base, "netbase")];
        packages(&client, &store, &wanted, |base| mirrors.alternatives(base), &stage).unwrap();
        let verified = crate::verify::packages(&store, &wanted).unwrap();
        assert_eq!(std::fs::read(&verified[0].path).unwrap()[..8], *b"!<arch>\n");
    }
}
