//! What a build is made from: from signed lists to verified packages. Needs no tree, so `lock` uses it as well.

use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Context, Result};

use super::journal::Journal;
use super::{Settings, keys};
use crate::fetch::{
    self, Archives, Client, ClientOptions, FetchedIndex, Listed, MirrorOverrides, Mirrors, Source,
};
use crate::plan::{
    LocalPackage, Origin, PackageRequest, PackageTerm, Plan, Repository, SignedBy, Variant, Want,
};
use crate::progress::{Reporter, Stage, format_bytes};
use crate::resolve::{self, IndexSource, Locked, LockedPackage, Lockfile, ReleaseFacts, Selection, Universe};
use crate::store::{Key, Store};
use crate::verify::{self, Keyring, Release, Verified};

/// The store and the network.
pub struct Supply<'a> {
    settings: &'a Settings,
    reporter: &'a dyn Reporter,
    store: Store,
    client: Client,
    journal: Journal,
    /// The time of the lock that is obeyed.
    locked_at: OnceLock<i64>,
}

impl std::fmt::Debug for Supply<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supply").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl<'a> Supply<'a> {
    /// Opens the store.
    ///
    /// # Errors
    ///
    /// When the cache cannot be used or a proxy's address is wrong.
    pub fn open(settings: &'a Settings, reporter: &'a dyn Reporter) -> Result<Self> {
        let store = Store::open(&settings.cache)?;
        let store = if settings.fresh { store.without_results() } else { store };
        let client = Client::new(ClientOptions::default()).context("making an HTTP client")?;
        let client = client.with_credentials(settings.credentials.clone());
        Ok(Self {
            settings,
            reporter,
            store,
            client,
            journal: Journal::default(),
            locked_at: OnceLock::new(),
        })
    }

    /// Makes a plan exact by what the archives have now. Where they have what they had when an earlier run asked for the
    /// same, its answer holds.
    ///
    /// # Errors
    ///
    /// When an archive cannot be reached or believed, or the packages do not fit together.
    pub fn lock(&self, plan: Plan) -> Result<Locked> {
        let stage = self.stage("fetch indexes");
        let mirrors = self.mirrors(&plan);
        let repositories = repositories(&plan);
        let sources: Vec<Vec<Source>> =
            repositories.iter().map(|repository| mirrors.sources(repository)).collect();
        let keyrings =
            repositories.iter().map(|repository| keyring(repository)).collect::<Result<Vec<_>>>()?;
        let check = |source: &Source, signed: &fetch::SignedRelease| {
            let at = sources
                .iter()
                .position(|places| places.contains(source))
                .context("a Release file of no repository")?;
            let release = verify::release(signed, source, &keyrings[at], self.settings.now)?;
            let indexes = release.indexes(&repositories[at].components, plan.architecture)?;
            Ok((release, indexes))
        };
        let archives = Archives::new(&self.client, &self.store, &sources, check, &stage);
        let announced = archives.releases()?;
        let facts: Vec<_> = announced.iter().map(|one| one.release.facts.clone()).collect();
        let key = keys::resolved(&plan, &facts);
        if let Some(locked) = self.chosen_before(&key, &plan, &facts) {
            let packages = locked.packages.len();
            stage
                .finish(format!("{} suites as they were, signatures good; {packages} packages", facts.len()));
            return Ok(locked);
        }
        let lists = archives.indexes(announced)?;
        let bytes: usize = lists.iter().flat_map(|list| &list.indexes).map(|index| index.text.len()).sum();
        let bytes = format_bytes(bytes as u64);
        stage.finish(format!("{} suites, {bytes} of lists, signatures good", lists.len()));
        let locked = self.resolve(plan, lists)?;
        self.store.remember(&key, &Lockfile::of(&locked).to_text().context("writing the choice")?.into())?;
        Ok(locked)
    }

    /// Returns what an earlier run chose from the same lists.
    fn chosen_before(&self, key: &Key, plan: &Plan, facts: &[ReleaseFacts]) -> Option<Locked> {
        let chosen = self.store.recall(key);
        self.journal.note(key, chosen.is_some(), &self.store);
        let lock = Lockfile::parse(chosen?.as_str()?, "the store").ok()?;
        let mirrors = self.mirrors(plan);
        // Where its list was found, the package is: the first mirror may have failed.
        let found = |origin: &Origin| {
            let mut pairs = repositories(plan).into_iter().zip(facts);
            let pair = pairs.find(|(repository, _)| repository.origin == *origin);
            pair.map_or_else(|| mirrors.base(origin), |(_, facts)| facts.base.clone())
        };
        let mut locked = lock.lock(plan.clone(), found).ok()?;
        // The key holds what is signed, not who signed it and where it was found.
        let mut facts = facts.to_vec();
        locked.tools_release = if plan.disk.is_some() { facts.pop() } else { None };
        locked.releases = facts;
        Some(locked)
    }

    /// Makes a plan exact by what was locked; no list is fetched.
    ///
    /// # Errors
    ///
    /// When the plan asks for something else than what was locked.
    pub fn obey(&self, plan: Plan, lock: &Lockfile) -> Result<Locked> {
        let stage = self.stage("read the lock");
        let mirrors = self.mirrors(&plan);
        let locked = lock.lock(plan, |origin: &Origin| mirrors.base(origin))?;
        let dates = locked.releases.iter().chain(&locked.tools_release).map(|facts| facts.date);
        // When it was locked, the newest of its lists was there and the others were current.
        let _ = self.locked_at.set(dates.max().unwrap_or_default());
        stage.finish(format!("{} packages, as they were locked", locked.packages.len()));
        Ok(locked)
    }

    fn stage(&self, name: &'static str) -> Stage<'_> {
        Stage::start(self.reporter, name)
    }

    /// Where Debian's archives are.
    fn mirrors(&self, plan: &Plan) -> Mirrors {
        let overrides =
            MirrorOverrides { debian: plan.mirrors.clone(), security: self.settings.security_mirror.clone() };
        let mirrors = Mirrors::choose(&overrides, &fetch::load_host_sources(Path::new("/")));
        match self.locked_at.get() {
            Some(time) => mirrors.with_snapshot(&self.settings.snapshot, *time),
            None => mirrors,
        }
    }

    /// Exact packages for the image and the tools tree.
    fn resolve(&self, plan: Plan, mut lists: Vec<Listed<Release>>) -> Result<Locked> {
        let stage = self.stage("resolve");
        let tools_list = if plan.disk.is_some() { lists.pop() } else { None };
        let tools_release = tools_list.as_ref().map(|list| list.release.facts.clone());
        let releases: Vec<_> = lists.iter().map(|list| list.release.facts.clone()).collect();
        let epoch = releases.iter().map(|facts| facts.date).max().unwrap_or_default();
        let architecture = plan.architecture;
        let (image, tools) = std::thread::scope(|scope| {
            let tools = scope.spawn(|| {
                tools_list
                    .map(|list| {
                        select(&plan, vec![(&plan.tools.repository, list)], &[], &tools_request(&plan))
                    })
                    .transpose()
            });
            let lists = plan.repositories.iter().zip(lists).collect();
            let image = select(&plan, lists, &plan.local, &plan.packages);
            let tools = tools.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (image, tools)
        });
        let packages = image?.packages;
        let tools = tools
            .context("choosing the packages of the tools tree")?
            .map_or_else(Vec::new, |set| by_name(set.packages));
        stage.finish(format!("{} packages for {}", packages.len(), architecture.debian()));
        Ok(Locked { plan, packages, tools, releases, tools_release, epoch })
    }

    /// Every byte that the build will use: the packages of the trees that are `wanted`.
    ///
    /// # Errors
    ///
    /// When a file cannot be had, or has not the bytes that were locked.
    pub fn fetch_packages(&self, locked: &Locked, wanted: Wanted) -> Result<Verified> {
        let stage = self.stage("fetch packages");
        let image = if wanted.image { &locked.packages[..] } else { &[] };
        let tools = if wanted.tools { &locked.tools[..] } else { &[] };
        let all: Vec<_> = image.iter().chain(tools).cloned().collect();
        let mirrors = self.mirrors(&locked.plan);
        fetch::packages(&self.client, &self.store, &all, |base| mirrors.alternatives(base), &stage)?;
        let packages = verify::packages(&self.store, image)?;
        let tools = verify::packages(&self.store, tools)?;
        let bytes = all.iter().map(|package| package.size).sum();
        stage.finish(format!("{} files, {}, digests good", all.len(), format_bytes(bytes)));
        Ok(Verified { locked: locked.clone(), packages, tools })
    }

    /// Returns what was looked for in the store.
    pub(super) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Returns the store.
    pub(super) fn store(&self) -> &Store {
        &self.store
    }
}

/// Which trees are made from packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The image's.
    pub image: bool,
    /// The tools tree.
    pub tools: bool,
}

impl Wanted {
    /// None: both are there.
    pub const NOTHING: Self = Self { image: false, tools: false };
}

/// Nothing depends on the order of the tools tree's packages, so they have that of the lock.
fn by_name(mut packages: Vec<LockedPackage>) -> Vec<LockedPackage> {
    packages.sort_by(|a, b| (&a.name, &a.architecture).cmp(&(&b.name, &b.architecture)));
    packages
}

/// The plan's repositories, and last the tools tree's where one is needed.
fn repositories(plan: &Plan) -> Vec<&Repository> {
    let tools = plan.disk.is_some().then_some(&plan.tools.repository);
    plan.repositories.iter().chain(tools).collect()
}

/// Loads the keys that may sign `repository`.
pub(super) fn keyring(repository: &Repository) -> Result<Keyring> {
    let keyring = match &repository.signed_by {
        SignedBy::DebianArchive => Keyring::debian_archive(),
        SignedBy::File(path) => Keyring::load(path),
    };
    keyring.with_context(|| format!("loading the keys of repository '{}'", repository.name))
}

/// Chooses from the lists of `repositories`.
fn select(
    plan: &Plan,
    lists: Vec<(&Repository, Listed<Release>)>,
    local: &[LocalPackage],
    request: &PackageRequest,
) -> Result<Selection> {
    let mut universe = Universe::new(plan.architecture);
    for (at, (repository, list)) in lists.into_iter().enumerate() {
        for FetchedIndex { component, url, text } in list.indexes {
            let source = IndexSource {
                repository: at,
                base: list.release.facts.base.clone(),
                suite: list.release.archive.clone(),
                codename: list.release.facts.codename.clone(),
                component,
                local: false,
                pin: repository.pin,
                not_automatic: list.release.not_automatic,
                but_automatic_upgrades: list.release.but_automatic_upgrades,
            };
            universe.add_index(source, text).with_context(|| format!("reading {url}"))?;
        }
    }
    for package in local {
        let (source, text) = resolve::local_index(package);
        let reading = || format!("reading the control file of '{}'", package.path.display());
        universe.add_index(source, text).with_context(reading)?;
    }
    Ok(resolve::select(&universe, request, plan.architecture)?)
}

fn tools_request(plan: &Plan) -> PackageRequest {
    let term = |name: &String| PackageTerm {
        name: name.clone(),
        want: Want::Install,
        origin: "the tools tree".into(),
    };
    PackageRequest {
        variant: Variant::Custom,
        terms: plan.tools.packages.iter().map(term).collect(),
        recommends: false,
    }
}
