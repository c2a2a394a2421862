//! What mmdebstrap makes, and the packages that we make the same of.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use bootwright::plan::{Architecture, PackageRequest, PackageTerm, SizeRule, Variant, Want};
use bootwright::resolve::{LockedPackage, Sha256Digest, select};
use bootwright::verify::{Verified, VerifiedPackage};
use integration_tests::indexes::{Index, universe};
use integration_tests::sample::{is_root, locked};
use integration_tests::tools_tree::debian_mirror;

use crate::cases::{Case, List};

/// "Now" of the references.
pub const EPOCH: i64 = 1_700_000_000;

/// debootstrap's way to a merged /usr; without it mmdebstrap takes the package usrmerge.
const MERGED: &str = "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr";

/// Names below the folder of a reference.
const ARCHIVE: &str = "tree.tar";
const PACKAGES: &str = "packages";
const LISTS: &str = "lists";
const LOG: &str = "dpkg.log";
const SECONDS: &str = "seconds";
/// Stands there when all else does.
const DONE: &str = "done";

/// As root mmdebstrap works on a tmpfs that goes away with it, as our own build does, and under the host name that our
/// sandbox has: maintainer scripts write it down.
const APART: &str =
    "hostname localhost && mount -t tmpfs -o size=75%,mode=1777 none /mnt && TMPDIR=/mnt exec \"$@\"";

/// The environment that mmdebstrap and its apt need.
const PASSED_ON: [&str; 5] = ["PATH", "HOME", "http_proxy", "https_proxy", "no_proxy"];

/// A tree of mmdebstrap's.
#[derive(Debug)]
pub struct Reference {
    /// What it is.
    pub case: Case,
    /// The tree.
    pub archive: PathBuf,
    /// How long mmdebstrap took.
    pub seconds: f64,
    folder: PathBuf,
}

impl Reference {
    /// Makes the reference of `case` in `folder`, unless it is there.
    pub fn make(case: Case, folder: &Path) -> Result<()> {
        if folder.join(DONE).exists() {
            return Ok(());
        }
        for name in [PACKAGES, LISTS] {
            fs::create_dir_all(folder.join(name))?;
        }
        let started = Instant::now();
        let output = mmdebstrap(case, folder)?.output().context("running mmdebstrap")?;
        ensure!(output.status.success(), "mmdebstrap: {}", String::from_utf8_lossy(&output.stderr));
        fs::write(folder.join(SECONDS), format!("{:.2}\n", started.elapsed().as_secs_f64()))?;
        fs::write(folder.join(DONE), "")?;
        Ok(())
    }

    /// Opens the reference of `case` in `folder`.
    pub fn open(case: Case, folder: &Path) -> Result<Self> {
        let seconds = fs::read_to_string(folder.join(SECONDS)).context("reading how long mmdebstrap took")?;
        let seconds = seconds.trim().parse().context("how long mmdebstrap took is no number")?;
        Ok(Self { case, archive: folder.join(ARCHIVE), seconds, folder: folder.to_owned() })
    }

    /// Returns its packages, chosen and ordered by our own solver from the same indexes; they must be those that
    /// mmdebstrap installed.
    pub fn verified(&self) -> Result<Verified> {
        let indexes = Index::load_release(&self.folder.join(LISTS), self.case.suite)?;
        let universe = universe(&indexes, &[])?;
        let selection = select(&universe, &request(self.case), Architecture::Amd64)?;
        let log = fs::read_to_string(self.folder.join(LOG)).context(LOG)?;
        let theirs = installations(&log);
        let ours: BTreeMap<&str, &str> =
            selection.packages.iter().map(|package| (&*package.name, &*package.version)).collect();
        if ours != theirs {
            let only = |one: &BTreeMap<&str, &str>, other: &BTreeMap<&str, &str>| {
                let lacking = one.iter().filter(|(name, version)| other.get(*name) != Some(version));
                lacking.map(|(name, version)| format!("{name} {version}")).collect::<Vec<_>>().join(", ")
            };
            bail!("only we chose: {}; only apt: {}", only(&ours, &theirs), only(&theirs, &ours));
        }
        let verified = |package: &LockedPackage| {
            let version = package.version.replace(':', "%3a");
            let name = format!("{}_{version}_{}.deb", package.name, package.architecture);
            VerifiedPackage { package: package.clone(), path: self.folder.join(PACKAGES).join(name) }
        };
        let packages = selection.packages.iter().map(verified).collect();
        let mut locked = locked(self.case.suite, SizeRule::Auto);
        locked.epoch = EPOCH;
        locked.packages = selection.packages;
        Ok(Verified { locked, packages, tools: Vec::new() })
    }
}

fn mmdebstrap(case: Case, folder: &Path) -> Result<Command> {
    let mirror = debian_mirror()?;
    let Case { suite, list } = case;
    let mut command = if is_root()? {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--uts", "sh", "-c", APART, "sh", "mmdebstrap"]);
        command
    } else {
        Command::new("mmdebstrap")
    };
    command.args(["--quiet", "--variant", variant(list)?]);
    // mmdebstrap hands its environment on to maintainer scripts; those of Python obey PYTHONDONTWRITEBYTECODE.
    command.env_clear().envs(PASSED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.env("SOURCE_DATE_EPOCH", EPOCH.to_string());
    if suite == crate::cases::SUITES[0] && !list.is_converted() {
        command.arg(MERGED);
    }
    if !list.include.is_empty() {
        command.arg(format!("--include={}", list.include.replace(' ', ",")));
    }
    let copy =
        |from: &str, to: &str| format!("--customize-hook=cp \"$1\"/{from} '{}'", folder.join(to).display());
    command
        .arg("--skip=output/dev,essential/unlink,cleanup/reproducible")
        .arg(format!("--aptopt=Apt::Install-Recommends \"{}\"", list.recommends))
        .arg("--aptopt=APT::Keep-Downloaded-Packages \"true\"")
        .arg(copy("var/cache/apt/archives/*.deb", PACKAGES))
        .arg(copy("var/lib/apt/lists/*_Packages", LISTS))
        .arg(copy("var/lib/apt/lists/*_InRelease", LISTS))
        .arg(copy("var/log/dpkg.log", LOG))
        .args([suite.into(), folder.join(ARCHIVE).into_os_string()])
        .arg(format!("deb {mirror} {suite} main"))
        .arg(format!("deb {mirror} {suite}-updates main"))
        .arg(format!("deb {mirror}-security {suite}-security main"));
    Ok(command)
}

fn variant(list: &List) -> Result<&'static str> {
    Ok(match list.variant {
        Variant::Essential => "essential",
        Variant::Minbase => "minbase",
        Variant::Important => "important",
        Variant::Standard => "standard",
        Variant::Custom => bail!("a tree without the essential packages cannot be configured"),
    })
}

/// Returns what a recipe with these packages asks of the solver.
fn request(case: Case) -> PackageRequest {
    let term = |name: &str, want: Want| PackageTerm { name: name.to_owned(), want, origin: case.to_string() };
    let list = case.list;
    let mut terms: Vec<_> = list.include.split_whitespace().map(|name| term(name, Want::Install)).collect();
    // As plans do it: a tree that is merged from the start needs no converter.
    if case.suite == crate::cases::SUITES[0] && !list.is_converted() {
        terms.push(term("usrmerge", Want::Never));
    }
    PackageRequest { variant: list.variant, terms, recommends: list.recommends }
}

/// Returns the packages that dpkg's log says were installed, and the last version of each.
fn installations(log: &str) -> BTreeMap<&str, &str> {
    let mut installed = BTreeMap::new();
    for line in log.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        if let Some(["install" | "upgrade", package, _, version]) = words.get(2..) {
            installed.insert(package.split(':').next().unwrap_or_default(), *version);
        }
    }
    installed
}

/// Reads name, version and architecture of a .deb.
pub fn describe(path: &Path) -> Result<LockedPackage> {
    let output = Command::new("dpkg-deb").arg("--field").arg(path).output().context("running dpkg-deb")?;
    ensure!(output.status.success(), "dpkg-deb of '{}'", path.display());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.map(str::to_owned).with_context(|| format!("no {name} in '{}'", path.display()))
    };
    Ok(LockedPackage {
        name: field("Package")?,
        version: field("Version")?,
        architecture: field("Architecture")?,
        base: String::new(),
        filename: String::new(),
        size: 0,
        sha256: Sha256Digest([0; 32]),
        base_set: false,
        automatic: false,
    })
}
