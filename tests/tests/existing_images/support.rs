//! Images to look into, small and large, and the state of the machine around them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use integration_tests::program::{bootwright, debian_minimal, shared_cache};
use integration_tests::scratch::Scratch;
use integration_tests::witness::witness;
use serde_json::Value;

pub const MIB: u64 = 1 << 20;

pub fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}

/// Runs the program with a cache of its own place.
pub fn run(arguments: &[&str]) -> Output {
    Command::new(bootwright())
        .args(arguments)
        .arg("--cache")
        .arg(shared_cache())
        .output()
        .expect("bootwright starts")
}

/// Runs `shell` with the program's flags before the command.
pub fn shell(flags: &[&str], image: &Path, script: &str) -> Output {
    let mut command = shell_command(flags, image, script);
    command.output().expect("bootwright starts")
}

pub fn shell_command(flags: &[&str], image: &Path, script: &str) -> Command {
    let mut command = Command::new(bootwright());
    command.arg("shell").arg("--cache").arg(shared_cache()).args(flags).arg(image);
    command.args(["--", "/bin/sh", "-c", script]);
    command
}

pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

pub fn json(arguments: &[&str]) -> Value {
    let output = run(arguments);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&output)))
}

/// debian-minimal as a raw file that tests only read.
pub fn raw_minimal() -> &'static Path {
    static RAW: OnceLock<PathBuf> = OnceLock::new();
    RAW.get_or_init(|| {
        let raw = debian_minimal().with_extension("witness.raw");
        // An image that comes from the cache may be older than the raw one of another: their digests tell, not their times.
        let sums = fs::read(debian_minimal().with_extension("SHA256SUMS")).expect("checksums");
        let made_of = raw.with_extension("sums");
        if fs::read(&made_of).ok().as_ref() != Some(&sums) || !raw.exists() {
            let new = raw.with_extension("new");
            witness("qemu-img", &["convert", "-O", "raw", text(debian_minimal()), text(&new)]);
            fs::rename(new, &raw).expect("renamed");
            fs::write(made_of, sums).expect("written");
        }
        raw
    })
}

/// A disk with one ext4 filesystem in one partition, made by other people's programs from a folder.
pub fn small(scratch: &Scratch, name: &str, fill: impl Fn(&Path)) -> PathBuf {
    let tree = scratch.path().join(format!("{name}-tree"));
    for folder in ["etc", "usr/bin", "var/lib/dpkg/info", "boot", "proc", "dev", "run", "tmp"] {
        fs::create_dir_all(tree.join(folder)).expect("a folder");
    }
    fs::write(tree.join("etc/os-release"), "ID=sample\nPRETTY_NAME=\"A sample\"\n").expect("written");
    fs::write(tree.join("etc/hostname"), "sample\n").expect("written");
    fill(&tree);
    let (part, disk) =
        (scratch.path().join(format!("{name}.part")), scratch.path().join(format!("{name}.raw")));
    let uuid = "5a1d1f6e-0033-4000-8000-000000000001";
    let extended = format!("hash_seed={uuid}");
    witness("truncate", &["-s", "16M", text(&part)]);
    witness(
        "mke2fs",
        &["-q", "-t", "ext4", "-U", uuid, "-E", &extended, "-L", "root", "-d", text(&tree), text(&part)],
    );
    witness("truncate", &["-s", "18M", text(&disk)]);
    let (guid, unique) = (
        "--disk-guid=5a1d1f6e-0033-4000-8000-000000000002",
        "--partition-guid=1:5a1d1f6e-0033-4000-8000-000000000003",
    );
    witness(
        "sgdisk",
        &["--new=1:2048:+16M", "--typecode=1:8304", "--change-name=1:root", guid, unique, text(&disk)],
    );
    let bytes = fs::read(&part).expect("read");
    fs::File::options()
        .write(true)
        .open(&disk)
        .and_then(|file| file.write_all_at(&bytes, MIB))
        .expect("written");
    fs::remove_file(part).expect("removed");
    disk
}

/// What must be as before: loop devices in use, mounts, processes of the program, what lies in the cache's mount folder.
#[derive(Debug, PartialEq, Eq)]
pub struct Traces {
    loops: BTreeSet<String>,
    mounts: String,
    mount_folder: usize,
}

impl Traces {
    /// Reads them; loop devices count when their backing file is under test.
    pub fn read(backing: &str) -> Self {
        let used = |entry: fs::DirEntry| {
            let file = fs::read_to_string(entry.path().join("loop/backing_file")).ok()?;
            file.contains(backing).then(|| format!("{:?} {file}", entry.file_name()))
        };
        let loops = fs::read_dir("/sys/block").expect("listed").flatten().filter_map(used).collect();
        Self {
            loops,
            mounts: fs::read_to_string("/proc/self/mountinfo").expect("readable"),
            mount_folder: fs::read_dir(shared_cache().join("mount")).map_or(0, Iterator::count),
        }
    }
}

pub fn is_root() -> bool {
    host::worker::is_root()
}
