//! The one list of stages: a plan in, artifacts out.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::output::Artifact;
use crate::plan::{Credential, OutputKind, Plan};
use crate::progress::{Reporter, Stage, format_bytes};
use crate::resolve::{Locked, Lockfile};
use crate::rootfs::seed::Duties;
use crate::rootfs::{self, Stamps, Tree};
use crate::sandbox::{Isolation, Sandbox};
use crate::store::{Key, Sha256Digest};
use crate::workspace::Workspace;
use crate::{boot, disk, output, residue};

pub use journal::{Journal, Looked};
pub use supply::{Supply, Wanted};

mod configured;
mod images;
mod initramfs;
mod inputs;
mod journal;
mod keys;
mod supply;
mod trees;

/// What a build is told beside its plan.
#[derive(Debug)]
pub struct Settings {
    /// Where fetched bytes are kept.
    pub cache: PathBuf,
    /// Where artifacts appear.
    pub output: PathBuf,
    /// `--firstboot`: the static program that goes into images with `firstboot` or tests; the one beside this program if none.
    pub firstboot: Option<PathBuf>,
    /// The base address that `BOOTWRIGHT_SECURITY_MIRROR` gives.
    pub security_mirror: Option<String>,
    /// The base address of the archive of all that ever was, which a locked build asks for what mirrors have no more.
    pub snapshot: String,
    /// Names and passwords that archives ask for.
    pub credentials: Vec<Credential>,
    /// `--fresh`: nothing that earlier builds made is used.
    pub fresh: bool,
    /// The time by which signatures are judged.
    pub now: SystemTime,
}

/// What a build came to.
#[derive(Debug)]
pub enum Outcome {
    /// It was made.
    Made(Artifact),
    /// An earlier build was made from the same, and its files are in place.
    Found(Artifact),
}

impl Outcome {
    /// Returns the artifact.
    pub fn artifact(&self) -> &Artifact {
        match self {
            Self::Made(artifact) | Self::Found(artifact) => artifact,
        }
    }
}

/// A tree to which everything was done, and what it was before: configured packages.
struct Customised {
    tree: Tree,
    before: Stamps,
}

/// A build in the worker: its services and its folders.
pub struct Build<'a> {
    settings: &'a Settings,
    reporter: &'a dyn Reporter,
    workspace: Workspace,
    supply: Supply<'a>,
    isolation: Isolation,
    /// The key of initramfs images that are in the tree before the recipe has done anything to it.
    early: OnceLock<Sha256Digest>,
    /// The digest of what the recipe takes from this machine, as it was when the build began.
    inputs: OnceLock<Sha256Digest>,
}

impl std::fmt::Debug for Build<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Build").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl<'a> Build<'a> {
    /// Makes the folders and services of a build; call it in the worker.
    ///
    /// # Errors
    ///
    /// When the cache cannot be used or a proxy's address is wrong.
    pub fn open(settings: &'a Settings, isolation: Isolation, reporter: &'a dyn Reporter) -> Result<Self> {
        let workspace = Workspace::create(&settings.cache, isolation)?;
        Self::open_in(workspace, settings, isolation, reporter)
    }

    /// As [`Build::open`], in folders that are there.
    ///
    /// # Errors
    ///
    /// As [`Build::open`].
    pub fn open_in(
        workspace: Workspace,
        settings: &'a Settings,
        isolation: Isolation,
        reporter: &'a dyn Reporter,
    ) -> Result<Self> {
        let supply = Supply::open(settings, reporter)?;
        Ok(Self {
            settings,
            reporter,
            workspace,
            supply,
            isolation,
            early: OnceLock::new(),
            inputs: OnceLock::new(),
        })
    }

    /// Builds `plan`: the whole way from index to artifact, or from a lock. Where an earlier build was made from the same, the
    /// artifact is that one's.
    ///
    /// # Errors
    ///
    /// The first stage's error; nothing has appeared in the output folder then.
    pub fn run(&self, plan: Plan, lock: Option<&Lockfile>) -> Result<Outcome> {
        let locked = match lock {
            Some(lock) => self.supply.obey(plan, lock)?,
            None => self.supply.lock(plan)?,
        };
        let inputs = inputs::of(&locked.plan, self.settings.firstboot.as_deref())?;
        let _ = self.inputs.set(Sha256Digest::of(inputs.to_string().as_bytes()));
        let Some(key) = self.image_key(&locked, inputs) else {
            return Ok(Outcome::Made(self.make(locked)?));
        };
        if let Some(artifact) = self.found(&key, &locked)? {
            return Ok(Outcome::Found(artifact));
        }
        let artifact = self.make(locked)?;
        images::keep(self.supply.store(), &key, &artifact)?;
        Ok(Outcome::Made(artifact))
    }

    /// Makes what the recipe wants, with the help of what earlier builds have kept.
    fn make(&self, locked: Locked) -> Result<Artifact> {
        let tree = self.make_tree(locked)?;
        if tree.tree.locked.plan.disk.is_none() {
            return self.write_tree(self.finish_tree(tree)?);
        }
        let bootable = self.make_bootable(tree)?;
        let origins = self.origins(&bootable.tree)?;
        let disk = self.make_disk(bootable)?;
        self.write_output(disk, &origins)
    }

    /// What the documents beside the images tell.
    fn origins(&self, tree: &Tree) -> Result<output::Origins> {
        let inputs = self.inputs.get().copied();
        output::Origins::read(tree.root(), inputs).context("reading the tree's list of installed packages")
    }

    /// Returns what the artifact is remembered by; none for one that its inputs do not decide.
    fn image_key(&self, locked: &Locked, inputs: serde_json::Value) -> Option<Key> {
        let plan = &locked.plan;
        let unkept = |reason: &str| self.supply.journal().note_unkept("image", reason);
        if let Some(step) = plan.customise.run.iter().find(|step| step.network) {
            unkept(&format!("what the step '{}' gets from the network may be other than it was", step.name));
            return None;
        }
        if plan.outputs.contains(&OutputKind::Tree) {
            unkept("the folder that `outputs: [tree]` makes is not stored");
            return None;
        }
        Some(keys::image(locked, inputs))
    }

    fn found(&self, key: &Key, locked: &Locked) -> Result<Option<Artifact>> {
        let stage = self.stage("look for the image");
        let found = images::recall(self.supply.store(), key, locked, &self.settings.output)?;
        self.supply.journal().note(key, found.is_some(), self.supply.store());
        stage.finish(if found.is_some() { "nothing has changed" } else { "it must be made" });
        Ok(found)
    }

    /// Builds `plan` as far as its tree: packages and everything that the recipe puts beside them, but no boot set-up.
    ///
    /// # Errors
    ///
    /// The first stage's error.
    pub fn tree(&self, plan: Plan) -> Result<Tree> {
        Ok(self.make_tree(self.supply.lock(plan)?)?.tree)
    }

    /// Returns what was looked for in the store, and what was there.
    pub fn journal(&self) -> &Journal {
        self.supply.journal()
    }

    /// Returns the folder that becomes the image's `/`, for a shell after a failure.
    pub fn tree_folder(&self) -> PathBuf {
        self.workspace.tree()
    }

    /// Returns the sandbox of this build; `epoch` is the image's "now".
    pub fn sandbox(&self, epoch: Option<i64>) -> Sandbox {
        let sandbox = Sandbox::new(self.isolation);
        match epoch {
            Some(epoch) => sandbox.with_epoch(epoch),
            None => sandbox,
        }
    }

    fn stage(&self, name: &'static str) -> Stage<'_> {
        Stage::start(self.reporter, name)
    }

    /// The image's tree, and beside it the tools tree.
    fn make_tree(&self, locked: Locked) -> Result<Customised> {
        let root = self.workspace.tree();
        let sandbox = self.sandbox(Some(locked.epoch));
        self.make_configured(&locked, &sandbox, &root)?;
        let before = Stamps::read(&root).context("looking at the configured tree")?;
        self.customise(&locked, &sandbox, &root)?;
        Ok(Customised { tree: Tree::new(locked, root), before })
    }

    fn customise(&self, locked: &Locked, sandbox: &Sandbox, root: &Path) -> Result<()> {
        let stage = self.stage("customise");
        let keyrings = locked.plan.repositories.iter().map(supply::keyring).collect::<Result<Vec<_>>>()?;
        rootfs::write_apt_sources(root, locked, &keyrings)?;
        rootfs::customise(root, &locked.plan, sandbox, &stage)?;
        if locked.plan.holds_firstboot() {
            let program = rootfs::seed::find_firstboot(self.settings.firstboot.as_deref())?;
            let duties = Duties {
                tests: !locked.plan.tests.is_empty(),
                document: locked.plan.customise.firstboot.as_deref(),
            };
            rootfs::seed::install(root, &program, duties)?;
        }
        rootfs::keep_services(root)?;
        stage.finish(format!(
            "{} files and commands",
            locked.plan.customise.files.len() + locked.plan.customise.run.len()
        ));
        Ok(())
    }

    /// Initramfs, then what must not be cloned goes, then GRUB.
    fn make_bootable(&self, customised: Customised) -> Result<boot::BootableTree> {
        boot::volatile::prepare(&customised.tree)?;
        let tree = self.initramfs(customised)?;
        let stage = self.stage("boot loader");
        rootfs::normalise(tree.root(), tree.locked.epoch)?;
        residue::check(tree.root(), &tree.locked.plan.customise.residue)?;
        let bootable = boot::install(tree, &stage)?;
        stage.finish(boot_summary(&bootable.tree.locked.plan));
        Ok(bootable)
    }

    /// A tree that goes onto no disk: what must not be cloned goes, and a kernel that is in it gets its initramfs.
    fn finish_tree(&self, customised: Customised) -> Result<Tree> {
        let tree = self.initramfs(customised)?;
        let stage = self.stage("finish the tree");
        rootfs::normalise(tree.root(), tree.locked.epoch)?;
        residue::check(tree.root(), &tree.locked.plan.customise.residue)?;
        stage.finish("nothing of this machine is left in it");
        Ok(tree)
    }

    /// The initramfs of each kernel; those of an earlier build if nothing has changed that they are made from.
    fn initramfs(&self, customised: Customised) -> Result<Tree> {
        let tree = self.make_initramfs(customised)?;
        initramfs::settle(&tree)?;
        Ok(tree)
    }

    fn make_initramfs(&self, customised: Customised) -> Result<Tree> {
        let Customised { tree, before } = customised;
        let stage = self.stage("initramfs");
        let store = self.supply.store();
        let kept = !boot::initramfs_has_followers(tree.root());
        let changes = before.changes().context("looking for what the recipe has changed")?;
        let key = keys::initramfs(&tree.locked, &boot::initramfs_inputs(&changes));
        if self.early.get() == Some(&key.digest()) {
            initramfs::keep(store, &key, &tree)?;
            stage.finish("made while the tree was being kept");
            return Ok(tree);
        }
        if kept {
            let found = initramfs::restore(store, &key, &tree)?;
            self.supply.journal().note(&key, found, store);
            if found {
                stage.finish("nothing that it is made from has changed");
                return Ok(tree);
            }
        } else {
            self.supply.journal().note_unkept(key.stage(), "packages want to do something after it is made");
        }
        let epoch = tree.locked.epoch;
        boot::initramfs(tree.root(), &self.sandbox(Some(epoch)), epoch, &stage)?;
        if kept {
            initramfs::keep(store, &key, &tree)?;
        }
        stage.finish("made once");
        Ok(tree)
    }

    fn make_disk(&self, bootable: boot::BootableTree) -> Result<disk::RawDisk> {
        let stage = self.stage("disk");
        std::fs::create_dir_all(&self.settings.output)
            .with_context(|| format!("making the folder '{}'", self.settings.output.display()))?;
        let sandbox = self.sandbox(Some(bootable.tree.locked.epoch));
        let tools = self.workspace.tools();
        let toolbox = disk::SandboxToolbox::new(&sandbox, &tools);
        let disk = disk::assemble(bootable, &toolbox, &self.settings.output, &stage).map_err(|error| {
            let is_system = matches!(error, disk::DiskError::Io { .. });
            let error = anyhow::Error::new(error);
            // The system names no path, since the file has none yet.
            let folder = self.settings.output.display();
            if is_system { error.context(format!("writing the disk into '{folder}'")) } else { error }
        })?;
        stage.finish(format!("{} in {} partitions", format_bytes(disk.size), disk.layout.extents.len()));
        Ok(disk)
    }

    fn write_tree(&self, tree: Tree) -> Result<Artifact> {
        let stage = self.stage("output");
        let (outputs, origins) = (tree.locked.plan.outputs.clone(), self.origins(&tree)?);
        let artifact = output::write_tree(tree, &origins, &outputs, &self.settings.output, &stage)?;
        stage.finish(format!("{} of the tree, documents, manifest, checksums", artifact.images.len()));
        Ok(artifact)
    }

    fn write_output(&self, disk: disk::RawDisk, origins: &output::Origins) -> Result<Artifact> {
        let stage = self.stage("output");
        let outputs = disk.locked.plan.outputs.clone();
        let artifact = output::write(disk, origins, &outputs, &self.settings.output, &stage)?;
        stage.finish(format!("{} images, documents, manifest, checksums", artifact.images.len()));
        Ok(artifact)
    }
}

fn boot_summary(plan: &Plan) -> String {
    let Some(boot) = &plan.boot else { return "none wanted".to_owned() };
    let ways = [(boot.bios, "BIOS"), (boot.uefi, "UEFI"), (boot.uefi && boot.secure, "Secure Boot")];
    ways.iter().filter(|(wanted, _)| *wanted).map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}
