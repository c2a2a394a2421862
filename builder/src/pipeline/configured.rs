//! The trees of packages, the image's and that of the tools: put back from the store, or made, which is kept.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, ensure};

use super::{Build, Wanted, initramfs, keys, trees};
use crate::boot;
use crate::progress::Stage;
use crate::resolve::Locked;
use crate::rootfs::{self, DataArchives};
use crate::sandbox::{Isolation, Sandbox};
use crate::store::Key;
use crate::verify::Verified;

impl Build<'_> {
    /// Puts back what the store has, and makes the rest from packages, which only then are fetched.
    pub(super) fn make_configured(&self, locked: &Locked, sandbox: &Sandbox, root: &Path) -> Result<()> {
        check_clock(crate::date::seconds(self.settings.now), locked.epoch)?;
        let (tools_key, key) = (keys::tools(locked), keys::configured(locked));
        let stage = self.stage("look for trees");
        let tools = match locked.tools.is_empty() {
            true => trees::Origin::Store,
            false => trees::restore(self.supply.store(), &tools_key, &self.workspace.tools(), &stage)?,
        };
        let tree = trees::restore(self.supply.store(), &key, root, &stage)?;
        for (key, origin) in [(&tools_key, &tools), (&key, &tree)] {
            self.supply.journal().note(key, !origin.is_missing(), self.supply.store());
        }
        stage.finish(match (tools.is_missing(), tree.is_missing()) {
            (false, false) => "the configured packages and the tools tree",
            (true, false) => "the configured packages",
            (false, true) => "the tools tree",
            (true, true) => "nothing that fits",
        });
        let wanted = Wanted { image: tree.is_missing(), tools: tools.is_missing() };
        if wanted == Wanted::NOTHING {
            return Ok(());
        }
        let verified = self.supply.fetch_packages(locked, wanted)?;
        std::thread::scope(|scope| {
            let tools = scope.spawn(|| self.make_tools(&verified, &tools_key, tools));
            let made = self.bootstrap(&verified, sandbox, root);
            tools.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).and(made)
        })?;
        if wanted.image {
            let stage = self.stage("keep the tree");
            let made = trees::keep(self.supply.store(), &key, root, locked.epoch, || {
                self.early_initramfs(locked, sandbox, root, &stage)
            })?;
            let with = if made { ", and the initramfs made meanwhile" } else { "" };
            stage.finish(format!("for the next build{with}"));
        }
        Ok(())
    }

    /// Makes the initramfs of packages whose recipe cannot change it; tells whether it was made.
    fn early_initramfs(
        &self,
        locked: &Locked,
        sandbox: &Sandbox,
        root: &Path,
        stage: &Stage<'_>,
    ) -> Result<bool> {
        // Without namespaces a run makes itself ready in the tree, which is being kept just now.
        if self.isolation == Isolation::Chroot {
            return Ok(false);
        }
        if boot::initramfs_has_followers(root) || !initramfs::is_decided_by_packages(&locked.plan)? {
            return Ok(false);
        }
        let key = keys::initramfs(locked, &BTreeMap::new());
        self.supply.journal().note(&key, false, self.supply.store());
        boot::initramfs(root, sandbox, locked.epoch, stage)?;
        let _ = self.early.set(key.digest());
        Ok(true)
    }

    fn bootstrap(&self, verified: &Verified, sandbox: &Sandbox, root: &Path) -> Result<()> {
        if verified.packages.is_empty() {
            return Ok(());
        }
        let stage = self.stage("install packages");
        rootfs::bootstrap(verified, self.data_archives(), sandbox, root, &stage)?;
        stage.finish(format!("{} packages unpacked and configured", verified.packages.len()));
        Ok(())
    }

    fn data_archives(&self) -> DataArchives<'_> {
        DataArchives::kept_in(self.supply.store())
    }

    fn make_tools(&self, verified: &Verified, key: &Key, origin: trees::Origin) -> Result<()> {
        if !origin.is_missing() {
            return Ok(());
        }
        let stage = self.stage("tools tree");
        rootfs::unpack_tools(&verified.tools, self.data_archives(), &self.workspace.tools(), &stage)?;
        // Its times are those of the packages, which no epoch bounds.
        trees::keep(self.supply.store(), key, &self.workspace.tools(), i64::MAX, || Ok(()))?;
        stage.finish(format!("{} packages unpacked", verified.tools.len()));
        Ok(())
    }
}

/// Refuses to make a tree by a clock that stands before the image's "now". The time of what packages' scripts write ends at that
/// "now", and so is the same in every build; by such a clock it would be the clock's.
fn check_clock(now: i64, epoch: i64) -> Result<()> {
    let (shown, epoch_shown) = (crate::date::show(now), crate::date::show(epoch));
    ensure!(
        now >= epoch,
        "this machine's clock says {shown}, but the package lists of this build are of {epoch_shown}: set the clock, or the files \
         that the build makes get other times than elsewhere"
    );
    Ok(())
}
