//! The folders that partitions are mounted on: made in the tree, so that both filesystems have them.

use std::fs;
use std::path::Path;

use super::{BootError, place};
use crate::plan::DiskPlan;
use crate::rootfs::Tree;

/// Makes every mount point that the tree lacks, root's with mode 0755.
///
/// # Errors
/// When something else than a folder is in the way; a link would lead to another place once something is mounted.
pub(super) fn make(tree: &Tree, disk: &DiskPlan) -> Result<(), BootError> {
    let mounts = disk.partitions.iter().flat_map(|partition| {
        let filesystem = partition.filesystem.iter();
        filesystem.flat_map(|filesystem| filesystem.mounts()).map(move |mount| (partition, mount.point))
    });
    for (partition, mount) in mounts {
        let folders: Vec<&Path> = Path::new(mount).ancestors().collect();
        for folder in folders.into_iter().rev().skip(1) {
            let inside = folder.to_string_lossy();
            let what = match fs::symlink_metadata(tree.path(&inside)) {
                Ok(found) if found.is_dir() => continue,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    place::folder(tree, &inside)?;
                    continue;
                }
                Err(error) => return Err(BootError::io("looking at", tree.path(&inside))(error)),
                Ok(found) if found.is_symlink() => "a symbolic link",
                Ok(_) => "no folder",
            };
            return Err(BootError::Layout {
                reason: format!(
                    "{}: '{inside}' is {what} in this image, so nothing can be mounted at '{mount}'",
                    partition.origin
                ),
                hint: "mount the partition where a folder is",
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::fixture::{self, Scratch};
    use super::*;

    #[test]
    fn missing_folders_are_made_and_others_left() {
        let folder = Scratch::new("mount-points");
        folder.write("srv/kept", b"");
        fs::set_permissions(folder.0.join("srv"), fs::Permissions::from_mode(0o711)).unwrap();
        make(&folder.tree(), &fixture::disk()).unwrap();
        let mode = |path: &str| fs::metadata(folder.0.join(path)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("srv"), mode("srv/big data"), mode("boot/efi")), (0o711, 0o755, 0o755));
    }

    #[test]
    fn what_is_in_the_way_is_named() {
        let folder = Scratch::new("mount-links");
        symlink("usr", folder.0.join("srv")).unwrap();
        let error = make(&folder.tree(), &fixture::disk()).unwrap_err().to_string();
        assert!(error.contains("'/srv' is a symbolic link") && error.contains("'/srv/big data'"), "{error}");
        fs::remove_file(folder.0.join("srv")).unwrap();
        folder.write("srv", b"");
        assert!(
            make(&folder.tree(), &fixture::disk()).unwrap_err().to_string().contains("'/srv' is no folder")
        );
    }
}
