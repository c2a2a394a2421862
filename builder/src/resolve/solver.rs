//! Choosing packages: the order of steps, and what comes out of them.
//!
//! As mmdebstrap does it with apt, a base set is chosen in two steps: first the essential packages on an empty system,
//! then the rest of the variant and the recipe's own packages with those in place.

use std::collections::BTreeSet;

use crate::plan::{Architecture, PackageRequest};

use super::conflicts::{Resolver, Said};
use super::control::field;
use super::error::ResolveError;
use super::explain::explain;
use super::index::Universe;
use super::install::How;
use super::locked::{LockedPackage, Sha256Digest};
use super::marks::{Marks, Mode};
use super::records::{NONE, PackageId, VersionId};
use super::request::{Wishes, wishes};
use super::suite::follow;
use super::sweep::sweep;
use super::unpack_order::unpack_order;

/// Stack for the depth-first search, whose depth is that of the longest chain of dependencies.
const STACK: usize = 256 << 20;

/// The packages chosen, in the order in which apt unpacks them: the essential ones and what they need first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The packages.
    pub packages: Vec<LockedPackage>,
}

/// Chooses packages as apt would.
///
/// # Errors
/// When a term names nothing that exists, or no set of packages meets the request.
pub fn select(
    universe: &Universe,
    request: &PackageRequest,
    architecture: Architecture,
) -> Result<Selection, ResolveError> {
    if universe.sources().is_empty() || universe.architecture() != architecture.debian() {
        return Err(ResolveError::NoIndex);
    }
    let choose = || {
        let wishes = wishes(universe, request)?;
        Choice::make(universe, request, &wishes)?.into_selection(universe)
    };
    std::thread::scope(|scope| {
        match std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, choose) {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            // A machine that grants no thread may still have stack enough for ordinary requests.
            Err(_) => choose(),
        }
    })
}

/// Versions chosen, in order, and whether each came only as a dependency.
type Chosen = Vec<(VersionId, bool)>;

/// The outcome of both steps.
struct Choice {
    essential: Chosen,
    rest: Chosen,
}

impl Choice {
    fn make(universe: &Universe, request: &PackageRequest, wishes: &Wishes) -> Result<Self, ResolveError> {
        let mut essential = Vec::new();
        if !wishes.essential.is_empty() {
            essential = step(universe, request.recommends, &[], &wishes.essential, wishes)?;
            // They are unpacked before apt keeps books, so all count as chosen by hand.
            essential.iter_mut().for_each(|(_, automatic)| *automatic = false);
        }
        let further: Vec<VersionId> = wishes.named.iter().chain(&wishes.base).copied().collect();
        let mut rest = Vec::new();
        if !further.is_empty() {
            rest = step(universe, request.recommends, &essential, &further, wishes)?;
            let removed = |(version, _): &(VersionId, bool)| !rest.iter().any(|(kept, _)| kept == version);
            let kept: BTreeSet<VersionId> =
                essential.iter().filter(|v| !removed(v)).map(|(v, _)| *v).collect();
            essential.retain(|(version, _)| kept.contains(version));
            rest.retain(|(version, _)| !kept.contains(version));
        }
        Ok(Self { essential, rest })
    }

    fn into_selection(self, universe: &Universe) -> Result<Selection, ResolveError> {
        let essential = self.essential.into_iter().map(|(version, automatic)| (version, automatic, true));
        let rest = self.rest.into_iter().map(|(version, automatic)| (version, automatic, false));
        let packages = essential
            .chain(rest)
            .map(|(version, automatic, base)| lock(universe, version, automatic, base))
            .collect::<Result<_, _>>()?;
        Ok(Selection { packages })
    }
}

/// One run of apt: marks what is wished for, settles conflicts, drops what is not needed.
fn step(
    universe: &Universe,
    recommends: bool,
    installed: &[(VersionId, bool)],
    wanted: &[VersionId],
    wishes: &Wishes,
) -> Result<Chosen, ResolveError> {
    let mut marks = Marks::new(universe, recommends, installed);
    let mut said = vec![Said::default(); universe.packages.len()];
    for package in &wishes.never {
        said[*package as usize] = Said { named: true, never: true };
        if marks.state(*package).current != NONE {
            marks.mark_delete(*package, true, 0);
        }
        marks.state_mut(*package).protected = true;
    }
    wishes.fixed.iter().for_each(|(version, _)| marks.set_candidate(*version));
    let mut roots = Vec::new();
    for version in wanted {
        let package = marks.package_of(*version);
        marks.set_candidate(*version);
        said[package as usize] = Said { named: true, never: false };
        marks.state_mut(package).protected = true;
        marks.mark_install(package, How { dependencies: false, by_request: true, depth: 0 });
        if marks.state(package).mode != Mode::Install {
            marks.state_mut(package).automatic = false;
        }
        roots.push(package);
    }
    for (version, suite) in &wishes.fixed {
        if let Some(suite) = suite {
            follow(&mut marks, *version, suite);
        }
    }
    for package in &roots {
        marks.mark_install(*package, How { dependencies: true, by_request: true, depth: 0 });
    }
    Resolver::settle(&mut marks, &said);
    if marks.broken().next().is_some() {
        return Err(explain(universe, recommends, installed, &roots, &said, wishes));
    }
    sweep(&mut marks);
    Ok(in_order(&marks))
}

/// Returns what stays, then what is new in the order in which apt unpacks it.
fn in_order(marks: &Marks<'_>) -> Chosen {
    let mut stays: Vec<PackageId> =
        marks.packages().filter(|package| marks.state(*package).install != NONE).collect();
    stays.sort_by_key(|package| marks.state(*package).sequence);
    let is_new = |package: &PackageId| marks.state(*package).current != marks.state(*package).install;
    let new = stays.extract_if(.., |package| is_new(package)).collect();
    let order = stays.into_iter().chain(unpack_order(marks, new));
    order.map(|package| (marks.state(package).install, marks.state(package).automatic)).collect()
}

fn lock(
    universe: &Universe,
    version: VersionId,
    automatic: bool,
    base_set: bool,
) -> Result<LockedPackage, ResolveError> {
    let record = &universe.versions[version as usize];
    let stanza = universe.stanza(version);
    let source = universe.source(record.files[0]);
    let bad = |field| ResolveError::BadStanza {
        package: universe.name(record.package).to_owned(),
        index: format!("{}/{} at {}", source.suite, source.component, source.base),
        field,
    };
    let text =
        |name: &'static str| field(stanza, name).filter(|text| !text.is_empty()).ok_or_else(|| bad(name));
    let filename = text("Filename")?;
    // The path is joined to the base address and to folders of the store: it must stay below them.
    if filename.starts_with('/') || filename.split('/').any(|part| part == "..") {
        return Err(bad("Filename"));
    }
    Ok(LockedPackage {
        name: universe.name(record.package).to_owned(),
        version: universe.version_text(version).to_owned(),
        architecture: text("Architecture")?.to_owned(),
        base: source.base.clone(),
        filename: filename.to_owned(),
        size: text("Size")?.parse().map_err(|_| bad("Size"))?,
        sha256: Sha256Digest::parse(text("SHA256")?).ok_or_else(|| bad("SHA256"))?,
        base_set,
        automatic,
    })
}
