//! One file at a time: breaks, waits, resumption, wrong bytes; then packages in parallel.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::error::ExitCode;
use crate::fetch::error::{Cause, FetchError};
use crate::fetch::packages;
use crate::fetch::proxy::ProxyRules;
use crate::fetch::testing::{Reply, Request, Server, Then};
use crate::fetch::transfer::Wanted;
use crate::progress::{Silent, Stage};
use crate::resolve::LockedPackage;
use crate::store::Sha256Digest;
use crate::store::tests::Cache;

use super::{Counter, client, client_behind};

/// Bytes that differ everywhere, enough for progress to count.
fn content() -> Vec<u8> {
    (0..300_000u32)
        .flat_map(|number| (number.wrapping_mul(2_654_435_761) >> 24).to_le_bytes())
        .take(300_000)
        .collect()
}

fn wanted(server: &Server, bytes: &[u8]) -> Wanted {
    Wanted { urls: vec![server.url("/file")], size: bytes.len() as u64, sha256: Sha256Digest::of(bytes) }
}

/// Fetches [`content`] from a scripted server; returns the result, the requests' offsets and what the stage was told.
fn fetch(
    cache: &Cache,
    script: impl Fn(&Request) -> Reply + Send + Sync + 'static,
) -> (Result<Vec<u8>, FetchError>, Vec<Option<usize>>, u64) {
    let server = Server::start(script);
    let counter = Counter::default();
    let stage = Stage::start(&counter, "test");
    let result = client().object(&cache.store(), &wanted(&server, &content()), &stage);
    let offsets = server.requests().iter().map(|request| request.from).collect();
    (result.map(|path| std::fs::read(path).unwrap()), offsets, counter.advanced())
}

#[test]
fn a_file_is_fetched_once_and_kept() {
    let cache = Cache::new();
    let (fetched, offsets, advanced) = fetch(&cache, |request| Reply::range(request, &content()));
    assert_eq!(fetched.unwrap(), content());
    assert_eq!((offsets, advanced), (vec![None], 300_000));
    let (fetched, offsets, advanced) = fetch(&cache, |_| Reply::missing());
    assert_eq!(fetched.unwrap(), content());
    assert_eq!((offsets, advanced), (vec![], 300_000));
    assert_eq!(cache.files().len(), 1);
}

#[test]
fn a_broken_transfer_is_resumed_where_it_broke() {
    for then in [Then::Close, Then::Reset, Then::Stall(Duration::from_secs(10))] {
        let cache = Cache::new();
        let (fetched, offsets, advanced) = fetch(&cache, move |request| match request.earlier {
            0 => Reply::range(request, &content()).breaking(100_000, then),
            _ => Reply::range(request, &content()),
        });
        assert_eq!(fetched.unwrap(), content(), "{then:?}");
        assert_eq!(advanced, 300_000, "{then:?}");
        // A reset may take with it what was on the way.
        let resumed = offsets[1].unwrap_or(0);
        assert!(offsets.len() == 2 && (then == Then::Reset || resumed == 100_000), "{then:?}: {offsets:?}");
    }
}

#[test]
fn progress_renews_patience() {
    let cache = Cache::new();
    let (fetched, offsets, _) =
        fetch(&cache, |request| Reply::range(request, &content()).breaking(70_000, Then::Close));
    assert_eq!(fetched.unwrap(), content());
    assert_eq!(offsets.len(), 5, "more breaks than attempts");
}

#[test]
fn a_server_without_ranges_starts_over() {
    let cache = Cache::new();
    let (fetched, _, advanced) = fetch(&cache, |request| match request.earlier {
        0 => Reply::whole(&content()).breaking(100_000, Then::Close),
        _ => Reply::whole(&content()),
    });
    assert_eq!(fetched.unwrap(), content());
    assert_eq!(advanced, 300_000, "nothing is counted twice");
}

#[test]
fn a_later_run_resumes_what_an_earlier_one_left() {
    let cache = Cache::new();
    let (failed, offsets, _) = fetch(&cache, |request| match request.earlier {
        0 => Reply::whole(&content()).breaking(100_000, Then::Close),
        _ => Reply::status(503).with("Content-Length", 0),
    });
    let error = failed.unwrap_err();
    assert!(matches!(error.cause, Cause::Status { status: 503, .. }), "{error}");
    assert_eq!((error.exit_code(), offsets.len()), (ExitCode::Fetch, 3));
    let (fetched, offsets, advanced) = fetch(&cache, |request| Reply::range(request, &content()));
    assert_eq!(fetched.unwrap(), content());
    assert_eq!((offsets, advanced), (vec![Some(100_000)], 300_000));
    assert_eq!(cache.files().len(), 1);
}

#[test]
fn a_spoilt_beginning_is_fetched_anew() {
    let cache = Cache::new();
    let name = Sha256Digest::of(&content()).to_string();
    drop(cache.store());
    std::fs::write(cache.path().join("partial").join(&name), vec![0; 1000]).unwrap();
    let (fetched, offsets, _) = fetch(&cache, |request| Reply::range(request, &content()));
    assert_eq!(fetched.unwrap(), content());
    assert_eq!(offsets, [Some(1000), None]);
    // The same when the spoilt bytes are all there.
    let cache = Cache::new();
    drop(cache.store());
    std::fs::write(cache.path().join("partial").join(&name), vec![0; 300_000]).unwrap();
    let (fetched, offsets, _) = fetch(&cache, |request| Reply::range(request, &content()));
    assert_eq!((fetched.unwrap(), offsets), (content(), vec![None]));
}

#[test]
fn an_unwilling_range_is_asked_for_whole() {
    let cache = Cache::new();
    let (fetched, offsets, _) = fetch(&cache, |request| match (request.earlier, request.from) {
        (0, _) => Reply::whole(&content()).breaking(100_000, Then::Close),
        (_, Some(_)) => Reply::status(416).with("Content-Length", 0),
        (_, None) => Reply::whole(&content()),
    });
    assert_eq!(fetched.unwrap(), content());
    assert_eq!(offsets, [None, Some(100_000), None]);
}

#[test]
fn a_busy_server_is_given_the_time_it_asks_for() {
    let cache = Cache::new();
    let begun = Instant::now();
    let (fetched, offsets, _) = fetch(&cache, |request| match request.earlier {
        0 => Reply::status(503).with("Retry-After", 1).with("Content-Length", 0),
        _ => Reply::whole(&content()),
    });
    assert_eq!((fetched.unwrap(), offsets.len()), (content(), 2));
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let cache = Cache::new();
    let (failed, offsets, _) =
        fetch(&cache, |_| Reply::status(429).with("Retry-After", 86_400).with("Content-Length", 0));
    assert!(matches!(failed.unwrap_err().cause, Cause::Status { status: 429, .. }));
    assert_eq!(offsets.len(), 1, "nobody waits for a day");
}

#[test]
fn wrong_bytes_are_refused_and_leave_nothing() {
    let other = || vec![1; 300_000];
    let long = || vec![1; 300_001];
    let short = || vec![1; 299_999];
    for body in [other(), long(), short()] {
        let cache = Cache::new();
        let (failed, offsets, _) = fetch(&cache, move |_| Reply::whole(&body));
        let error = failed.unwrap_err();
        assert!(matches!(error.cause, Cause::Mismatch(_)), "{error}");
        assert_eq!((error.exit_code(), offsets.len()), (ExitCode::Verify, 1), "{error}");
        assert_eq!(cache.files().len(), 0);
    }
    // The same without a stated length.
    let cache = Cache::new();
    let (failed, ..) = fetch(&cache, move |_| {
        Reply { headers: Vec::new(), ..Reply::whole(&long()) }.breaking(usize::MAX, Then::Close)
    });
    assert!(matches!(failed.unwrap_err().cause, Cause::Mismatch(_)));
    assert_eq!(cache.files().len(), 0);
}

#[test]
fn a_body_that_ends_early_without_a_stated_length_is_resumed() {
    let cache = Cache::new();
    let (fetched, offsets, _) = fetch(&cache, |request| match request.earlier {
        0 => Reply { headers: Vec::new(), ..Reply::whole(&content()) }.breaking(100_000, Then::Close),
        _ => Reply::range(request, &content()),
    });
    assert_eq!((fetched.unwrap(), offsets), (content(), vec![None, Some(100_000)]));
}

#[test]
fn redirects_are_followed_but_not_for_ever() {
    let cache = Cache::new();
    let (fetched, offsets, _) = fetch(&cache, |request| match request.path.as_str() {
        "/file" => Reply::status(302).with("Location", "/elsewhere").with("Content-Length", 0),
        _ => Reply::range(request, &content()),
    });
    assert_eq!((fetched.unwrap(), offsets.len()), (content(), 2));
    let cache = Cache::new();
    let (failed, offsets, _) =
        fetch(&cache, |_| Reply::status(302).with("Location", "/file").with("Content-Length", 0));
    let error = failed.unwrap_err();
    assert!(matches!(error.cause, Cause::Redirects), "{error}");
    assert!(offsets.len() <= 6, "{offsets:?}");
}

#[test]
fn the_next_address_is_tried() {
    let cache = Cache::new();
    let server = Server::start(|request| match request.path.as_str() {
        "/gone" => Reply::missing(),
        "/wrong" => Reply::whole(&vec![1; 300_000]),
        "/long" => {
            Reply { headers: Vec::new(), ..Reply::whole(&vec![1; 300_009]) }.breaking(usize::MAX, Then::Close)
        }
        _ => Reply::range(request, &content()),
    });
    let urls = ["/gone", "/wrong", "/long", "/file"].map(|path| server.url(path)).to_vec();
    let stage = Stage::start(&Silent, "test");
    client().object(&cache.store(), &Wanted { urls, ..wanted(&server, &content()) }, &stage).unwrap();
    let cache = Cache::new();
    let urls = vec![server.url("/wrong"), server.url("/gone")];
    let error =
        client().object(&cache.store(), &Wanted { urls, ..wanted(&server, &content()) }, &stage).unwrap_err();
    assert!(matches!(error.cause, Cause::NotFound), "the last address's error: {error}");
}

#[test]
fn files_need_no_server() {
    let (cache, folder) = (Cache::new(), Cache::new());
    let path = folder.path().join("a file");
    std::fs::write(&path, content()).unwrap();
    let url = format!("file://{}", path.display()).replace(' ', "%20");
    let file = Wanted { urls: vec![url], size: 300_000, sha256: Sha256Digest::of(&content()) };
    let stage = Stage::start(&Silent, "test");
    client().object(&cache.store(), &file, &stage).unwrap();
    let gone =
        Wanted { urls: vec!["file:///nonexistent/file".into()], sha256: Sha256Digest([0; 32]), ..file };
    let error = client().object(&cache.store(), &gone, &stage).unwrap_err();
    assert!(matches!(error.cause, Cause::NotFound), "{error}");
    assert_eq!(cache.files().len(), 1);
}

#[test]
fn addresses_that_lead_nowhere_are_explained() {
    // A port that no test is given.
    let free = "127.0.0.1:1";
    for (url, expected, attempts) in [
        (format!("http://user:secret@{free}/x"), "http://127.0.0.1", 3),
        ("http://no-such-host.invalid/x".to_owned(), "cannot be resolved", 3),
        ("gopher://example.org/x".to_owned(), "write it as", 1),
        ("nonsense".to_owned(), "write it as", 1),
    ] {
        let error = client().bytes(&url, 10, true).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(expected) && !text.contains("secret"), "{text}");
        assert_eq!(error.attempts, attempts, "{text}");
    }
}

#[test]
fn small_files_have_a_limit() {
    let server = Server::of(HashMap::from([("/a".into(), vec![1; 100])]));
    assert_eq!(client().bytes(&server.url("/a"), 100, true).unwrap().len(), 100);
    assert!(matches!(client().bytes(&server.url("/a"), 99, true).unwrap_err().cause, Cause::TooLarge(99)));
    assert_eq!(server.requests()[0].headers["cache-control"], "max-age=0");
}

#[test]
fn connections_are_reused() {
    let server = Server::of(HashMap::from([("/a".into(), vec![1; 100])]));
    let client = client();
    (0..10).for_each(|_| drop(client.bytes(&server.url("/a"), 100, true).unwrap()));
    assert_eq!((server.requests().len(), server.connections()), (10, 1));
}

#[test]
fn a_proxy_stands_between() {
    let proxy = Server::start(|_| Reply::whole(b"by proxy"));
    let rules = |exception: &str| {
        let address = proxy.url("").replace("http://", "http://user:secret@");
        ProxyRules::from_environment(|name| match name {
            "all_proxy" => Some(address.clone()),
            "no_proxy" => Some(exception.to_owned()),
            _ => None,
        })
    };
    let client = client_behind(rules(""));
    for path in ["/x", "/y"] {
        let url = format!("http://archive.invalid{path}");
        assert_eq!(client.bytes(&url, 10, true).unwrap(), b"by proxy");
    }
    assert!(client.bytes("https://archive.invalid/x", 10, true).is_err(), "the proxy does no tunnels");
    let seen = proxy.requests();
    let lines: Vec<&str> = seen.iter().map(|request| request.line.as_str()).collect();
    assert_eq!(lines[0], "GET http://archive.invalid/x HTTP/1.1");
    assert_eq!(lines[1], "GET http://archive.invalid/y HTTP/1.1");
    assert_eq!(lines[2], "CONNECT archive.invalid:443 HTTP/1.1");
    assert_eq!(seen[0].headers["proxy-authorization"], "Basic dXNlcjpzZWNyZXQ=");
    assert_eq!(seen[0].headers["host"], "archive.invalid");
    let server = Server::of(HashMap::from([("/a".into(), vec![1; 100])]));
    assert!(client_behind(rules("127.0.0.1")).bytes(&server.url("/a"), 100, true).is_ok());
    assert!(!server.requests()[0].headers.contains_key("proxy-authorization"));
}

/// What is at an address is nowhere else.
fn alone(base: &str) -> Vec<String> {
    vec![base.to_owned()]
}

fn package(server: &Server, name: &str, bytes: &[u8]) -> LockedPackage {
    LockedPackage {
        name: name.into(),
        version: "1:2~rc+1-3".into(),
        architecture: "all".into(),
        base: server.url(""),
        filename: format!("pool/{name}_2~rc+1-3_all.deb"),
        size: bytes.len() as u64,
        sha256: Sha256Digest::of(bytes),
        base_set: true,
        automatic: false,
    }
}

#[test]
fn packages_come_in_parallel_and_are_verified() {
    let bodies: Vec<Vec<u8>> = (0..40u8).map(|number| vec![number; 1000 * usize::from(number) + 1]).collect();
    let path = |number: usize| format!("/pool/p{number}_2~rc+1-3_all.deb");
    let files = bodies.iter().enumerate().map(|(number, body)| (path(number), body.clone())).collect();
    let server = Server::of(files);
    let mut wanted: Vec<_> = bodies
        .iter()
        .enumerate()
        .map(|(number, body)| package(&server, &format!("p{number}"), body))
        .collect();
    wanted.push(wanted[3].clone());
    let (cache, counter) = (Cache::new(), Counter::default());
    let store = cache.store();
    assert!(crate::verify::packages(&store, &wanted).unwrap_err().to_string().contains("p0_2~rc"));
    packages(&client(), &store, &wanted, alone, &Stage::start(&counter, "test")).unwrap();
    assert_eq!(counter.advanced(), bodies.iter().map(|body| body.len() as u64).sum::<u64>());
    assert!(server.connections() <= 4);
    let verified = crate::verify::packages(&store, &wanted).unwrap();
    assert_eq!(verified.len(), 41);
    assert!(verified.iter().zip(&wanted).all(|(have, want)| have.package == *want));
    assert_eq!(std::fs::read(&verified[7].path).unwrap(), bodies[7]);
    let requests = server.requests().len();
    // What rots in the cache is found by the next run, and fetched again.
    std::fs::write(&verified[5].path, b"rotten").unwrap();
    let store = cache.store();
    packages(&client(), &store, &wanted, alone, &Stage::start(&Silent, "test")).unwrap();
    assert_eq!(server.requests().len(), requests + 1);
    assert_eq!(std::fs::read(&crate::verify::packages(&store, &wanted).unwrap()[5].path).unwrap(), bodies[5]);
}

#[test]
fn all_failures_of_packages_are_told_at_once() {
    let server = Server::start(|request| match request.path.as_str() {
        path if path.contains("/gone") => Reply::missing(),
        path if path.contains("/evil") => Reply::whole(b"evil"),
        _ => Reply::whole(b"good"),
    });
    let wanted: Vec<_> = ["good0", "gone1", "evil2", "good3", "gone4"]
        .map(|name| {
            let body =
                if name.starts_with("good") { "good".to_owned() } else { format!("{:>4}", &name[4..]) };
            package(&server, name, body.as_bytes())
        })
        .to_vec();
    let cache = Cache::new();
    let failures =
        packages(&client(), &cache.store(), &wanted, alone, &Stage::start(&Silent, "test")).unwrap_err();
    let text = failures.to_string();
    assert_eq!(text.lines().count(), 3, "{text}");
    for part in ["gone1", "evil2", "gone4", "there is no such file", "SHA-256", "--mirror"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(cache.files().len(), 1, "the good one is kept");
}

#[test]
fn a_dead_network_ends_the_work_early() {
    let server = Server::start(|_| Reply::status(500).with("Content-Length", 0));
    let wanted: Vec<_> =
        (0..50u8).map(|number| package(&server, &format!("p{number}"), &[number; 10])).collect();
    let cache = Cache::new();
    let failures =
        packages(&client(), &cache.store(), &wanted, alone, &Stage::start(&Silent, "test")).unwrap_err();
    assert_eq!(failures.exit_code(), ExitCode::Fetch);
    assert!(failures.errors().len() < 9, "{failures}");
    assert_eq!(cache.files().len(), 0);
}

#[test]
fn a_password_goes_to_whom_it_is_meant_for_and_not_along_a_redirect() {
    let other = Server::start(|_| Reply::whole(b"elsewhere"));
    let target = other.url("/moved");
    let meant = Server::start(move |request| match request.headers.get("authorization") {
        Some(value) if value == "Basic YTpi" && request.path == "/deb/a" => {
            Reply::status(302).with("Location", &target).with("Content-Length", 0)
        }
        Some(_) => Reply::whole(b"seen"),
        None => Reply::status(401).with("Content-Length", 0),
    });
    let text = format!("machine {} login a password b", meant.url("/deb"));
    let credentials = crate::recipe::parse_credentials(&text).unwrap();
    let client = client().with_credentials(credentials);
    assert_eq!(client.bytes(&meant.url("/deb/x"), 10, true).unwrap(), b"seen");
    assert_eq!(client.bytes(&meant.url("/deb/a"), 10, true).unwrap(), b"elsewhere");
    assert!(!other.requests()[0].headers.contains_key("authorization"));
    let error = client.bytes(&meant.url("/other"), 10, true).unwrap_err();
    assert!(
        matches!(error.cause, Cause::Status { status: 401, .. }) && error.to_string().contains("`auth`"),
        "{error}"
    );
    assert!(!format!("{client:?}").contains("password"), "{client:?}");
}

#[test]
fn a_lost_server_is_left_for_the_next_one() {
    let content = content();
    let good = Server::of(HashMap::from([("/p".to_owned(), content.clone())]));
    let lost = Server::start(|_| Reply::whole(b"").breaking(0, Then::Reset));
    let urls = vec![lost.url("/by-hash"), lost.url("/p"), good.url("/p")];
    let wanted = Wanted { urls, size: content.len() as u64, sha256: Sha256Digest::of(&content) };
    let cache = Cache::new();
    let path = client().object(&cache.store(), &wanted, &Stage::start(&Silent, "test")).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), content);
    assert!(lost.requests().iter().all(|request| request.path == "/by-hash"), "{:?}", lost.requests());
}
