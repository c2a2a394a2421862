//! `distribution.repositories`: suites and flat ones, keys in both forms, pins; the tree's own apt agrees.

use std::path::Path;

use integration_tests::archive::{Package, make_flat, make_suite};
use integration_tests::mirror::Mirror;

use crate::bench::{Bench, Tree, debian, keys, text};

const TOOL: Package<'_> = Package {
    name: "vendor-tool",
    version: "1.0",
    fields: "Depends: vendor-data (>= 1.0)\n",
    files: &[("usr/share/vendor/tool", "tool\n")],
};
const DATA: Package<'_> = Package {
    name: "vendor-data",
    version: "1.5",
    fields: "",
    files: &[("usr/share/vendor/data", "data\n")],
};
/// Older than Debian's.
const NETBASE: Package<'_> =
    Package { name: "netbase", version: "1.0", fields: "", files: &[("usr/share/vendor/netbase", "ours\n")] };
/// Newer than Debian's.
const NEWER: Package<'_> =
    Package { name: "netbase", version: "99", fields: "", files: &[("usr/share/vendor/netbase", "newer\n")] };

fn pool(root: &Path, packages: &[Package<'_>]) {
    std::fs::create_dir_all(root.join("pool")).expect("a folder");
    packages.iter().for_each(|package| drop(package.make(&root.join("pool")).expect("dpkg-deb")));
}

/// Serves a suite `stable` of these packages.
fn vendor(bench: &Bench, packages: &[Package<'_>], fields: &[(&str, &str)]) -> Mirror {
    let root = bench.folder("vendor");
    pool(&root, packages);
    make_suite(&root, "stable", fields, &keys().0).expect("a suite");
    Mirror::of_folder(bench.path("vendor")).expect("a loopback port")
}

/// Sources of the image that reach Debian by loopback.
fn image_sources() -> String {
    format!(
        "apt_sources: [{{ uri: \"{}\", suites: [bookworm], components: [main], \
         signed_by: /usr/share/keyrings/debian-archive-keyring.gpg }}]\n",
        debian().uri()
    )
}

/// Asks the tree's own apt, with lists that it fetched and verified itself.
fn policy(tree: &Tree, package: &str) -> String {
    tree.shell(&format!("apt-get -qq update 2>&1; apt-cache policy {package}"))
}

#[test]
fn a_signed_suite_with_a_pin_goes_into_the_image_and_apt_agrees() {
    let bench = Bench::new("suite");
    let server = vendor(&bench, &[TOOL, DATA, NETBASE], &[("Origin", "Vendor"), ("Label", "Vendor Tools")]);
    let distribution = format!(
        "repositories:\n  - {{ uri: \"{}\", suite: stable, components: [main], signed_by: {}, pin: 600 }}",
        server.uri(),
        text(&keys().0.armoured)
    );
    bench.recipe(&distribution, &format!("packages: [vendor-tool, netbase]\n{}", image_sources()));
    let tree = bench.build(&["--mirror", &debian().uri()]);
    assert_eq!(tree.version("vendor-tool"), "1.0");
    assert_eq!(tree.version("vendor-data"), "1.5");
    assert_eq!(tree.version("netbase"), "1.0", "the pin outranks Debian's newer version");
    tree.audit();
    let port = server.port();
    let name = format!("127.0.0.1-{port}_stable");
    let source = tree.read(&format!("etc/apt/sources.list.d/{name}.sources"));
    assert_eq!(
        source,
        format!(
            "Types: deb\nURIs: http://127.0.0.1:{port}\nSuites: stable\nComponents: main\n\
             Signed-By: /etc/apt/keyrings/{name}.gpg\n"
        )
    );
    let answer = policy(&tree, "netbase");
    assert!(answer.contains("Candidate: 1.0\n"), "{answer}");
    assert!(answer.contains(&format!("600 http://127.0.0.1:{port} stable/main")), "{answer}");
    let answer = tree.shell("apt-get -s dist-upgrade; apt-get -s install vendor-tool");
    assert!(answer.contains("0 upgraded, 0 newly installed, 0 to remove"), "{answer}");
    assert!(answer.contains("vendor-tool is already the newest version"), "{answer}");
    let automatic = tree.shell("apt-mark showauto vendor-data; apt-mark showmanual vendor-tool");
    assert_eq!(automatic, "vendor-data\nvendor-tool\n");
}

/// Pins below Debian's 500, below zero, and none; binary key.
#[test]
fn pins_weigh_as_in_apt() {
    for (pin, expected_candidate) in
        [("pin: 100", "debian"), ("pin: 499", "debian"), ("pin: -1", "debian"), ("", "99")]
    {
        let bench = Bench::new("pin");
        let server = vendor(&bench, &[NEWER], &[("Origin", "Vendor")]);
        let comma = if pin.is_empty() { "" } else { ", " };
        let distribution = format!(
            "repositories:\n  - {{ uri: \"{}\", suite: stable, components: [main], signed_by: {}{comma}{pin} }}",
            server.uri(),
            text(&keys().0.binary)
        );
        bench.recipe(&distribution, &format!("packages: [netbase]\n{}", image_sources()));
        let tree = bench.build(&["--mirror", &debian().uri()]);
        let version = tree.version("netbase");
        assert!(!version.is_empty());
        assert_eq!(version == "99", expected_candidate == "99", "{pin}: {version}");
        let answer = policy(&tree, "netbase");
        assert!(answer.contains(&format!("Candidate: {version}\n")), "{pin}: {answer}");
        assert_eq!(
            tree.has(&format!("etc/apt/preferences.d/127.0.0.1-{}_stable.pref", server.port())),
            !pin.is_empty()
        );
    }
}

/// What apt never installs unasked, and what only a version or suite asks for.
#[test]
fn not_automatic_archives_are_used_when_asked() {
    let bench = Bench::new("notautomatic");
    let server =
        vendor(&bench, &[NEWER, TOOL, DATA], &[("NotAutomatic", "yes"), ("ButAutomaticUpgrades", "yes")]);
    let distribution = format!(
        "repositories:\n  - {{ uri: \"{}\", suite: stable, components: [main], signed_by: {} }}",
        server.uri(),
        text(&keys().0.armoured)
    );
    let build = |packages: &str| {
        bench.recipe(&distribution, &format!("packages: {packages}\n{}", image_sources()));
        bench.build(&["--mirror", &debian().uri()])
    };
    let tree = build("[netbase, vendor-tool]");
    assert_ne!(tree.version("netbase"), "99");
    assert_eq!(tree.version("vendor-tool"), "1.0", "it is nowhere else");
    let answer = policy(&tree, "netbase");
    assert!(answer.contains(&format!("Candidate: {}\n", tree.version("netbase"))), "{answer}");
    assert!(answer.contains("100 http://127.0.0.1"), "{answer}");
    assert_eq!(build("[netbase/stable]").version("netbase"), "99");
    assert_eq!(build("[netbase=99]").version("netbase"), "99");
}

/// `./` at the address itself and a folder below it, over http and from files.
#[test]
fn flat_repositories() {
    let bench = Bench::new("flat");
    let root = bench.folder("flat");
    TOOL.make(&root).expect("dpkg-deb");
    let below = bench.folder("flat/more");
    DATA.make(&below).expect("dpkg-deb");
    make_flat(&below, &[], &keys().0).expect("a flat repository");
    // Written last: its list names what is below as well, as dpkg-scanpackages does.
    make_flat(&root, &[("Origin", "Flat")], &keys().0).expect("a flat repository");
    let server = Mirror::of_folder(root.clone()).expect("a loopback port");
    let key = text(&keys().0.armoured);
    for (uri, in_image) in [(server.uri(), true), (format!("file:{}", root.display()), false)] {
        let distribution =
            format!("repositories:\n  - {{ uri: \"{uri}\", suite: ./, signed_by: {key}, pin: 700 }}");
        bench.recipe(&distribution, &format!("packages: [vendor-tool]\n{}", image_sources()));
        let tree = bench.build(&["--mirror", &debian().uri()]);
        assert_eq!((tree.version("vendor-tool"), tree.version("vendor-data")), ("1.0".into(), "1.5".into()));
        tree.audit();
        let name = format!("127.0.0.1-{}", server.port());
        assert_eq!(tree.has(&format!("etc/apt/sources.list.d/{name}.sources")), in_image);
        assert!(
            !serde_json::to_string(&bench.manifest()).expect("JSON").contains(text(&root)),
            "a path of this machine"
        );
        if in_image {
            let answer = policy(&tree, "vendor-tool");
            assert!(
                answer.contains("Candidate: 1.0\n") && answer.contains("700 http://127.0.0.1"),
                "{answer}"
            );
        }
    }
    let distribution = format!(
        "repositories:\n  - {{ uri: \"{}\", suite: more/, signed_by: {key}, in_image: false }}",
        server.uri()
    );
    // The list below names files from its own folder; apt takes them from the address, so only the list is asked for.
    bench.recipe(&distribution, "");
    let tree = bench.build(&["--mirror", &debian().uri()]);
    assert!(server.requests().iter().any(|path| path == "/more/InRelease"), "{:?}", server.requests());
    assert!(!tree.has("etc/apt/keyrings/127.0.0.1.gpg"));
}
