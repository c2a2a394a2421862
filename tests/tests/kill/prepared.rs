//! The recipe of all these tests, locked and built once for each program under test. It is kept beside the shared cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use integration_tests::program::{bootwright, interruptible, shared_cache};
use integration_tests::witness::witness;

/// From packages to a disk that boots.
const RECIPE: &str = "\
version: 1
name: ended
architecture: amd64
distribution: { debian: { suite: bookworm, variant: minbase, updates: false, security: false }, mirror: auto }
kernel: linux-image-cloud-amd64
disk: { table: gpt, size: auto, partitions: [{ type: bios-boot }, { type: root, filesystem: ext4, mount: / }] }
boot: { grub: { bios: true, uefi: false } }
packages: [systemd-sysv]
overlays: [{ from: overlay, owner: root }]
outputs: [qcow2]
";

/// How long builds take, packages in the cache.
#[derive(Debug, Clone, Copy)]
pub struct Took {
    /// Everything anew.
    pub whole: Duration,
    /// From trees that are kept.
    pub of_trees: Duration,
    /// Where the image is kept.
    pub found: Duration,
}

pub struct Prepared {
    pub folder: PathBuf,
    pub took: Took,
    /// Checksums of what it makes.
    pub sums: String,
}

/// Returns what is prepared; makes it if there is none, or another program's.
pub fn prepared() -> &'static Prepared {
    static PREPARED: OnceLock<Prepared> = OnceLock::new();
    PREPARED.get_or_init(|| {
        let folder = shared_cache().with_file_name("test-kill");
        let program = bootwright().display().to_string();
        let digest = witness("sha256sum", &[&program]).split(' ').next().unwrap_or_default().to_owned();
        let [made_for, took] = ["program", "milliseconds"].map(|name| folder.join(name));
        if fs::read_to_string(&made_for).ok() != Some(format!("{digest} {RECIPE}")) {
            fs::write(&took, prepare(&folder)).expect("written");
            fs::write(&made_for, format!("{digest} {RECIPE}")).expect("written");
        }
        let took = fs::read_to_string(&took).expect("it was measured");
        let took: Vec<u64> = took.split(' ').map(|number| number.parse().expect("a number")).collect();
        let [whole, of_trees, found] = [0, 1, 2].map(|at| Duration::from_millis(took[at]));
        let sums = fs::read_to_string(folder.join("out/ended.SHA256SUMS")).expect("checksums");
        Prepared { folder, took: Took { whole, of_trees, found }, sums }
    })
}

/// Locks and builds; returns how many milliseconds the three kinds of builds take.
fn prepare(folder: &Path) -> String {
    if folder.exists() {
        fs::remove_dir_all(folder).expect("ours");
    }
    fs::create_dir_all(folder.join("overlay/srv")).expect("an overlay");
    fs::write(folder.join("overlay/srv/file"), "text").expect("a file");
    fs::write(folder.join("recipe.yaml"), RECIPE).expect("a recipe");
    let run = |words: &[&str]| {
        let mut command = interruptible();
        command.args(words).arg(folder.join("recipe.yaml")).arg("--cache").arg(folder.join("cache"));
        if words[0] == "build" {
            command.arg("--output").arg(folder.join("out"));
        }
        let output = command.stdin(Stdio::null()).output().expect("it starts");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let timed = |words: &[&str]| {
        let begun = Instant::now();
        run(words);
        begun.elapsed().as_millis()
    };
    run(&["lock"]);
    run(&["build", "--locked"]);
    let whole = timed(&["build", "--locked", "--fresh"]);
    forget_image(&folder.join("cache"));
    let of_trees = timed(&["build", "--locked"]);
    fs::remove_dir_all(folder.join("out")).expect("there is one");
    let found = timed(&["build", "--locked"]);
    format!("{whole} {of_trees} {found}")
}

/// Lets the next build make the image again, from trees that are kept.
pub fn forget_image(cache: &Path) {
    let records = cache.join("records/image");
    if records.exists() {
        fs::remove_dir_all(records).expect("ours");
    }
}

/// Copies a file or folder into a folder.
pub fn copy(how: &[&str], from: &Path, into: &Path) {
    assert!(try_copy(how, from, into), "copying '{}'", from.display());
}

/// As [`copy`]; tells whether it could.
pub fn try_copy(how: &[&str], from: &Path, into: &Path) -> bool {
    let copied =
        Command::new("cp").args(how).arg(from).arg(into).stderr(Stdio::null()).status().expect("cp runs");
    if !copied.success() {
        // A part may be there.
        let _ = fs::remove_dir_all(into.join(from.file_name().expect("it has a name")));
    }
    copied.success()
}
