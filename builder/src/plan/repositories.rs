//! Where packages come from, for the build and for the image.

use super::model::{DiskPlan, FilesystemKind, Origin, Repository, SignedBy, ToolsRequest};
use crate::recipe::{AptSource, Diagnostic, Diagnostics, ExtraRepository, Located, Quoted, Recipe};

/// Suites of the Debian archive that are known by name, and whether they have updates and security updates.
const SUITES: [(&str, bool); 11] = [
    ("bookworm", true),
    ("trixie", true),
    ("forky", true),
    ("duke", true),
    ("bullseye", true),
    ("oldoldstable", true),
    ("oldstable", true),
    ("stable", true),
    ("testing", true),
    ("unstable", false),
    ("sid", false),
];

/// Release that the tools tree is made of: its mke2fs reads a tar stream.
const TOOLS_SUITE: &str = "trixie";
/// mke2fs and tune2fs, and the library that mke2fs loads to read a tar stream.
const TOOLS: [&str; 2] = ["e2fsprogs", "libarchive13t64"];

/// Keyring in the image that Debian's own archives are signed by.
const IMAGE_KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Plans the repositories: the release, its updates, its security updates, the recipe's own.
pub(super) fn repositories(recipe: &Recipe, problems: &mut Diagnostics) -> Vec<Repository> {
    let distribution = &recipe.distribution;
    check_suite(recipe, problems);
    let debian = |suite: String, origin| Repository {
        name: suite.clone(),
        origin,
        suite,
        components: distribution.components.clone(),
        signed_by: SignedBy::DebianArchive,
        pin: None,
        in_image: None,
    };
    let suite = &distribution.suite.value;
    let mut repositories = vec![debian(suite.clone(), Origin::Debian)];
    if wants(recipe, &distribution.updates, "updates", problems) {
        repositories.push(debian(format!("{suite}-updates"), Origin::Debian));
    }
    if wants(recipe, &distribution.security, "security", problems) {
        repositories.push(debian(format!("{suite}-security"), Origin::DebianSecurity));
    }
    for extra in &distribution.repositories {
        let own = own(extra, &repositories, problems);
        repositories.push(own);
    }
    repositories
}

/// Plans one of the recipe's own repositories.
fn own(extra: &ExtraRepository, known: &[Repository], problems: &mut Diagnostics) -> Repository {
    let host = match extra.uri.strip_prefix("file://") {
        Some(path) => path,
        None => extra.uri.split('/').nth(2).unwrap_or_default(),
    };
    let mut name = match extra.suite.as_str() {
        "./" => host.to_owned(),
        suite => format!("{suite} of {host}"),
    };
    while known.iter().any(|one| one.name == name) {
        name.push('+');
    }
    let signed_by = extra.signed_by.as_ref();
    Repository {
        name,
        origin: Origin::Uri(extra.uri.clone()),
        suite: extra.suite.clone(),
        components: extra.components.clone(),
        signed_by: signed_by.map_or(SignedBy::DebianArchive, |file| SignedBy::File(file.value.clone())),
        pin: extra.pin,
        in_image: is_in_image(extra, problems).then(|| file_name(extra, known)),
    }
}

/// Tells whether the image's apt is to know a repository. By default it knows those that a clone can reach without
/// a password.
fn is_in_image(extra: &ExtraRepository, problems: &mut Diagnostics) -> bool {
    let local = extra.uri.starts_with("file:");
    match &extra.in_image {
        None => !local && extra.auth.is_none(),
        Some(Located { value: true, at }) if local => {
            let problem = Diagnostic::new(at, "the image cannot use a repository of this machine's files");
            problems
                .push(problem.hint("remove the key, or give the repository an http:// or https:// address"));
            false
        }
        Some(given) => given.value,
    }
}

/// Returns a name for files below /etc/apt, of the characters that apt takes: `example.com_stable`.
fn file_name(extra: &ExtraRepository, known: &[Repository]) -> String {
    let after = extra.uri.split_once("://").map_or(extra.uri.as_str(), |(_, rest)| rest);
    let host = after.split('/').next().unwrap_or_default();
    let suite = extra.suite.trim_end_matches('/').trim_start_matches('.');
    let text = if suite.is_empty() { host.to_owned() } else { format!("{host}_{suite}") };
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = text.chars().map(plain).collect();
    let taken = |name: &str| known.iter().any(|one| one.in_image.as_deref() == Some(name));
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.clone()).chain(numbered).find(|name| !taken(name)).unwrap_or(name)
}

fn check_suite(recipe: &Recipe, problems: &mut Diagnostics) {
    let suite = &recipe.distribution.suite;
    if !SUITES.iter().any(|(known, _)| *known == suite.value) {
        let known: Vec<&str> = SUITES.iter().map(|(known, _)| *known).collect();
        let message = format!("unknown suite of Debian {}", Quoted(&suite.value));
        problems.push(Diagnostic::new(&suite.at, message).hint_nearest(&suite.value, &known));
    }
}

/// Tells whether the updates or security updates of the suite are wanted; yes where there are such.
fn wants(recipe: &Recipe, given: &Option<Located<bool>>, key: &str, problems: &mut Diagnostics) -> bool {
    let suite = &recipe.distribution.suite;
    let there = SUITES.iter().find(|(known, _)| *known == suite.value).is_none_or(|(_, there)| *there);
    match given {
        None => there,
        Some(Located { value: true, at }) if !there => {
            let message = format!("{} has no suite of its own for `{key}`", suite.value);
            problems.push(
                Diagnostic::new(at, message).note(&suite.at, "this is the suite").hint("remove the key"),
            );
            false
        }
        Some(given) => given.value,
    }
}

/// Writers of formats that few images have.
const WRITERS: [(FilesystemKind, &str); 2] =
    [(FilesystemKind::Squashfs, "squashfs-tools"), (FilesystemKind::Erofs, "erofs-utils")];

/// Plans the tools tree; formats that need a program of their own bring its package.
pub(super) fn tools(disk: Option<&DiskPlan>) -> ToolsRequest {
    let partitions = disk.map_or(&[][..], |disk| &disk.partitions);
    let holds = |kind| {
        partitions.iter().any(|one| one.filesystem.as_ref().is_some_and(|filesystem| filesystem.kind == kind))
    };
    let wanted = WRITERS.into_iter().filter(|(kind, _)| holds(*kind)).map(|(_, package)| package);
    let repository = Repository {
        name: TOOLS_SUITE.to_owned(),
        origin: Origin::Debian,
        suite: TOOLS_SUITE.to_owned(),
        components: vec!["main".to_owned()],
        signed_by: SignedBy::DebianArchive,
        pin: None,
        in_image: None,
    };
    ToolsRequest { repository, packages: TOOLS.into_iter().chain(wanted).map(str::to_owned).collect() }
}

/// Renders the image's own apt sources, in the format of deb822.
pub(super) fn apt_sources(recipe: &Recipe, repositories: &[Repository]) -> String {
    let default;
    let sources = match &recipe.apt_sources {
        Some(sources) => sources,
        None => {
            default = default_sources(repositories);
            &default
        }
    };
    sources.iter().map(render_source).collect::<Vec<_>>().join("\n")
}

fn default_sources(repositories: &[Repository]) -> Vec<AptSource> {
    [Origin::Debian, Origin::DebianSecurity]
        .into_iter()
        .filter_map(|origin| {
            let fitting: Vec<_> = repositories.iter().filter(|one| one.origin == origin).collect();
            let components = fitting.first()?.components.clone();
            let suites = fitting.iter().map(|one| one.suite.clone()).collect();
            let signed_by = Some(IMAGE_KEYRING.to_owned());
            Some(AptSource { uri: origin.address().to_owned(), suites, components, signed_by })
        })
        .collect()
}

fn render_source(source: &AptSource) -> String {
    let mut text = format!(
        "Types: deb\nURIs: {}\nSuites: {}\nComponents: {}\n",
        source.uri,
        source.suites.join(" "),
        source.components.join(" ")
    );
    if let Some(keyring) = &source.signed_by {
        text.push_str(&format!("Signed-By: {keyring}\n"));
    }
    text
}
