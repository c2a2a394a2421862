//! The system on the root filesystem: which it is, and what it holds.

use contract::test_bundle::{MARKER_PATH, PROGRAM_PATH};
use serde::Serialize;

use crate::image::bytes::printable;
use crate::image::files::NodeKind;
use crate::image::system::System;

/// The system on the root filesystem.
#[derive(Debug, Clone, Serialize)]
pub struct SystemReport {
    /// `PRETTY_NAME` of os-release.
    pub name: Option<String>,
    /// `ID` of os-release.
    pub id: Option<String>,
    /// `VERSION_ID` of os-release.
    pub version: Option<String>,
    /// `VERSION_CODENAME` of os-release.
    pub codename: Option<String>,
    /// What `/etc/hostname` says.
    pub hostname: Option<String>,
    /// Whether it has `firstboot`.
    pub firstboot: bool,
    /// Whether `firstboot` runs tests that a host attaches.
    pub firstboot_tests: bool,
    /// Names in all filesystems that were read.
    pub names: u64,
    /// Sum of the lengths of all regular files, hard links counted once, bytes.
    pub content: u64,
}

/// Describes the system; none if no filesystem is a root.
pub(super) fn read(whole: &System<'_>) -> Option<SystemReport> {
    if !whole.has_root {
        return None;
    }
    let release = whole.text("/etc/os-release").unwrap_or_default();
    let value = |key: &str| os_release(&release, key);
    let hostname = whole.text("/etc/hostname").map(|text| printable(text.trim()));
    let (names, content) = totals(whole);
    Some(SystemReport {
        name: value("PRETTY_NAME"),
        id: value("ID"),
        version: value("VERSION_ID"),
        codename: value("VERSION_CODENAME"),
        hostname: hostname.filter(|name| !name.is_empty()),
        firstboot: whole.resolve(PROGRAM_PATH).is_some(),
        firstboot_tests: whole.resolve(MARKER_PATH).is_some(),
        names,
        content,
    })
}

/// Returns a value of os-release(5), quotes taken off.
pub(crate) fn os_release(text: &str, key: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='))?;
    let value = value.trim();
    let inner = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    Some(printable(inner.unwrap_or(value)))
}

fn totals(whole: &System<'_>) -> (u64, u64) {
    let (mut names, mut content) = (0, 0_u64);
    let mut linked = std::collections::HashSet::new();
    for index in 0..whole.parts.len() {
        for (_, _, node) in whole.files_of(index) {
            names += 1;
            let first = node.links < 2 || linked.insert((index, node.inode));
            if node.kind == NodeKind::File && first {
                content = content.saturating_add(node.size);
            }
        }
    }
    (names, content)
}

#[cfg(test)]
mod tests {
    use super::os_release;

    #[test]
    fn os_release_values_lose_their_quotes() {
        let text = "NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID='12'\n";
        assert_eq!(os_release(text, "NAME").as_deref(), Some("Debian GNU/Linux"));
        assert_eq!(os_release(text, "ID").as_deref(), Some("debian"));
        assert_eq!(os_release(text, "VERSION_ID").as_deref(), Some("12"));
        assert_eq!(os_release(text, "VERSION"), None);
    }
}
