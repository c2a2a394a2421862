//! legacy-bios: an msdos table, one ext3 root, GRUB in the gap. Witnesses on the file, and what the guest says.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use integration_tests::cut::{Cut, text};
use integration_tests::draw::is_drawn;
use integration_tests::guest::{Firmware, change, probe};
use integration_tests::mirror::{Mirror, Source};
use integration_tests::program::{build, checkout, shared_cache};
use integration_tests::scratch::Scratch;
use integration_tests::witness::witness;
use serde_json::Value;

const PROBE_LIMIT: Duration = Duration::from_secs(600);
const REINSTALL_LIMIT: Duration = Duration::from_secs(600);

fn recipe() -> PathBuf {
    checkout().join("recipes/legacy-bios.yaml")
}

fn image() -> &'static Path {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let output = shared_cache().with_file_name("test-images");
        build(&recipe(), &output, &[]).expect("legacy-bios builds");
        output.join("legacy-bios.qcow2")
    })
}

fn manifest() -> Value {
    let path = image().with_extension("manifest.json");
    serde_json::from_slice(&fs::read(path).expect("the manifest is beside the image")).expect("it is JSON")
}

/// What each boot is asked.
const QUESTIONS: &str = r#"
echo "firmware: $([ -d /sys/firmware/efi ] && echo uefi || echo bios)"
disk=/dev/$(lsblk -no pkname "$(findmnt -no SOURCE /)")
echo "table: $(lsblk -dno PTTYPE "$disk")"
echo "signature: $(lsblk -dno PTUUID "$disk")"
echo "partuuid: $(lsblk -no PARTUUID "$(findmnt -no SOURCE /)")"
echo "root: $(findmnt -no FSTYPE,LABEL / | tr -s ' ')"
echo "fstab: $(grep ' / ' /etc/fstab | cut -d ' ' -f 2-)"
echo "grown: $(systemctl show -p Result --value systemd-growfs-root.service)"
echo "record: $(tr -d ' \n' < /usr/lib/bootwright/grow.json)"
echo "refresh: $(/usr/lib/bootwright/refresh-boot 2>&1)"
echo "audit: $(dpkg --audit | wc -l)"
echo "verify: $(dpkg --verify | grep -v '^..5......   */usr/share/doc' | tr '\n' ';')"
"#;

#[test]
fn boots_by_bios() {
    let result = probe(image(), Firmware::Bios, QUESTIONS, PROBE_LIMIT).expect("the guest answers");
    assert_eq!(result.system, "running", "failed units: {:?}\n{}", result.failed_units, result.serial_log);
    assert_eq!(result.failed_units, Vec::<String>::new());
    assert!(result.serial_log.contains("debian login:"), "no login prompt:\n{}", result.serial_log);
    let said = result.output().expect("the probe succeeds");
    let answers: BTreeMap<&str, &str> = said
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(key, value)| (key, value.trim()))
        .collect();
    let identifier = manifest()["disk"]["guid"].as_str().expect("text").to_owned();
    assert_eq!(identifier.len(), 8, "a signature");
    for (question, expected) in [
        ("firmware", "bios"),
        ("table", "dos"),
        ("signature", &identifier),
        ("partuuid", &format!("{identifier}-01")),
        ("root", "ext3 root"),
        ("fstab", "/ ext3 errors=remount-ro,x-systemd.growfs 0 1"),
        ("grown", "success"),
        // Nothing to renew on a machine as it was built.
        ("refresh", ""),
        ("audit", "0"),
        ("verify", ""),
    ] {
        assert_eq!(answers[question], expected, "{question}\n{said}");
    }
    let record = contract::grow::GrowRecord::from_text(answers["record"]).expect("a record");
    assert_eq!(record.partitions.len(), 1);
    assert_eq!(record.partitions[0].partuuid, format!("{identifier}-01"));
    assert_eq!(record.partitions[0].filesystem, "ext3");
}

#[test]
fn witnesses_find_nothing_wrong_with_the_file() {
    let cut = Cut::open(image());
    let raw = text(&cut.raw);
    witness("qemu-img", &["check", text(image())]);
    witness("qemu-img", &["compare", text(image()), raw]);
    witness("sfdisk", &["--verify", raw]);
    let said = witness("sfdisk", &["--json", raw]);
    let table: Value = serde_json::from_str(&said).expect("sfdisk writes JSON");
    let table = &table["partitiontable"];
    assert_eq!((&table["label"], &table["unit"]), (&"dos".into(), &"sectors".into()));
    let signature = format!("0x{}", manifest()["disk"]["guid"].as_str().expect("text"));
    assert_eq!(table["id"], signature.as_str());
    let partitions = table["partitions"].as_array().expect("a list");
    assert_eq!(partitions.len(), 1);
    let root = &partitions[0];
    assert_eq!(
        (&root["start"], &root["type"], &root["bootable"]),
        (&2048.into(), &"83".into(), &true.into())
    );
    let part = cut.part(1);
    witness("e2fsck", &["-fn", text(&part)]);
    let said = witness("dumpe2fs", &["-h", text(&part)]);
    let features = said.lines().find_map(|line| line.strip_prefix("Filesystem features:")).expect("a line");
    assert_eq!(
        features.split_whitespace().collect::<Vec<_>>(),
        ["has_journal", "ext_attr", "resize_inode", "dir_index", "filetype", "sparse_super", "large_file"],
        "as ext3 has been since 2001"
    );
    let said = witness("blkid", &["-p", "-o", "export", text(&part)]);
    for line in ["TYPE=ext3", "LABEL=root"] {
        assert!(said.lines().any(|found| found == line), "no '{line}' in\n{said}");
    }
}

#[test]
fn the_same_recipe_gives_the_same_bytes() {
    let scratch = Scratch::new("legacy-again");
    build(&recipe(), scratch.path(), &["--fresh"]).expect("legacy-bios builds again");
    let again = scratch.path().join("legacy-bios.qcow2");
    let digest = |path: &Path| witness("sha256sum", &[text(path)])[..64].to_owned();
    assert_eq!(digest(image()), digest(&again));
}

/// Serves one package of those that the image was built from as a repository, read from the store.
fn repository(folder: &Path, name: &str) -> Mirror {
    let manifest = manifest();
    let mut packages = manifest["packages"].as_array().expect("a list").iter();
    let package = packages.find(|one| one["name"] == name).expect("it is in the image");
    let sha256 = package["sha256"].as_str().expect("text");
    let object = shared_cache().join("objects").join(&sha256[..2]).join(&sha256[2..]);
    fs::copy(&object, folder.join(format!("{name}.deb"))).expect("in the store");
    let control = witness("dpkg-deb", &["--field", text(&object)]);
    let size = fs::metadata(&object).expect("in the store").len();
    let control = control.trim_end();
    let index = format!("{control}\nFilename: ./{name}.deb\nSize: {size}\nSHA256: {sha256}\n\n");
    fs::write(folder.join("Packages"), index).expect("writable");
    Mirror::start(Source::Folder(folder.to_owned()), Box::new(|_, _| None)).expect("a loopback port")
}

/// Damages the core image in the gap, reinstalls GRUB's package, and says where the new core lies.
fn reinstall_script(port: u16) -> String {
    format!(
        r#"
exec 2>&1
disk=/dev/$(lsblk -no pkname "$(findmnt -no SOURCE /)")
printf damaged | dd of="$disk" bs=1 seek=30000 conv=notrunc 2>/dev/null
before=$(dd if="$disk" bs=1 skip=440 count=70 2>/dev/null | sha256sum)
rm -f /etc/apt/sources.list.d/*
echo "deb [trusted=yes] http://10.0.2.2:{port} ./" > /etc/apt/sources.list
apt-get -q update
DEBIAN_FRONTEND=noninteractive apt-get -q -y install --reinstall grub-pc-bin
after=$(dd if="$disk" bs=1 skip=440 count=70 2>/dev/null | sha256sum)
[ "$before" = "$after" ]
echo "core at $(od -An -tu8 -j92 -N8 "$disk" | tr -d ' ')"
/usr/lib/bootwright/refresh-boot
sync
echo reinstalled
"#
    )
}

#[test]
fn a_reinstalled_grub_is_renewed_in_the_gap() {
    if !is_drawn("reinstalled boot packages", 1, 2) {
        return;
    }
    let scratch = Scratch::new("legacy-reinstall");
    let image_copy = scratch.path().join("image.qcow2");
    fs::copy(image(), &image_copy).expect("a copy of the image");
    let packages = scratch.path().join("packages");
    fs::create_dir(&packages).expect("a folder");
    let mirror = repository(&packages, "grub-pc-bin");
    let result = change(&image_copy, Firmware::Bios, &reinstall_script(mirror.port()), REINSTALL_LIMIT)
        .expect("the guest answers");
    let said = result.output().expect("it is reinstalled");
    assert!(said.contains("GRUB for BIOS renewed"), "{said}");
    // The half of the gap that was not in use.
    assert!(said.ends_with("core at 1024\nreinstalled\n"), "nothing is left to renew: {said}");
    let cut = Cut::open(&image_copy);
    witness("sfdisk", &["--verify", text(&cut.raw)]);
    let result = probe(&image_copy, Firmware::Bios, "systemctl is-system-running --wait", PROBE_LIMIT)
        .expect("it boots again");
    assert_eq!(result.output().expect("running").trim(), "running", "{:?}", result.failed_units);
}
