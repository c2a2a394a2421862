//! Records of the universe: numbered, small, their texts left in the indexes.

use super::version::Relation;

/// Number of a package: a name, real or virtual.
pub(super) type PackageId = u32;
/// Number of a version of a package.
pub(super) type VersionId = u32;
/// Number of a dependency: one alternative of one field of one version.
pub(super) type DependencyId = u32;
/// "None" in linked lists and optional numbers.
pub(super) const NONE: u32 = u32::MAX;

/// Part of the text of an index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub start: u32,
    pub length: u32,
    pub source: u32,
}

impl Span {
    pub(super) const EMPTY: Self = Self { start: 0, length: 0, source: 0 };
}

/// Kinds of dependency the solver looks at, in the order in which apt keeps them per version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    PreDepends,
    Depends,
    Conflicts,
    Breaks,
    Recommends,
    Suggests,
}

/// A name.
#[derive(Debug)]
pub(super) struct Package {
    pub name: Span,
    /// Newest version, [`NONE`] for a virtual package.
    pub versions: VersionId,
    /// Latest provision of it.
    pub provided: u32,
    /// `Essential: yes` in any of its versions.
    pub essential: bool,
    /// `Important: yes` or `Protected: yes` in any of its versions.
    pub important: bool,
}

/// A version of a package.
#[derive(Debug)]
pub(super) struct Version {
    pub package: PackageId,
    /// Next older version.
    pub older: VersionId,
    pub text: Span,
    /// Where it is found: the first is where it is fetched from.
    pub files: Vec<Span>,
    /// 1 required … 5 extra, 0 none; as apt orders them.
    pub priority: u8,
    pub multi_arch_same: bool,
    pub multi_arch_allowed: bool,
    pub dependencies: (DependencyId, DependencyId),
    /// Latest of its provisions.
    pub provides: u32,
}

/// One alternative of a dependency field.
#[derive(Debug)]
pub(super) struct Dependency {
    pub owner: VersionId,
    pub target: PackageId,
    pub version: Span,
    pub relation: Relation,
    pub kind: Kind,
    /// Whether the next dependency is an alternative to this one.
    pub or: bool,
}

impl Dependency {
    pub(super) fn is_negative(&self) -> bool {
        matches!(self.kind, Kind::Conflicts | Kind::Breaks)
    }

    pub(super) fn is_critical(&self) -> bool {
        !matches!(self.kind, Kind::Recommends | Kind::Suggests)
    }
}

/// A version provides a name.
#[derive(Debug)]
pub(super) struct Provision {
    pub owner: VersionId,
    pub package: PackageId,
    pub version: Span,
    /// Added by the rules of Multi-Arch, not written by the package.
    pub implicit: bool,
    pub next_of_package: u32,
    pub next_of_owner: u32,
}
