//! Images that are not what they should be: an error or an answer, never a panic, never for ever.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bootwright::image::Image;
use bootwright::image::system::System;
use integration_tests::program::bootwright;
use integration_tests::scratch::Scratch;
use integration_tests::witness::witness;

use super::support::{MIB, run, said, small, text};

/// No image of these sizes takes longer, whatever is in it.
const PATIENCE: Duration = Duration::from_secs(120);

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        std::iter::repeat_with(|| self.next().to_le_bytes()).flatten().take(length).collect()
    }
}

fn fill(tree: &Path) {
    for number in 0..40 {
        let folder = tree.join(format!("usr/{}", number % 7));
        fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join(format!("file-with-a-name-{number}"));
        fs::write(&file, vec![number as u8; 3000 * number]).expect("written");
        host::xattr::set(&file, c"user.number", &[7; 90]).expect("set");
        std::os::unix::fs::symlink("x".repeat(10 * number + 1), folder.join(format!("link-{number}")))
            .expect("linked");
    }
}

/// Looks into the image and compares it; what comes out does not matter, that it comes does.
fn look(path: &Path, good: &Path) -> bool {
    let started = Instant::now();
    let report = bootwright::inspect::inspect(path);
    let told = report.as_ref().map(|report| {
        let _ = (report.to_string(), report.to_json(), bootwright::inspect::html::page(report, None));
        report.damage().is_empty()
    });
    if let (Ok(image), Ok(other)) = (Image::open(path), Image::open(good))
        && let (Ok(a), Ok(b)) = (System::read(&image, None), System::read(&other, None))
        && let Ok(difference) = bootwright::diff::compare(&a, &b)
    {
        let _ = difference.to_string();
    }
    assert!(started.elapsed() < PATIENCE, "{} took {:?}", path.display(), started.elapsed());
    told.unwrap_or(false)
}

/// Puts `count` disturbances into the range, each for itself.
fn disturb(path: &Path, good: &Path, range: std::ops::Range<u64>, count: u64, random: &mut Random) -> u64 {
    let file = File::options().read(true).write(true).open(path).expect("opened");
    let mut damaged = 0;
    for _ in 0..count {
        let offset = range.start + random.next() % (range.end - range.start);
        let length = [1, 2, 4, 16][random.next() as usize % 4];
        let mut before = vec![0; length];
        file.read_exact_at(&mut before, offset).expect("read");
        let new = if random.next().is_multiple_of(2) { vec![0xff; length] } else { random.bytes(length) };
        file.write_all_at(&new, offset).expect("written");
        damaged += u64::from(!look(path, good));
        file.write_all_at(&before, offset).expect("restored");
    }
    assert!(look(path, good), "as it was");
    damaged
}

fn sample(scratch: &Scratch) -> (PathBuf, PathBuf) {
    let good = small(scratch, "good", fill);
    let bad = scratch.path().join("bad.raw");
    fs::copy(&good, &bad).expect("copied");
    (good, bad)
}

#[test]
fn disturbed_tables_are_answered() {
    let scratch = Scratch::new("hostile-table");
    let (good, bad) = sample(&scratch);
    let damaged = disturb(&bad, &good, 512..1024 + 128, 200, &mut Random(0x1234_5678_9abc_def1));
    assert!(damaged > 50, "{damaged}");
}

#[test]
fn disturbed_ext4_is_answered() {
    let scratch = Scratch::new("hostile-ext4");
    let (good, bad) = sample(&scratch);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    // Superblock and descriptors; then inode tables, folders and all else of the first MiBs.
    let damaged = disturb(&bad, &good, MIB + 1024..MIB + 1024 + 512, 200, &mut random);
    assert!(damaged > 5, "{damaged}");
    disturb(&bad, &good, MIB + 1024..MIB + 8192, 200, &mut random);
    disturb(&bad, &good, MIB + 8192..5 * MIB, 400, &mut random);
}

#[test]
fn disturbed_compressed_qcow2_is_answered() {
    let scratch = Scratch::new("hostile-qcow2");
    let (good, _) = sample(&scratch);
    for kind in ["zlib", "zstd"] {
        let image = scratch.path().join(format!("{kind}.qcow2"));
        let option = format!("compression_type={kind}");
        witness("qemu-img", &["convert", "-c", "-O", "qcow2", "-o", &option, text(&good), text(&image)]);
        let length = fs::metadata(&image).expect("there").len();
        let mut random = Random(0xdead_beef_cafe_f00d);
        let damaged = disturb(&image, &good, 4..112, 150, &mut random);
        assert!(damaged > 30, "{damaged}");
        disturb(&image, &good, 112..length, 150, &mut random);
    }
}

#[test]
fn cut_and_random_files_are_answered_by_the_program() {
    let scratch = Scratch::new("hostile-cut");
    let (good, bad) = sample(&scratch);
    let mut random = Random(0x0123_4567_89ab_cdef);
    let noise = scratch.path().join("noise.raw");
    fs::write(&noise, random.bytes(3 << 20)).expect("written");
    let marked = scratch.path().join("marked.qcow2");
    fs::write(&marked, [b"QFI\xfb\0\0\0\x03".to_vec(), random.bytes(1 << 20)].concat()).expect("written");
    let file = File::options().write(true).open(&bad).expect("opened");
    for length in [17 * MIB, 9 * MIB, MIB + 4096, MIB + 1500, 4096, 513, 512, 3, 0] {
        file.set_len(length).expect("cut");
        program(&bad, &good);
    }
    for path in [&noise, &marked] {
        program(path, &good);
    }
    let output = run(&["inspect", text(scratch.path())]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("only regular files"), "{}", said(&output));
}

/// Every verb on a broken image: an exit code of the documented ones, in time, and words about the image.
fn program(path: &Path, good: &Path) {
    let name = text(path);
    let verbs: [&[&str]; 4] = [
        &["inspect", name],
        &["inspect", "--json", name],
        &["diff", name, text(good)],
        &["diff", text(good), name],
    ];
    for arguments in verbs {
        let output = std::process::Command::new("timeout")
            .arg("120")
            .arg(bootwright())
            .args(arguments)
            .output()
            .expect("timeout runs");
        let all = said(&output);
        assert!(matches!(output.status.code(), Some(0 | 1 | 10)), "{arguments:?}: {:?} {all}", output.status);
        assert!(!all.contains("panicked"), "{arguments:?}: {all}");
        if output.status.code() == Some(1) {
            assert!(all.contains("error: "), "{arguments:?}: {all}");
        }
    }
}
