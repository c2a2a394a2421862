//! Verified packages → a configured tree.
//!
//! Workers decompress packages into a staging folder from the first moment on ([`super::unpack`]); meanwhile the
//! tree grows in apt's order ([`super::steps`]). The base set, essential packages and what they need, comes first and is
//! configured on its own, as mmdebstrap does it: its scripts are the only ones that must cope with unconfigured tools. Of
//! the base set every file is in place before the first preinst; behind it each preinst runs before its own package's
//! files come.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use crate::progress::{Stage, Unit};
use crate::sandbox::Sandbox;
use crate::verify::{Verified, VerifiedPackage};

use super::apt_state::write_apt_state;
use super::base_set::base_set;
use super::control::Control;
use super::data_archives::DataArchives;
use super::dpkg_database::Database;
use super::error::{BootstrapError, Result};
use super::guest::{Guest, Preinsts};
use super::merged_usr::{is_converted, make_core_links, make_links};
use super::place::{Assembly, Verdict};
use super::steps::{Step, steps};
use super::unpack::{Jobs, Opened, Staged, Staging, open_all};

/// Makes the first files of the account database; everything else may need them.
const ACCOUNTS_PACKAGE: &str = "base-passwd";
/// Brings the folders that other packages count on, and from trixie on the merged-/usr links.
const FIRST_PACKAGE: &str = "base-files";
const DEBCONF_PACKAGE: &str = "debconf";
const APT_PACKAGE: &str = "apt";

/// Unpacks and configures the image's packages in the empty folder `root`.
///
/// A folder `NAME.staging` beside `root`, on the same filesystem, is used meanwhile.
///
/// # Errors
/// A damaged package, two packages that claim the same path, a failed script, or a file that cannot be written.
pub fn bootstrap(
    verified: &Verified,
    archives: DataArchives<'_>,
    sandbox: &Sandbox,
    root: &Path,
    stage: &Stage<'_>,
) -> Result<()> {
    let opened = open_all(&verified.packages)?;
    let plan = &verified.locked.plan;
    let has = |name: &str| opened.iter().any(|package| package.control.name == name);
    if !plan.debconf.is_empty() && !has(DEBCONF_PACKAGE) {
        return Err(BootstrapError::NoDebconf);
    }
    let native = plan.architecture.debian();
    let controls: Vec<&Control> = opened.iter().map(|package| &package.control).collect();
    let base = base_set(&controls, &verified.packages);
    let folder = StagingFolder::create(root)?;
    let jobs = Jobs::new(&opened, archives, &base, &folder.0);
    stage.total(opened.len() as u64, Unit::Items);
    thread::scope(|scope| {
        // Workers stop as soon as this ends, also when it ends in an error.
        let _cancel = CancelOnDrop(&jobs);
        let build = Build {
            packages: &opened,
            guest: Guest::new(sandbox, root).moving_folders(is_converted(&controls)),
            controls,
            staging: jobs.start(scope),
            assembly: Assembly::new(root),
            database: Database::create(root, native)?,
            debconf: &plan.debconf,
            root,
            stage,
        };
        build.run(base)
    })?;
    if has(APT_PACKAGE) {
        let locked: Vec<_> = verified.packages.iter().map(|package| &package.package).collect();
        write_apt_state(root, &locked, native)?;
    }
    Ok(())
}

/// Unpacks `packages` into the empty folder `root` and runs nothing: enough for tools that need no configuration.
///
/// # Errors
/// A damaged package, two packages that claim the same path, or a file that cannot be written.
pub fn unpack_tools(
    packages: &[VerifiedPackage],
    archives: DataArchives<'_>,
    root: &Path,
    stage: &Stage<'_>,
) -> Result<()> {
    let opened = open_all(packages)?;
    let folder = StagingFolder::create(root)?;
    let jobs = Jobs::new(&opened, archives, &[], &folder.0);
    stage.total(opened.len() as u64, Unit::Items);
    make_core_links(root)?;
    thread::scope(|scope| {
        let _cancel = CancelOnDrop(&jobs);
        let mut staging = jobs.start(scope);
        let mut assembly = Assembly::new(root);
        for (index, package) in opened.iter().enumerate() {
            let staged = staging.take(index)?;
            assembly.place_finished(&package.control, &staged)?;
            stage.advance(1);
        }
        assembly.finish()
    })?;
    // mke2fs asks it which filesystems are mounted.
    let mtab = root.join("etc/mtab");
    fs::create_dir_all(root.join("etc"))
        .and_then(|()| fs::write(&mtab, ""))
        .map_err(BootstrapError::file("writing", &mtab))
}

struct CancelOnDrop<'a>(&'a Jobs<'a>);

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The folder beside the tree in which packages wait.
struct StagingFolder(PathBuf);

impl StagingFolder {
    fn create(root: &Path) -> Result<Self> {
        let mut path = root.as_os_str().to_owned();
        path.push(".staging");
        let path = PathBuf::from(path);
        fs::create_dir(&path).map_err(BootstrapError::file("creating", &path))?;
        Ok(Self(path))
    }
}

impl Drop for StagingFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::debug!("removing '{}': {error}", self.0.display());
        }
    }
}

/// The work in progress.
struct Build<'a> {
    packages: &'a [Opened],
    controls: Vec<&'a Control>,
    staging: Staging,
    assembly: Assembly,
    database: Database,
    guest: Guest<'a>,
    debconf: &'a [String],
    root: &'a Path,
    stage: &'a Stage<'a>,
}

impl<'a> Build<'a> {
    /// Installs the packages numbered in `base`, then the rest.
    fn run(mut self, base: Vec<usize>) -> Result<()> {
        let (first, rest): (Vec<usize>, Vec<usize>) =
            (0..self.packages.len()).partition(|index| base.contains(index));
        // Its packages are configured together, so only the order of unpacking counts.
        let unpack = |step| match step {
            Step::Unpack(index) => Some(index),
            Step::Configure(_) => None,
        };
        let order: Vec<usize> = steps(&self.controls, &[], &first).into_iter().filter_map(unpack).collect();
        self.base_set(&order)?;
        self.rest(&steps(&self.controls, &base, &rest))?;
        self.assembly.finish()
    }

    fn base_set(&mut self, order: &[usize]) -> Result<()> {
        let mut placed = Vec::new();
        let mut for_dpkg = Vec::new();
        let mut first = order.to_vec();
        first.sort_by_key(|&index| self.controls[index].name != FIRST_PACKAGE);
        for (position, index) in first.into_iter().enumerate() {
            let staged = self.take(index)?;
            if position == 0 {
                make_links(self.root, &self.controls, &staged)?;
            }
            match self.judge(index, &staged)? {
                Verdict::Native => {
                    self.assembly.place(self.controls[index], &staged)?;
                    placed.push((index, staged));
                }
                Verdict::Dpkg(reason) => for_dpkg.push((index, reason)),
            }
        }
        placed.sort_by_key(|&(index, _)| self.controls[index].name != ACCOUNTS_PACKAGE);
        self.record_base_set(&placed)?;
        for (index, reason) in for_dpkg {
            self.unpack_by_dpkg(index, &reason)?;
        }
        // In the order of unpacking, as `dpkg --install` does it; `--pending` would take that of dpkg's hash table.
        let names: Vec<&str> = order.iter().map(|&index| self.controls[index].name.as_str()).collect();
        self.configure(order, &names)
    }

    /// Runs the preinsts of packages whose files are in the tree, and records the packages one by one.
    fn record_base_set(&mut self, placed: &[(usize, Staged)]) -> Result<()> {
        let mut shell: Option<Preinsts<'_>> = None;
        for (index, staged) in placed {
            if self.has_preinst(*index) {
                self.preinst(&mut shell, *index)?;
            }
            self.database.add(&self.packages[*index], staged)?;
        }
        self.close(shell)?;
        self.refresh()
    }

    fn rest(&mut self, steps: &[Step]) -> Result<()> {
        self.preconfigure(steps)?;
        self.refresh()?;
        let mut shell: Option<Preinsts<'_>> = None;
        let mut order = Vec::new();
        let mut early = Vec::new();
        for (position, step) in steps.iter().enumerate() {
            match *step {
                Step::Unpack(index) => {
                    self.unpack(&mut shell, index)?;
                    order.push(index);
                }
                Step::Configure(index) => {
                    early.push(self.controls[index].name.as_str());
                    if !matches!(steps.get(position + 1), Some(Step::Configure(_))) {
                        self.close(shell.take())?;
                        self.configure_early(&std::mem::take(&mut early))?;
                    }
                }
            }
        }
        self.close(shell)?;
        self.configure(&order, &[])
    }

    /// Has questions asked before their packages are unpacked, if the base set has brought what that needs: so does apt.
    fn preconfigure(&self, steps: &[Step]) -> Result<()> {
        if steps.is_empty() || !self.guest.can_preconfigure() {
            return Ok(());
        }
        self.guest.leave_preconfigured()?;
        let asks = |index: &usize| self.packages[*index].deb.control.contains_key("templates");
        let unpacked = steps.iter().filter_map(|step| match step {
            Step::Unpack(index) => Some(*index),
            Step::Configure(_) => None,
        });
        let asking: Vec<&Path> =
            unpacked.filter(asks).map(|index| self.packages[index].path.as_path()).collect();
        // Objects of the store lie two folders deep.
        let store = asking.first().and_then(|path| path.ancestors().nth(2));
        let Some(store) = store else { return Ok(()) };
        self.stage.working("debconf");
        if let Err(error) = self.guest.preconfigure(store, &asking) {
            self.stage.note(format!("{error}; they are asked when their packages are configured"));
        }
        Ok(())
    }

    /// Runs the preinst of a package and puts its files into the tree.
    fn unpack(&mut self, shell: &mut Option<Preinsts<'a>>, index: usize) -> Result<()> {
        let staged = self.take(index)?;
        if self.has_preinst(index) {
            self.preinst(shell, index)?;
            self.refresh()?;
        }
        match self.judge(index, &staged)? {
            Verdict::Native => self.place(index, &staged),
            Verdict::Dpkg(reason) => {
                self.close(shell.take())?;
                self.unpack_by_dpkg(index, &reason)
            }
        }
    }

    fn close(&self, shell: Option<Preinsts<'_>>) -> Result<()> {
        shell.map_or(Ok(()), Preinsts::finish)
    }

    fn take(&mut self, index: usize) -> Result<Staged> {
        self.stage.working(self.controls[index].name.clone());
        let staged = self.staging.take(index)?;
        self.stage.advance(1);
        Ok(staged)
    }

    fn has_preinst(&self, index: usize) -> bool {
        self.packages[index].deb.control.contains_key("preinst")
    }

    /// Decides who unpacks a package.
    fn judge(&self, index: usize, staged: &Staged) -> Result<Verdict> {
        let package = &self.packages[index];
        if !package.deb.control.contains_key("md5sums") && staged.entries.iter().any(|entry| entry.is_file())
        {
            return Ok(Verdict::Dpkg("it brings no md5sums, which dpkg then computes".into()));
        }
        self.assembly.check(&package.control, staged)
    }

    fn place(&mut self, index: usize, staged: &Staged) -> Result<()> {
        let package = &self.packages[index];
        self.assembly.place(&package.control, staged)?;
        self.database.add(package, staged)
    }

    /// Runs one preinst with the database as dpkg would show it; starts the shell for it if there is none.
    fn preinst(&self, shell: &mut Option<Preinsts<'a>>, index: usize) -> Result<()> {
        let package = &self.packages[index];
        let shell = match shell {
            Some(shell) => shell,
            None => shell.insert(self.guest.preinsts()?),
        };
        let announced = self.database.announce(&package.control, &package.deb.control)?;
        shell.run(&package.control)?;
        self.database.withdraw(announced)
    }

    /// Reads again what scripts and dpkg may have changed.
    fn refresh(&mut self) -> Result<()> {
        self.assembly.refresh()?;
        self.database.refresh()
    }

    /// Configures packages that others need before they are unpacked.
    fn configure_early(&mut self, names: &[&str]) -> Result<()> {
        self.database.write_activations()?;
        self.guest.configure_early(names)?;
        self.refresh()
    }

    /// Configures what was unpacked in `order`, by `names` or all that is pending; debconf gets its answers as soon as it
    /// is there.
    fn configure(&mut self, order: &[usize], names: &[&str]) -> Result<()> {
        if order.is_empty() {
            return Ok(());
        }
        self.database.write_activations()?;
        let debconf_came = order.iter().any(|&index| self.controls[index].name == DEBCONF_PACKAGE);
        if !self.debconf.is_empty() && debconf_came {
            self.guest.preseed(self.debconf)?;
        }
        self.guest.configure(names)
    }

    /// Hands a package to real dpkg, preinst included.
    fn unpack_by_dpkg(&mut self, index: usize, reason: &str) -> Result<()> {
        let package = &self.packages[index];
        let control = &package.control;
        self.stage.note(format!("{} {} is unpacked by dpkg: {reason}", control.name, control.version));
        let inside = format!("/var/cache/{}_{}.deb", control.name, control.architecture);
        let copy = self.root.join(inside.trim_start_matches('/'));
        fs::copy(&package.path, &copy).map_err(BootstrapError::file("copying a package to", &copy))?;
        self.database.write_activations()?;
        let unpacked = self.guest.unpack(&control.name, &inside);
        fs::remove_file(&copy).map_err(BootstrapError::file("removing", &copy))?;
        unpacked?;
        self.refresh()?;
        let paths = self.database.paths(control)?;
        self.assembly.adopt(control, paths);
        Ok(())
    }
}
