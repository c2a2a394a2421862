//! Reading one index into a [`Universe`].
//!
//! Packages come into being in the order in which apt would make them, also those that are only mentioned.

use super::control::{Atom, Fields, field};
use super::index::Universe;
use super::records::{
    Dependency, DependencyId, Kind, NONE, Package, PackageId, Provision, Span, Version, VersionId,
};
use super::version::{Relation, compare};

/// Reads one index into a universe.
pub(super) struct Reader<'u, 't> {
    universe: &'u mut Universe,
    text: &'t str,
    source: u32,
    colon_architecture: String,
}

/// Fields of a stanza that make records.
#[derive(Default)]
struct Stanza<'t> {
    package: &'t str,
    version: &'t str,
    architecture: &'t str,
    multi_arch: &'t str,
    priority: &'t str,
    provides: &'t str,
    essential: bool,
    important: bool,
    /// In the order of [`FIELDS`].
    dependencies: [&'t str; 8],
}

/// Dependency fields in the order in which apt reads them; only the first six become records, the others make names.
const FIELDS: [Option<Kind>; 8] = [
    Some(Kind::PreDepends),
    Some(Kind::Depends),
    Some(Kind::Conflicts),
    Some(Kind::Breaks),
    Some(Kind::Recommends),
    Some(Kind::Suggests),
    None,
    None,
];

/// The package and what is wrong with it.
type Problem = (String, String);

impl<'u, 't> Reader<'u, 't> {
    pub(super) fn new(universe: &'u mut Universe, text: &'t str) -> Self {
        let source = universe.sources.len() as u32 - 1;
        let colon_architecture = format!(":{}", universe.architecture);
        Self { universe, text, source, colon_architecture }
    }

    pub(super) fn read(mut self) -> Result<(), Problem> {
        let mut at = 0;
        loop {
            at += self.text[at..].len() - self.text[at..].trim_start_matches('\n').len();
            if at == self.text.len() {
                return Ok(());
            }
            let (stanza, length) = parse_stanza(&self.text[at..]);
            if stanza.package.is_empty() || stanza.version.is_empty() {
                return Err((stanza.package.to_owned(), "a stanza without Package or Version".to_owned()));
            }
            if stanza.architecture == "all" || stanza.architecture == self.universe.architecture {
                let file = Span { start: at as u32, length: length as u32, source: self.source };
                self.add(&stanza, file).map_err(|problem| (stanza.package.to_owned(), problem))?;
            }
            at += length;
        }
    }

    fn span(&self, part: &str) -> Span {
        let start = part.as_ptr() as usize - self.text.as_ptr() as usize;
        Span { start: start as u32, length: part.len() as u32, source: self.source }
    }

    /// Returns the text of a span while this index is not yet in the universe.
    fn resolve(&self, span: Span) -> &str {
        if span.source == self.source {
            &self.text[span.start as usize..][..span.length as usize]
        } else {
            self.universe.text(span)
        }
    }

    fn find(&self, name: &str) -> Option<PackageId> {
        self.universe
            .names
            .find(name, |number| self.resolve(self.universe.packages[number as usize].name) == name)
    }

    /// Returns the package of that name, made now if it was never mentioned before.
    fn package(&mut self, name: &'t str) -> PackageId {
        if let Some(package) = self.find(name) {
            return package;
        }
        let package = self.universe.packages.len() as PackageId;
        self.universe.names.insert(name, package);
        self.universe.packages.push(Package {
            name: self.span(name),
            versions: NONE,
            provided: NONE,
            essential: false,
            important: false,
        });
        if let Some(plain) = name.strip_suffix(self.colon_architecture.as_str()) {
            self.universe.qualified_names = true;
            self.link_qualified(package, plain);
        } else if let Some(plain) = name.strip_suffix(":any") {
            self.link_any(package, plain);
        }
        package
    }

    /// Lets versions and providers of `plain` that are `Multi-Arch: allowed` provide `plain:any`, just mentioned first.
    fn link_any(&mut self, any: PackageId, plain: &str) {
        let Some(plain) = self.find(plain) else { return };
        let versions = &self.universe.versions;
        let own = self.universe.versions_of(plain).map(|version| (version, versions[version as usize].text));
        let provided = self.universe.provided_by(plain).map(|provision| (provision.owner, provision.version));
        let mut links: Vec<_> =
            own.chain(provided).filter(|(owner, _)| versions[*owner as usize].multi_arch_allowed).collect();
        links.sort_by_key(|(owner, _)| *owner);
        for (owner, version) in links {
            self.provide(owner, any, version, true);
        }
    }

    /// Lets the versions and providers of `plain` provide `plain:architecture`, which was just mentioned first.
    fn link_qualified(&mut self, qualified: PackageId, plain: &'t str) {
        let plain = self.package(plain);
        let providers: Vec<VersionId> = self
            .universe
            .provided_by(plain)
            .filter(|provision| !provision.implicit)
            .map(|p| p.owner)
            .collect();
        let own: Vec<VersionId> = self.universe.versions_of(plain).collect();
        for version in providers.into_iter().chain(own) {
            let text = self.universe.versions[version as usize].text;
            self.provide(version, qualified, text, true);
        }
    }

    fn provide(&mut self, owner: VersionId, package: PackageId, version: Span, implicit: bool) {
        let number = self.universe.provisions.len() as u32;
        let of_package = &mut self.universe.packages[package as usize].provided;
        let of_owner = &mut self.universe.versions[owner as usize].provides;
        self.universe.provisions.push(Provision {
            owner,
            package,
            version,
            implicit,
            next_of_package: std::mem::replace(of_package, number),
            next_of_owner: std::mem::replace(of_owner, number),
        });
    }

    fn add(&mut self, stanza: &Stanza<'t>, file: Span) -> Result<(), String> {
        let package = self.package(stanza.package);
        let record = &mut self.universe.packages[package as usize];
        record.essential |= stanza.essential;
        record.important |= stanza.important;
        let (newer, known) = self.place(package, stanza, file);
        if let Some(version) = known {
            let local = self.universe.source(file).local;
            let files = &mut self.universe.versions[version as usize].files;
            // The first is the one that is fetched.
            if local {
                files.insert(0, file)
            } else {
                files.push(file)
            }
            return Ok(());
        }
        let version = self.insert_version(package, newer, stanza, file);
        self.add_dependencies(version, stanza)?;
        self.add_provisions(version, stanza)
    }

    /// Finds where a version belongs among those of its package: after which one, or which one it is.
    fn place(&self, package: PackageId, stanza: &Stanza<'_>, file: Span) -> (VersionId, Option<VersionId>) {
        let mut newer = NONE;
        let mut at = self.universe.packages[package as usize].versions;
        while at != NONE {
            let version = &self.universe.versions[at as usize];
            match compare(stanza.version, self.resolve(version.text)) {
                std::cmp::Ordering::Greater => break,
                std::cmp::Ordering::Equal if self.is_same(version.files[0], file) => {
                    return (newer, Some(at));
                }
                _ => {}
            }
            newer = at;
            at = version.older;
        }
        (newer, None)
    }

    /// Tells whether two stanzas of one version number describe one package, by the fields that apt compares.
    fn is_same(&self, one: Span, other: Span) -> bool {
        let names = ["Installed-Size", "Depends", "Pre-Depends", "Conflicts", "Breaks", "Replaces"];
        let value = |span, name| {
            let text = field(self.resolve(span), name).unwrap_or("");
            text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=').collect::<Vec<u8>>()
        };
        names.iter().all(|name| value(one, name) == value(other, name))
    }

    fn insert_version(
        &mut self,
        package: PackageId,
        newer: VersionId,
        stanza: &Stanza<'t>,
        file: Span,
    ) -> VersionId {
        let number = self.universe.versions.len() as VersionId;
        let text = self.span(stanza.version);
        let link = match newer {
            NONE => &mut self.universe.packages[package as usize].versions,
            newer => &mut self.universe.versions[newer as usize].older,
        };
        let older = std::mem::replace(link, number);
        self.universe.versions.push(Version {
            package,
            older,
            text,
            files: vec![file],
            priority: priority_number(stanza.priority),
            multi_arch_same: stanza.multi_arch == "same" && stanza.architecture != "all",
            multi_arch_allowed: stanza.multi_arch == "allowed",
            dependencies: (0, 0),
            provides: NONE,
        });
        number
    }

    fn add_dependencies(&mut self, owner: VersionId, stanza: &Stanza<'t>) -> Result<(), String> {
        let first = self.universe.dependencies.len() as DependencyId;
        for (kind, value) in FIELDS.into_iter().zip(stanza.dependencies) {
            for atom in Atom::all(value) {
                let atom = atom.map_err(|rest| format!("a dependency field that breaks at '{rest}'"))?;
                let target = self.target(atom.name);
                let Some(kind) = kind else { continue };
                let version = if atom.version.is_empty() { Span::EMPTY } else { self.span(atom.version) };
                let (relation, or) = (atom.relation, atom.or);
                self.universe.dependencies.push(Dependency { owner, target, version, relation, kind, or });
            }
        }
        let last = self.universe.dependencies.len() as DependencyId;
        self.universe.versions[owner as usize].dependencies = (first, last);
        Ok(())
    }

    /// Returns the package that a dependency names; `:native` is the universe's only architecture.
    fn target(&mut self, name: &'t str) -> PackageId {
        match name.strip_suffix(":native") {
            Some(plain) => self.package(plain),
            None => self.package(name),
        }
    }

    fn add_provisions(&mut self, owner: VersionId, stanza: &Stanza<'t>) -> Result<(), String> {
        for atom in Atom::all(stanza.provides) {
            let atom = atom.map_err(|rest| format!("a Provides field that breaks at '{rest}'"))?;
            if !matches!(atom.relation, Relation::Any | Relation::Equal) {
                continue;
            }
            self.add_provision(owner, stanza, atom.name, atom.version);
        }
        let own = self.universe.versions[owner as usize].text;
        self.provide_any(owner, stanza, stanza.package, own);
        self.provide_qualified(owner, stanza.package, own);
        Ok(())
    }

    fn add_provision(&mut self, owner: VersionId, stanza: &Stanza<'t>, name: &'t str, version: &'t str) {
        let span = if version.is_empty() { Span::EMPTY } else { self.span(version) };
        let plain = name.split(':').next().unwrap_or(name);
        if plain.len() < name.len() {
            let package = self.package(name);
            self.provide(owner, package, span, false);
            return;
        }
        self.provide_any(owner, stanza, name, span);
        // A package does not provide itself unless as another version.
        if name != stanza.package || !(version.is_empty() || version == stanza.version) {
            let package = self.package(name);
            self.provide(owner, package, span, false);
        }
        self.provide_qualified(owner, name, span);
    }

    /// Provides `name:any`, if a dependency has asked for it and the stanza is `Multi-Arch: allowed`.
    fn provide_any(&mut self, owner: VersionId, stanza: &Stanza<'_>, name: &str, version: Span) {
        if stanza.multi_arch == "allowed" {
            self.provide_implicitly(owner, &format!("{name}:any"), version);
        }
    }

    /// Provides `name:architecture`, if a dependency has asked for it.
    fn provide_qualified(&mut self, owner: VersionId, name: &str, version: Span) {
        if !self.universe.qualified_names {
            return;
        }
        self.provide_implicitly(owner, &format!("{name}{}", self.colon_architecture), version);
    }

    fn provide_implicitly(&mut self, owner: VersionId, name: &str, version: Span) {
        let Some(package) = self.find(name) else { return };
        if !self.universe.provides_of(owner).any(|provision| provision.package == package) {
            self.provide(owner, package, version, true);
        }
    }
}

fn priority_number(text: &str) -> u8 {
    match text {
        "required" => 1,
        "important" => 2,
        "standard" => 3,
        "optional" => 4,
        "" => 0,
        _ => 5,
    }
}

/// Parses the stanza at the start of a text; returns its length too.
fn parse_stanza(text: &str) -> (Stanza<'_>, usize) {
    let mut stanza = Stanza::default();
    let mut fields = Fields::new(text);
    for (name, value) in fields.by_ref() {
        match name {
            "Package" => stanza.package = value,
            "Version" => stanza.version = value,
            "Architecture" => stanza.architecture = value,
            "Multi-Arch" => stanza.multi_arch = value,
            "Priority" => stanza.priority = value,
            "Provides" => stanza.provides = value,
            "Essential" => stanza.essential = value == "yes",
            "Important" | "Protected" => stanza.important |= value == "yes",
            "Pre-Depends" => stanza.dependencies[0] = value,
            "Depends" => stanza.dependencies[1] = value,
            "Conflicts" => stanza.dependencies[2] = value,
            "Breaks" => stanza.dependencies[3] = value,
            "Recommends" => stanza.dependencies[4] = value,
            "Suggests" => stanza.dependencies[5] = value,
            "Replaces" => stanza.dependencies[6] = value,
            "Enhances" => stanza.dependencies[7] = value,
            _ => {}
        }
    }
    (stanza, fields.consumed())
}
