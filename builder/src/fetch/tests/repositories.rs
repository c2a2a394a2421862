//! Whole repositories, signed by keys made for the test.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::fetch::testing::{Reply, Server};
use crate::fetch::{Cause, FetchError, Listed, Source};
use crate::plan::Architecture;
use crate::progress::{Silent, Stage};
use crate::store::Sha256Digest;
use crate::store::tests::Cache;
use crate::verify::testing::{Said, Signer, armoured, now};
use crate::verify::{Problem, Release, VerifyError, release};

use super::{Counter, client, listed};

const LIST: &[u8] = b"Package: hello\nVersion: 1\n";

type Files = HashMap<String, Vec<u8>>;

/// Returns the files of a repository `name` whose package list is `list`.
fn repository(signer: &Signer, name: &str, list: &[u8], by_hash: bool) -> Files {
    let packed = liblzma::encode_all(list, 6).unwrap();
    let line = |bytes: &[u8], path: &str| format!(" {} {} {path}\n", Sha256Digest::of(bytes), bytes.len());
    let text = format!(
        "Suite: {name}\nCodename: {name}\nDate: Mon, 21 Sep 2026 00:00:00 UTC\n{}SHA256:\n{}{}",
        if by_hash { "Acquire-By-Hash: yes\n" } else { "" },
        line(list, "main/binary-amd64/Packages"),
        line(&packed, "main/binary-amd64/Packages.xz"),
    );
    let folder = format!("/debian/dists/{name}/main/binary-amd64");
    let hashed = format!("{folder}/by-hash/SHA256/{}", Sha256Digest::of(&packed));
    let mut files = Files::from([
        (format!("/debian/dists/{name}/InRelease"), signer.clearsign(&text)),
        (format!("/debian/dists/{name}/Release"), text.clone().into_bytes()),
        (format!("{folder}/Packages.xz"), packed.clone()),
    ]);
    if by_hash {
        files.insert(hashed, packed);
    }
    files
}

fn source(server: &Server, name: &str) -> Source {
    Source { name: name.into(), base: server.url("/debian"), suite: name.into() }
}

fn list(
    cache: &Cache,
    sources: &[Source],
    signer: &Signer,
    stage: &Stage<'_>,
) -> anyhow::Result<Vec<Listed<Release>>> {
    let places: Vec<Vec<Source>> = sources.iter().map(|source| vec![source.clone()]).collect();
    list_places(cache, &places, signer, stage)
}

fn list_places(
    cache: &Cache,
    places: &[Vec<Source>],
    signer: &Signer,
    stage: &Stage<'_>,
) -> anyhow::Result<Vec<Listed<Release>>> {
    let keyring = signer.keyring();
    let check = |source: &Source, signed: &crate::fetch::SignedRelease| {
        let release = release(signed, source, &keyring, now())?;
        let files = release.indexes(&["main".into()], Architecture::Amd64)?;
        Ok((release, files))
    };
    listed(&client(), &cache.store(), places, check, stage)
}

#[test]
fn repositories_are_listed_cold_and_warm() {
    let signer = Signer::new();
    let mut files = repository(&signer, "stable", LIST, true);
    files.extend(repository(&signer, "other", b"Package: other\n", false));
    let server = Server::of(files);
    let sources = [source(&server, "stable"), source(&server, "other")];
    let cache = Cache::new();
    let cold = list(&cache, &sources, &signer, &Stage::start(&Silent, "test")).unwrap();
    assert_eq!(cold[0].indexes[0].text, LIST);
    assert_eq!(
        (cold[1].release.facts.name.as_str(), &cold[1].indexes[0].text[..]),
        ("other", &b"Package: other\n"[..])
    );
    let asked: Vec<String> = server.requests().into_iter().map(|request| request.path).collect();
    assert!(asked.iter().any(|path| path.contains("/stable/main/binary-amd64/by-hash/SHA256/")), "{asked:?}");
    assert!(asked.iter().any(|path| path.ends_with("/other/main/binary-amd64/Packages.xz")), "{asked:?}");
    let counter = Counter::default();
    let warm = list(&cache, &sources, &signer, &Stage::start(&counter, "test")).unwrap();
    assert_eq!(warm[0].indexes, cold[0].indexes);
    assert_eq!(server.requests().len(), asked.len() + 2, "only the Release files are asked for again");
    assert!(counter.advanced() > 0);
}

#[test]
fn a_repository_may_sign_apart() {
    let signer = Signer::new();
    let mut files = repository(&signer, "stable", LIST, true);
    files.remove("/debian/dists/stable/InRelease");
    let text = files["/debian/dists/stable/Release"].clone();
    let signature = signer.sign(&Said::new(pgp::packet::SignatureType::Binary), &text);
    files.insert("/debian/dists/stable/Release.gpg".into(), armoured(&signature).into_bytes());
    let server = Server::of(files);
    let cache = Cache::new();
    let listed = list(&cache, &[source(&server, "stable")], &signer, &Stage::start(&Silent, "test")).unwrap();
    assert_eq!(listed[0].indexes[0].text, LIST);
}

#[test]
fn a_list_that_lost_its_digest_name_is_found_by_its_own() {
    let signer = Signer::new();
    let mut files = repository(&signer, "stable", LIST, true);
    files.retain(|path, _| !path.contains("by-hash"));
    let server = Server::of(files);
    let cache = Cache::new();
    let listed = list(&cache, &[source(&server, "stable")], &signer, &Stage::start(&Silent, "test")).unwrap();
    assert_eq!(listed[0].indexes[0].text, LIST);
}

#[test]
fn a_mirror_in_the_middle_of_an_update_is_looked_at_again() {
    let signer = Signer::new();
    let old = repository(&signer, "stable", LIST, false);
    let new = repository(&signer, "stable", b"Package: hello\nVersion: 2\n", false);
    let server = Server::start(move |request| {
        let stale = request.path.ends_with("InRelease") && request.earlier == 0;
        let files = if stale { &old } else { &new };
        files.get(&request.path).map_or(Reply::missing(), |body| Reply::whole(body))
    });
    let (cache, counter) = (Cache::new(), Counter::default());
    let listed =
        list(&cache, &[source(&server, "stable")], &signer, &Stage::start(&counter, "test")).unwrap();
    assert_eq!(listed[0].indexes[0].text, b"Package: hello\nVersion: 2\n");
    assert!(counter.notes.lock().unwrap()[0].contains("looking at stable again"));
}

#[test]
fn a_list_that_stays_wrong_is_refused_and_leaves_nothing() {
    let signer = Signer::new();
    let mut files = repository(&signer, "stable", LIST, true);
    for (path, bytes) in &mut files {
        if path.contains("binary-amd64") {
            bytes[20] ^= 1;
        }
    }
    let server = Server::of(files);
    let cache = Cache::new();
    let error =
        list(&cache, &[source(&server, "stable")], &signer, &Stage::start(&Silent, "test")).unwrap_err();
    let error = error.downcast_ref::<FetchError>().unwrap();
    assert!(matches!(error.cause, Cause::Mismatch(_)), "{error}");
    assert_eq!(error.exit_code(), crate::error::ExitCode::Verify);
    assert_eq!(cache.files().len(), 0);
}

#[test]
fn nothing_is_asked_for_that_no_allowed_key_named() {
    let (signer, stranger) = (Signer::new(), Signer::new());
    let server = Server::of(repository(&stranger, "stable", LIST, true));
    let cache = Cache::new();
    let error =
        list(&cache, &[source(&server, "stable")], &signer, &Stage::start(&Silent, "test")).unwrap_err();
    let error = error.downcast_ref::<VerifyError>().unwrap();
    assert!(matches!(error.problem, Problem::UnknownKey(_)), "{error}");
    assert_eq!(server.requests().len(), 1);
    assert_eq!(cache.files().len(), 0);
}

#[test]
fn a_suite_that_is_not_there_is_explained() {
    let server = Server::start(|_| Reply::missing());
    let sources = [source(&server, "nosuch")];
    let error = list(&Cache::new(), &sources, &Signer::new(), &Stage::start(&Silent, "test")).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("/debian/dists/nosuch/Release'") && text.contains("suite's name"), "{text}");
}

#[test]
fn the_first_failure_in_the_order_of_repositories_is_told() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let seen = order.clone();
    let server = Server::start(move |request| {
        let is_quick = |path: &String| path.contains("quick");
        for _ in 0..2000 {
            if is_quick(&request.path) || seen.lock().unwrap().iter().any(is_quick) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        seen.lock().unwrap().push(request.path.clone());
        Reply::missing()
    });
    let sources = [source(&server, "slow"), source(&server, "quick")];
    let error = list(&Cache::new(), &sources, &Signer::new(), &Stage::start(&Silent, "test")).unwrap_err();
    assert!(error.to_string().contains("/slow/"), "{error}");
    assert!(order.lock().unwrap()[0].contains("/quick/"));
}

#[test]
fn the_next_place_is_asked_when_one_lacks_the_suite_or_a_list() {
    let signer = Signer::new();
    let files = repository(&signer, "stable", LIST, true);
    let empty = Server::start(|_| Reply::missing());
    let broken = Server::start(|_| Reply::status(500).with("Content-Length", 0));
    let mut without_lists = files.clone();
    without_lists.retain(|path, _| !path.contains("binary-amd64"));
    let (partial, whole) = (Server::of(without_lists), Server::of(files));
    let places = [&empty, &broken, &partial, &whole].map(|server| source(server, "stable"));
    let (cache, counter) = (Cache::new(), Counter::default());
    let stage = Stage::start(&counter, "test");
    let listed = list_places(&cache, &[places.to_vec()], &signer, &stage).unwrap();
    assert_eq!(listed[0].indexes[0].text, LIST);
    assert_eq!(listed[0].release.facts.base, partial.url("/debian"));
    assert!(whole.requests().iter().all(|request| request.path.contains("binary-amd64")));
    let notes = counter.notes.lock().unwrap().clone();
    assert!(notes.len() == 2 && notes[0].contains(&broken.url("/debian")), "{notes:?}");
}

#[test]
fn a_forged_place_is_not_passed_over() {
    let (signer, stranger) = (Signer::new(), Signer::new());
    let forged = Server::of(repository(&stranger, "stable", LIST, true));
    let good = Server::of(repository(&signer, "stable", LIST, true));
    let places = vec![source(&forged, "stable"), source(&good, "stable")];
    let error = list_places(&Cache::new(), &[places], &signer, &Stage::start(&Silent, "test")).unwrap_err();
    assert!(error.downcast_ref::<VerifyError>().is_some(), "{error}");
    assert_eq!(good.requests().len(), 0);
}

#[test]
fn flat_repositories_are_asked_by_their_path() {
    let signer = Signer::new();
    for (suite, folder) in [("./", "/debian"), ("more/stuff/", "/debian/more/stuff")] {
        let text = format!(
            "Date: Mon, 21 Sep 2026 00:00:00 UTC\nSHA256:\n {} {} Packages\n",
            Sha256Digest::of(LIST),
            LIST.len()
        );
        let server = Server::of(Files::from([
            (format!("{folder}/InRelease"), signer.clearsign(&text)),
            (format!("{folder}/Packages"), LIST.to_vec()),
        ]));
        let keyring = signer.keyring();
        let check = |source: &Source, signed: &crate::fetch::SignedRelease| {
            let release = release(signed, source, &keyring, now())?;
            let files = release.indexes(&[], Architecture::Amd64)?;
            Ok((release, files))
        };
        let cache = Cache::new();
        let places = [vec![source(&server, suite)]];
        let stage = Stage::start(&Silent, "test");
        let found = listed(&client(), &cache.store(), &places, check, &stage).unwrap();
        assert_eq!((found[0].indexes[0].text.as_slice(), found[0].indexes[0].component.as_str()), (LIST, ""));
    }
}
