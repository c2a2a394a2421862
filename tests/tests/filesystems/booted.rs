//! Images that boot from each format.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use integration_tests::cut::{Cut, text};
use integration_tests::draw::is_drawn;
use integration_tests::guest::{Firmware, ProbeResult, change, probe};
use integration_tests::program::{build, checkout, run, shared_cache};
use integration_tests::scratch::Scratch;
use integration_tests::witness::witness;

const PROBE_LIMIT: Duration = Duration::from_secs(600);

const RECIPE: &str = r#"
version: 1
name: NAME
include: [RECIPES/debian-minimal.yaml]
disk!:
  partitions:
    - { type: bios-boot }
    - { type: esp }
    - ROOT
users: [{ name: worker }]
"#;
const XFS: &str = "{ type: root, filesystem: xfs, label: root, grow: true, quota: [user, project] }";
const BTRFS: &str = r#"
      type: root
      filesystem: btrfs
      label: root
      grow: true
      options: [noatime]
      subvolumes:
        - { path: "@", mount: / }
        - { path: "@home", mount: /home, options: [nodev] }
        - { path: "@snapshots" }"#;

fn image(name: &str, root: &str) -> PathBuf {
    let scratch = Scratch::new(name);
    let recipes = checkout().join("recipes");
    let recipe = scratch.path().join("recipe.yaml");
    let filled = RECIPE.replace("NAME", name).replace("RECIPES", text(&recipes)).replace("ROOT", root);
    fs::write(&recipe, filled).expect("writable");
    let output = shared_cache().with_file_name("test-images");
    build(&recipe, &output, &[]).expect("it builds");
    output.join(format!("{name}.qcow2"))
}

fn xfs_image() -> &'static Path {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    IMAGE.get_or_init(|| image("xfs-root", XFS))
}

fn btrfs_image() -> &'static Path {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    IMAGE.get_or_init(|| image("btrfs-root", BTRFS))
}

const QUESTIONS: &str = r#"
echo "root: $(findmnt -rno FSTYPE,OPTIONS /)"
echo "home: $(findmnt -rno FSTYPE,OPTIONS /home)"
echo "quota: $(xfs_quota -x -c 'state -u' / 2>/dev/null | grep -E 'Accounting|Enforcement' | head -n 2 | tr -s ' \n' ' ')"
echo "worker: $(stat -c '%U %a' /home/worker)"
echo "grown: $(systemctl show -p Result --value 'systemd-growfs-root.service')"
echo "refresh: $(/usr/lib/bootwright/refresh-boot 2>&1)"
echo "audit: $(dpkg --audit | wc -l)"
echo "verify: $(dpkg --verify | grep -v '^..5......   */usr/share/doc' | tr '\n' ';')"
"#;

fn answers(result: &ProbeResult) -> BTreeMap<String, String> {
    assert_eq!(result.system, "running", "failed units: {:?}\n{}", result.failed_units, result.serial_log);
    assert_eq!(result.failed_units, Vec::<String>::new());
    assert!(result.serial_log.contains("debian login:"), "no login prompt:\n{}", result.serial_log);
    let said = result.output().expect("the probe succeeds");
    let answers: BTreeMap<String, String> = said
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(key, value)| (key.to_owned(), value.trim().to_owned()))
        .collect();
    for (question, expected) in [("worker", "worker 755"), ("refresh", ""), ("audit", "0"), ("verify", "")] {
        assert_eq!(answers[question], expected, "{question}\n{said}");
    }
    answers
}

#[test]
fn an_xfs_root_boots_and_counts() {
    if !is_drawn("root filesystems", 0, 4) {
        return;
    }
    for firmware in [Firmware::Bios, Firmware::Secure] {
        let answers = answers(&probe(xfs_image(), firmware, QUESTIONS, PROBE_LIMIT).expect("it answers"));
        assert!(answers["root"].starts_with("xfs rw,"), "{answers:?}");
        assert!(answers["root"].contains("usrquota") && answers["root"].contains("prjquota"), "{answers:?}");
        assert_eq!(answers["quota"], "Accounting: ON Enforcement: ON", "{answers:?}");
    }
    let cut = Cut::open(xfs_image());
    witness("xfs_repair", &["-n", text(&cut.part(3))]);
}

#[test]
fn a_btrfs_root_boots_from_its_subvolumes() {
    if !is_drawn("root filesystems", 1, 4) {
        return;
    }
    let answered =
        answers(&probe(btrfs_image(), Firmware::Secure, QUESTIONS, PROBE_LIMIT).expect("it answers"));
    assert!(answered["root"].contains("subvol=/@") && answered["root"].contains("noatime"), "{answered:?}");
    assert!(answered["home"].contains("subvol=/@home") && answered["home"].contains("nodev"), "{answered:?}");
    // update-grub must come to a menu that boots as well.
    let scratch = Scratch::new("btrfs-boot");
    let copy = scratch.path().join("image.qcow2");
    fs::copy(btrfs_image(), &copy).expect("a copy of the image");
    let script = format!("{QUESTIONS}\nupdate-grub 2>/dev/null\nsync\n");
    answers(&change(&copy, Firmware::Bios, &script, PROBE_LIMIT).expect("it answers"));
    let result = probe(&copy, Firmware::Bios, "findmnt -no OPTIONS /", PROBE_LIMIT).expect("it boots again");
    assert!(result.output().expect("mounted").contains("subvol=/@"), "{}", result.serial_log);
    let cut = Cut::open(btrfs_image());
    witness("btrfs", &["check", "--check-data-csum", text(&cut.part(3))]);
    is_seen_whole(btrfs_image());
}

/// The verbs for existing images find the system in its subvolume, and the others where they belong.
fn is_seen_whole(image: &Path) {
    let cache = shared_cache();
    let seen = |arguments: &[&str]| {
        let output = run(&[arguments, &["--cache", text(&cache)]].concat()).expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(seen(&["inspect", text(image)]).contains("system      Debian GNU/Linux 12"));
    let script = "stat -c %U /home/worker && touch /home/worker/new /new && ls /boot/grub/grub.cfg";
    let output = run(&["shell", text(image), "--cache", text(&cache), "--", "/bin/sh", "-ec", script]);
    let output = output.expect("it starts");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "worker\n/boot/grub/grub.cfg\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

const READ_ONLY: &str = r#"
version: 1
name: NAME
include: [RECIPES/debian-minimal.yaml]
disk!:
  partitions:
    - { type: bios-boot }
    - { type: esp }
    - { type: xbootldr, filesystem: ext4, size: 192MiB }
    - { type: root, filesystem: KIND }
    - { type: srv, size: 32MiB }
"#;

const READ_ONLY_QUESTIONS: &str = r#"
echo "root: $(findmnt -no FSTYPE /) over $(findmnt -rno FSTYPE,OPTIONS /run/bootwright/root)"
echo "boot: $(findmnt -no FSTYPE /boot)"
echo "srv: $(findmnt -no FSTYPE /srv)"
echo "before: $(ls /usr/share/mark /srv/mark 2>/dev/null | tr '\n' ' ')"
touch /usr/share/mark /srv/mark
rm /usr/bin/sudo
useradd later
echo "after: $(ls /usr/share/mark /usr/bin/sudo /srv/mark 2>/dev/null | tr '\n' ' ') $(getent passwd later | cut -d: -f1)"
sync
"#;

/// Boots twice, so that the second shows what of the first is left.
fn a_read_only_root_boots(kind: &str, firmware: Firmware) -> Cut {
    let scratch = Scratch::new(kind);
    let recipes = checkout().join("recipes");
    let recipe = scratch.path().join("recipe.yaml");
    let name = format!("{kind}-root");
    let filled = READ_ONLY.replace("NAME", &name).replace("RECIPES", text(&recipes)).replace("KIND", kind);
    fs::write(&recipe, filled).expect("writable");
    let output = shared_cache().with_file_name("test-images");
    build(&recipe, &output, &[]).expect("it builds");
    let image = output.join(format!("{name}.qcow2"));
    let copy = scratch.path().join("image.qcow2");
    fs::copy(&image, &copy).expect("a copy of the image");
    for before in ["", "/srv/mark"] {
        let result = change(&copy, firmware, READ_ONLY_QUESTIONS, PROBE_LIMIT).expect("it answers");
        assert_eq!(result.system, "running", "failed: {:?}\n{}", result.failed_units, result.serial_log);
        assert_eq!(result.failed_units, Vec::<String>::new());
        assert!(result.serial_log.contains("debian login:"), "no login prompt:\n{}", result.serial_log);
        let said = result.output().expect("the probe succeeds");
        let root = format!("root: overlay over {kind} ro,");
        assert!(said.lines().any(|line| line.starts_with(&root)), "no '{root}' in\n{said}");
        let before = format!("before: {before}");
        let after = "after: /srv/mark /usr/share/mark  later";
        for line in ["boot: ext4", "srv: ext4", before.trim_end(), after] {
            assert!(said.lines().any(|found| found.trim_end() == line), "no '{line}' in\n{said}");
        }
    }
    Cut::open(&image)
}

#[test]
fn a_squashfs_root_boots_as_it_was_built() {
    if !is_drawn("root filesystems", 2, 4) {
        return;
    }
    let cut = a_read_only_root_boots("squashfs", Firmware::Bios);
    let part = cut.part(4);
    let said = witness("unsquashfs", &["-stat", text(&part)]);
    assert!(said.contains("Compression zstd"), "{said}");
    let listing = witness("unsquashfs", &["-lls", text(&part)]);
    assert!(listing.contains("squashfs-root/usr/bin/dpkg"), "{listing}");
}

#[test]
fn an_erofs_root_boots_as_it_was_built() {
    if !is_drawn("root filesystems", 3, 4) {
        return;
    }
    let cut = a_read_only_root_boots("erofs", Firmware::Secure);
    witness("fsck.erofs", &[text(&cut.part(4))]);
}
