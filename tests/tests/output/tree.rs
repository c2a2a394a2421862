//! `outputs: [tar, tree]` by the real program: what GNU tar extracts is the folder, and both are mmdebstrap's tree.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use integration_tests::program::{bootwright, build, interruptible, ordinary_user, shared_cache};
use integration_tests::scratch::Scratch;
use integration_tests::tools_tree::debian_mirror;
use integration_tests::tree_compare::{
    Allowance, BOOTSTRAP_RULES, Rule, differences, read_folder, read_tar, rule,
};
use integration_tests::witness::witness;

/// A small tree with one of everything that an archive must keep. (xz takes a minute for it; unit tests have that.)
const RECIPE: &str = r#"
version: 1
name: small
distribution: { debian: { suite: bookworm } }
packages: [iputils-ping, libcap2-bin]
outputs: [tar, { type: tar, compression: gz }, { type: tar, compression: zstd }, tree]
run:
  - name: one of everything
    command: |
      mkdir -p /srv/odd
      cd /srv/odd
      mkfifo -m 640 pipe
      echo text > "a name of more than one hundred bytes, so that it needs a pax record: $(printf %0100d 7)"
      echo text > 'naïve'
      ln -s "nowhere/$(printf %0120d 7)" link
      echo linked > first
      ln first second
      truncate -s 8M sparse
      printf end >> sparse
      chown 33:65534 first
      chmod 6755 first
      chown -h games:mail link
      touch -d 2001-02-03T04:05:06Z first
"#;

/// What a finished tree has otherwise than mmdebstrap's, beside what is true of any bootstrap.
const FINISHED_RULES: &[Rule] = &[
    rule("var/cache/apt/archives/lock", Allowance::Anything, "apt's locks are removed with its lists"),
    rule("var/lib/apt/lists/lock", Allowance::Anything, "apt's locks are removed with its lists"),
    rule("var/log*", Allowance::Anything, "logs are removed"),
];

fn recipe(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("recipe.yaml");
    fs::write(&path, text).expect("written");
    path
}

fn shell(folder: &Path, script: &str) -> String {
    let script = format!("set -e; cd '{}'; {script}", folder.display());
    witness("bash", &["-o", "pipefail", "-c", &script])
}

/// Every path with its time, as find tells it; a folder's own entry first.
fn times(folder: &Path) -> String {
    shell(folder, "find . -printf '%P %Ts %s\\n' | LC_ALL=C sort | grep -v '^ '")
}

#[test]
fn a_tar_extracted_is_the_tree_and_both_are_the_same_twice() {
    let scratch = Scratch::new("tree");
    let out = scratch.path().join("out");
    let path = recipe(scratch.path(), RECIPE);
    build(&path, &out, &[]).expect("it builds");
    let tree = read_folder(&out.join("small.tree")).expect("the tree");
    assert_eq!(differences(&tree, &read_tar(&out.join("small.tar")).expect("an archive"), &[]), [""; 0]);

    let extracted = scratch.path().join("extracted");
    fs::create_dir(&extracted).expect("a folder");
    shell(&extracted, "tar --xattrs --xattrs-include='*' --numeric-owner -xpf ../out/small.tar");
    assert_eq!(differences(&tree, &read_folder(&extracted).expect("a folder"), &[]), [""; 0]);
    assert!(times(&extracted) == times(&out.join("small.tree")), "times differ");
    let ping = witness("getcap", &[out.join("small.tree/usr/bin/ping").to_str().expect("text")]);
    assert!(ping.trim().ends_with("cap_net_raw=ep"), "{ping}");
    let first = fs::metadata(out.join("small.tree/srv/odd/first")).expect("there");
    assert_eq!((first.uid(), first.gid(), first.mode() & 0o7777, first.nlink()), (33, 65534, 0o6755, 2));
    assert_eq!(first.mtime(), 981_173_106);
    let sparse = fs::metadata(out.join("small.tree/srv/odd/sparse")).expect("there");
    assert!(sparse.len() == (8 << 20) + 3 && sparse.blocks() * 512 < 1 << 20, "{sparse:?}");

    for (program, file) in [("gzip", "small.tar.gz"), ("zstd", "small.tar.zst")] {
        shell(&out, &format!("{program} -t {file} && {program} -dc {file} | cmp - small.tar"));
    }
    let said = shell(&out, "sha256sum -c small.SHA256SUMS");
    assert_eq!(said.lines().filter(|line| line.ends_with(": OK")).count(), 6, "{said}");
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(out.join("small.manifest.json")).expect("read")).expect("JSON");
    assert_eq!(manifest["images"][3]["file"], "small.tree");
    assert_eq!(manifest["images"][3]["sha256"], manifest["images"][0]["sha256"], "that of its archive");
    assert_eq!(manifest["images"][2]["compression"], "zstd");
    assert_eq!(manifest["disk"], serde_json::Value::Null);

    // A second build replaces the first, byte by byte the same, and leaves nothing hidden.
    fs::write(out.join("small.tree/stray"), "not of the second").expect("written");
    let sums = fs::read_to_string(out.join("small.SHA256SUMS")).expect("read");
    build(&path, &out, &["--fresh"]).expect("it builds again");
    assert_eq!(fs::read_to_string(out.join("small.SHA256SUMS")).expect("read"), sums);
    assert_eq!(differences(&tree, &read_folder(&out.join("small.tree")).expect("the tree"), &[]), [""; 0]);
    let hidden = fs::read_dir(&out).expect("listed").flatten().map(|entry| entry.file_name());
    assert!(!hidden.into_iter().any(|name| name.to_string_lossy().starts_with('.')));
}

#[test]
fn a_minbase_tar_is_mmdebstraps() {
    let scratch = Scratch::new("minbase-tar");
    let text = "version: 1\nname: minbase\noutputs: [tar]\n\
                distribution: { debian: { suite: trixie, variant: minbase } }\n";
    build(&recipe(scratch.path(), text), scratch.path(), &[]).expect("it builds");
    let mirror = debian_mirror().expect("apt has sources");
    let theirs = scratch.path().join("mmdebstrap.tar");
    // The day of the last change of a password is in /etc/shadow.
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(scratch.path().join("minbase.manifest.json")).expect("read"))
            .expect("JSON");
    let output = Command::new("mmdebstrap")
        .env("SOURCE_DATE_EPOCH", manifest["epoch"].to_string())
        .args([
            "--quiet",
            "--variant=minbase",
            "--skip=output/dev",
            "--aptopt=Apt::Install-Recommends \"false\"",
        ])
        .arg("trixie")
        .arg(&theirs)
        .arg(format!("deb {mirror} trixie main"))
        .arg(format!("deb {mirror} trixie-updates main"))
        .arg(format!("deb {mirror}-security trixie-security main"))
        .output()
        .expect("mmdebstrap starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let ours = read_tar(&scratch.path().join("minbase.tar")).expect("ours");
    let theirs = read_tar(&theirs).expect("theirs");
    assert!(ours.len() > 5000, "{} paths", ours.len());
    let rules = [BOOTSTRAP_RULES, FINISHED_RULES].concat();
    assert_eq!(differences(&ours, &theirs, &rules), [""; 0]);
}

/// Runs `script` as an ordinary user in `folder`, with both programs at hand there.
fn as_user(folder: &Path, script: &str) -> String {
    witness(
        "runuser",
        &["-u", &ordinary_user(), "--", "bash", "-ec", &format!("cd '{}'; {script}", folder.display())],
    )
}

#[test]
fn an_ordinary_user_gets_a_tree_enters_it_and_removes_it() {
    let scratch = Scratch::new("user-tree");
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o777)).expect("ours");
    fs::copy(bootwright(), scratch.path().join("bootwright")).expect("the program");
    recipe(scratch.path(), RECIPE);
    let build = "./bootwright build recipe.yaml --progress plain --cache cache --output out 2>&1";
    as_user(scratch.path(), build);
    let owner = |path: &str| {
        let metadata = fs::metadata(scratch.path().join("out").join(path)).expect("there");
        (metadata.uid(), metadata.gid())
    };
    let user: u32 = witness("id", &["-u", &ordinary_user()]).trim().parse().expect("a number");
    assert_eq!(owner("small.tree/etc/passwd").0, user, "root's files are the user's own");
    assert!(owner("small.tree/srv/odd/first").0 >= 100_000, "others' are subordinate ids");
    let inside = "unshare --map-auto --map-root-user";
    let said = as_user(
        scratch.path(),
        &format!(
            "{inside} chroot out/small.tree dpkg --audit && {inside} chroot out/small.tree stat -c %u /srv/odd/first"
        ),
    );
    assert_eq!(said, "33\n");
    // Again over the older tree, then as the documentation says how to remove it.
    as_user(scratch.path(), build);
    as_user(scratch.path(), &format!("{inside} rm -rf out/small.tree"));
    assert!(!scratch.path().join("out/small.tree").exists());
    let of_user = as_user(scratch.path(), "sha256sum < out/small.tar");
    let of_root = scratch.path().join("of-root");
    integration_tests::program::build(&scratch.path().join("recipe.yaml"), &of_root, &["--fresh"])
        .expect("it builds");
    assert_eq!(shell(&of_root, "sha256sum < small.tar"), of_user, "the same bytes whoever builds");
}

#[test]
fn an_interrupted_tree_leaves_nothing_and_a_killed_one_goes_with_the_next() {
    let scratch = Scratch::new("half-tree");
    let (out, path) = (scratch.path().join("out"), recipe(scratch.path(), RECIPE));
    let hidden = out.join(".small.tree.new");
    for signal in ["INT", "KILL"] {
        let mut child = interruptible()
            .arg("build")
            .arg(&path)
            .args(["--progress", "quiet", "--output"])
            .arg(&out)
            .arg("--cache")
            .arg(shared_cache())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let deadline = Instant::now() + Duration::from_secs(300);
        while !hidden.join("usr").exists() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        witness("kill", &["-s", signal, &child.id().to_string()]);
        child.wait().expect("it is ours");
        assert!(!out.join("small.tree").exists(), "half a tree has its name after SIG{signal}");
        if signal == "INT" {
            assert!(!hidden.exists(), "half a tree stays after an interrupt");
        }
    }
    build(&path, &out, &[]).expect("it builds");
    assert!(out.join("small.tree/usr").is_dir() && !hidden.exists());
}
