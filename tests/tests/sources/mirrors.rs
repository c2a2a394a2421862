//! Several mirrors, fail-over between them, and proxies from the environment.

use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use integration_tests::mirror::{Mirror, Source, Tamper, debian_mirrors};
use integration_tests::program::bootwright;

use crate::bench::{Bench, debian, said, text};

/// An address on which nobody listens, and which is given to no other test: the kernel hands out no port below 1024.
fn nobody() -> String {
    static NEXT: AtomicU16 = AtomicU16::new(2);
    format!("http://127.0.0.1:{}/debian", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn upstream(tamper: Tamper) -> Mirror {
    let (upstream, _) = debian_mirrors().expect("apt has sources");
    Mirror::start(Source::Upstream(upstream), tamper).expect("a loopback port")
}

#[test]
fn the_next_mirror_is_asked_when_one_is_gone_or_lacks_a_file() {
    let bench = Bench::with_own_cache("failover");
    let without_suite = upstream(Box::new(|path, _| path.contains("/dists/").then(Vec::new)));
    // Has the lists and not every package.
    let partial = upstream(Box::new(|path, _| path.contains("/pool/main/d/").then(Vec::new)));
    bench.recipe(
        &format!(
            "mirror: [\"{}\", \"{}\", \"{}\", \"{}\"]",
            nobody(),
            without_suite.uri(),
            partial.uri(),
            debian().uri()
        ),
        "",
    );
    let before = debian().requests().len();
    let tree = bench.build(&[]);
    tree.audit();
    assert!(
        without_suite.requests().iter().all(|path| path.contains("/dists/")),
        "asked for packages in vain"
    );
    assert!(partial.requests().iter().any(|path| path.contains("/pool/main/b/")));
    let last: Vec<String> = debian().requests().split_off(before);
    assert!(last.iter().any(|path| path.contains("/pool/main/d/dpkg/")), "{last:?}");
    let releases = bench.manifest()["releases"].clone();
    assert_eq!(
        releases[0]["base"], "http://ftp.debian.org/debian",
        "through which mirror it came is told to nobody"
    );
    // The choice is remembered now; a lock of it knows the archive although the first mirror still does not answer.
    let locked = bench.run("lock", &["--cache", text(bench.cache())]);
    assert!(locked.status.success(), "{}", said(&locked));
    let lock = std::fs::read_to_string(bench.path("recipe.lock")).expect("a lock");
    assert!(lock.contains("\"from\":\"debian\"") && !lock.contains("\"from\":\"local\""), "{lock}");
}

#[test]
fn a_mirror_with_a_bad_signature_ends_the_build() {
    let bench = Bench::with_own_cache("no-failover");
    let forged = upstream(Box::new(|path, bytes| {
        let text = String::from_utf8(bytes).ok()?;
        path.ends_with("/InRelease").then(|| text.replacen("\nDate: ", "\nDate:  ", 1).into_bytes())
    }));
    let good = upstream(Box::new(|_, _| None));
    bench.recipe("", "");
    bench.refused(
        "build",
        &["--mirror", &forged.uri(), "--mirror", &good.uri()],
        5,
        &["signature", &forged.uri()],
    );
    assert_eq!(good.requests(), Vec::<String>::new(), "a second mirror must not hide a forgery");
}

#[test]
fn when_no_mirror_answers_the_last_one_is_told() {
    let bench = Bench::with_own_cache("no-mirror");
    let (first, second) = (nobody(), nobody());
    bench.recipe(&format!("mirror: [\"{first}\", \"{second}\"]"), "");
    bench.refused("build", &[], 4, &[&first, &second, "--mirror"]);
}

#[test]
fn the_environment_names_mirrors_and_proxies() {
    let bench = Bench::with_own_cache("environment");
    bench.recipe("mirror: \"http://archive.invalid/debian\"", "");
    let build = |variables: &[(&str, &str)]| {
        let mut command = Command::new(bootwright());
        command.args(["build", "--progress", "plain"]).arg(bench.path("recipe.yaml"));
        command.arg("--output").arg(bench.path("out")).arg("--cache").arg(bench.cache());
        command.envs(variables.iter().copied()).output().expect("bootwright starts")
    };
    // This server answers for any host, as a proxy does.
    let proxy = upstream(Box::new(|_, _| None));
    let (upstream, _) = debian_mirrors().expect("apt has sources");
    let base = upstream.splitn(4, '/').nth(3).unwrap_or_default().to_owned();
    assert_eq!(base, "debian", "this machine's mirror lies elsewhere than the test thinks");
    let list = format!("{} {}", nobody(), debian().uri());
    let output = build(&[("BOOTWRIGHT_MIRROR", &list)]);
    assert!(output.status.success(), "{}", said(&output));
    // `/debian/debian` is asked of the real mirror: nothing is there, but the proxy was asked by the whole address.
    let output = build(&[("http_proxy", &proxy.uri())]);
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    assert!(
        proxy.requests().iter().any(|path| path == "/debian/dists/bookworm/InRelease"),
        "{:?}",
        proxy.requests()
    );
}
