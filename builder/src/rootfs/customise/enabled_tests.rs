//! The units of a tree, against systemctl.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use host::beneath::Root;

use super::super::super::test_support::Scratch;
use super::enabled_units;

const LIB: &str = "usr/lib/systemd/system";
const ETC: &str = "etc/systemd/system";

fn unit(root: &Path, path: &str, install: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("[Unit]\nAlias=not-here.service\n\n[Service]\nExecStart=/bin/true\n\n{install}"))
        .unwrap();
}

fn link(root: &Path, path: &str, target: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(target, path).unwrap();
}

/// Links a unit of a package as `systemctl enable` does.
fn wanted(root: &Path, name: &str) {
    link(root, &format!("{ETC}/multi-user.target.wants/{name}"), &format!("/usr/lib/systemd/system/{name}"));
}

/// Returns what systemctl tells of the tree, without what stands behind each name.
fn told(root: &Path) -> BTreeSet<String> {
    let output = Command::new("systemctl")
        .arg(format!("--root={}", root.display()))
        .args(["list-unit-files", "--no-legend", "--no-pager", "--state=enabled"])
        .env_remove("SYSTEMD_UNIT_PATH")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// A tree with links of all kinds.
fn tree(root: &Path) {
    const WANTED: &str = "[Install]\nWantedBy=multi-user.target\n";
    for name in ["plain", "off", "masked", "elsewhere", "required", "upheld"] {
        unit(root, &format!("{LIB}/{name}.service"), WANTED);
    }
    wanted(root, "plain.service");
    link(root, &format!("{ETC}/multi-user.target.wants/required.d"), "/usr");
    link(root, &format!("{ETC}/multi-user.target.wants/nowhere"), "/");
    link(
        root,
        &format!("{ETC}/other.target.requires/required.service"),
        "../../../../usr/lib/systemd/system/required.service",
    );
    // Masked, though drawn in still.
    link(root, &format!("{ETC}/masked.service"), "/dev/null");
    wanted(root, "masked.service");
    unit(root, &format!("{LIB}/emptied.service"), WANTED);
    fs::write(root.join(ETC).join("emptied.service"), "").unwrap();
    wanted(root, "emptied.service");
    // Other names, wanted by one of them or by both; one that the unit does not know of; one that a part beside it adds.
    unit(
        root,
        &format!("{LIB}/two-names.service"),
        "[Install]\nWantedBy=multi-user.target\nAlias=second.service third.service\n",
    );
    link(root, &format!("{ETC}/second.service"), "/usr/lib/systemd/system/two-names.service");
    unit(
        root,
        &format!("{LIB}/known-as.service"),
        "[Install]\nAlias=forgotten.service\nAlias=\nAlias=known.service\n",
    );
    link(root, &format!("{ETC}/forgotten.service"), "/usr/lib/systemd/system/known-as.service");
    unit(root, &format!("{LIB}/beside.service"), "");
    fs::create_dir_all(root.join(LIB).join("beside.service.d")).unwrap();
    fs::write(root.join(LIB).join("beside.service.d/name.conf"), "[Install]\nAlias=by-part.service\n")
        .unwrap();
    link(root, &format!("{ETC}/by-part.service"), "/usr/lib/systemd/system/beside.service");
    // Files of the owner; one that is only linked; a unit whose file is gone; one that nothing can enable but a link.
    unit(root, &format!("{ETC}/own.service"), WANTED);
    link(root, &format!("{ETC}/multi-user.target.wants/own.service"), "../own.service");
    unit(root, "opt/linked.service", WANTED);
    link(root, &format!("{ETC}/linked.service"), "/opt/linked.service");
    wanted(root, "gone.service");
    unit(root, &format!("{LIB}/static.service"), "");
    wanted(root, "static.service");
    // A folder where a file is looked for.
    fs::create_dir_all(root.join(LIB).join("folder.service")).unwrap();
    wanted(root, "folder.service");
    // Drawn in by the vendor alone.
    link(root, &format!("{LIB}/multi-user.target.wants/elsewhere.service"), "../elsewhere.service");
    // Templates.
    unit(
        root,
        &format!("{LIB}/console@.service"),
        "[Install]\nWantedBy=getty.target\nDefaultInstance=tty1\n",
    );
    link(
        root,
        &format!("{ETC}/getty.target.wants/console@tty1.service"),
        "/usr/lib/systemd/system/console@.service",
    );
    unit(root, &format!("{LIB}/line@.service"), "[Install]\nWantedBy=getty.target\n");
    unit(root, &format!("{LIB}/line@own.service"), WANTED);
    wanted(root, "line@own.service");
}

#[test]
fn systemctl_names_the_same() {
    let scratch = Scratch::new();
    let root = scratch.root();
    tree(&root);
    let enabled = enabled_units(&Root::open(&root).unwrap()).unwrap();
    assert_eq!(enabled.keys().cloned().collect::<BTreeSet<_>>(), told(&root));
    assert!(enabled.values().all(BTreeSet::is_empty), "{enabled:?}");
    assert!(enabled.len() >= 8, "{enabled:?}");
}

#[test]
fn instances_are_told_with_their_template() {
    let scratch = Scratch::new();
    let root = scratch.root();
    tree(&root);
    for name in ["line@a.service", "line@b.service", "console@tty2.service"] {
        let (template, _) = super::split_instance(name).unwrap();
        link(
            &root,
            &format!("{ETC}/getty.target.wants/{name}"),
            &format!("/usr/lib/systemd/system/{template}"),
        );
    }
    let enabled = enabled_units(&Root::open(&root).unwrap()).unwrap();
    let of = |name: &str| enabled[name].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(of("line@.service"), ["a", "b"]);
    assert_eq!(of("console@.service"), ["tty1", "tty2"]);
    assert!(enabled["line@own.service"].is_empty());
}

/// systemctl leaves such a unit out of its list.
#[test]
fn a_folder_in_the_place_of_a_part_is_passed_over() {
    let scratch = Scratch::new();
    let root = scratch.root();
    tree(&root);
    fs::create_dir_all(root.join(ETC).join("own.service.d/folder.conf")).unwrap();
    assert!(enabled_units(&Root::open(&root).unwrap()).unwrap().contains_key("own.service"));
}

#[test]
fn a_tree_without_units_has_none() {
    let scratch = Scratch::new();
    assert!(enabled_units(&Root::open(&scratch.root()).unwrap()).unwrap().is_empty());
}
