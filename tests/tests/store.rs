//! Work that is done once: what the cache gives back, what it does not, and how it is looked after.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use integration_tests::mirror::{Mirror, Source, debian_mirrors};
use integration_tests::program::{bootwright, checkout, shared_cache};
use integration_tests::scratch::Scratch;

const RECIPE: &str = "\
version: 1
name: kept
architecture: amd64
distribution: { debian: { suite: bookworm, variant: essential, updates: false, security: false }, mirror: auto }
overlays: [{ from: overlay, owner: root }]
outputs: [tar]
";

/// A recipe with a cache of its own.
struct Bench(Scratch);

struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Bench {
    fn new(name: &str) -> Self {
        let bench = Self(Scratch::new(name));
        fs::write(bench.path("recipe.yaml"), RECIPE).expect("a recipe");
        fs::create_dir_all(bench.path("overlay/srv")).expect("an overlay");
        bench.lay("first");
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Changes the overlay.
    fn lay(&self, text: &str) {
        fs::write(self.path("overlay/srv/file"), text).expect("a file");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(bootwright());
        command.args(arguments).args(["--progress", "plain", "--cache"]).arg(self.path("cache"));
        command.current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Said {
        let output = self.command(arguments).output().expect("it starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Builds into `out` and returns what was said and the archive.
    fn build(&self, more: &[&str]) -> (String, Vec<u8>) {
        let said = self.run(&[&["build", "recipe.yaml", "--explain"], more].concat());
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        (said.stderr, fs::read(self.path("out/kept.tar")).expect("an archive"))
    }

    fn start(&self) -> Child {
        self.command(&["build", "recipe.yaml"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts")
    }

    /// The object in which the configured tree is kept.
    fn tree_object(&self) -> PathBuf {
        let folder = self.path("cache/records/configured");
        let record = fs::read_dir(folder).expect("records").next().expect("one").expect("readable").path();
        let record: serde_json::Value =
            serde_json::from_slice(&fs::read(record).expect("a record")).expect("JSON");
        let digest = record["result"]["object"].as_str().expect("an object");
        self.path("cache/objects").join(&digest[..2]).join(&digest[2..])
    }
}

fn flip_a_byte(path: &Path) {
    let file = fs::File::options().read(true).write(true).open(path).expect("opened");
    let middle = file.metadata().expect("examined").len() / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, middle).expect("read");
    file.write_all_at(&[!byte[0]], middle).expect("written");
}

#[test]
fn an_unchanged_recipe_costs_one_question_to_each_archive_and_none_with_a_lock() {
    let bench = Bench::new("store-unchanged");
    let (debian, _) = debian_mirrors().expect("apt's sources");
    let mirror = Mirror::start(Source::Upstream(debian), Box::new(|_, _| None)).expect("a port");
    let uri = mirror.uri();
    let (said, first) = bench.build(&["--mirror", &uri]);
    assert!(said.contains("image: miss: nothing of this recipe is stored yet"), "{said}");
    let asked = mirror.requests().len();
    let (said, second) = bench.build(&["--mirror", &uri]);
    assert!(
        said.contains("packages: hit") && said.contains("image: hit") && said.contains("found kept"),
        "{said}"
    );
    assert!(first == second);
    assert_eq!(mirror.requests()[asked..], ["/dists/bookworm/InRelease"]);
    assert_eq!(mirror.unchanged(), 1);
    assert_eq!(bench.run(&["lock", "recipe.yaml", "--mirror", &uri]).code, Some(0));
    let asked = mirror.requests().len();
    let (said, locked) = bench.build(&["--mirror", &uri, "--locked"]);
    assert!(said.contains("image: hit") && locked == first, "{said}");
    assert_eq!(mirror.requests().len(), asked, "a locked build asks nobody");
    // Another folder gets files of its own.
    let (said, _) = bench.build(&["--mirror", &uri, "--output", "other"]);
    assert!(said.contains("image: hit") && fs::read(bench.path("other/kept.tar")).expect("copied") == first);
    let fresh = bench.build(&["--mirror", &uri, "--fresh"]);
    assert!(fresh.0.contains("install packages") && fresh.1 == first, "warm and cold give the same bytes");
}

#[test]
fn a_changed_overlay_redoes_only_what_follows_it() {
    let scratch = Scratch::new("store-overlay");
    let recipe = format!(
        "version: 1\nname: overlaid\ninclude: ['{}']\noverlays: [{{ from: overlay, owner: root }}]\n",
        checkout().join("recipes/debian-minimal.yaml").display()
    );
    fs::write(scratch.path().join("recipe.yaml"), recipe).expect("a recipe");
    fs::create_dir_all(scratch.path().join("overlay/srv")).expect("an overlay");
    let build = |text: &str, more: &[&str]| {
        fs::write(scratch.path().join("overlay/srv/file"), text).expect("a file");
        let output = Command::new(bootwright())
            .args(["build", "recipe.yaml", "--explain", "--cache"])
            .arg(shared_cache())
            .args(more)
            .current_dir(scratch.path())
            .output()
            .expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        (said, fs::read_to_string(scratch.path().join("out/overlaid.SHA256SUMS")).expect("checksums"))
    };
    // The cache outlives this test, and an earlier run's image must not serve.
    let second = format!("second, {:?} of {}", Instant::now(), std::process::id());
    build("first", &[]);
    let (said, warm) = build(&second, &[]);
    for hit in ["packages: hit", "tools: hit", "configured: hit", "initramfs: hit"] {
        assert!(said.contains(hit), "{said}");
    }
    assert!(said.contains("image: miss: inputs.overlays[0].srv/file.sha256: "), "{said}");
    assert!(!said.contains("install packages") && !said.contains("fetch packages"), "{said}");
    assert_eq!(build(&second, &["--fresh"]).1, warm, "warm and cold give the same bytes");
}

#[test]
fn what_is_damaged_or_written_to_is_made_anew() {
    let bench = Bench::new("store-damage");
    let (_, first) = bench.build(&[]);
    // The user's file and the store's may be one: what is written to it must not come back.
    flip_a_byte(&bench.path("out/kept.tar"));
    let (said, again) = bench.build(&[]);
    assert!(said.contains("built kept") && again == first, "{said}");
    flip_a_byte(&bench.tree_object());
    bench.lay("second");
    let (said, second) = bench.build(&[]);
    assert!(said.contains("install packages"), "{said}");
    assert!(bench.build(&["--fresh"]).1 == second);
    let records = bench.path("cache/records/configured");
    let record = fs::read_dir(&records).expect("records").next().expect("one").expect("readable").path();
    fs::write(record, "{").expect("a torn record");
    bench.lay("first");
    assert!(bench.build(&[]).1 == first);
}

#[test]
fn two_builds_of_the_same_do_the_work_once_and_a_killed_one_frees_it() {
    let bench = Bench::new("store-together");
    let mut killed = bench.start();
    let deadline = Instant::now() + Duration::from_secs(120);
    // The kernel's list names the file by its inode.
    let is_locked = || {
        let Ok(file) = fs::metadata(bench.path("cache/locks/results")) else { return false };
        let inode = format!(":{}", file.ino());
        let locks = fs::read_to_string("/proc/locks").expect("proc is mounted");
        let of_file = |line: &str| line.split_whitespace().any(|word| word.ends_with(&inode));
        locks.lines().any(|line| line.contains("OFDLCK") && of_file(line))
    };
    while !is_locked() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    killed.kill().expect("it is ours");
    killed.wait().expect("it is ours");
    let both = [bench.start(), bench.start()].map(|child| child.wait_with_output().expect("it ends"));
    let said = both.map(|output| {
        assert!(output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    });
    let made = said.iter().filter(|said| said.contains("install packages")).count();
    assert_eq!(made, 1, "{said:#?}");
    assert!(!is_locked(), "nothing is left of the locks");
}

#[test]
fn the_cache_is_listed_verified_and_pruned() {
    let bench = Bench::new("store-census");
    bench.build(&[]);
    let list = bench.run(&["cache", "list"]);
    for part in ["fetched", "packages, decompressed", "configured", "image", "kept", "in all"] {
        assert!(list.stdout.contains(part), "{}", list.stdout);
    }
    let json: serde_json::Value =
        serde_json::from_str(&bench.run(&["cache", "list", "--json"]).stdout).expect("JSON");
    assert!(json["bytes"].as_u64().expect("a number") > 1 << 20);
    assert_eq!(bench.run(&["cache", "verify"]).code, Some(0));
    let object = bench.tree_object();
    flip_a_byte(&object);
    let said = bench.run(&["cache", "verify"]);
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    assert!(said.stderr.contains("1 objects") && !object.exists(), "{}", said.stderr);
    for (size, hint) in [("5", "5MiB"), ("5GB", "5GiB"), ("all", "whole number")] {
        let said = bench.run(&["cache", "prune", "--keep", size]);
        assert_eq!(said.code, Some(2), "{}", said.stderr);
        assert!(said.stderr.contains(hint), "{}", said.stderr);
    }
    fs::write(bench.path("cache/partial/left"), "half").expect("what a kill has left");
    assert_eq!(bench.run(&["cache", "prune", "--keep", "1MiB"]).code, Some(0));
    assert!(!bench.path("cache/partial/left").exists());
    let json: serde_json::Value =
        serde_json::from_str(&bench.run(&["cache", "list", "--json"]).stdout).expect("JSON");
    assert!(json["bytes"].as_u64().expect("a number") <= 1 << 20);
    assert!(bench.path("out/kept.tar").exists(), "what was put out is the user's");
    bench.build(&[]);
}

#[test]
fn verify_builds_again_and_names_what_differs() {
    let bench = Bench::new("store-verify");
    let said = bench.run(&["verify", "recipe.yaml"]);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("build the recipe first"), "{}", said.stderr);
    bench.build(&[]);
    let said = bench.run(&["verify", "recipe.yaml"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(
        said.stdout.contains("the same bytes") && said.stderr.contains("install packages"),
        "{}",
        said.stdout
    );
    bench.lay("another");
    let said = bench.run(&["verify", "recipe.yaml"]);
    assert_eq!(said.code, Some(10), "{}", said.stderr);
    assert!(said.stdout.contains("different: the content of './srv/file'"), "{}", said.stdout);
    assert!(!bench.path("cache/mount/again").exists());
}
