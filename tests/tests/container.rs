//! Builds inside a real container: podman with runc, Docker's default capabilities, the default seccomp filter, no network; its
//! image is a tar that bootwright built, its packages come from a mounted cache. The bytes are those of a build outside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use integration_tests::draw::is_drawn;
use integration_tests::program::{bootwright, shared_cache};
use integration_tests::scratch::Scratch;

/// What is built in the container: packages whose scripts make accounts, links and temporary folders, and a disk.
const RECIPE: &str = "\
version: 1
name: boxed
architecture: amd64
distribution: { debian: { suite: bookworm, variant: minbase, updates: false, security: false }, mirror: auto }
packages: [systemd-sysv, openssh-server]
recommends: false
kernel: linux-image-cloud-amd64
disk: { table: gpt, size: auto, partitions: [{ type: bios-boot }, { type: root, filesystem: ext4, mount: / }] }
boot: { grub: { bios: true, uefi: false } }
outputs: [qcow2]
";

/// The container: a minimal Debian with the programs, and an ordinary user with subordinate ids.
const BOX: &str = "\
version: 1
name: box
architecture: amd64
distribution: { debian: { suite: bookworm, variant: minbase, updates: false, security: false }, mirror: auto }
packages: [ca-certificates, uidmap]
overlays: [{ from: box, owner: root }]
users: [{ name: builder }]
outputs: [tar]
";

/// Of Docker, and podman's own beside them.
const CAPABILITIES: [&str; 3] = ["MKNOD", "NET_RAW", "AUDIT_WRITE"];

/// System calls that Docker's filter allows with `CAP_SYS_ADMIN` only and podman's always.
const NEEDS_ADMIN: [&str; 13] = [
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "mount",
    "mount_setattr",
    "move_mount",
    "open_tree",
    "pivot_root",
    "setns",
    "umount",
    "umount2",
    "unshare",
];

/// Storage and image of one test; all of it goes with the value.
struct Engine {
    scratch: Scratch,
}

impl Engine {
    /// Builds the container's image and imports it.
    fn new() -> Self {
        let engine = Self { scratch: Scratch::new("container") };
        let programs = engine.path("box/usr/local/bin");
        fs::create_dir_all(&programs).expect("a folder");
        fs::create_dir(engine.path("work")).expect("a folder");
        for name in ["bootwright", "firstboot"] {
            fs::copy(bootwright().with_file_name(name), programs.join(name))
                .expect("both programs are built");
        }
        fs::write(engine.path("box.yaml"), BOX).expect("a recipe");
        fs::write(engine.path("work/boxed.yaml"), RECIPE).expect("a recipe");
        outside(&["build"], &engine.path("box.yaml"), &shared_cache(), &engine.path("image"), &[]);
        succeed(
            engine.podman("import").arg(engine.path("image/box.tar")).arg("bootwright-box"),
            "podman import",
        );
        engine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn podman(&self, verb: &str) -> Command {
        let mut command = Command::new("podman");
        command.args([
            "--runtime",
            "runc",
            "--storage-driver",
            "vfs",
            "--cgroup-manager",
            "cgroupfs",
            "--root",
        ]);
        command
            .arg(self.path("storage"))
            .arg("--runroot")
            .arg(self.path("run"))
            .arg(verb)
            .stdin(Stdio::null());
        command
    }

    /// Runs words in a container; `more` are options of podman's.
    fn run(&self, more: &[&str], words: &[&str]) -> Output {
        let mut command = self.podman("run");
        command.args([
            "--rm",
            "--network=none",
            "--ulimit",
            "nofile=20000:20000",
            "--ulimit",
            "nproc=1000:1000",
        ]);
        command.args(more).arg("--volume").arg(format!("{}:/work:dev", self.path("work").display()));
        command.arg("bootwright-box").args(words).output().expect("podman runs")
    }

    /// Builds in a container and returns what was said.
    fn build(&self, more: &[&str], level: &str, output: &str) -> (Option<i32>, String) {
        let output = format!("/work/{output}");
        let words = ["bootwright", "build", "/work/boxed.yaml", "--locked", "--fresh", "--progress", "plain"];
        let place = ["--cache", "/work/cache", "--output", &output, "--isolation", level];
        let ended = self.run(more, &[&words[..], &place[..]].concat());
        (ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned())
    }

    /// podman's filter without what Docker's does not allow.
    fn docker_filter(&self) -> PathBuf {
        let text = fs::read("/usr/share/containers/seccomp.json").expect("podman's filter");
        let mut filter: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        for rule in filter["syscalls"].as_array_mut().expect("rules") {
            if let Some(names) = rule["names"].as_array_mut() {
                names.retain(|name| !NEEDS_ADMIN.contains(&name.as_str().unwrap_or_default()));
            }
        }
        let path = self.path("docker.json");
        fs::write(&path, filter.to_string()).expect("written");
        path
    }

    fn sums(&self, output: &str) -> String {
        let path = self.path("work").join(output).join("boxed.SHA256SUMS");
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Its storage has mounts and files of other owners.
        let _ = self.podman("rmi").args(["--all", "--force"]).output();
    }
}

fn succeed(command: &mut Command, what: &str) {
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
}

fn outside(verb: &[&str], recipe: &Path, cache: &Path, output: &Path, more: &[&str]) {
    let mut command = Command::new(bootwright());
    command.args(verb).arg(recipe).arg("--cache").arg(cache).args(more);
    if verb == ["build"] {
        command.arg("--output").arg(output);
    }
    succeed(&mut command, "a build outside");
}

fn capabilities() -> Vec<String> {
    CAPABILITIES.map(|name| format!("--cap-add={name}")).to_vec()
}

#[test]
fn a_container_without_rights_builds_the_same_bytes() {
    let engine = Engine::new();
    let (recipe, cache) = (engine.path("work/boxed.yaml"), engine.path("work/cache"));
    outside(&["lock"], &recipe, &cache, Path::new(""), &[]);
    outside(&["build"], &recipe, &cache, &engine.path("work/outside"), &["--isolation", "root"]);
    let expected = engine.sums("outside");
    let owned = capabilities();
    let mut options: Vec<&str> = owned.iter().map(String::as_str).collect();
    let shown = engine.run(&options, &["grep", "CapEff", "/proc/self/status"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("a80425fb"), "Docker's default capabilities, not {shown}");

    // podman's own filter lets everybody have namespaces, and not use all of them: the best that works is found.
    if is_drawn("filters of containers", 0, 2) {
        let (code, said) = engine.build(&options, "auto", "podman");
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("isolation chroot:"), "{said}");
        assert_eq!(engine.sums("podman"), expected);
    }
    let filter = format!("seccomp={}", engine.docker_filter().display());
    options.extend(["--security-opt", &filter]);
    if is_drawn("filters of containers", 1, 2) {
        let (code, said) = engine.build(&options, "chroot", "docker");
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(engine.sums("docker"), expected);
    }
    assert!(!engine.path("work/cache/work").exists(), "the folder of the build is gone");

    // Forced levels say what they lack and what works instead.
    for (level, words) in [("root", "CAP_SYS_ADMIN"), ("user", "seccomp")] {
        let (code, said) = engine.build(&options, level, "refused");
        assert_eq!(code, Some(8), "{level}: {said}");
        assert!(said.contains(words) && said.contains("chroot"), "{level}: {said}");
    }
    // Without the one capability that even the last level needs.
    let (code, said) = engine.build(&["--cap-add=NET_RAW"], "chroot", "refused");
    assert_eq!(code, Some(8), "{said}");
    assert!(said.contains("CAP_MKNOD") && said.contains("--cap-add MKNOD"), "{said}");
    // An ordinary user of the container, where no namespace can be had.
    let (code, said) = engine.build(&[&options[..], &["--user", "builder"]].concat(), "auto", "refused");
    assert_eq!(code, Some(8), "{said}");
    assert!(said.contains("chroot"), "{said}");
    assert!(!engine.path("work/refused").exists());
}
