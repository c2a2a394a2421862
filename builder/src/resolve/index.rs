//! The universe: every package, version, dependency and provision of a set of indexes, as apt's cache has them.
//!
//! Packages are numbered in the order in which apt would create them (also those that are only mentioned), since
//! apt breaks ties between equally good providers by that number. Texts stay in the indexes; records hold spans.

use std::sync::OnceLock;

use super::names::NameTable;
use super::reader::Reader;
use super::records::{
    Dependency, DependencyId, NONE, Package, PackageId, Provision, Span, Version, VersionId,
};
use super::source::{IndexError, IndexSource};

/// Everything that the indexes offer.
#[derive(Debug)]
pub struct Universe {
    pub(super) architecture: &'static str,
    pub(super) sources: Vec<IndexSource>,
    texts: Vec<String>,
    pub(super) names: NameTable,
    pub(super) packages: Vec<Package>,
    pub(super) versions: Vec<Version>,
    pub(super) dependencies: Vec<Dependency>,
    pub(super) provisions: Vec<Provision>,
    /// Whether a name with the architecture's suffix was ever mentioned.
    pub(super) qualified_names: bool,
    reverse: OnceLock<Reverse>,
}

/// Dependencies by target.
#[derive(Debug)]
struct Reverse {
    starts: Vec<u32>,
    dependencies: Vec<DependencyId>,
}

impl Universe {
    /// Returns a universe without packages.
    pub fn new(architecture: crate::plan::Architecture) -> Self {
        Self {
            architecture: architecture.debian(),
            sources: Vec::new(),
            texts: Vec::new(),
            names: NameTable::default(),
            packages: Vec::new(),
            versions: Vec::new(),
            dependencies: Vec::new(),
            provisions: Vec::new(),
            qualified_names: false,
            reverse: OnceLock::new(),
        }
    }

    /// Adds the packages of an index; the first one added is the release that the base set is taken from.
    ///
    /// # Errors
    /// When the text is not a Packages index.
    pub fn add_index(&mut self, source: IndexSource, text: Vec<u8>) -> Result<(), IndexError> {
        let (base, suite, component) = (source.base.clone(), source.suite.clone(), source.component.clone());
        if u32::try_from(text.len()).is_err() {
            return Err(IndexError::TooBig { base, suite, component });
        }
        let text = String::from_utf8(text).map_err(|error| IndexError::NotText {
            base: base.clone(),
            suite: suite.clone(),
            component: component.clone(),
            offset: error.utf8_error().valid_up_to(),
        })?;
        self.reverse = OnceLock::new();
        self.sources.push(source);
        self.texts.push(String::new());
        let read = Reader::new(self, &text).read();
        if let Some(slot) = self.texts.last_mut() {
            *slot = text;
        }
        read.map_err(|(package, problem)| IndexError::BadStanza { base, suite, component, package, problem })
    }

    /// Returns how many names and versions are known.
    pub fn counts(&self) -> (usize, usize) {
        (self.packages.len(), self.versions.len())
    }

    /// Returns the architecture whose packages it holds.
    pub fn architecture(&self) -> &'static str {
        self.architecture
    }

    pub(super) fn text(&self, span: Span) -> &str {
        &self.texts[span.source as usize][span.start as usize..][..span.length as usize]
    }

    pub(super) fn source(&self, span: Span) -> &IndexSource {
        &self.sources[span.source as usize]
    }

    /// Returns the release: the source of the first index.
    pub(super) fn release(&self) -> Option<&IndexSource> {
        self.sources.first()
    }

    pub(super) fn sources(&self) -> &[IndexSource] {
        &self.sources
    }

    pub(super) fn find(&self, name: &str) -> Option<PackageId> {
        self.names.find(name, |number| self.name(number) == name)
    }

    pub(super) fn name(&self, package: PackageId) -> &str {
        self.text(self.packages[package as usize].name)
    }

    pub(super) fn version_text(&self, version: VersionId) -> &str {
        self.text(self.versions[version as usize].text)
    }

    pub(super) fn dependency_version(&self, dependency: &Dependency) -> &str {
        self.text(dependency.version)
    }

    pub(super) fn provision_version(&self, provision: &Provision) -> &str {
        self.text(provision.version)
    }

    /// Returns the versions of a package, newest first.
    pub(super) fn versions_of(&self, package: PackageId) -> impl Iterator<Item = VersionId> {
        let mut at = self.packages[package as usize].versions;
        std::iter::from_fn(move || {
            let version = (at != NONE).then_some(at)?;
            at = self.versions[version as usize].older;
            Some(version)
        })
    }

    /// Returns the provisions of a name, latest first, as apt walks them.
    pub(super) fn provided_by(&self, package: PackageId) -> impl Iterator<Item = &Provision> {
        let mut at = self.packages[package as usize].provided;
        std::iter::from_fn(move || {
            let provision = self.provisions.get(at as usize)?;
            at = provision.next_of_package;
            Some(provision)
        })
    }

    /// Returns what a version provides.
    pub(super) fn provides_of(&self, version: VersionId) -> impl Iterator<Item = &Provision> {
        let mut at = self.versions[version as usize].provides;
        std::iter::from_fn(move || {
            let provision = self.provisions.get(at as usize)?;
            at = provision.next_of_owner;
            Some(provision)
        })
    }

    /// Returns the dependencies on a package, of whatever version and kind.
    pub(super) fn dependencies_on(&self, package: PackageId) -> &[DependencyId] {
        let reverse = self.reverse.get_or_init(|| self.build_reverse());
        let range = reverse.starts[package as usize] as usize..reverse.starts[package as usize + 1] as usize;
        &reverse.dependencies[range]
    }

    fn build_reverse(&self) -> Reverse {
        let mut starts = vec![0_u32; self.packages.len() + 1];
        for dependency in &self.dependencies {
            starts[dependency.target as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut dependencies = vec![0; self.dependencies.len()];
        for (number, dependency) in self.dependencies.iter().enumerate() {
            let slot = &mut next[dependency.target as usize];
            dependencies[*slot as usize] = number as u32;
            *slot += 1;
        }
        Reverse { starts, dependencies }
    }

    /// Returns the stanza of a version where it is fetched from.
    pub(super) fn stanza(&self, version: VersionId) -> &str {
        self.text(self.versions[version as usize].files[0])
    }

    /// Returns the pin priority of a version: the highest of its sources.
    pub(super) fn priority(&self, version: VersionId) -> i32 {
        let files = &self.versions[version as usize].files;
        files.iter().map(|file| self.source(*file).priority()).max().unwrap_or(0)
    }

    /// Returns the version apt would choose of a package: highest priority, then newest.
    pub(super) fn candidate(&self, package: PackageId) -> VersionId {
        let (mut best, mut best_priority) = (NONE, -1);
        for version in self.versions_of(package) {
            let priority = self.priority(version);
            if priority != 0 && priority > best_priority {
                (best, best_priority) = (version, priority);
            }
        }
        best
    }
}

impl Universe {
    /// Sorts packages into the order of apt's hash table, in which apt walks them.
    pub(super) fn table_order(&self, packages: Vec<PackageId>) -> Vec<PackageId> {
        const SLOTS: u32 = 196_613;
        let slot = |name: &str| {
            let hash = name.bytes().fold(5381_u32, |hash, byte| {
                hash.wrapping_mul(33).wrapping_add(u32::from(byte.to_ascii_lowercase()))
            });
            hash % SLOTS
        };
        let mut order: Vec<(u32, &str, PackageId)> = packages
            .into_iter()
            .map(|package| (self.name(package), package))
            .map(|(n, p)| (slot(n), n, p))
            .collect();
        order.sort_unstable_by_key(|(slot, name, _)| (*slot, name.len(), *name));
        order.into_iter().map(|(_, _, package)| package).collect()
    }
}
