//! `bootwright convert`, held against qemu-img in both directions: random sparse disks and a real image.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use integration_tests::guest::{Firmware, probe};
use integration_tests::program::{bootwright, debian_minimal};
use integration_tests::sample::is_root;
use integration_tests::scratch::Scratch;
use integration_tests::witness::witness;

const MIB: u64 = 1 << 20;

/// Every format that is written: file name, flags, qemu-img's name of the format.
const KINDS: [(&str, &[&str], &str); 7] = [
    ("x.raw", &[], "raw"),
    ("x.qcow2", &[], "qcow2"),
    ("zlib.qcow2", &["--compression", "zlib"], "qcow2"),
    ("zstd.qcow2", &["--compression", "zstd"], "qcow2"),
    ("x.vmdk", &[], "vmdk"),
    ("x.vhd", &[], "vpc"),
    ("dynamic.vhd", &["--subformat", "dynamic"], "vpc"),
];

/// A reproducible sequence (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// Makes a sparse raw disk of `size` bytes: pieces of noise, of text and of written zeroes here and there.
fn random_disk(path: &Path, size: u64, seed: u64) {
    let mut random = Random(seed);
    let file = File::create(path).expect("a file");
    file.set_len(size).expect("sized");
    for _ in 0..12 {
        let length = 1 + random.below(700_000.min(size));
        let offset = random.below(size - length + 1);
        let bytes: Vec<u8> = match random.below(3) {
            0 => (0..length).map(|_| (random.next() >> 32) as u8).collect(),
            1 => (0..length).map(|index| b'a' + ((index / 11 + random.below(4)) % 23) as u8).collect(),
            _ => vec![0; usize::try_from(length).expect("small")],
        };
        file.write_all_at(&bytes, offset).expect("written");
    }
    // The ends are where formats go wrong.
    file.write_all_at(b"first", 0).expect("written");
    file.write_all_at(b"last", size - 4).expect("written");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn run(arguments: &[&str]) -> Output {
    Command::new(bootwright()).arg("convert").args(arguments).output().expect("it starts")
}

fn convert(from: &Path, to: &Path, flags: &[&str]) {
    let output = run(&[&[text(from), text(to), "--progress", "quiet"], flags].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), text(to));
}

fn identical(raw: &Path, other: &Path, format: &str) {
    let said = witness("qemu-img", &["compare", "-f", "raw", "-F", format, text(raw), text(other)]);
    assert!(said.contains("Images are identical"), "{}: {said}", other.display());
    if matches!(format, "qcow2" | "vmdk") {
        let said = witness("qemu-img", &["check", "-f", format, text(other)]);
        assert!(said.contains("No errors were found"), "{}: {said}", other.display());
    }
}

#[test]
fn random_disks_agree_with_qemu_in_every_format() {
    for (size, seed) in [(9 * MIB, 1), (40 * MIB, 2), (300 * MIB, 3), (5 * MIB + 512, 4), (65_536 + 1024, 5)]
    {
        let scratch = Scratch::new("convert");
        let raw = scratch.path().join("disk.raw");
        random_disk(&raw, size, seed);
        for (name, flags, format) in KINDS {
            let to = scratch.path().join(name);
            convert(&raw, &to, flags);
            identical(&raw, &to, format);
            // The same again by way of qcow2: the same bytes, whatever the disk came from.
            let again = scratch.path().join(format!("again-{name}"));
            fs::create_dir(scratch.path().join("again")).expect("a folder");
            let again_named = scratch.path().join("again").join(name);
            convert(
                &scratch.path().join(if name == "x.raw" { "disk.raw" } else { "x.qcow2" }),
                &again_named,
                flags,
            );
            fs::rename(&again_named, &again).expect("renamed");
            fs::remove_dir(scratch.path().join("again")).expect("removed");
            assert!(
                fs::read(&to).expect("read") == fs::read(&again).expect("read"),
                "{name} of {size} bytes"
            );
        }
    }
}

#[test]
fn what_qemu_writes_reads_back() {
    let kinds: [(&str, &[&str]); 7] = [
        ("plain", &[]),
        ("old", &["-o", "compat=0.10"]),
        ("zlib", &["-c"]),
        ("zstd", &["-c", "-o", "compression_type=zstd"]),
        ("large clusters", &["-c", "-o", "cluster_size=2M"]),
        ("small clusters", &["-o", "cluster_size=512,refcount_bits=1"]),
        ("allocated", &["-o", "preallocation=metadata"]),
    ];
    for (size, seed) in [(33 * MIB, 6), (MIB + 512, 7)] {
        let scratch = Scratch::new("from-qemu");
        let raw = scratch.path().join("disk.raw");
        random_disk(&raw, size, seed);
        for (name, options) in kinds {
            let theirs = scratch.path().join("theirs.qcow2");
            let fixed = ["convert", "-f", "raw", "-O", "qcow2"];
            witness("qemu-img", &[&fixed[..], options, &[text(&raw), text(&theirs)]].concat());
            let back = scratch.path().join("back.raw");
            convert(&theirs, &back, &["--force"]);
            assert!(fs::read(&raw).expect("read") == fs::read(&back).expect("read"), "{name}");
        }
    }
}

#[test]
fn compressed_kinds_are_no_larger_than_qemus_and_the_same_on_one_core() {
    let scratch = Scratch::new("sizes");
    let raw = scratch.path().join("disk.raw");
    random_disk(&raw, 64 * MIB, 8);
    let theirs: [(&str, &[&str]); 3] = [
        ("zlib.qcow2", &["-c", "-O", "qcow2"]),
        ("zstd.qcow2", &["-c", "-O", "qcow2", "-o", "compression_type=zstd"]),
        ("x.vmdk", &["-O", "vmdk", "-o", "subformat=streamOptimized"]),
    ];
    for (name, options) in theirs {
        let (_, flags, _) = KINDS.into_iter().find(|(known, ..)| *known == name).expect("a kind");
        let (to, other) = (scratch.path().join(name), scratch.path().join("theirs"));
        convert(&raw, &to, flags);
        witness("qemu-img", &[&["convert", "-f", "raw"], options, &[text(&raw), text(&other)]].concat());
        let length = |path: &Path| fs::metadata(path).expect("there").len();
        assert!(length(&to) <= length(&other), "{name}: {} bytes, qemu's {}", length(&to), length(&other));
        let before = fs::read(&to).expect("read");
        let program = bootwright();
        let arguments = ["-c", "0", text(&program), "convert", "--force", "--progress", "quiet"];
        witness("taskset", &[&arguments[..], flags, &[text(&raw), text(&to)]].concat());
        assert!(fs::read(&to).expect("read") == before, "{name} differs on one core");
    }
}

#[test]
fn holes_stay_holes() {
    let scratch = Scratch::new("holes");
    let raw = scratch.path().join("disk.raw");
    random_disk(&raw, 2 << 30, 9);
    for name in ["x.raw", "x.qcow2", "x.vhd", "dynamic.vhd"] {
        let to = scratch.path().join(name);
        convert(&raw, &to, if name == "dynamic.vhd" { &["--subformat", "dynamic"] } else { &[] });
        let allocated = fs::metadata(&to).expect("there").blocks() * 512;
        assert!(allocated < 40 * MIB, "{name} takes {allocated} bytes");
    }
    let back = scratch.path().join("back.raw");
    convert(&scratch.path().join("x.qcow2"), &back, &[]);
    let metadata = fs::metadata(&back).expect("there");
    assert!(metadata.len() == 2 << 30 && metadata.blocks() * 512 < 40 * MIB, "{metadata:?}");
}

#[test]
fn a_vhd_is_what_azure_and_hyper_v_want() {
    let scratch = Scratch::new("vhd");
    let raw = scratch.path().join("disk.raw");
    random_disk(&raw, 5 * MIB + 512, 10);
    for (name, flags) in [("fixed.vhd", &[][..]), ("dynamic.vhd", &["--subformat", "dynamic"])] {
        let to = scratch.path().join(name);
        convert(&raw, &to, flags);
        let info = witness("qemu-img", &["info", "-f", "vpc", "--output=json", text(&to)]);
        let info: serde_json::Value = serde_json::from_str(&info).expect("JSON");
        assert_eq!(info["virtual-size"], 6 * MIB, "whole MiB");
        if name == "fixed.vhd" {
            assert_eq!(fs::metadata(&to).expect("there").len(), 6 * MIB + 512);
        }
    }
}

#[test]
fn what_cannot_be_done_is_told_and_leaves_nothing() {
    let scratch = Scratch::new("refused");
    let folder = scratch.path();
    let write = |name: &str, bytes: &[u8]| {
        fs::write(folder.join(name), bytes).expect("written");
        folder.join(name)
    };
    let raw = folder.join("disk.raw");
    random_disk(&raw, 3 * MIB, 11);
    convert(&raw, &folder.join("x.qcow2"), &["--compression", "zstd"]);
    convert(&raw, &folder.join("x.vhd"), &[]);
    convert(&raw, &folder.join("x.vmdk"), &[]);
    let mut damaged = fs::read(folder.join("x.qcow2")).expect("read");
    let cut = write("cut.qcow2", &damaged[..damaged.len() / 2]);
    // Data begins in the cluster behind header, refcount table and block, L1 table and one L2 table.
    damaged[5 * 65_536..].fill(0xee);
    let damaged = write("damaged.qcow2", &damaged);
    let overlay = folder.join("overlay.qcow2");
    witness("qemu-img", &["create", "-q", "-f", "qcow2", "-b", text(&raw), "-F", "raw", text(&overlay)]);
    let out = folder.join("out.raw");
    let existing = write("existing.raw", b"precious");
    let before = fs::read_dir(folder).expect("listed").count();
    let cases: [(&Path, &Path, &[&str], i32, &str); 12] = [
        (&folder.join("none.raw"), &out, &[], 1, "No such file"),
        (folder, &out, &[], 1, "only regular files are looked into"),
        (&write("empty.raw", b""), &out, &[], 1, "it is empty"),
        (&folder.join("x.vhd"), &out, &[], 1, "it is a VHD; raw and qcow2 are read here"),
        (&folder.join("x.vmdk"), &out, &[], 1, "it is a VMDK; raw and qcow2 are read here"),
        (&overlay, &out, &[], 1, "only the differences from"),
        (&cut, &out, &[], 1, "cut.qcow2' is not a usable image"),
        (&damaged, &out, &[], 1, "the compressed cluster at"),
        (&raw, &existing, &[], 1, "it exists; name another file, or replace it by --force"),
        (&raw, &folder.join("out.iso"), &[], 2, "does not tell a format"),
        (&raw, &out, &["--compression", "zstd"], 2, "--compression is for qcow2 only"),
        (&raw, &folder.join("nowhere/out.raw"), &[], 1, "No such file"),
    ];
    for (from, to, flags, code, words) in cases {
        let output = run(&[&[text(from), text(to), "--progress", "quiet"], flags].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{}: {said}", from.display());
        assert!(said.contains(words) && !said.contains("panicked"), "expected '{words}' in: {said}");
        assert!(!out.exists(), "{} left something", from.display());
    }
    assert_eq!(fs::read_dir(folder).expect("listed").count(), before + 1, "only the empty file is new");
    assert_eq!(fs::read(&existing).expect("read"), b"precious");
    convert(&raw, &existing, &["--force"]);
    assert!(fs::read(&existing).expect("read") == fs::read(&raw).expect("read"));
}

/// The image of the recipe as a raw disk, made by qemu-img.
fn minimal_raw(folder: &Path) -> PathBuf {
    let raw = folder.join("minimal.raw");
    witness("qemu-img", &["convert", "-O", "raw", text(debian_minimal()), text(&raw)]);
    raw
}

#[test]
fn a_real_image_in_every_format_and_a_boot_of_the_zstd_one() {
    let scratch = Scratch::new("minimal");
    let raw = minimal_raw(scratch.path());
    for (name, flags, format) in KINDS {
        let to = scratch.path().join(name);
        convert(debian_minimal(), &to, flags);
        identical(&raw, &to, format);
    }
    let result =
        probe(&scratch.path().join("zstd.qcow2"), Firmware::Bios, "echo up", Duration::from_secs(300));
    assert_eq!(result.expect("the guest answers").output().expect("it ran"), "up\n");
}

/// On XFS a raw disk and the qcow2 made of it have their data in common: filefrag, which asks the kernel, says so.
#[test]
fn extents_are_shared_where_the_filesystem_can() {
    if !is_root().expect("this process is told of") {
        return;
    }
    let scratch = Scratch::new("shared");
    let script = r#"
        set -e
        truncate -s 400M xfs.img
        mkfs.xfs -q -m reflink=1 xfs.img
        mkdir mounted
        mount -o loop xfs.img mounted
        cp disk.raw mounted
        "$0" convert mounted/disk.raw mounted/disk.qcow2
        sync -f mounted
        filefrag -v mounted/disk.qcow2
        qemu-img compare -q mounted/disk.raw mounted/disk.qcow2
        qemu-img check -q mounted/disk.qcow2
    "#;
    random_disk(&scratch.path().join("disk.raw"), 40 * MIB, 7);
    let mut apart = Command::new("unshare");
    apart.args(["--mount", "sh", "-c", script]).arg(bootwright()).current_dir(scratch.path());
    let output = apart.output().expect("unshare starts");
    let (said, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{why}");
    let extents: Vec<&str> = said.lines().filter(|line| line.contains("..")).collect();
    let shared = extents.iter().filter(|line| line.contains("shared")).count();
    assert!(shared > 0 && shared + 1 >= extents.len(), "all but the tables: {said}");
}
