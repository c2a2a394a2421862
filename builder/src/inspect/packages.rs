//! The packages that a system's dpkg database names.

use serde::Serialize;

use crate::image::bytes::printable;
use crate::image::system::System;

const STATUS: &str = "/var/lib/dpkg/status";

/// The installed packages.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PackagesReport {
    /// How many there are.
    pub count: usize,
    /// Sum of their sizes as they declare them, bytes.
    pub installed_size: u64,
    /// Packages that are neither installed nor gone, with the word of their state.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unfinished: Vec<String>,
    /// The packages, by name and architecture.
    pub list: Vec<Package>,
}

/// An installed package.
#[derive(Debug, Clone, Serialize, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its architecture.
    pub architecture: String,
    /// Its version.
    pub version: String,
    /// Its section, such as `net`.
    pub section: String,
    /// What it takes on disk as it declares it, bytes.
    pub installed_size: u64,
}

impl PackagesReport {
    /// Returns the packages, the largest first.
    pub fn by_size(&self) -> Vec<&Package> {
        let mut list: Vec<&Package> = self.list.iter().collect();
        list.sort_by_key(|package| std::cmp::Reverse(package.installed_size));
        list
    }
}

/// Reads the database; none if there is none.
pub(super) fn read(whole: &System<'_>) -> Option<PackagesReport> {
    Some(parse(&whole.text(STATUS)?))
}

fn parse(status: &str) -> PackagesReport {
    let mut report = PackagesReport::default();
    for paragraph in status.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        let field = |name: &str| {
            let mut lines = paragraph.lines();
            let value =
                lines.find_map(|line| line.strip_prefix(name).and_then(|rest| rest.strip_prefix(':')));
            printable(value.unwrap_or_default().trim())
        };
        let state = field("Status");
        let state = state.split_whitespace().last().unwrap_or_default();
        match state {
            "installed" => report.list.push(Package {
                name: field("Package"),
                architecture: field("Architecture"),
                version: field("Version"),
                section: field("Section"),
                installed_size: field("Installed-Size").parse::<u64>().unwrap_or(0).saturating_mul(1024),
            }),
            "config-files" | "not-installed" | "" => {}
            state => report.unfinished.push(format!("{} ({state})", field("Package"))),
        }
    }
    report.list.sort();
    report.count = report.list.len();
    report.installed_size =
        report.list.iter().fold(0, |sum, package| sum.saturating_add(package.installed_size));
    report
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn only_installed_packages_count() {
        let text = "Package: b\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2-3\n\
                    Installed-Size: 12\nDescription: x\n more: text\n\n\
                    Package: a\nStatus: deinstall ok config-files\nVersion: 1\n\n\
                    Package: c\nStatus: install ok half-configured\nVersion: 1\n";
        let report = parse(text);
        assert_eq!((report.count, report.installed_size), (1, 12 << 10));
        assert_eq!((report.list[0].name.as_str(), report.list[0].version.as_str()), ("b", "1:2-3"));
        assert_eq!(report.unfinished, ["c (half-configured)"]);
    }
}
