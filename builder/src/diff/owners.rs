//! Which package a file belongs to, by dpkg's lists.

use std::collections::HashMap;

use crate::image::files::NodeKind;
use crate::image::system::System;

const INFO: &[u8] = b"/var/lib/dpkg/info/";

/// What stands for the package manager's own files.
pub(super) const DATABASE: &str = "dpkg database";

/// Files and the package that each belongs to.
#[derive(Debug, Default)]
pub(super) struct Owners(HashMap<String, String>);

impl Owners {
    /// Reads the lists of a system.
    pub(super) fn read(whole: &System<'_>) -> Self {
        let mut owners = HashMap::new();
        for (path, node) in whole.entries_below(INFO) {
            let name = String::from_utf8_lossy(&path[INFO.len()..]);
            let Some(package) = name.strip_suffix(".list").filter(|_| node.kind == NodeKind::File) else {
                continue;
            };
            let package = package.split(':').next().unwrap_or(package);
            let text = whole.bytes(path, node).unwrap_or_default();
            for listed in String::from_utf8_lossy(&text).lines() {
                // The list of a package that was made before the merge of / and /usr names links.
                let real = format!("/usr{listed}");
                let moved = !whole.node(listed.as_bytes()).is_some_and(|node| node.kind != NodeKind::Folder)
                    && whole.node(real.as_bytes()).is_some();
                let path = if moved { real } else { listed.to_owned() };
                owners.entry(path).or_insert_with(|| package.to_owned());
            }
        }
        Self(owners)
    }

    /// Returns the owner of a path: a package, or the package manager itself.
    pub(super) fn of(&self, path: &str) -> Option<&str> {
        if let Some(package) = self.0.get(path) {
            return Some(package);
        }
        let database = path.starts_with("/var/lib/dpkg/") || path.starts_with("/var/lib/apt/extended_states");
        database.then_some(DATABASE)
    }
}
