//! What the results of the stages are made from.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::plan::Plan;
use crate::resolve::{Locked, LockedPackage, Lockfile, ReleaseFacts};
use crate::store::{Key, Sha256Digest};

/// The code that makes the results.
const CODE: &str = env!("BOOTWRIGHT_CODE");

/// Returns the key of what is chosen for `plan` from the lists that `facts` are of.
pub(super) fn resolved(plan: &Plan, facts: &[ReleaseFacts]) -> Key {
    let releases = facts.iter().map(|facts| format!("{} {}", facts.name, facts.sha256));
    let inputs = json!({
        "code": CODE,
        "wanted": Lockfile::wanted(plan),
        "releases": releases.collect::<Vec<_>>(),
    });
    Key::new("packages", &plan.name, inputs)
}

/// Returns the key of the tools tree.
pub(super) fn tools(locked: &Locked) -> Key {
    // Whatever recipe it is for, the tree is the same.
    Key::new("tools", "tools", json!({ "code": CODE, "packages": packages(&locked.tools) }))
}

/// Returns the key of the tree whose packages are configured and to which nothing else was done.
pub(super) fn configured(locked: &Locked) -> Key {
    let inputs = json!({
        "code": CODE,
        "architecture": locked.plan.architecture.debian(),
        "epoch": locked.epoch,
        "debconf": answers(&locked.plan.debconf),
        "packages": packages(&locked.packages),
    });
    Key::new("configured", &locked.plan.name, inputs)
}

/// Returns the key of the initramfs images of the configured tree of `locked` after `changes`, paths that they may be made
/// from and what is there.
pub(super) fn initramfs(locked: &Locked, changes: &BTreeMap<PathBuf, String>) -> Key {
    let changes = changes.iter().map(|(path, state)| (path.display().to_string(), state.clone().into()));
    let inputs = json!({
        "configured": configured(locked).digest().to_string(),
        "changes": changes.collect::<Map<_, Value>>(),
    });
    Key::new("initramfs", &locked.plan.name, inputs)
}

/// Returns the key of everything that a build puts out. `inputs` are what the recipe takes from this machine.
pub(super) fn image(locked: &Locked, inputs: Value) -> Key {
    let releases = locked.releases.iter().chain(&locked.tools_release);
    let releases = releases.map(|facts| format!("{} {}", facts.name, facts.sha256));
    let inputs = json!({
        "code": CODE,
        "recipe": locked.plan.recipe,
        "recipe_sha256": locked.plan.recipe_digest,
        "inputs": inputs,
        "packages": packages(&locked.packages),
        "tools": packages(&locked.tools),
        "releases": releases.collect::<Vec<_>>(),
        "epoch": locked.epoch,
    });
    Key::new("image", &locked.plan.name, inputs)
}

/// Describes debconf's answers by the question and a digest: an answer may be a password.
fn answers(lines: &[String]) -> Value {
    let describe = |line: &String| {
        let question: Vec<&str> = line.split_whitespace().take(2).collect();
        format!("{} {}", question.join(" "), Sha256Digest::of(line.as_bytes()))
    };
    lines.iter().map(describe).collect()
}

/// Describes packages by their names, in the order in which they are installed.
fn packages(packages: &[LockedPackage]) -> Value {
    let describe = |package: &LockedPackage| {
        let value = json!({
            "version": package.version,
            "architecture": package.architecture,
            "sha256": package.sha256.to_string(),
            "base_set": package.base_set,
            "automatic": package.automatic,
        });
        (package.name.clone(), value)
    };
    Value::Object(packages.iter().map(describe).collect::<Map<_, _>>())
}
