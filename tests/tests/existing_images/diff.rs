//! `diff`: one known change is told, and nothing else.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use integration_tests::program::{build, checkout, debian_minimal};
use integration_tests::scratch::Scratch;
use serde_json::{Value, json};

use super::support::{is_root, json, run, said, small, text};

/// Paths of a list, with what differs.
fn told(difference: &Value) -> Vec<(String, Vec<String>)> {
    let mut told = Vec::new();
    for list in ["added", "removed", "changed"] {
        for file in difference["files"][list].as_array().expect("a list") {
            let changes = file["changes"].as_array().cloned().unwrap_or_default();
            let mut what: Vec<String> =
                changes.iter().map(|change| change["what"].as_str().expect("text").to_owned()).collect();
            if changes.is_empty() {
                what.push(list.to_owned());
            }
            told.push((file["path"].as_str().expect("text").to_owned(), what));
        }
    }
    told.sort();
    told
}

fn fill(tree: &Path) {
    let write = |path: &str, content: &str| fs::write(tree.join(path), content).expect("written");
    for name in ["same", "content", "length", "mode", "owner", "attribute", "kind", "gone", "hole"] {
        write(&format!("etc/{name}"), "the same in both\n");
    }
    write("etc/hole", &"\0".repeat(1 << 20));
    symlink("/etc/same", tree.join("etc/link")).expect("linked");
    fs::hard_link(tree.join("etc/same"), tree.join("etc/same-too")).expect("linked");
}

#[test]
fn each_kind_of_change_of_a_file_is_told_and_nothing_else() {
    let scratch = Scratch::new("diff-files");
    let a = small(&scratch, "a", fill);
    let same = small(&scratch, "same", fill);
    let output = run(&["diff", text(&a), text(&same)]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("no differences"));
    let b = small(&scratch, "b", |tree| {
        fill(tree);
        let write = |path: &str, content: &[u8]| fs::write(tree.join(path), content).expect("written");
        write("etc/content", b"the SAME in both\n");
        write("etc/length", b"shorter\n");
        fs::set_permissions(tree.join("etc/mode"), fs::Permissions::from_mode(0o4755)).expect("set");
        if is_root() {
            chown(tree.join("etc/owner"), Some(33), Some(34)).expect("set");
        }
        host::xattr::set(&tree.join("etc/attribute"), c"user.note", b"hello").expect("set");
        fs::remove_file(tree.join("etc/kind"))
            .and_then(|()| fs::create_dir(tree.join("etc/kind")))
            .expect("made");
        fs::remove_file(tree.join("etc/gone")).expect("removed");
        fs::remove_file(tree.join("etc/link"))
            .and_then(|()| symlink("same", tree.join("etc/link")))
            .expect("linked");
        write("etc/new", b"new\n");
        write("usr/bin/new", b"new\n");
    });
    let difference = json(&["diff", "--json", text(&a), text(&b)]);
    let mut expected: Vec<(&str, Vec<&str>)> = vec![
        ("/etc/attribute", vec!["attribute user.note"]),
        ("/etc/content", vec!["content"]),
        ("/etc/gone", vec!["removed"]),
        ("/etc/kind", vec!["type", "mode"]),
        ("/etc/length", vec!["content"]),
        ("/etc/link", vec!["target"]),
        ("/etc/mode", vec!["mode"]),
        ("/etc/new", vec!["added"]),
        ("/usr/bin/new", vec!["added"]),
    ];
    if is_root() {
        expected.push(("/etc/owner", vec!["owner", "group"]));
        expected.sort_unstable();
    }
    let owned = |words: Vec<&str>| words.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let expected: Vec<_> = expected.into_iter().map(|(path, what)| (path.to_owned(), owned(what))).collect();
    assert_eq!(told(&difference), expected);
    for list in ["disk", "partitions", "boot", "system"] {
        assert_eq!(difference[list], json!([]), "{list}");
    }
    assert_eq!(difference["same"], false);
    let output = run(&["diff", text(&a), text(&b)]);
    assert_eq!(output.status.code(), Some(10), "a difference has a code of its own: {}", said(&output));
    assert!(
        said(&output).contains("~ /etc/content\n") && said(&output).contains("+ /etc/new "),
        "{}",
        said(&output)
    );
}

#[test]
fn partitions_and_filesystems_are_compared() {
    let scratch = Scratch::new("diff-disk");
    let a = small(&scratch, "a", fill);
    let b = small(&scratch, "b", fill);
    integration_tests::witness::witness("sgdisk", &["--change-name=1:other", text(&b)]);
    let device = format!("{}?offset={}", text(&b), 1 << 20);
    integration_tests::witness::witness(
        "debugfs",
        &["-w", "-R", "set_super_value volume_name renamed", &device],
    );
    let difference = json(&["diff", "--json", text(&a), text(&b)]);
    let changes = &difference["partitions"][0]["changes"];
    let what: Vec<&str> =
        changes.as_array().expect("a list").iter().map(|one| one["what"].as_str().expect("text")).collect();
    assert_eq!(what, ["name", "filesystem's label"], "{difference:#}");
    assert_eq!((&changes[1]["a"], &changes[1]["b"]), (&"root".into(), &"renamed".into()));
    assert_eq!(told(&difference), []);
}

/// The real thing: debian-minimal, and the same with one package and one file more.
#[test]
fn a_package_and_a_file_more_are_told_and_nothing_else() {
    let scratch = Scratch::new("diff-build");
    let recipe = scratch.path().join("more.yaml");
    let base = checkout().join("recipes/debian-minimal.yaml");
    let content = format!(
        "version: 1\ninclude: [\"{}\"]\npackages: [tree]\nfiles:\n  - {{ path: /etc/one-more, content: \"text\\n\" }}\n",
        base.display()
    );
    fs::write(&recipe, content).expect("written");
    let a = debian_minimal();
    build(&recipe, scratch.path(), &[]).expect("it builds");
    let b = scratch.path().join("debian-minimal.qcow2");
    let difference = json(&["diff", "--json", text(a), text(&b)]);
    let packages = &difference["packages"];
    assert_eq!(packages["added"].as_array().expect("a list").len(), 1, "{packages:#}");
    assert_eq!(packages["added"][0]["name"], "tree");
    assert_eq!((&packages["removed"], &packages["changed"]), (&json!([]), &json!([])));
    let mut unexplained = Vec::new();
    let mut of_package = 0;
    for list in ["added", "removed", "changed"] {
        for file in difference["files"][list].as_array().expect("a list") {
            match file["package"].as_str() {
                Some("tree") => of_package += 1,
                Some("dpkg database") => {}
                other => unexplained.push((list, file["path"].clone(), other.map(str::to_owned))),
            }
        }
    }
    assert_eq!(unexplained, [("added", "/etc/one-more".into(), None)]);
    assert!(of_package > 3, "{difference:#}");
    assert_eq!(difference["boot"], json!([]));
    assert_eq!(difference["system"], json!([]));
    // Sizes may follow the content; identity does not.
    for partition in difference["partitions"].as_array().expect("a list") {
        for change in partition["changes"].as_array().expect("a list") {
            let what = change["what"].as_str().expect("text");
            assert!(matches!(what, "length" | "filesystem's size" | "inodes" | "start"), "{partition:#}");
        }
    }
}
