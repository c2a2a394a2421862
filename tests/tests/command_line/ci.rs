//! The examples of docs/ci.md: parsed, and their shell lines run as an ordinary user.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use integration_tests::program::{bootwright, checkout, ordinary_user};
use integration_tests::scratch::Scratch;
use serde_json::Value;

/// What stands in for programs that need more than an ordinary user: they would change this machine.
const STAND_INS: [(&str, &str); 6] = [
    ("apt-get", "exit 0"),
    ("useradd", "exit 0"),
    ("chown", "exit 0"),
    ("id", "case \"$1\" in -u) exec /usr/bin/id -u ;; *) exit 0 ;; esac"),
    ("sudo", "[ \"$1\" != --preserve-env ] || shift; exec \"$@\""),
    (
        "setpriv",
        "while [ $# -gt 0 ]; do case \"$1\" in --init-groups) shift ;; --*) shift 2 ;; *) exec \"$@\" ;; esac; done",
    ),
];

/// Returns the YAML blocks of the page that come after a heading.
fn examples(heading: &str) -> Vec<Value> {
    let page = fs::read_to_string(checkout().join("docs/ci.md")).expect("docs/ci.md");
    let section =
        page.split(&format!("\n## {heading}\n")).nth(1).unwrap_or_else(|| panic!("no section '{heading}'"));
    let section = section.split("\n## ").next().expect("a first part");
    let blocks = section.split("```yaml\n").skip(1).map(|rest| rest.split("\n```").next().expect("an end"));
    blocks
        .map(|block| {
            serde_saphyr::from_str(block).unwrap_or_else(|error| panic!("{heading}: {error}\n{block}"))
        })
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}")).iter().map(text).collect()
}

/// A folder with a checkout's recipes, the programs at an address, and stand-ins.
fn folder() -> Scratch {
    let scratch = Scratch::new("ci");
    let at = |path: &str| scratch.path().join(path);
    for folder in ["job/recipes/base", "site", "stand-ins", "installed"] {
        fs::create_dir_all(at(folder)).expect("the scratch folder is writable");
    }
    fs::copy(checkout().join("recipes/debian-minimal.yaml"), at("job/recipes/debian-minimal.yaml"))
        .expect("a recipe");
    for file in fs::read_dir(checkout().join("recipes/base")).expect("a folder").flatten() {
        fs::copy(file.path(), at("job/recipes/base").join(file.file_name())).expect("a fragment");
    }
    for name in ["bootwright", "firstboot"] {
        let program = bootwright().with_file_name(name);
        fs::copy(&program, at("site").join(name)).expect("both programs are built");
        fs::copy(&program, at("installed").join(name)).expect("both programs are built");
    }
    for (name, body) in STAND_INS {
        let path = at("stand-ins").join(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("the scratch folder is writable");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("our own file");
    }
    for folder in [scratch.path().to_owned(), at("job")] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).expect("our own folder");
    }
    scratch
}

/// Runs a script of an example in the job's folder, and demands that it ends well.
fn run(scratch: &Path, script: &str) {
    let path = format!(
        "{}:{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        scratch.join("stand-ins").display(),
        scratch.join("installed").display()
    );
    let output = Command::new("runuser")
        .args(["-u", &ordinary_user(), "--", "env"])
        .arg(format!("PATH={path}"))
        .arg(format!("BOOTWRIGHT_URL=file://{}", scratch.join("site").display()))
        .arg(format!("BOOTWRIGHT_CACHE={}", scratch.join("job/.cache/bootwright").display()))
        .arg(format!("WORK={}", scratch.join("job").display()))
        .args(["BOOTWRIGHT_ACCELERATOR=tcg", "CI=true", "/bin/sh", "-ec", script])
        .current_dir(scratch.join("job"))
        .stdin(Stdio::null())
        .output()
        .expect("runuser starts");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}\n{}\n{stdout}{stderr}", output.status);
}

fn tested(scratch: &Path, report: &str) {
    let path = scratch.join("job").join(report);
    let xml = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(xml.contains("tests=\"2\" failures=\"0\" errors=\"0\""), "{xml}");
    assert!(scratch.join("job/out/debian-minimal.qcow2").is_file());
    fs::remove_file(path).expect("the job's folder is ours");
}

/// One test, so that the examples share a cache as a CI's jobs do.
#[test]
fn the_examples_work() {
    let scratch = folder();

    let github = examples("GitHub Actions").remove(0);
    let steps = github["jobs"]["image"]["steps"].as_array().expect("steps").clone();
    assert!(
        steps.iter().any(|step| step["with"]["path"] == github["jobs"]["image"]["env"]["BOOTWRIGHT_CACHE"])
    );
    for step in steps.iter().filter(|step| step.get("run").is_some()) {
        run(scratch.path(), &text(&step["run"]));
    }
    tested(scratch.path(), "junit.xml");

    let gitlab = examples("GitLab CI").remove(0);
    let job = &gitlab["image"];
    run(scratch.path(), &[texts(&job["before_script"]), texts(&job["script"])].concat().join("\n"));
    tested(scratch.path(), job["artifacts"]["reports"]["junit"].as_str().expect("a path"));

    let kubernetes = examples("Kubernetes Job").remove(0);
    let pod = &kubernetes["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(container["command"], serde_json::json!(["/bin/sh", "-ec"]));
    let mounts = container["volumeMounts"].as_array().expect("mounts");
    let volumes = pod["volumes"].as_array().expect("volumes");
    assert!(mounts.iter().all(|mount| volumes.iter().any(|volume| volume["name"] == mount["name"])));
    run(scratch.path(), &texts(&container["args"]).concat());
    tested(scratch.path(), "out/junit.xml");
}

#[test]
fn the_page_lists_every_exit_code_and_the_report_that_is_printed() {
    let page = fs::read_to_string(checkout().join("docs/ci.md")).expect("docs/ci.md");
    for code in 0..=10 {
        assert!(page.contains(&format!("\n| {code} | ")), "exit code {code}");
    }
    let json =
        page.split("```json\n").nth(1).and_then(|rest| rest.split("\n```").next()).expect("an example");
    let report: Value = serde_json::from_str(json).expect("the example is JSON");
    assert_eq!(report["runs"][0]["firmware"], "bios");
}
