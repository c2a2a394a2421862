//! The power goes: the filesystem of cache and output stops at once, with nothing flushed, as ext4 is able to.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use integration_tests::witness::witness;

use super::bench::{Bench, Dice, setting};
use super::family::wait_for_orphans;

/// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`, on a folder of the filesystem.
const SHUT_DOWN: &str =
    "open(my $f, '<', $ARGV[0]) or die $!; my $flags = pack('L', 2); ioctl($f, 0x8004587d, $flags) or die $!";

/// An ext4 in a file, mounted as long as the value lives.
struct Disk<'a> {
    file: &'a Path,
    at: &'a Path,
}

impl<'a> Disk<'a> {
    fn mount(file: &'a Path, at: &'a Path) -> Self {
        // The loop device goes with the mount.
        witness("mount", &["-o", "loop", &file.display().to_string(), &at.display().to_string()]);
        Self { file, at }
    }

    fn cut_power(&self) {
        witness("perl", &["-e", SHUT_DOWN, &self.at.display().to_string()]);
    }

    fn again(self) -> Self {
        let (file, at) = (self.file, self.at);
        drop(self);
        // Mount namespaces that were made meanwhile, by whomever, hold the dead filesystem; its loop device goes with the last.
        let deadline = Instant::now() + Duration::from_secs(300);
        while !witness("losetup", &["--associated", &file.display().to_string()]).is_empty() {
            assert!(Instant::now() < deadline, "the disk that has no power stays mounted somewhere");
            std::thread::sleep(Duration::from_millis(100));
        }
        Self::mount(file, at)
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.at).status();
    }
}

#[test]
fn a_power_cut_leaves_no_half_artifact_and_no_bad_object() {
    let (cuts, seed) = (setting("BOOTWRIGHT_POWER_CUTS", 1), setting("BOOTWRIGHT_KILL_SEED", 20_261_126));
    let bench = Bench::new("power");
    println!("{cuts} power cuts, seed {seed}, builds take: {:?}", bench.took);
    let (file, at) = (bench.path("disk"), bench.path("mounted"));
    fs::create_dir(&at).expect("a folder");
    fs::File::create(&file).and_then(|file| file.set_len(3 << 30)).expect("a disk");
    witness("mkfs.ext4", &["-q", "-F", &file.display().to_string()]);
    let mut disk = Disk::mount(&file, &at);
    let mut dice = Dice::new(seed ^ 2);
    for number in 1..=cuts {
        let whole = usize::try_from(bench.took.whole.as_millis()).expect("minutes") * 3 / 2;
        let after = Duration::from_millis(dice.below(whole) as u64);
        let what = format!("power cut {number} of seed {seed}, after {after:?}");
        println!("{what}");
        let mut command = bench.command_in(&at, "root", dice.below(2) == 0);
        let mut build = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        std::thread::sleep(after);
        disk.cut_power();
        build.wait().expect("it ends by itself, or is done");
        wait_for_orphans(Duration::from_secs(30)).unwrap_or_else(|left| panic!("{what}: {left}"));
        disk = disk.again();
        complete(&at.join("out"), &bench.sums, &what);
        bench.succeed(&mut bench.command_in(&at, "root", false), &what);
        let sums = fs::read_to_string(at.join("out/ended.SHA256SUMS")).expect("checksums");
        assert_eq!(sums, bench.sums, "{what}");
        complete(&at.join("out"), &bench.sums, &what);
        fs::remove_dir_all(at.join("out")).expect("there is one");
    }
}

/// What stands under its final name has the bytes that it should have.
fn complete(folder: &Path, sums: &str, what: &str) {
    for line in sums.lines() {
        let (digest, name) = line.split_once("  ").expect("a digest and a name");
        let path = folder.join(name);
        if path.exists() {
            let said = witness("sha256sum", &[&path.display().to_string()]);
            assert!(said.starts_with(digest), "{what}: '{name}' is not whole");
        }
    }
}
