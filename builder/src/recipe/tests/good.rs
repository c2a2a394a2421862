use super::{Folder, HEAD};
use crate::recipe::{
    FileContent, FilesystemKind, LoadOptions, MirrorChoice, OutputKind, QuotaKind, Recipe, SizeRule,
    TestAction, Want,
};

fn load(text: &str) -> Recipe {
    let folder = Folder::new(&[("recipe.yaml", text), ("keys/example.gpg", "key"), ("over/srv/www/x", "x")]);
    folder.load("recipe.yaml", &LoadOptions::default()).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Every key that has an effect, at least once.
pub(crate) const FULL: &str = r#"
version: 1
name: full
variables: { suite: bookworm }
architecture: amd64
distribution:
  debian: { suite: "${suite}", variant: important, components: [main, contrib], security: false, updates: true }
  mirror: "http://localhost:8080/debian/"
  repositories:
    - { uri: "https://example.com/debian", suite: stable, components: [main], signed_by: keys/example.gpg, pin: -1 }
packages: [openssh-server, curl=7.88.1-10+deb12u5, sudo/bookworm-security, exim4-, g++, 0ad]
recommends: true
kernel: linux-image-cloud-amd64
debconf: ["tzdata tzdata/Areas select Etc"]
disk:
  table: gpt
  size: 4GiB
  partitions:
    - { type: bios-boot }
    - { type: esp, filesystem: vfat, mount: /boot/efi, size: 64MiB, label: EFI }
    - { type: swap, size: 512MiB }
    - { type: linux, filesystem: ext4, mount: /srv, size: 256MiB, options: [noatime, nodev] }
    - { type: root, filesystem: ext4, mount: /, grow: true, quota: [user, group, project] }
boot: { grub: { bios: true, uefi: true, secure: false }, kernel_command_line: [console=ttyS0] }
overlays: [{ from: over, owner: root, map: { "srv/www": www-data } }]
files:
  - { path: /etc/motd, content: "hello\n", mode: "0600", owner: www-data, group: adm }
  - { path: /etc/key, from: keys/example.gpg }
  - { path: /etc/localtime2, link: /usr/share/zoneinfo/Etc/UTC }
users:
  - { name: admin, groups: [sudo], ssh_keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAbcdefghijklmnopqrstuvwxyz0123456789ABCDEF me@home"] }
  - { name: worker, system: true, shell: /bin/sh, home: /var/lib/worker }
locale: C.UTF-8
timezone: Etc/UTC
services: { enable: [ssh, fstrim.timer], disable: [apt-daily.timer], mask: [] }
run: [{ name: trust our CA, command: update-ca-certificates, network: true }]
apt_sources: [{ uri: "http://example.org/debian", suites: [bookworm], components: [main], signed_by: /usr/share/keyrings/x.gpg }]
outputs: [qcow2, raw, { type: qcow2, compression: none }]
tests: [{ name: ssh is up, port: 22 }, { name: up, run: "true", timeout: 2min }]
"#;

#[test]
fn every_key_that_works_is_read() {
    let recipe = load(FULL);
    let distribution = &recipe.distribution;
    assert_eq!(distribution.suite.value, "bookworm");
    assert_eq!(distribution.mirrors, [MirrorChoice::Uri("http://localhost:8080/debian".to_owned())]);
    assert_eq!(distribution.repositories[0].pin, Some(-1));
    assert!(
        distribution.repositories[0]
            .signed_by
            .as_ref()
            .is_some_and(|key| key.value.ends_with("keys/example.gpg"))
    );
    let wants: Vec<_> = recipe.packages.iter().map(|wish| (wish.name.as_str(), &wish.want)).collect();
    assert_eq!(
        wants,
        [
            ("openssh-server", &Want::Install),
            ("curl", &Want::Version("7.88.1-10+deb12u5".to_owned())),
            ("sudo", &Want::Suite("bookworm-security".to_owned())),
            ("exim4", &Want::Never),
            ("g++", &Want::Install),
            ("0ad", &Want::Install),
        ]
    );
    let disk = recipe.disk.as_ref().expect("it is given");
    assert_eq!(disk.size.value, SizeRule::Bytes(4 << 30));
    assert_eq!(disk.partitions[1].filesystem.as_ref().map(|found| found.value), Some(FilesystemKind::Vfat));
    assert_eq!(disk.partitions[3].options.as_ref().map(|found| found.value.len()), Some(2));
    let quota: Vec<_> = disk.partitions[4].quota.iter().map(|quota| quota.value).collect();
    assert_eq!(quota, [QuotaKind::User, QuotaKind::Group, QuotaKind::Project]);
    assert_eq!(recipe.boot.as_ref().map(|boot| boot.secure.value), Some(Some(false)));
    assert_eq!(recipe.files[0].mode, 0o600);
    assert_eq!((recipe.files[1].mode, recipe.files[1].owner.as_str()), (0o644, "root"));
    assert_eq!(recipe.files[2].content.value, FileContent::Link("/usr/share/zoneinfo/Etc/UTC".to_owned()));
    assert!(recipe.users[1].system && !recipe.users[0].system);
    assert_eq!(recipe.services.enable[0].value, "ssh.service");
    assert_eq!(recipe.services.enable[1].value, "fstrim.timer");
    assert!(recipe.run[0].network);
    assert_eq!(recipe.outputs[1].value, OutputKind::Raw);
    assert_eq!(recipe.tests[1].action, TestAction::Run("true".to_owned()));
    assert_eq!(recipe.tests[1].timeout, Some(120));
}

#[test]
fn the_digest_is_of_what_a_recipe_says_not_of_how() {
    let base = load(&format!("{HEAD}packages: [curl]\ntimezone: Etc/UTC\n")).digest;
    assert_eq!(base.len(), 64);
    for same in [
        format!("# words\n{HEAD}timezone: 'Etc/UTC'\npackages:\n  - \"curl\"\n"),
        format!("{HEAD}variables: {{ zone: UTC }}\npackages: [curl]\ntimezone: \"Etc/${{zone}}\"\n"),
    ] {
        assert_eq!(load(&same).digest, base, "{same}");
    }
    for other in [
        format!("{HEAD}packages: [curl, sudo]\ntimezone: Etc/UTC\n"),
        format!("{HEAD}packages: [curl]\ntimezone: Etc/GMT\n"),
        format!("{HEAD}packages: [curl]\n"),
    ] {
        assert_ne!(load(&other).digest, base, "{other}");
    }
}

#[test]
fn the_digest_does_not_see_files_and_folders() {
    let whole = load(&format!("{HEAD}packages: [curl, sudo]\n")).digest;
    let split = Folder::new(&[
        ("deep/er/recipe.yaml", &format!("{HEAD}include: [../base.yaml]\npackages: [sudo]\n")),
        ("deep/base.yaml", "packages: [curl]\n"),
    ]);
    let split = split.load("deep/er/recipe.yaml", &LoadOptions::default()).expect("it is right");
    assert_eq!(split.digest, whole);
}

#[test]
fn a_mirror_of_the_command_line_counts() {
    let folder = Folder::new(&[("recipe.yaml", FULL), ("keys/example.gpg", "key"), ("over/srv/www/x", "x")]);
    let load = |mirror: &str| {
        folder
            .load("recipe.yaml", &LoadOptions { mirrors: vec![mirror.to_owned()], ..LoadOptions::default() })
    };
    let found = |mirror| load(mirror).expect("it is right").distribution.mirrors;
    assert_eq!(found("auto"), [MirrorChoice::Auto]);
    assert_eq!(found("https://example.net/d/"), [MirrorChoice::Uri("https://example.net/d".to_owned())]);
    assert_eq!(found("file:/srv/d/"), [MirrorChoice::Uri("file:///srv/d".to_owned())]);
    let problems = load("ftp://srv/").expect_err("it is wrong");
    assert_eq!(
        problems.to_string(),
        "--mirror:1:1: error: `ftp://srv/` is not a valid `mirror`\n \
         1 | ftp://srv/\n   | ^^^^^^^^^^\n  \
         hint: write an address that begins with http://, https:// or file:///"
    );
    assert!(!load("http://me:secret@host/debian").expect_err("it is wrong").to_string().contains("secret"));
}
