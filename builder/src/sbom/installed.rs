//! Installed packages, as dpkg's database describes them (deb-control(5), dpkg's `status`).

use crate::image::bytes::printable;
use crate::resolve::{Atom, Fields};

/// Where the database is in a tree.
pub const STATUS: &str = "/var/lib/dpkg/status";

/// An installed package.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Installed {
    /// Its name.
    pub name: String,
    /// Its architecture.
    pub architecture: String,
    /// Its version, in full.
    pub version: String,
    /// `Maintainer`: `Name <address>`; empty where there is none.
    pub maintainer: String,
    /// Name and version of the source package that it was built from.
    pub source: (String, String),
    /// `Homepage`; empty where there is none.
    pub homepage: String,
    /// What it needs: for each dependency its alternatives, the preferred one first.
    pub needs: Vec<Vec<Need>>,
    /// Further names that it answers to, each with a version, which may be empty.
    pub provides: Vec<(String, String)>,
}

/// One alternative of a dependency.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// Name, possibly virtual, without an architecture.
    pub name: String,
    /// The operator as written; empty for any version.
    pub relation: String,
    /// Version asked for.
    pub version: String,
}

/// Reads the packages that are installed, by name and architecture. Whatever is half done, or only configured, is left out.
pub fn parse(status: &str) -> Vec<Installed> {
    let mut list = Vec::new();
    let mut rest = status.trim_start_matches('\n');
    while !rest.is_empty() {
        let mut fields = Fields::new(rest);
        list.extend(package(&mut fields));
        rest = rest[fields.consumed()..].trim_start_matches('\n');
    }
    list.sort();
    list.dedup_by(|a, b| (&a.name, &a.architecture) == (&b.name, &b.architecture));
    list
}

fn package(fields: &mut Fields<'_>) -> Option<Installed> {
    let mut package = Installed::default();
    let (mut source, mut is_installed) = ("", false);
    for (name, value) in fields {
        match name {
            "Package" => package.name = printable(value),
            "Status" => is_installed = value.ends_with(" installed"),
            "Architecture" => package.architecture = printable(value),
            "Version" => package.version = printable(value),
            "Maintainer" => package.maintainer = printable(value),
            "Homepage" => package.homepage = printable(value),
            "Source" => source = value,
            "Pre-Depends" | "Depends" => package.needs.extend(needs(value)),
            "Provides" => package.provides = provides(value),
            _ => {}
        }
    }
    package.source = source_of(source, &package);
    (is_installed && !package.name.is_empty() && !package.version.is_empty()).then_some(package)
}

/// Reads `Source: NAME (VERSION)`; what is left out is as of the package.
fn source_of(field: &str, package: &Installed) -> (String, String) {
    let (name, version) = field.split_once('(').unwrap_or((field, ""));
    let or = |text: &str, other: &str| printable(if text.is_empty() { other } else { text });
    (or(name.trim(), &package.name), or(version.trim().trim_end_matches(')'), &package.version))
}

fn needs(field: &str) -> Vec<Vec<Need>> {
    let mut groups = Vec::new();
    let mut open = false;
    for atom in Atom::all(field).map_while(Result::ok) {
        let relation = atom.relation.operator().to_owned();
        let need = Need { name: plain(atom.name), relation, version: printable(atom.version) };
        match groups.last_mut() {
            Some(group) if open => Vec::push(group, need),
            _ => groups.push(vec![need]),
        }
        open = atom.or;
    }
    groups
}

fn provides(field: &str) -> Vec<(String, String)> {
    Atom::all(field).map_while(Result::ok).map(|atom| (plain(atom.name), printable(atom.version))).collect()
}

/// Returns a name without an architecture, `python3` for `python3:any`.
fn plain(name: &str) -> String {
    printable(name.split(':').next().unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installed_packages_are_read_with_what_they_need() {
        let text = "\nPackage: b\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2-3+b1\n\
                    Maintainer: A B <a@b.org>\nSource: bb (1:2-3)\nPre-Depends: x (>= 2)\n\
                    Depends: y:any | z,\n w\nProvides: v (= 7), u\nDescription: x\n more: text\n\n\
                    Package: a\nStatus: deinstall ok config-files\nVersion: 1\n\n\
                    Package: c\nStatus: install ok half-installed\nVersion: 1\n\n\n\
                    Package: a\nStatus: hold ok installed\nArchitecture: all\nVersion: 9\n";
        let list = parse(text);
        let [a, b] = list.as_slice() else { panic!("{list:?}") };
        assert_eq!((a.name.as_str(), &a.source), ("a", &("a".to_owned(), "9".to_owned())));
        assert_eq!(b.source, ("bb".to_owned(), "1:2-3".to_owned()));
        let shown: Vec<String> = b.needs.iter().map(|group| names(group)).collect();
        assert_eq!(shown, ["x>=2", "y|z", "w"]);
        assert_eq!(b.provides, [("v".to_owned(), "7".to_owned()), ("u".to_owned(), String::new())]);
    }

    fn names(group: &[Need]) -> String {
        let all = group.iter().map(|need| format!("{}{}{}", need.name, need.relation, need.version));
        all.collect::<Vec<_>>().join("|")
    }

    #[test]
    fn odd_texts_give_what_can_be_read() {
        assert_eq!(parse(""), []);
        assert_eq!(parse("\n\n \n"), []);
        assert_eq!(parse("no fields"), []);
        let list = parse("Package: a\u{1b}[0m\nStatus: install ok installed\nVersion: 1\nDepends: a (>= ");
        assert_eq!((list[0].name.as_str(), list[0].needs.len()), ("a\\u{1b}[0m", 0));
    }
}
