//! An image of many partitions: every kind that GPT has here, each with its part of the tree, booted both ways.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use integration_tests::cut::{Cut, text};
use integration_tests::draw::is_drawn;
use integration_tests::guest::{Firmware, ProbeResult, change, probe};
use integration_tests::program::{build, checkout, shared_cache};
use integration_tests::scratch::Scratch;
use integration_tests::witness::witness;

const PROBE_LIMIT: Duration = Duration::from_secs(600);
/// update-grub asks every block device, which takes a translated guest a while.
const UPDATE_LIMIT: Duration = Duration::from_secs(600);

/// What is different from debian-minimal.
const RECIPE: &str = r#"
version: 1
name: partitions
include: [RECIPES/base/debian.yaml, RECIPES/base/hostname.yaml]
distribution: { debian: { suite: bookworm, components: [main] } }
kernel: linux-image-cloud-amd64
disk:
  partitions:
    - { type: bios-boot }
    - { type: esp }
    - { type: xbootldr, filesystem: ext3, size: 192MiB, label: boot }
    - { type: swap, size: 64MiB }
    - { type: root, size: 1GiB }
    - { type: home, size: 64MiB, options: [nodev] }
    - { type: linux, mount: /data/shared, filesystem: ext2, size: 32MiB }
    - { type: srv, quota: [user], size: 64MiB }
    - { type: var, grow: true }
boot:
  grub: { bios: true, uefi: true, secure: auto }
  kernel_command_line: [console=tty0, "console=ttyS0,115200"]
users: [{ name: worker }]
files:
  - { path: /srv/www/index.html, content: "hello\n" }
  - { path: /data/shared/note, content: "shared\n", mode: "0600" }
outputs: [qcow2]
tests: [{ name: up, run: "true" }]
"#;

fn write_recipe(folder: &Path) -> PathBuf {
    let recipes = checkout().join("recipes");
    let path = folder.join("partitions.yaml");
    fs::write(&path, RECIPE.replace("RECIPES", text(&recipes))).expect("writable");
    path
}

fn image() -> &'static Path {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let scratch = Scratch::new("partitions");
        let output = shared_cache().with_file_name("test-images");
        build(&write_recipe(scratch.path()), &output, &[]).expect("it builds");
        output.join("partitions.qcow2")
    })
}

/// Type GUID, attributes and mount point of each partition.
const EXPECTED: [(&str, &str, &str); 9] = [
    ("21686148-6449-6E6F-744E-656564454649", "0000000000000000", ""),
    ("C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "0000000000000000", "/boot/efi vfat"),
    ("BC13C2FF-59E6-4262-A352-B275FD6F7172", "0000000000000000", "/boot ext3"),
    ("0657FD6D-A4AB-43C4-84E5-0933C84B4F4F", "0000000000000000", ""),
    ("4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709", "0000000000000000", "/ ext4"),
    ("933AC7E1-2EB4-4F13-B844-0E14E2AEF915", "0000000000000000", "/home ext4"),
    ("0FC63DAF-8483-4772-8E79-3D69D8477DE4", "0000000000000000", "/data/shared ext2"),
    ("3B8F8425-20E0-4F3B-907F-1A25A76F98E8", "0000000000000000", "/srv ext4"),
    ("4D21B016-B534-45C2-A9FB-5C16E091FD2D", "0800000000000000", "/var ext4"),
];

const QUESTIONS: &str = r#"
disk=/dev/$(lsblk -no pkname "$(findmnt -no SOURCE /)")
for number in 2 3 5 6 7 8 9; do
    device=${disk}$number
    echo "$number: $(findmnt -no TARGET,FSTYPE -S "$device" | tr -s ' ')"
done
echo "swap: $(swapon --show=NAME --noheadings --raw)"
echo "page: $(cat /srv/www/index.html) $(cat /data/shared/note) $(stat -c %a /data/shared/note)"
echo "worker: $(stat -c %U /home/worker)"
echo "options: $(findmnt -no OPTIONS /home | grep -o nodev) $(findmnt -no OPTIONS /srv | grep -o usrquota)"
echo "lower: $(mkdir -p /run/root && mount --bind / /run/root && ls -A /run/root/var /run/root/home /run/root/boot /run/root/srv /run/root/data/shared | grep -v : | tr -d '\n')"
echo "order: $(awk '$1 ~ /^UUID/ {print $2}' /etc/fstab | tr '\n' ' ')"
echo "pass: $(awk '$1 ~ /^UUID/ {print $6}' /etc/fstab | tr '\n' ' ')"
echo "grown: $(systemctl show -p Result --value "systemd-growfs@var.service")"
echo "refresh: $(/usr/lib/bootwright/refresh-boot 2>&1)"
echo "efi: $(ls -d /efi 2>/dev/null)"
echo "audit: $(dpkg --audit | wc -l)"
"#;

fn check(result: &ProbeResult) {
    assert_eq!(result.system, "running", "failed units: {:?}\n{}", result.failed_units, result.serial_log);
    let said = result.output().expect("the probe succeeds");
    let answers: BTreeMap<&str, &str> = said
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(key, value)| (key, value.trim()))
        .collect();
    for (number, (_, _, mount)) in (1..).zip(EXPECTED).filter(|(_, (.., mount))| !mount.is_empty()) {
        assert_eq!(answers[number.to_string().as_str()], mount, "{said}");
    }
    for (question, expected) in [
        ("page", "hello shared 600"),
        ("worker", "worker"),
        ("options", "nodev usrquota"),
        ("lower", ""),
        ("order", "/ /boot /boot/efi /data/shared /home /srv /var none"),
        ("pass", "1 2 0 2 2 2 2 0"),
        ("grown", "success"),
        ("refresh", ""),
        // The ESP is mounted once, where fstab says.
        ("efi", ""),
        ("audit", "0"),
    ] {
        assert_eq!(answers[question], expected, "{question}\n{said}");
    }
    assert!(answers["swap"].ends_with('4'), "{said}");
}

#[test]
fn boots_by_bios_and_after_update_grub() {
    if !is_drawn("partitions boot", 0, 2) {
        return;
    }
    let scratch = Scratch::new("partitions-boot");
    let copy = scratch.path().join("image.qcow2");
    fs::copy(image(), &copy).expect("a copy of the image");
    let script = format!("{QUESTIONS}\nupdate-grub 2>/dev/null\nsync\n");
    check(&change(&copy, Firmware::Bios, &script, UPDATE_LIMIT).expect("the guest answers"));
    let menu = witness("debugfs", &["-R", "cat /grub/grub.cfg", text(&Cut::open(&copy).part(3))]);
    assert!(menu.contains("linux\t/vmlinuz-"), "a menu by update-grub for a /boot of its own:\n{menu}");
    let result = probe(&copy, Firmware::Bios, "systemctl is-system-running --wait", PROBE_LIMIT);
    assert_eq!(result.expect("it boots again").output().expect("running").trim(), "running");
}

#[test]
fn boots_with_secure_boot_on() {
    if !is_drawn("partitions boot", 1, 2) {
        return;
    }
    check(&probe(image(), Firmware::Secure, QUESTIONS, PROBE_LIMIT).expect("the guest answers"));
}

#[test]
fn witnesses_find_nothing_wrong_with_the_file() {
    let cut = Cut::open(image());
    let raw = text(&cut.raw);
    witness("qemu-img", &["check", text(image())]);
    witness("qemu-img", &["compare", text(image()), raw]);
    assert!(witness("sgdisk", &["-v", raw]).contains("No problems found"));
    witness("sfdisk", &["--verify", raw]);
    for (number, (kind, attributes, mount)) in (1..).zip(EXPECTED) {
        let said = witness("sgdisk", &["-i", &number.to_string(), raw]);
        assert!(said.contains(kind), "{said}");
        assert!(said.contains(&format!("Attribute flags: {attributes}")), "{said}");
        let part = cut.part(number);
        if mount.contains(" ext") {
            witness("e2fsck", &["-fn", text(&part)]);
            let kind = mount.split(' ').next_back().expect("a word");
            assert!(
                witness("blkid", &["-p", "-o", "export", text(&part)]).contains(&format!("TYPE={kind}\n"))
            );
        }
    }
    witness("fsck.fat", &["-n", text(&cut.part(2))]);
}

#[test]
fn the_same_recipe_gives_the_same_bytes() {
    let scratch = Scratch::new("partitions-again");
    build(&write_recipe(scratch.path()), scratch.path(), &["--fresh"]).expect("it builds again");
    let digest = |path: &Path| witness("sha256sum", &[text(path)])[..64].to_owned();
    assert_eq!(digest(image()), digest(&scratch.path().join("partitions.qcow2")));
}
