//! Holds the dependency direction of `docs/architecture.md`: who may name whom inside the builder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Folder or file below `builder/src` → modules of the crate that it may name.
/// A stage may name earlier stages' types (capitalised), never their functions; services are free.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("recipe", &["error", "store", "deb", "secret"]),
    ("plan", &["recipe", "error"]),
    ("resolve", &["plan", "error", "store", "date", "deb"]),
    ("fetch", &["plan", "resolve", "error", "store", "progress", "date", "parallel"]),
    ("verify", &["plan", "resolve", "fetch", "error", "store", "date"]),
    ("rootfs", &["plan", "resolve", "verify", "error", "store", "progress", "sandbox", "deb", "ordered"]),
    ("residue", &["plan"]),
    ("boot", &["plan", "resolve", "rootfs", "error", "progress", "sandbox"]),
    ("disk", &["plan", "resolve", "rootfs", "boot", "error", "progress", "sandbox"]),
    (
        "output",
        &[
            "plan",
            "resolve",
            "rootfs",
            "disk",
            "image",
            "sbom",
            "provenance",
            "store",
            "error",
            "progress",
            "ordered",
            "parallel",
        ],
    ),
    ("sbom", &["plan", "resolve", "image", "inspect", "store", "date"]),
    ("provenance", &["plan", "resolve", "sbom", "store", "date"]),
    ("signing", &["verify", "date"]),
    ("image", &["error"]),
    ("inspect", &["image", "error"]),
    ("diff", &["inspect", "image", "error"]),
    ("machine", &["plan", "error", "progress"]),
    ("upload", &["image", "inspect", "error", "progress", "date", "secret"]),
    ("store", &["resolve", "error", "progress"]),
    ("sandbox", &["error", "progress"]),
    ("progress", &[]),
    ("date", &[]),
    ("deb", &[]),
    ("ordered", &[]),
    ("parallel", &[]),
    ("secret", &[]),
    ("error", &[]),
];

/// Modules whose functions every caller that may name them may use. `image` and `inspect` are readers of existing
/// images, `sbom` and `provenance` writers of texts about what a stage has; they are no stages.
const SERVICES: &[&str] = &[
    "store",
    "sandbox",
    "progress",
    "error",
    "date",
    "deb",
    "ordered",
    "parallel",
    "secret",
    "image",
    "inspect",
    "sbom",
    "provenance",
];

/// These may name everything.
const UNBOUND: &[&str] = &["cli", "pipeline", "workspace", "lib", "main"];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ has a parent").to_owned()
}

fn sources(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(below).expect("source folders are readable") {
        let path = entry.expect("entries are readable").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Tests may reach across stages to make what they feed to their own.
fn is_test_code(relative: &Path) -> bool {
    relative.iter().any(|part| {
        let name = part.to_string_lossy();
        let name = name.trim_end_matches(".rs");
        matches!(name, "tests" | "testing" | "fixture" | "test_support") || name.ends_with("_tests")
    })
}

/// First path segment below `builder/src`, without `.rs`.
fn module_of(relative: &Path) -> String {
    let first = relative.iter().next().expect("a file below src").to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// `crate::MODULE` paths of a source, each with what follows the module's name. Comments do not count.
fn references(text: &str) -> Vec<(String, String)> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    code.match_indices("crate::")
        .filter(|(at, _)| !code[..*at].ends_with('$'))
        .map(|(at, found)| {
            let rest = &code[at + found.len()..];
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            (rest[..end].to_owned(), rest[end..].chars().take(400).collect())
        })
        .collect()
}

/// Tells whether what follows `crate::stage` names types only: `::Type`, `::module::Type`, `::{Type, …}`.
fn names_types_only(after: &str) -> bool {
    let Some(mut rest) = after.strip_prefix("::") else { return true };
    loop {
        if let Some(group) = rest.strip_prefix('{') {
            let group = group.split('}').next().unwrap_or(group);
            return group.split(',').map(str::trim).filter(|name| !name.is_empty()).all(is_type);
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        match rest[end..].strip_prefix("::") {
            Some(next) if !is_type(&rest[..end]) => rest = next,
            _ => return is_type(&rest[..end]),
        }
    }
}

fn is_type(name: &str) -> bool {
    name.chars().next().is_some_and(char::is_uppercase)
}

#[test]
fn modules_name_only_what_they_may() {
    let table: BTreeMap<&str, BTreeSet<&str>> =
        MAY_NAME.iter().map(|(module, may)| (*module, may.iter().copied().collect())).collect();
    let root = workspace().join("builder/src");
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for path in sources(&root) {
        let relative = path.strip_prefix(&root).expect("found below the root");
        let module = module_of(relative);
        if UNBOUND.contains(&module.as_str()) || is_test_code(relative) {
            continue;
        }
        let Some(may) = table.get(module.as_str()) else {
            wrong.push(format!("{}: module '{module}' has no row in this test's table", relative.display()));
            continue;
        };
        seen.insert(module.clone());
        for (named, after) in references(&fs::read_to_string(&path).expect("sources are UTF-8")) {
            if named == module || !table.contains_key(named.as_str()) && !UNBOUND.contains(&named.as_str()) {
                continue;
            }
            if !may.contains(named.as_str()) {
                wrong.push(format!("{}: '{module}' may not name '{named}'", relative.display()));
            } else if !SERVICES.contains(&named.as_str()) && !names_types_only(&after) {
                let shown: String = after.chars().take(40).collect();
                wrong.push(format!(
                    "{}: names a function of stage '{named}': crate::{named}{shown}",
                    relative.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen.len() >= 10, "the scan saw only {seen:?}");
}

#[test]
fn unsafe_code_lives_in_host_only() {
    let mut wrong = Vec::new();
    for member in ["builder", "firstboot", "contract", "tests"] {
        for path in sources(&workspace().join(member)) {
            let text = fs::read_to_string(&path).expect("sources are UTF-8");
            let uses = |line: &str| {
                line.contains(concat!("unsafe", " {")) || line.contains(concat!("unsafe", " fn"))
            };
            if text.lines().filter(|line| !line.trim_start().starts_with("//")).any(uses) {
                wrong.push(path);
            }
        }
    }
    assert!(wrong.is_empty(), "unsafe code outside host/: {wrong:?}");
}

#[test]
fn crates_depend_one_way() {
    let depends = |member: &str, on: &str| {
        let manifest = fs::read_to_string(workspace().join(member).join("Cargo.toml")).expect("a manifest");
        manifest.lines().any(|line| line.starts_with(&format!("{on}.workspace")))
    };
    for (member, on) in
        [("host", "contract"), ("host", "bootwright"), ("contract", "host"), ("firstboot", "bootwright")]
    {
        assert!(!depends(member, on), "{member} must not depend on {on}");
    }
    assert!(
        depends("firstboot", "contract")
            && depends("bootwright".replace("bootwright", "builder").as_str(), "host")
    );
}

#[test]
fn the_reader_of_references_sees_functions() {
    assert!(names_types_only("::{Plan, Want};"));
    assert!(names_types_only("::model::Plan>"));
    assert!(!names_types_only("::bootstrap(root)"));
    assert!(!names_types_only("::{Tree, bootstrap};"));
    assert_eq!(references("use crate::plan::Plan; // crate::x").len(), 2);
}
