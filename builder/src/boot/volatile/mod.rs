//! A root that is never written to: the initramfs lays memory over it.
//!
//! The scripts of initramfs-tools mount such a root as any other. Ours, which runs next, moves it to
//! `/run/bootwright/root` and mounts in its place an overlay whose upper layer is a tmpfs. Every path can be written to,
//! and at the next boot everything is as it was built, apart from what lies on partitions of its own.
//! (`systemd.volatile=` does the same only where systemd runs in the initramfs.)

use super::{BootError, place};
use crate::rootfs::Tree;

/// Adds the modules to the initramfs.
const HOOK: &str = include_str!("hook");
/// Runs in the initramfs when the root is mounted.
const SCRIPT: &str = include_str!("local-bottom");
const FOLDER: &str = "/usr/share/initramfs-tools";

/// Puts the scripts into a tree whose root is never written to; must come before its initramfs is made.
///
/// # Errors
/// When a file cannot be written.
pub fn prepare(tree: &Tree) -> Result<(), BootError> {
    let disk = tree.locked.plan.disk.as_ref();
    let Some((_, root)) = disk.and_then(|disk| disk.mounted("/")) else { return Ok(()) };
    if !root.kind.is_read_only() {
        return Ok(());
    }
    let hook = HOOK.replace("FILESYSTEM", root.kind.name());
    place::file(tree, &format!("{FOLDER}/hooks/bootwright-volatile"), hook.as_bytes(), place::PROGRAM)?;
    let script = format!("{FOLDER}/scripts/local-bottom/bootwright-volatile");
    place::file(tree, &script, SCRIPT.as_bytes(), place::PROGRAM)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{self, Scratch};
    use super::*;
    use crate::plan::FilesystemKind;

    #[test]
    fn only_a_root_that_is_never_written_to_gets_the_scripts() {
        let folder = Scratch::new("volatile");
        prepare(&folder.tree()).unwrap();
        assert!(!folder.0.join("usr").exists());
        let mut plan = fixture::plan();
        let disk = plan.disk.as_mut().unwrap();
        disk.partitions[3].filesystem.as_mut().unwrap().kind = FilesystemKind::Erofs;
        prepare(&folder.tree_of(plan)).unwrap();
        let hook = folder.text("usr/share/initramfs-tools/hooks/bootwright-volatile");
        assert!(hook.contains("manual_add_modules overlay erofs\n"), "{hook}");
        assert!(folder.0.join("usr/share/initramfs-tools/scripts/local-bottom/bootwright-volatile").exists());
    }
}
