//! `bootwright lock` and `build --locked`, by the real program.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::OnceLock;

use integration_tests::mirror::{Mirror, Source, debian_mirrors};
use integration_tests::program::{bootwright, shared_cache};
use integration_tests::scratch::Scratch;
use integration_tests::witness::witness;

const RECIPE: &str = "\
version: 1
name: small
architecture: amd64
distribution: { debian: { suite: bookworm, variant: essential }, mirror: auto }
outputs: [tar]
";

fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (status.code(), text(&stdout), text(&stderr))
}

/// The mirrors as they were when they were asked first: what is published meanwhile would change locks and bytes.
fn frozen() -> &'static [(&'static str, Mirror); 2] {
    static FROZEN: OnceLock<[(&str, Mirror); 2]> = OnceLock::new();
    FROZEN.get_or_init(|| {
        let (debian, security) = debian_mirrors().expect("apt has sources");
        let start = |uri| Mirror::start(Source::Upstream(uri), Box::new(|_, _| None)).expect("a port");
        [("BOOTWRIGHT_MIRROR", start(debian)), ("BOOTWRIGHT_SECURITY_MIRROR", start(security))]
    })
}

fn lock(recipe: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(bootwright());
    command.envs(frozen().iter().map(|(name, mirror)| (name, mirror.uri())));
    run(command.arg("lock").arg(recipe).arg("--cache").arg(shared_cache()).args(more))
}

/// Arguments of a build of `recipe` into `output`.
fn build(
    command: &mut Command,
    recipe: &Path,
    output: &Path,
    more: &[&str],
) -> (Option<i32>, String, String) {
    command.envs(frozen().iter().map(|(name, mirror)| (name, mirror.uri())));
    command.arg("build").arg(recipe).arg("--cache").arg(shared_cache()).arg("--output").arg(output);
    run(command.args(more))
}

#[test]
fn a_locked_build_needs_no_network_and_gives_the_same_bytes() {
    let scratch = Scratch::new("lock");
    let recipe = scratch.path().join("small.yaml");
    fs::write(&recipe, RECIPE).expect("a recipe");
    let (code, _, stderr) = lock(&recipe, &[]);
    assert_eq!(code, Some(0), "{stderr}");
    let file = scratch.path().join("small.lock");
    let text = fs::read_to_string(&file).expect("the lock");
    let lines = |key: &str| text.lines().filter(|line| line.contains(key)).collect::<Vec<_>>();
    assert!(lines("\"version\"").is_sorted() && lines("\"version\"").len() > 50, "{text}");
    assert_eq!(lines("\"signed_by\"").len(), 3, "release, updates, security: {text}");

    let (open, locked) = (scratch.path().join("open"), scratch.path().join("locked"));
    let (code, _, stderr) = build(&mut Command::new(bootwright()), &recipe, &open, &[]);
    assert_eq!(code, Some(0), "{stderr}");
    let mut offline = Command::new("unshare");
    offline.arg("--net").arg(bootwright());
    let (code, _, stderr) = build(&mut offline, &recipe, &locked, &["--locked", "--fresh"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(!stderr.contains("fetch indexes"), "{stderr}");
    let read = |folder: &Path| fs::read(folder.join("small.tar")).expect("an archive");
    assert!(read(&open) == read(&locked), "locked and open builds differ");

    let (code, stdout, stderr) = lock(&recipe, &["--update"]);
    assert_eq!((code, stdout.as_str()), (Some(0), ""), "{stderr}");
    assert_eq!(fs::read_to_string(&file).expect("the lock"), text);
}

#[test]
fn what_does_not_fit_the_lock_is_refused() {
    let scratch = Scratch::new("lock-refused");
    let recipe = scratch.path().join("small.yaml");
    let output = scratch.path().join("out");
    fs::write(&recipe, RECIPE).expect("a recipe");
    let locked = || build(&mut Command::new(bootwright()), &recipe, &output, &["--locked"]);
    let (code, _, stderr) = locked();
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("small.lock") && stderr.contains("bootwright lock"), "{stderr}");
    assert_eq!(lock(&recipe, &[]).0, Some(0));
    let file = scratch.path().join("small.lock");
    let text = fs::read_to_string(&file).expect("the lock");

    fs::write(&recipe, format!("{RECIPE}packages: [hello]\n")).expect("a recipe");
    let (code, _, stderr) = locked();
    assert_eq!(code, Some(3), "{stderr}");
    assert!(stderr.contains("it now wants 'package hello'"), "{stderr}");
    let (code, _, stderr) = lock(&recipe, &[]);
    assert_eq!(code, Some(3), "{stderr}");
    let (code, stdout, stderr) = lock(&recipe, &["--update"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.lines().any(|line| line.starts_with("+ hello ")), "{stdout}");

    // A lock from the future: the mirror is older than what was trusted before.
    let later = |text: String, year: u32| text.replace(&format!(" {year} "), " 2096 ");
    let year = |text: &str| (2025..2060).fold(text.to_owned(), later);
    fs::write(&file, year(&text)).expect("a lock");
    let (code, _, stderr) = lock(&recipe, &["--update"]);
    assert_eq!(code, Some(5), "{stderr}");
    assert!(stderr.contains("older than the lock's"), "{stderr}");
    assert_eq!(fs::read_to_string(&file).expect("the lock"), year(&text), "the lock stays");

    fs::write(&recipe, RECIPE).expect("a recipe");
    fs::write(&file, text.replacen("\"sha256\":\"", "\"sha256\":\"x", 1)).expect("a lock");
    let (code, _, stderr) = locked();
    assert_eq!(code, Some(3), "{stderr}");
    assert!(stderr.contains("small.lock:") && stderr.contains("64 hexadecimal digits"), "{stderr}");
    assert!(!output.exists(), "nothing was begun");
}

/// Serves what the lock `text` names from the objects of `cache`, laid out as snapshot.debian.org.
fn snapshot(folder: &Path, text: &str, cache: &Path) -> Mirror {
    let field = |line: &str, name: &str| {
        let value = line.split(&format!("\"{name}\":\"")).nth(1).expect("a field").split('"').next();
        value.expect("its value").to_owned()
    };
    let newest = text.lines().filter(|line| line.contains("\"signed_by\"")).map(|line| field(line, "date"));
    let dates =
        newest.map(|date| witness("date", &["--utc", "--date", &date, "+%Y%m%dT%H%M%SZ"]).trim().to_owned());
    let stamp = dates.max().expect("a date");
    for line in text.lines().filter(|line| line.contains("\"version\"")) {
        let (archive, file, digest) = (field(line, "from"), field(line, "file"), field(line, "sha256"));
        let place = folder.join("archive").join(archive).join(&stamp).join(file);
        fs::create_dir_all(place.parent().expect("a folder")).expect("a folder");
        std::os::unix::fs::symlink(cache.join("objects").join(&digest[..2]).join(&digest[2..]), place)
            .expect("a link");
    }
    Mirror::of_folder(folder.to_owned()).expect("a port")
}

#[test]
fn what_mirrors_have_no_more_comes_from_the_archive_of_all_that_ever_was() {
    let scratch = Scratch::new("lock-snapshot");
    let recipe = scratch.path().join("small.yaml");
    fs::write(&recipe, RECIPE).expect("a recipe");
    assert_eq!(lock(&recipe, &[]).0, Some(0));
    let first = scratch.path().join("first");
    let (code, _, stderr) = build(&mut Command::new(bootwright()), &recipe, &first, &["--locked", "--fresh"]);
    assert_eq!(code, Some(0), "{stderr}");
    let text = fs::read_to_string(scratch.path().join("small.lock")).expect("the lock");
    let archive = snapshot(&scratch.path().join("snapshot"), &text, &shared_cache());
    fs::create_dir(scratch.path().join("empty")).expect("a folder");
    let empty = Mirror::of_folder(scratch.path().join("empty")).expect("a port");
    let run_with = |base: &str| {
        let (out, cache) = (scratch.path().join("again"), scratch.path().join("cache"));
        let mut command = Command::new(bootwright());
        command.arg("build").arg(&recipe).arg("--locked").arg("--cache").arg(cache).arg("--output").arg(out);
        command.env("BOOTWRIGHT_MIRROR", format!("{}/debian", empty.uri()));
        command.env("BOOTWRIGHT_SECURITY_MIRROR", format!("{}/security", empty.uri()));
        run(command.env("BOOTWRIGHT_SNAPSHOT", base))
    };
    let (code, _, stderr) = run_with(&empty.uri());
    assert_eq!(code, Some(4), "{stderr}");
    assert!(stderr.contains("/archive/debian/") && stderr.contains("no such file"), "{stderr}");
    let (code, _, stderr) = run_with(&archive.uri());
    assert_eq!(code, Some(0), "{stderr}");
    let read = |folder: &str| fs::read(scratch.path().join(folder).join("small.tar")).expect("an archive");
    assert!(read("first") == read("again"));
}
