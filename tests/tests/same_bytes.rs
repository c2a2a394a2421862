//! Same input, same bytes: other paths, another user, another clock, fewer processors; and nothing left of any of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use integration_tests::program::{bootwright, checkout, ordinary_user};
use integration_tests::scratch::Scratch;

/// debian-minimal, with a raw disk beside the qcow2.
fn recipe(folder: &Path) -> PathBuf {
    let text = fs::read_to_string(checkout().join("recipes/debian-minimal.yaml")).expect("a recipe");
    fs::create_dir_all(folder.join("base")).expect("a folder");
    for entry in fs::read_dir(checkout().join("recipes/base")).expect("fragments").flatten() {
        fs::copy(entry.path(), folder.join("base").join(entry.file_name())).expect("a copy");
    }
    let path = folder.join("debian-minimal.yaml");
    fs::write(&path, text.replace("outputs: [qcow2]", "outputs: [qcow2, raw]")).expect("writable");
    path
}

/// Lets an ordinary user in.
fn open_to_all(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).expect("our folder");
}

/// Copies both programs to where everybody may run them.
fn programs(folder: &Path) -> PathBuf {
    for name in ["bootwright", "firstboot"] {
        // By another process: a descriptor that this one writes to may be open in a child of another test's just now, and
        // then the copy could not be executed.
        let copied = Command::new("cp").arg(bootwright().with_file_name(name)).arg(folder).status();
        assert!(copied.expect("cp runs").success(), "both programs are built");
    }
    folder.join("bootwright")
}

fn digests(output: &Path) -> Vec<String> {
    let text = fs::read_to_string(output.join("debian-minimal.SHA256SUMS")).expect("checksums");
    text.lines().filter(|line| !line.ends_with(".manifest.json")).map(str::to_owned).collect()
}

#[test]
fn clocks_paths_users_and_processors_make_no_difference() {
    let scratch = Scratch::new("same");
    open_to_all(scratch.path());
    let recipe = recipe(scratch.path());
    let program = programs(scratch.path());
    let run = |command: &mut Command, what: &str| {
        let output = command.stdin(Stdio::null()).output().expect("it starts");
        assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let arguments = |name: &str| {
        let (out, cache) = (scratch.path().join(name).join("out"), scratch.path().join(name).join("cache"));
        fs::create_dir(scratch.path().join(name)).expect("a folder");
        open_to_all(&scratch.path().join(name));
        let words = ["build".into(), recipe.clone(), "--output".into(), out.clone(), "--cache".into(), cache];
        (words, out)
    };
    let (words, plain) = arguments("plain");
    run(Command::new(&program).args(words).current_dir("/"), "as this user");
    let (words, other) = arguments("another-much-longer-name");
    // One processor is what `taskset` leaves: no work is shared out then.
    let mut as_user = Command::new("runuser");
    let around = ["-u", &ordinary_user(), "--", "taskset", "-c", "0", "faketime", "-f", "+20h"];
    as_user.args(around).arg(&program).args(words);
    as_user.env("TZ", "Asia/Tokyo").env("LANG", "de_DE.UTF-8").current_dir(scratch.path());
    run(&mut as_user, "as an ordinary user with another clock, on one processor");
    assert_eq!(
        digests(&plain).len(),
        4,
        "a qcow2 and a raw disk, what is in them and what they were made from"
    );
    assert_eq!(digests(&plain), digests(&other));
}

/// Everything of ours that a machine could show: mounts, loop devices, processes of the build.
fn traces(cache: &Path) -> String {
    let mine = cache.parent().and_then(Path::to_str).expect("UTF-8").to_owned();
    // Others may mount and attach meanwhile; what a build did would name its folders or its program.
    let ours = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|line| line.contains(&mine) || line.contains("bootwright "))
            .map(str::to_owned)
            .collect()
    };
    let mounts = ours(&fs::read_to_string("/proc/self/mountinfo").expect("proc is mounted"));
    let loops = Command::new("losetup").arg("--all").output().expect("losetup runs").stdout;
    let loops = ours(&String::from_utf8_lossy(&loops));
    let processes = fs::read_dir("/proc").expect("proc is mounted").flatten().filter_map(|entry| {
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains(&mine).then_some(line)
    });
    format!("{mounts:?}{loops:?}{}", processes.collect::<String>())
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).map(|entries| entries.flatten().collect::<Vec<_>>()).unwrap_or_default();
    let inside = |path: PathBuf| if path.is_dir() { files_below(&path) } else { vec![path] };
    entries.into_iter().flat_map(|entry| inside(entry.path())).collect()
}

#[test]
fn a_killed_build_leaves_nothing_and_the_next_one_succeeds() {
    let scratch = Scratch::new("killed");
    let (out, cache) = (scratch.path().join("out"), scratch.path().join("cache"));
    let recipe = checkout().join("recipes/debian-minimal.yaml");
    let start = || {
        let mut command = Command::new(bootwright());
        command.arg("build").arg(&recipe).arg("--output").arg(&out).arg("--cache").arg(&cache);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
    };
    let before = traces(&cache);
    // Within fetching, unpacking, configuring, and the disk stage, whichever machine this is.
    for milliseconds in [300, 2500, 5000, 8000] {
        let mut child = start();
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while traces(&cache) != before && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(traces(&cache), before, "after {milliseconds} ms");
        assert_eq!(files_below(&cache.join("mount")), Vec::<PathBuf>::new());
        let halves: Vec<_> =
            files_below(&out).into_iter().filter(|path| path.extension().is_none()).collect();
        assert_eq!(halves, Vec::<PathBuf>::new());
    }
    assert!(start().wait().expect("it is ours").success());
    assert!(out.join("debian-minimal.qcow2").exists());
}
