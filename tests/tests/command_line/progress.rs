//! `--progress=json`, line by line over real work: docs/progress.md is the contract.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Output};

use integration_tests::program::{bootwright, checkout, shared_cache};
use integration_tests::scratch::Scratch;
use serde_json::Value;

/// A recipe that builds quickly and boots.
const RECIPE: &str = "version: 1
name: watched
distribution: { debian: { suite: bookworm, variant: minbase, security: false, updates: false } }
packages: [systemd-sysv]
kernel: linux-image-cloud-amd64
disk: { partitions: [{ type: bios-boot }, { type: root, filesystem: ext4, mount: / }] }
boot: { grub: { bios: true, uefi: false } }
outputs: [qcow2]
";

/// A field and whether a value is of its type.
type Field = (&'static str, fn(&Value) -> bool);

/// Each event and its fields, from the table of docs/progress.md.
fn documented() -> BTreeMap<&'static str, Vec<Field>> {
    let text: fn(&Value) -> bool = Value::is_string;
    let number: fn(&Value) -> bool = Value::is_number;
    let boolean: fn(&Value) -> bool = Value::is_boolean;
    let list: fn(&Value) -> bool = Value::is_array;
    let number_or_null: fn(&Value) -> bool = |value| value.is_number() || value.is_null();
    let text_or_null: fn(&Value) -> bool = |value| value.is_string() || value.is_null();
    BTreeMap::from([
        ("stage_started", vec![("stage", text)]),
        ("total", vec![("stage", text), ("total", number), ("unit", text)]),
        (
            "advanced",
            vec![
                ("stage", text),
                ("amount", number),
                ("done", number),
                ("total", number_or_null),
                ("per_second", number_or_null),
                ("seconds_left", number_or_null),
            ],
        ),
        ("working", vec![("stage", text), ("on", text)]),
        ("stage_finished", vec![("stage", text), ("seconds", number), ("summary", text)]),
        ("warning", vec![("message", text)]),
        ("note", vec![("message", text)]),
        (
            "built",
            vec![("name", text), ("seconds", number), ("made", boolean), ("images", list), ("made", boolean)],
        ),
        (
            "recipe_error",
            vec![
                ("file", text),
                ("line", number),
                ("column", number),
                ("message", text),
                ("hint", text_or_null),
                ("notes", list),
            ],
        ),
        ("failed", vec![("exit_code", number), ("message", text), ("causes", list)]),
    ])
}

fn run(arguments: &[&str], scratch: &Scratch) -> Output {
    Command::new(bootwright())
        .args(arguments)
        .args(["--progress=json", "--cache"])
        .arg(shared_cache())
        .current_dir(scratch.path())
        .output()
        .expect("bootwright starts")
}

/// Returns the events of a run; every line of stderr must be one that is documented.
fn events(output: &Output) -> Vec<Value> {
    let documented = documented();
    let stderr = String::from_utf8(output.stderr.clone()).expect("UTF-8");
    stderr
        .lines()
        .map(|line| {
            let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            let name = event["event"].as_str().unwrap_or_else(|| panic!("no event: {line}"));
            let fields = documented.get(name).unwrap_or_else(|| panic!("not documented: {line}"));
            let expected: BTreeSet<&str> =
                fields.iter().map(|(field, _)| *field).chain(["event", "v"]).collect();
            let found: BTreeSet<&str> =
                event.as_object().expect("an object").keys().map(String::as_str).collect();
            assert_eq!(found, expected, "{line}");
            assert_eq!(event["v"], 1, "{line}");
            for (field, is_right) in fields {
                assert!(is_right(&event[field]), "{field} in {line}");
            }
            event
        })
        .collect()
}

#[test]
fn every_line_of_a_build_is_a_documented_event() {
    let scratch = Scratch::new("progress");
    std::fs::write(scratch.path().join("recipe.yaml"), RECIPE).expect("the scratch folder is writable");
    let output = run(&["build", "--fresh", "recipe.yaml"], &scratch);
    let events = events(&output);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!("{}\n", scratch.path().join("out/watched.qcow2").display())
    );
    let mut running = BTreeSet::new();
    let mut finished = Vec::new();
    for event in &events {
        let stage = event["stage"].as_str().unwrap_or_default().to_owned();
        match event["event"].as_str().expect("checked") {
            "stage_started" => assert!(running.insert(stage), "started twice: {event}"),
            "total" | "advanced" | "working" => assert!(running.contains(&stage), "not running: {event}"),
            "stage_finished" => {
                assert!(running.remove(&stage), "not running: {event}");
                finished.push(stage);
            }
            _ => {}
        }
    }
    assert!(running.is_empty(), "never finished: {running:?}");
    let page = std::fs::read_to_string(checkout().join("docs/progress.md")).expect("docs/progress.md");
    for stage in &finished {
        assert!(page.contains(&format!("`{stage}`")), "docs/progress.md does not name the stage {stage}");
    }
    for stage in ["fetch indexes", "resolve", "fetch packages", "install packages", "disk", "output"] {
        assert!(finished.iter().any(|name| name == stage), "{stage} in {finished:?}");
    }
    let built = events.last().expect("the last event");
    assert_eq!((&built["event"], &built["name"]), (&"built".into(), &"watched".into()));
    let image = &built["images"][0];
    let path = image["path"].as_str().expect("a path");
    let sums = std::fs::read_to_string(scratch.path().join("out/watched.SHA256SUMS"))
        .or_else(|_| std::fs::read_to_string(scratch.path().join("out/SHA256SUMS")))
        .expect("checksums");
    assert!(
        path.ends_with("/watched.qcow2") && sums.contains(image["sha256"].as_str().expect("a digest")),
        "{sums}"
    );
}

#[test]
fn errors_are_events_too() {
    let scratch = Scratch::new("progress-errors");
    let wrong = RECIPE.replace("packages:", "pakages:");
    std::fs::write(scratch.path().join("wrong.yaml"), wrong).expect("the scratch folder is writable");
    let output = run(&["build", "wrong.yaml"], &scratch);
    let of_recipe = events(&output);
    assert_eq!(output.status.code(), Some(3));
    let [error, failed] = &of_recipe[..] else { panic!("{of_recipe:?}") };
    assert_eq!(
        (&error["file"], &error["line"], &error["column"]),
        (&"wrong.yaml".into(), &4.into(), &1.into())
    );
    assert_eq!(error["hint"], "did you mean `packages`?");
    assert_eq!(failed["exit_code"], 3);
    std::fs::write(scratch.path().join("recipe.yaml"), RECIPE).expect("the scratch folder is writable");
    let unreachable = ["build", "recipe.yaml", "--mirror", "http://127.0.0.1:9/debian"];
    let output = run(&unreachable, &scratch);
    let of_mirror = events(&output);
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(
        of_mirror.last().map(|event| (&event["event"], &event["exit_code"])),
        Some((&"failed".into(), &4.into()))
    );
    let output = run(&["inspect", "nothing.qcow2"], &scratch);
    let of_inspect = events(&output);
    assert_eq!(of_inspect.len(), 1, "{of_inspect:?}");
    assert!(
        of_inspect[0]["causes"].to_string().contains("No such file")
            || of_inspect[0]["message"].to_string().contains("No such file")
    );
}

#[test]
fn the_page_and_this_test_name_the_same_events() {
    let page = std::fs::read_to_string(checkout().join("docs/progress.md")).expect("docs/progress.md");
    let rows: BTreeMap<String, String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split_once("` | "))
        // The table's heading.
        .filter(|(event, _)| *event != "event")
        .map(|(event, rest)| (event.to_owned(), rest.to_owned()))
        .collect();
    let documented = documented();
    assert_eq!(
        rows.keys().map(String::as_str).collect::<Vec<_>>(),
        documented.keys().copied().collect::<Vec<_>>()
    );
    for (event, fields) in documented {
        for (field, _) in fields {
            assert!(
                rows[event].contains(&format!("`{field}`")),
                "{event} has no {field} in docs/progress.md"
            );
        }
    }
}
