use super::{HEAD, PARTITIONS, plan_text};
use crate::plan::{Origin, Plan, SizeRule, Want};

#[test]
fn what_is_left_out_is_filled_in() {
    let text = format!(
        "{HEAD}{}    - {{ type: linux, mount: /srv/www, quota: [project], options: [nodev] }}\n    - {{ type: swap, size: 1GiB }}\n",
        PARTITIONS.replace("type: root", "type: root, quota: [user, group]")
    );
    let plan = plan_text(&text).expect("it is right");
    let disk = plan.disk.as_ref().expect("it has a disk");
    let rows: Vec<_> = disk
        .partitions
        .iter()
        .map(|one| {
            let filesystem = one.filesystem.as_ref();
            let mount = filesystem.and_then(|filesystem| filesystem.mount.clone()).unwrap_or_default();
            let options = filesystem.map(|filesystem| filesystem.options.join(",")).unwrap_or_default();
            (one.name.as_str(), one.size, mount, options)
        })
        .collect();
    let row = |name, size, mount: &str, options: &str| (name, size, mount.to_owned(), options.to_owned());
    assert_eq!(
        rows,
        [
            row("bios-boot", SizeRule::Bytes(1 << 20), "", ""),
            row("esp", SizeRule::Bytes(64 << 20), "/boot/efi", "umask=0077"),
            row("root", SizeRule::Auto, "/", "errors=remount-ro,usrquota,grpquota"),
            row("linux", SizeRule::Auto, "/srv/www", "nodev,prjquota"),
            row("swap", SizeRule::Bytes(1 << 30), "", ""),
        ]
    );
    let mut identifiers: Vec<_> = disk.partitions.iter().map(|one| one.guid).collect();
    identifiers.extend(disk.partitions.iter().filter_map(|one| one.filesystem.as_ref()).map(|one| one.uuid));
    identifiers.extend([disk.guid, plan.seed]);
    assert!(identifiers.iter().all(|one| one.get_version_num() == 5));
    let count = identifiers.len();
    identifiers.sort_unstable();
    identifiers.dedup();
    assert_eq!(identifiers.len(), count, "no two identifiers are the same");
}

#[test]
fn booting_brings_its_packages() {
    let text =
        format!("{HEAD}{PARTITIONS}packages: [curl, udev=252.1, curl, exim4-, grub2-common/bookworm]\n");
    let plan = plan_text(&text).expect("it is right");
    let terms: Vec<_> = plan.packages.terms.iter().map(|term| term.name.as_str()).collect();
    assert_eq!(
        terms,
        [
            "curl",
            "udev",
            "exim4",
            "grub2-common",
            "linux-image-cloud-amd64",
            "systemd-sysv",
            "initramfs-tools",
            "zstd",
            "grub-pc-bin",
            "grub-efi-amd64-signed",
            "shim-signed",
            "grub-efi-amd64-bin",
            "e2fsprogs",
            "dosfstools",
            "usrmerge",
        ]
    );
    assert_eq!(plan.packages.terms[1].want, Want::Version("252.1".to_owned()));
    assert!(plan.packages.terms[8].origin.ends_with("recipe.yaml:6:23: boot.grub.bios"));

    let unsigned = |suite: &str| {
        let text = text.replace("uefi: true", "uefi: true, secure: false").replace("suite: bookworm", suite);
        let plan = plan_text(&text).expect("it is right");
        assert!(!plan.boot.as_ref().is_some_and(|boot| boot.secure));
        plan.packages.terms.iter().any(|term| term.name == "grub-efi-amd64-unsigned")
    };
    assert!(!unsigned("suite: bookworm"), "there it is a part of grub-efi-amd64-bin");
    assert!(unsigned("suite: trixie"));
}

#[test]
fn repositories_come_in_their_order() {
    let extra =
        "repositories: [{ uri: \"https://example.com/d/\", suite: stable, components: [main], pin: 600 }]";
    let table = [
        ("{ debian: { suite: bookworm }, EXTRA }", "bookworm bookworm-updates bookworm-security stable"),
        ("{ debian: { suite: bookworm, updates: false }, EXTRA }", "bookworm bookworm-security stable"),
        ("{ debian: { suite: sid }, EXTRA }", "sid stable"),
    ];
    for (distribution, expected) in table {
        let distribution = distribution.replace("EXTRA", extra);
        let text = format!("{HEAD}{PARTITIONS}").replace("{ debian: { suite: bookworm } }", &distribution);
        let plan = plan_text(&text).expect("it is right");
        let suites: Vec<_> = plan.repositories.iter().map(|one| one.suite.as_str()).collect();
        assert_eq!(suites.join(" "), expected);
        let last = plan.repositories.last().expect("there are several");
        assert_eq!(last.origin, Origin::Uri("https://example.com/d".to_owned()));
        assert_eq!((last.name.as_str(), last.pin), ("stable of example.com", Some(600)));
    }
}

#[test]
fn the_image_has_its_own_apt_sources() {
    let plan = plan_text(&format!("{HEAD}{PARTITIONS}")).expect("it is right");
    assert_eq!(
        plan.customise.apt_sources,
        "Types: deb\nURIs: http://ftp.debian.org/debian\nSuites: bookworm bookworm-updates\nComponents: main\n\
         Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n\
         Types: deb\nURIs: http://security.debian.org/debian-security\nSuites: bookworm-security\nComponents: main\n\
         Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    );
    let own =
        "apt_sources: [{ uri: \"http://example.org/d/\", suites: [a, b], components: [main, contrib] }]\n";
    let plan = plan_text(&format!("{HEAD}{PARTITIONS}{own}")).expect("it is right");
    assert_eq!(
        plan.customise.apt_sources,
        "Types: deb\nURIs: http://example.org/d\nSuites: a b\nComponents: main contrib\n"
    );
}

#[test]
fn identifiers_hang_on_name_suite_and_architecture_alone() {
    let text = format!("{HEAD}{PARTITIONS}");
    let first = plan_text(&text).expect("it is right");
    let same = plan_text(&format!("{text}packages: [curl]\n")).expect("it is right");
    assert_eq!(first.seed, same.seed);
    let uuids = |plan: &Plan| {
        let disk = plan.disk.as_ref().expect("it has a disk");
        disk.partitions.iter().map(|one| one.guid).collect::<Vec<_>>()
    };
    assert_eq!(uuids(&first), uuids(&same));
    for other in [text.replace("name: x", "name: y"), text.replace("bookworm", "trixie")] {
        assert_ne!(plan_text(&other).expect("it is right").seed, first.seed, "{other}");
    }
    // These are in images that exist: they must never change.
    assert_eq!(first.seed.to_string(), "568d7d24-d8d9-5c5d-9866-771dde62785c");
    assert_eq!(uuids(&first)[2].to_string(), "d64fad2a-aa33-554d-ae25-8b1d3058ec69");
}
