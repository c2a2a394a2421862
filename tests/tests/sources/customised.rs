//! debconf, recommends, variants, sources of the image, overlays, files, users, locale, time zone, `run`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use integration_tests::mirror::debian_mirrors;

use crate::bench::{Bench, Tree, debian};

fn build(bench: &Bench, rest: &str) -> Tree {
    bench.recipe("", rest);
    bench.build(&["--mirror", &debian().uri()])
}

/// Mode, owner and group of a path, without following a link at its end.
fn ownership(tree: &Tree, inside: &str) -> (u32, u32, u32) {
    let metadata = tree.path(inside).symlink_metadata().unwrap_or_else(|error| panic!("{inside}: {error}"));
    (metadata.mode() & 0o7777, metadata.uid(), metadata.gid())
}

#[test]
fn overlays_files_and_users() {
    let bench = Bench::new("overlay");
    for (path, text) in [
        ("parts/over/srv/www/index.html", "page\n"),
        ("parts/over/srv/www/private/key", "key\n"),
        ("parts/over/srv/www/private/deep/x", "x\n"),
        ("parts/over/etc/app.conf", "app\n"),
        ("parts/over/bin/ours", "#!/bin/sh\necho ours\n"),
    ] {
        bench.write(path, text);
    }
    fs::set_permissions(bench.path("parts/over/bin/ours"), fs::Permissions::from_mode(0o755))
        .expect("a mode");
    symlink("/srv/www", bench.path("parts/over/srv/link")).expect("a link");
    bench.write("parts/from.txt", "from a file\n");
    bench.write(
        "parts/base.yaml",
        "overlays: [{ from: over, owner: root, map: { \"srv/www\": www-data, \"srv/www/private\": backup, \"srv/www/private/deep\": admin } }]\n\
         files:\n  - { path: /etc/from, from: from.txt, mode: \"0600\", owner: admin, group: adm }\n\
         users: [{ name: admin, groups: [adm, users], ssh_keys: [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAbcdefghijklmnopqrstuvwxyz0123456789ABCDEF me@home\"] }]\n",
    );
    let tree = build(
        &bench,
        "include: [parts/base.yaml]\nfiles:\n  - { path: /etc/motd, content: \"hello\\n\" }\n  - { path: /etc/app/deep/link, link: ../../motd }\n",
    );
    let passwd = tree.read("etc/passwd");
    let id = |name: &str| {
        let line = passwd.lines().find(|line| line.starts_with(&format!("{name}:"))).expect(name);
        let fields: Vec<u32> =
            line.split(':').skip(2).take(2).map(|field| field.parse().expect("an id")).collect();
        (fields[0], fields[1])
    };
    let (admin, adm) = (id("admin"), 4);
    assert_eq!(ownership(&tree, "srv/www"), (0o755, 33, 33));
    assert_eq!(ownership(&tree, "srv/www/index.html"), (0o644, 33, 33));
    assert_eq!(ownership(&tree, "srv/www/private/key"), (0o644, 34, 34), "deeper wins");
    assert_eq!(ownership(&tree, "srv/www/private/deep/x"), (0o644, admin.0, admin.1));
    assert_eq!(ownership(&tree, "etc/app.conf"), (0o644, 0, 0));
    // Through the tree's own link `bin`, not in its place.
    assert!(tree.path("bin").is_symlink() && tree.shell("/usr/bin/ours") == "ours\n");
    assert_eq!(fs::read_link(tree.path("srv/link")).expect("a link").to_str(), Some("/srv/www"));
    assert_eq!(
        (tree.read("etc/from"), ownership(&tree, "etc/from")),
        ("from a file\n".into(), (0o600, admin.0, adm))
    );
    assert_eq!((tree.read("etc/motd"), ownership(&tree, "etc/motd")), ("hello\n".into(), (0o644, 0, 0)));
    assert_eq!(tree.read("etc/app/deep/link"), "hello\n");
    assert_eq!(ownership(&tree, "home/admin/.ssh/authorized_keys"), (0o600, admin.0, admin.1));
    assert!(tree.read("etc/shadow").lines().any(|line| line.starts_with("admin:!")), "no password opens it");
    assert_eq!(tree.shell("id -nG admin"), "admin adm users\n");
    tree.audit();
}

#[test]
fn owners_that_the_image_lacks_are_named() {
    let bench = Bench::new("owners");
    bench.write("over/x", "x");
    for (rest, words) in [
        ("overlays: [{ from: over, owner: nobody-here }]", "no user 'nobody-here'"),
        ("overlays: [{ from: over, map: { x: ghost } }]", "no user 'ghost'"),
        ("files: [{ path: /x, content: x, group: ghosts }]", "no group 'ghosts'"),
        ("users: [{ name: a, groups: [ghosts] }]", "no group 'ghosts'"),
        ("timezone: Europe/Atlantis", "no zone 'Europe/Atlantis'"),
        ("services: { enable: [ssh] }", "the image has no systemd"),
        ("locale: xx_YY.UTF-8", "'xx_YY.UTF-8' is not in the image's"),
        (
            "apt_sources: [{ uri: \"http://x/debian\", suites: [a], components: [main], signed_by: /etc/apt/keyrings/gone.gpg }]",
            "no '/etc/apt/keyrings/gone.gpg'",
        ),
    ] {
        bench.recipe("", rest);
        bench.refused("build", &["--mirror", &debian().uri()], 1, &[words]);
    }
    bench.recipe("", "overlays: [{ from: over, map: { y: root } }]");
    bench.refused("check", &[], 3, &["recipe.yaml:6:", "the overlay holds no `y`"]);
}

#[test]
fn locale_time_zone_and_debconf() {
    let bench = Bench::new("locale");
    let tree = build(
        &bench,
        "locale: de_DE.UTF-8\ntimezone: Europe/Berlin\npackages: [keyboard-configuration, debconf-utils]\n\
         debconf:\n  - \"keyboard-configuration keyboard-configuration/layoutcode string de\"\n  \
         - \"keyboard-configuration keyboard-configuration/xkb-keymap select de\"\n",
    );
    assert_eq!(tree.read("etc/default/locale"), "LANG=de_DE.UTF-8\n");
    assert!(!tree.version("locales").is_empty(), "the locale brings its package");
    assert!(tree.read("etc/locale.gen").lines().any(|line| line == "de_DE.UTF-8 UTF-8"));
    assert_eq!(tree.shell("LC_ALL=de_DE.UTF-8 locale -k d_fmt abday | head -1"), "d_fmt=\"%d.%m.%Y\"\n");
    assert_eq!(tree.read("etc/timezone"), "Europe/Berlin\n");
    assert_eq!(tree.shell("date --date @1750000000 +%Z"), "CEST\n");
    let answers = tree.shell("debconf-get-selections");
    assert!(answers.contains("keyboard-configuration/layoutcode\tstring\tde\n"), "{answers}");
    assert!(tree.read("etc/default/keyboard").contains("XKBLAYOUT=\"de\""));
    tree.audit();
    // Every base set needs it, so that answers always find somebody who reads them.
    bench.recipe("", "debconf: [\"a a/b string c\"]\npackages: [debconf-]\n");
    let words = ["debconf is ruled out by 'debconf-'"];
    bench.refused_with_tree("build", &["--mirror", &debian().uri()], 6, &words);
}

#[test]
fn recommends_as_apt_chooses() {
    let bench = Bench::new("recommends");
    let count = |rest: &str| {
        let tree = build(&bench, rest);
        tree.audit();
        let sources = tree.path("etc/apt/sources.list.d/debian.sources");
        let source = format!(
            "Types: deb\nURIs: {}\nSuites: bookworm\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
            debian().uri()
        );
        fs::write(sources, source).expect("the tree is ours");
        let check = tree.shell(
            "apt-get -qq update; apt-get -s dist-upgrade; apt-get -s -f install; apt-get -s autoremove",
        );
        assert_eq!(check.matches("0 upgraded, 0 newly installed, 0 to remove").count(), 3, "{check}");
        // With everything that apt itself would now want.
        let recommends = if rest.contains("recommends: true") { "true" } else { "false" };
        let again = tree.shell(&format!(
            "apt-get -s -o APT::Install-Recommends={recommends} install ca-certificates dbus"
        ));
        assert!(again.contains("0 newly installed"), "{again}");
        tree.read("var/lib/dpkg/status").matches("\nStatus: install ok installed\n").count()
    };
    let without = count("packages: [ca-certificates, dbus, man-db]\n");
    let with = count("recommends: true\npackages: [ca-certificates, dbus, man-db]\n");
    assert!(with > without, "{with} with and {without} without");
}

#[test]
fn variants_grow() {
    let bench = Bench::new("variants");
    let mut counts = Vec::new();
    for variant in ["essential", "minbase", "important", "standard"] {
        let debian_key =
            format!("{{ suite: bookworm, variant: {variant}, security: false, updates: false }}");
        bench.recipe_of(&debian_key, "", "");
        let tree = bench.build(&["--mirror", &debian().uri()]);
        tree.audit();
        assert_eq!(tree.version("apt").is_empty(), variant == "essential", "{variant}");
        assert_eq!(tree.has("etc/apt/sources.list.d/debian.sources"), variant != "essential");
        counts.push(tree.read("var/lib/dpkg/status").matches("\nStatus: install ok installed\n").count());
    }
    assert!(counts.is_sorted() && counts[0] > 50 && counts[3] > counts[2], "{counts:?}");
}

#[test]
fn the_image_has_its_own_sources() {
    let bench = Bench::new("apt-sources");
    let tree = build(&bench, "");
    let read = |tree: &Tree| tree.read("etc/apt/sources.list.d/debian.sources");
    assert!(
        read(&tree).contains("URIs: http://ftp.debian.org/debian\nSuites: bookworm\n"),
        "{}",
        read(&tree)
    );
    assert!(!read(&tree).contains("127.0.0.1"), "the build's mirror is not the image's");
    let tree = build(
        &bench,
        "apt_sources: [{ uri: \"http://corp.example/debian\", suites: [bookworm, bookworm-updates], components: [main, contrib] }]",
    );
    let wanted = "Types: deb\nURIs: http://corp.example/debian\nSuites: bookworm bookworm-updates\nComponents: main contrib\n";
    assert_eq!(read(&tree), wanted);
    let tree = build(&bench, "apt_sources: []");
    assert!(!tree.has("etc/apt/sources.list.d/debian.sources"));
}

#[test]
fn steps_have_the_network_only_where_they_ask_for_it() {
    let bench = Bench::new("steps");
    let port = debian().port();
    let host = debian_mirrors().expect("apt has sources").0.split('/').nth(2).expect("a host").to_owned();
    let tree = build(
        &bench,
        &format!(
            "packages: [perl, netbase]\n\
             files: [{{ path: /etc/resolv.conf, link: ../run/systemd/resolve/stub-resolv.conf }}]\n\
             run:\n\
             \x20 - name: without\n    command: |\n      exec 3>&1\n      ! perl -MIO::Socket::INET -e 'exit(IO::Socket::INET->new(\"127.0.0.1:{port}\") ? 0 : 1)'\n      ! getent hosts {host}\n      ls /sys/class/net >/dev/null 2>&1 || true\n      grep -c : /proc/net/dev > /root/interfaces\n\
             \x20 - name: with\n    network: true\n    command: |\n      perl -MIO::Socket::INET -e 'exit(IO::Socket::INET->new(\"127.0.0.1:{port}\") ? 0 : 1)'\n      getent hosts {host} > /root/resolved\n      echo \"$http_proxy\" > /root/proxy\n"
        ),
    );
    assert_eq!(tree.read("root/interfaces"), "1\n", "only loopback");
    assert!(tree.read("root/resolved").contains(&host), "the host's resolver was there");
    assert_eq!(tree.read("root/proxy").trim(), std::env::var("http_proxy").unwrap_or_default());
    // Nothing of this machine's stays.
    assert!(tree.path("etc/resolv.conf").is_symlink() && !tree.has("run/systemd"));
    let ours = fs::read_to_string("/etc/hosts").unwrap_or_default();
    assert!(!tree.has("etc/hosts") || tree.read("etc/hosts") != ours, "this machine's hosts");
    bench.recipe("", "run: [{ name: it fails, command: \"echo the reason >&2; exit 3\" }]");
    bench.refused_with_tree(
        "build",
        &["--mirror", &debian().uri()],
        7,
        &["it fails", "recipe.yaml:6:", "the reason"],
    );
}
