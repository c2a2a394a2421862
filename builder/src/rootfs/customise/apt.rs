//! What the image's own apt knows: sources, keys and pins.
//!
//! ```text
//! /etc/apt/sources.list.d/debian.sources   Debian, or what `apt_sources` says
//! /etc/apt/sources.list.d/NAME.sources     a repository of the recipe's own, for example example.com_stable
//! /etc/apt/keyrings/NAME.gpg               its keys
//! /etc/apt/preferences.d/NAME.pref         its pin
//! ```
//!
//! Names and passwords of repositories are the build's alone and are never written.

use std::path::Path;

use anyhow::{Context, Result, bail};
use host::beneath::Root;

use super::files::create_parents;
use crate::plan::{Origin, Repository, SignedBy};
use crate::resolve::{Locked, ReleaseFacts};
use crate::verify::Keyring;

const APT: &str = "/etc/apt";
/// Tells whether the tree has apt; its folder below /etc may be there for others.
const APT_PROGRAM: &str = "/usr/bin/apt-get";
const DEBIAN_KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Writes the sources that the running image will use; an image without apt gets none. `keyrings` belong to the
/// repositories of the plan, in their order.
///
/// # Errors
///
/// When a file cannot be written.
pub fn write_apt_sources(root: &Path, locked: &Locked, keyrings: &[Keyring]) -> Result<()> {
    let tree = Root::open(root).with_context(|| format!("opening the tree '{}'", root.display()))?;
    if !tree.exists(APT_PROGRAM)? {
        return Ok(());
    }
    let debian = &locked.plan.customise.apt_sources;
    if !debian.is_empty() {
        write(&tree, "sources.list.d/debian.sources", debian.as_bytes())?;
    }
    let known = locked.plan.repositories.iter().zip(&locked.releases).zip(keyrings);
    for ((repository, release), keyring) in known {
        if let Some(name) = &repository.in_image {
            write_repository(&tree, name, repository, release, keyring)?;
        }
    }
    Ok(())
}

fn write_repository(
    tree: &Root,
    name: &str,
    repository: &Repository,
    release: &ReleaseFacts,
    keyring: &Keyring,
) -> Result<()> {
    let keys = match &repository.signed_by {
        SignedBy::DebianArchive => DEBIAN_KEYRING.to_owned(),
        SignedBy::File(_) => {
            let path = format!("keyrings/{name}.gpg");
            write(tree, &path, keyring.packets())?;
            format!("{APT}/{path}")
        }
    };
    let source = source(repository, &keys);
    write(tree, &format!("sources.list.d/{name}.sources"), source.as_bytes())?;
    if let Some(pin) = repository.pin {
        let text = format!("Package: *\nPin: {}\nPin-Priority: {pin}\n", selector(repository, release));
        write(tree, &format!("preferences.d/{name}.pref"), text.as_bytes())?;
    }
    Ok(())
}

fn write(tree: &Root, path: &str, bytes: &[u8]) -> Result<()> {
    let path = format!("{APT}/{path}");
    create_parents(tree, &path)?;
    tree.write_file(&path, bytes, 0o644, 0, 0).with_context(|| format!("writing '{path}' of the tree"))
}

/// Renders a source in the format of deb822.
fn source(repository: &Repository, keys: &str) -> String {
    let uri = match &repository.origin {
        Origin::Uri(uri) => uri,
        // Debian's own are in `debian.sources`.
        Origin::Debian | Origin::DebianSecurity => return String::new(),
    };
    let mut text = format!("Types: deb\nURIs: {uri}\nSuites: {}\n", repository.suite);
    if !repository.is_flat() {
        text.push_str(&format!("Components: {}\n", repository.components.join(" ")));
    }
    text.push_str(&format!("Signed-By: {keys}\n"));
    text
}

/// Returns what a pin of apt_preferences(5) recognises a repository by: its Release file's fields where they name an
/// origin, else its host.
fn selector(repository: &Repository, release: &ReleaseFacts) -> String {
    let fields =
        [("o", &release.origin), ("l", &release.label), ("a", &release.archive), ("n", &release.codename)];
    let named = !release.origin.is_empty() || !release.label.is_empty();
    // apt cuts the list at commas and knows no way to quote one.
    if named && fields.iter().all(|(_, value)| !value.contains(',')) {
        let given = fields.iter().filter(|(_, value)| !value.is_empty());
        return format!(
            "release {}",
            given.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
        );
    }
    let uri = match &repository.origin {
        Origin::Uri(uri) => uri.as_str(),
        Origin::Debian | Origin::DebianSecurity => "",
    };
    let host = uri.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    format!("origin \"{}\"", host.rsplit_once(':').map_or(host, |(name, _)| name))
}

/// Demands that the keyrings which `apt_sources` names are in the finished tree.
///
/// # Errors
///
/// Names the first that is not.
pub fn check_keyrings(tree: &Root, sources: &str) -> Result<()> {
    let has_apt = tree.exists(APT_PROGRAM)?;
    for path in sources.lines().filter_map(|line| line.strip_prefix("Signed-By: ")) {
        if has_apt && !tree.exists(path)? {
            bail!("apt_sources: the image has no '{path}', which `signed_by` names; put it there by `files`");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Sha256Digest;

    fn repository(uri: &str, suite: &str) -> Repository {
        Repository {
            name: "x".into(),
            origin: Origin::Uri(uri.into()),
            suite: suite.into(),
            components: if suite.ends_with('/') { Vec::new() } else { vec!["main".into(), "extra".into()] },
            signed_by: SignedBy::DebianArchive,
            pin: Some(600),
            in_image: Some("x".into()),
        }
    }

    fn release(origin: &str, label: &str) -> ReleaseFacts {
        ReleaseFacts {
            name: "x".into(),
            base: String::new(),
            suite: "stable".into(),
            codename: "nova".into(),
            origin: origin.into(),
            label: label.into(),
            archive: "stable".into(),
            date: 0,
            signed_by: String::new(),
            sha256: Sha256Digest([0; 32]),
        }
    }

    #[test]
    fn sources_are_rendered_for_both_kinds_of_repository() {
        let text = source(&repository("https://example.com/deb", "stable"), "/k.gpg");
        let wanted = "Types: deb\nURIs: https://example.com/deb\nSuites: stable\nComponents: main extra\nSigned-By: /k.gpg\n";
        assert_eq!(text, wanted);
        let text = source(&repository("https://example.com/deb", "./"), "/k.gpg");
        assert_eq!(text, "Types: deb\nURIs: https://example.com/deb\nSuites: ./\nSigned-By: /k.gpg\n");
    }

    #[test]
    fn pins_recognise_a_repository_by_its_fields_or_its_host() {
        let vendor = repository("http://deb.example.com:8080/x", "stable");
        for (origin, label, wanted) in [
            ("Example", "Tools", "release o=Example,l=Tools,a=stable,n=nova"),
            ("", "Tools", "release l=Tools,a=stable,n=nova"),
            ("", "", "origin \"deb.example.com\""),
            ("A, B", "", "origin \"deb.example.com\""),
        ] {
            assert_eq!(selector(&vendor, &release(origin, label)), wanted);
        }
    }
}
