//! Repositories that are not used, with the exit code that says why.

use std::fs;

use integration_tests::archive::{Package, make_flat, make_suite};
use integration_tests::mirror::{Mirror, Source};

use crate::bench::{Bench, debian, keys, text};

const TOOL: Package<'_> =
    Package { name: "vendor-tool", version: "1", fields: "", files: &[("usr/share/vendor", "x\n")] };

fn suite(bench: &Bench) -> std::path::PathBuf {
    let root = bench.folder("vendor");
    fs::create_dir_all(root.join("pool")).expect("a folder");
    TOOL.make(&root.join("pool")).expect("dpkg-deb");
    make_suite(&root, "stable", &[], &keys().0).expect("a suite");
    root
}

fn repository(uri: &str, rest: &str) -> String {
    format!("repositories:\n  - {{ uri: \"{uri}\", {rest} }}")
}

#[test]
fn keys_that_do_not_fit() {
    let bench = Bench::with_own_cache("bad-keys");
    let server = Mirror::of_folder(suite(&bench)).expect("a loopback port");
    let (known, stranger) = keys();
    let with = |key: &str| format!("suite: stable, components: [main]{key}");
    let named = |path: &std::path::Path| with(&format!(", signed_by: {}", text(path)));
    // Another's key, and none, which stands for Debian's own.
    for rest in [named(&stranger.armoured), with("")] {
        bench.recipe(&repository(&server.uri(), &rest), "packages: [vendor-tool]\n");
        let words = ["InRelease", "not allowed here", "signed_by"];
        bench.refused("build", &["--mirror", &debian().uri()], 5, &words);
    }
    assert!(server.requests().iter().all(|path| path.ends_with("InRelease")), "{:?}", server.requests());
    // Files that are no keys are wrong before anything is fetched.
    bench.write("text.asc", "not a key\n");
    let armour = fs::read_to_string(&known.armoured).expect("a key");
    bench.write("cut.asc", &armour[..armour.len() / 2]);
    for (name, words) in
        [("text.asc", "no keyring"), ("cut.asc", "not closed"), ("absent.asc", "there is no file")]
    {
        bench.recipe(&repository("http://127.0.0.1:9", &with(&format!(", signed_by: {name}"))), "");
        bench.refused("check", &[], 3, &["recipe.yaml:6:", words]);
        bench.refused("build", &[], 3, &["recipe.yaml:6:", words]);
    }
}

#[test]
fn forged_repositories() {
    let bench = Bench::with_own_cache("forged");
    let key = format!("signed_by: {}", text(&keys().0.armoured));
    let root = suite(&bench);
    let rest = format!("suite: stable, components: [main], {key}");
    for (suffix, words) in [("InRelease", "signature"), ("Packages.xz", "SHA-256"), ("_all.deb", "SHA-256")] {
        let tamper = move |path: &str, mut bytes: Vec<u8>| {
            path.ends_with(suffix).then(|| {
                let at = if suffix == "InRelease" { 60 } else { bytes.len() / 2 };
                bytes[at] ^= 1;
                bytes
            })
        };
        let server = Mirror::start(Source::Folder(root.clone()), Box::new(tamper)).expect("a loopback port");
        bench.recipe(&repository(&server.uri(), &rest), "packages: [vendor-tool]\n");
        bench.refused("build", &["--mirror", &debian().uri()], 5, &[suffix.trim_start_matches('_'), words]);
    }
}

#[test]
fn unsigned_and_absent_repositories() {
    let bench = Bench::with_own_cache("unsigned");
    let key = format!("signed_by: {}", text(&keys().0.armoured));
    let root = bench.folder("flat");
    TOOL.make(&root).expect("dpkg-deb");
    make_flat(&root, &[], &keys().0).expect("a flat repository");
    fs::remove_file(root.join("InRelease")).expect("there");
    let server = Mirror::of_folder(root.clone()).expect("a loopback port");
    let mirror = debian().uri();
    // Signed apart is as good.
    bench.recipe(&repository(&server.uri(), &format!("suite: ./, {key}")), "packages: [vendor-tool]\n");
    assert_eq!(bench.build(&["--mirror", &mirror]).version("vendor-tool"), "1");
    fs::remove_dir_all(bench.path("out")).expect("the tree goes");
    fs::remove_file(root.join("Release.gpg")).expect("there");
    bench.refused("build", &["--mirror", &mirror], 4, &["Release.gpg", "no such file"]);
    bench.recipe(&repository("file:///nonexistent/repository", &format!("suite: ./, {key}")), "");
    bench.refused(
        "build",
        &["--mirror", &mirror],
        4,
        &["file:///nonexistent/repository/Release", "no such file"],
    );
    let other = format!("suite: unstable, components: [main], {key}");
    bench.recipe(&repository(&server.uri(), &other), "");
    bench.refused("build", &["--mirror", &mirror], 4, &["/dists/unstable/Release"]);
}

#[test]
fn words_that_make_no_repository() {
    let bench = Bench::new("bad-words");
    for (uri, rest, words) in [
        ("http://x/y", "suite: s, components: [main], pin: high", "`pin` must be a whole number"),
        ("http://x/y", "suite: s, components: [main], pin: 1.5", "pin"),
        ("http://x/y", "suite: s, components: [main], pin: 40000", "pin"),
        ("http://x/y", "suite: s, components: [main], pin: 0", "no meaning to apt"),
        ("http://x/y", "suite: s, components: [main], pin: [600]", "pin"),
        ("http://x/y", "suite: ./, components: [main]", "flat repository has no components"),
        ("http://x/y", "suite: s", "needs `components`"),
        ("http://x/y", "suite: ../up/", "not the path of a flat repository"),
        ("http://x/y", "suite: s, components: [main], trusted: true", "every repository must be signed"),
        ("http://x/y", "suite: s, components: [main], password: secret-word", "in `auth`"),
        ("http://me:secret-word@x/y", "suite: s, components: [main]", "not a valid `uri`"),
        ("file://relative/y", "suite: ./", "not a valid `uri`"),
        ("ftp://x/y", "suite: ./", "not a valid `uri`"),
        ("file:///srv/y", "suite: ./, in_image: true", "this machine's files"),
    ] {
        bench.recipe(&repository(uri, rest), "");
        bench.refused("check", &[], 3, &["recipe.yaml:6:", words]);
    }
}
