//! Disks: raw and qcow2 agree with qemu-img, stay sparse, are the same twice.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bootwright::disk::{Extent, Layout, RawDisk};
use bootwright::output::{self, Artifact, Origins};
use bootwright::plan::{OutputKind, Qcow2Compression, SizeRule};
use bootwright::progress::{Silent, Stage};
use integration_tests::sample;
use integration_tests::scratch::Scratch;
use integration_tests::witness::witness;

const MIB: u64 = 1 << 20;

/// A disk of `size` bytes with these texts at these offsets; the table is not looked at by this stage.
fn disk(folder: &Path, size: u64, texts: &[(u64, &[u8])]) -> RawDisk {
    let locked = sample::locked("bookworm", SizeRule::Auto);
    let plan = locked.plan.disk.clone().expect("the sample has a disk");
    let file = host::sparse::create_unnamed(folder).expect("a file");
    file.set_len(size).expect("sized");
    for (offset, text) in texts {
        file.write_all_at(text, *offset).expect("written");
    }
    let extents = vec![Extent { start: MIB, length: MIB }; plan.partitions.len()];
    RawDisk { locked, file, size, layout: Layout { plan, size, extents } }
}

fn write(disk: RawDisk, kinds: &[OutputKind], folder: &Path) -> Artifact {
    output::write(disk, &Origins::default(), kinds, folder, &Stage::start(&Silent, "output"))
        .expect("written")
}

/// Size of a disk, and what is where on it.
type Shape<'a> = (u64, Vec<(u64, &'a [u8])>);

fn random(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next).flatten().take(length).collect()
}

fn check(disk: RawDisk, folder: &Path) -> Artifact {
    let size = disk.size;
    let artifact = write(disk, &[OutputKind::Raw, OutputKind::Qcow2(Qcow2Compression::None)], folder);
    let [raw, qcow2] = artifact.images.as_slice() else { panic!("two images: {artifact:?}") };
    let (raw_path, qcow2_path) = (raw.path.to_str().expect("text"), qcow2.path.to_str().expect("text"));
    assert!(witness("qemu-img", &["check", qcow2_path]).contains("No errors were found"));
    let said = witness("qemu-img", &["compare", "-f", "raw", "-F", "qcow2", raw_path, qcow2_path]);
    assert!(said.contains("Images are identical"), "{said}");
    let info: serde_json::Value =
        serde_json::from_str(&witness("qemu-img", &["info", "--output=json", qcow2_path])).expect("JSON");
    assert_eq!(info["virtual-size"], size);
    assert_eq!(info["format-specific"]["data"]["compat"], "1.1");
    assert_eq!(info["format-specific"]["data"]["corrupt"], false);
    assert_eq!((raw.size, qcow2.size), (size, fs::metadata(&qcow2.path).expect("there").len()));
    let said = witness("sh", &["-c", &format!("cd {} && sha256sum -c sample.SHA256SUMS", folder.display())]);
    assert_eq!(said.lines().filter(|line| line.ends_with(": OK")).count(), 5, "{said}");
    artifact
}

#[test]
fn qemu_agrees_on_disks_of_many_shapes() {
    let noise = random(3 * MIB as usize);
    let shapes: [Shape<'_>; 6] = [
        (MIB, vec![]),
        (64 * MIB, vec![(0, b"first"), (64 * MIB - 4, b"last")]),
        (700 * MIB, vec![(MIB, &noise), (511 * MIB, &noise), (600 * MIB + 7, &noise)]),
        // Beyond one refcount block (2 GiB of clusters) only if allocated; the L1 table spans many L2 tables here.
        (300 << 30, vec![(0, &noise), (5 << 30, b"x"), ((300 << 30) - MIB, &noise[..MIB as usize])]),
        (8 * MIB, vec![(0, &noise), (3 * MIB, &[0; 1 << 20]), (4 * MIB, b"after written zeroes")]),
        (MIB + 512, vec![(MIB, &[9; 512])]),
    ];
    for (size, texts) in shapes {
        // The digest of a raw file of 300 GiB takes minutes and shows nothing more.
        let scratch = Scratch::new("shapes");
        let made = disk(scratch.path(), size, &texts);
        if size > 10 << 30 {
            let artifact = write(made, &[OutputKind::Qcow2(Qcow2Compression::None)], scratch.path());
            let path = artifact.images[0].path.to_str().expect("text").to_owned();
            assert!(witness("qemu-img", &["check", &path]).contains("No errors were found"));
            for (offset, text) in &texts {
                assert_eq!(&read_by_qemu(&path, *offset, text.len()), text, "at {offset}");
            }
        } else {
            check(made, scratch.path());
        }
    }
}

/// Reads a few bytes of an image through qemu-img.
fn read_by_qemu(path: &str, offset: u64, length: usize) -> Vec<u8> {
    let part = format!("{path}.part");
    let (skip, count) = (offset / 512, (offset % 512 + length as u64).div_ceil(512));
    let source = format!("if={path}");
    let target = format!("of={part}");
    let (skip_arg, count_arg) = (format!("skip={skip}"), format!("count={}", skip + count));
    witness(
        "qemu-img",
        &["dd", "-f", "qcow2", "-O", "raw", "bs=512", &skip_arg, &count_arg, &source, &target],
    );
    let mut bytes = vec![0; length];
    File::open(&part).expect("the part").read_exact_at(&mut bytes, offset % 512).expect("read");
    fs::remove_file(part).expect("removed");
    bytes
}

/// A disk of 40 MiB whose clusters are noise, text, half and half, and zeroes that were written.
fn mixed(folder: &Path) -> RawDisk {
    let noise = random(3 * MIB as usize);
    let text: Vec<u8> = noise.iter().map(|byte| b'a' + (byte & 7)).collect();
    let mut alternating = noise.clone();
    for pair in alternating.chunks_mut(128 << 10) {
        pair[..60_000].fill(b'x');
    }
    let texts = [
        (0, &noise[..]),
        (5 * MIB + 4096, &text),
        (10 * MIB, &alternating),
        (20 * MIB, &[0; MIB as usize]),
        (40 * MIB - 512, &noise[..512]),
    ];
    disk(folder, 40 * MIB, &texts)
}

#[test]
fn compressed_clusters_are_what_qemu_writes_and_no_larger() {
    for (name, compression) in [("zlib", Qcow2Compression::Zlib), ("zstd", Qcow2Compression::Zstd)] {
        let scratch = Scratch::new("compressed");
        let kinds = [OutputKind::Raw, OutputKind::Qcow2(compression)];
        let artifact = write(mixed(scratch.path()), &kinds, scratch.path());
        let [raw, qcow2] = artifact.images.as_slice() else { panic!("two images: {artifact:?}") };
        let (raw, ours) = (raw.path.to_str().expect("text"), qcow2.path.to_str().expect("text"));
        assert!(witness("qemu-img", &["check", ours]).contains("No errors were found"));
        let said = witness("qemu-img", &["compare", "-f", "raw", "-F", "qcow2", raw, ours]);
        assert!(said.contains("Images are identical"), "{said}");
        let info: serde_json::Value =
            serde_json::from_str(&witness("qemu-img", &["info", "--output=json", ours])).expect("JSON");
        assert_eq!(info["format-specific"]["data"]["compression-type"], name);
        let theirs = scratch.path().join("theirs.qcow2");
        let option = format!("compression_type={name}");
        let arguments = ["convert", "-c", "-o", &option, "-f", "raw", "-O", "qcow2", raw];
        witness("qemu-img", &[&arguments[..], &[theirs.to_str().expect("text")]].concat());
        let theirs = fs::metadata(theirs).expect("there").len();
        assert!(qcow2.size <= theirs, "{name}: {} bytes, qemu-img's {theirs}", qcow2.size);
        let said = witness(
            "sh",
            &["-c", &format!("cd {} && sha256sum -c sample.SHA256SUMS", scratch.path().display())],
        );
        assert_eq!(said.lines().filter(|line| line.ends_with(": OK")).count(), 5, "{said}");
    }
}

#[test]
fn the_same_disk_gives_the_same_files_and_nothing_else() {
    let (one, other) = (Scratch::new("one"), Scratch::new("other"));
    let noise = random(2 * MIB as usize);
    let mut sets = Vec::new();
    for scratch in [&one, &other] {
        let out = scratch.path().join("out");
        check(disk(scratch.path(), 40 * MIB, &[(5 * MIB, &noise)]), &{
            fs::create_dir_all(&out).expect("made");
            out.clone()
        });
        let mut names: Vec<_> =
            fs::read_dir(&out).expect("listed").map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        let endings = ["SHA256SUMS", "manifest.json", "provenance.json", "qcow2", "raw", "spdx.json"];
        assert_eq!(names, endings.map(|ending| PathBuf::from(format!("sample.{ending}"))));
        sets.push(names.iter().map(|name| fs::read(out.join(name)).expect("read")).collect::<Vec<_>>());
    }
    assert!(sets[0] == sets[1]);
}

#[test]
fn outputs_stay_sparse_and_replace_older_ones() {
    let scratch = Scratch::new("sparse");
    for byte in [1, 2] {
        let made = disk(scratch.path(), 200 * MIB, &[(7 * MIB, &[byte; 70_000])]);
        let artifact = check(made, scratch.path());
        assert!(artifact.images.iter().all(|image| image.allocated < 4 * MIB), "{artifact:?}");
        let mut seen = [0];
        File::open(&artifact.images[0].path).expect("open").read_exact_at(&mut seen, 7 * MIB).expect("read");
        assert_eq!(seen, [byte]);
    }
}

#[test]
fn the_manifest_tells_what_went_in() {
    let scratch = Scratch::new("manifest");
    let artifact = write(
        disk(scratch.path(), 8 * MIB, &[]),
        &[OutputKind::Qcow2(Qcow2Compression::None)],
        scratch.path(),
    );
    let manifest: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&artifact.manifest).expect("read")).expect("JSON");
    assert_eq!(manifest["packages"][1]["name"], "dash");
    assert_eq!(manifest["packages"][1]["sha256"], "02".repeat(32));
    assert_eq!(manifest["tools"][0]["name"], "e2fsprogs");
    assert_eq!(manifest["releases"][0]["signed_by"], "0123456789ABCDEF");
    assert_eq!(manifest["disk"]["partitions"][2]["filesystem"]["quota"][2], "project");
    assert_eq!(manifest["images"][0]["sha256"], artifact.images[0].sha256.to_string());
    assert!(
        !fs::read_to_string(&artifact.manifest)
            .expect("read")
            .contains(scratch.path().to_str().expect("text"))
    );
}
