//! `/etc/fstab`, by UUID, from the plan.

use crate::plan::{DiskPlan, FilesystemKind, FilesystemPlan, MountPlan};

/// Has systemd grow a filesystem when it is mounted; once is enough.
const GROW_OPTION: &str = "x-systemd.growfs";

/// Returns the text of `/etc/fstab` for a disk; filesystems without a mount point are left out, swap is not.
pub fn fstab(disk: &DiskPlan) -> String {
    let filesystems = || disk.partitions.iter().filter_map(|partition| partition.filesystem.as_ref());
    let mut mounts: Vec<(MountPlan<'_>, String)> = filesystems()
        // The initramfs lays memory over a root that is never written to; what is then mounted is not what is here.
        .filter(|filesystem| !filesystem.kind.is_read_only())
        .flat_map(|filesystem| filesystem.mounts().enumerate().map(move |at| (filesystem, at)))
        .map(|(filesystem, (index, mount))| (mount, line(filesystem, mount, index == 0)))
        .collect();
    // A mount point must come after the filesystem it lies on; swap, which has none, comes last.
    mounts.sort_by_key(|(mount, _)| mount.point);
    let swaps = filesystems().filter(|filesystem| filesystem.kind == FilesystemKind::Swap).map(swap_line);
    let header = "# <file system> <mount point> <type> <options> <dump> <pass>\n".to_owned();
    mounts.into_iter().map(|(_, line)| line).chain(swaps).fold(header, |text, line| text + &line)
}

/// Returns the line of one mount; `first` is the first of its filesystem.
fn line(filesystem: &FilesystemPlan, mount: MountPlan<'_>, first: bool) -> String {
    let point = mount.point.replace(' ', "\\040");
    let kind = filesystem.kind.name();
    let uuid = filesystem.uuid_text();
    let options = options(filesystem, mount, first).join(",");
    format!("UUID={uuid} {point} {kind} {options} 0 {}\n", pass(filesystem, mount.point))
}

fn swap_line(filesystem: &FilesystemPlan) -> String {
    let options = if filesystem.options.is_empty() { "sw".to_owned() } else { filesystem.options.join(",") };
    format!("UUID={} none swap {options} 0 0\n", filesystem.uuid_text())
}

/// Returns the mount options: the recipe's, else what suits the format, and one for each quota.
fn options(filesystem: &FilesystemPlan, mount: MountPlan<'_>, first: bool) -> Vec<String> {
    let mut options = filesystem.options.clone();
    if let Some(subvolume) = mount.subvolume {
        options.insert(0, format!("subvol={}", subvolume.path));
        options.extend(subvolume.options.iter().cloned());
        options.retain(|option| first || option != GROW_OPTION);
    }
    if options.is_empty() {
        let default = match filesystem.kind {
            kind if kind.is_ext() && mount.point == "/" => "errors=remount-ro",
            // The ESP may hold keys and is nobody's business but root's.
            FilesystemKind::Vfat => "umask=0077",
            _ => "defaults",
        };
        options.push(default.to_owned());
    }
    for quota in &filesystem.quota {
        if !options.iter().any(|present| present == quota.mount_option()) {
            options.push(quota.mount_option().to_owned());
        }
    }
    options
}

/// Returns the order of checks at boot: the root first, others after, formats that repair themselves never.
///
/// XFS and btrfs have nothing to be checked before they are mounted. FAT is left out because `fsck.vfat` is part of
/// dosfstools, which a small image does not have.
fn pass(filesystem: &FilesystemPlan, point: &str) -> u8 {
    match point {
        "/" if filesystem.kind.is_ext() => 1,
        _ if filesystem.kind.is_ext() => 2,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn mounts_come_after_what_they_lie_on() {
        let text = fstab(&fixture::disk());
        let expected = "\
# <file system> <mount point> <type> <options> <dump> <pass>
UUID=00000000-0000-0000-0000-000000000003 / ext4 errors=remount-ro,usrquota,prjquota 0 1
UUID=0000-0000 /boot/efi vfat umask=0077 0 0
UUID=00000000-0000-0000-0000-000000000005 /srv/big\\040data ext4 noatime,nodev 0 2
UUID=00000000-0000-0000-0000-000000000004 none swap sw 0 0
";
        assert_eq!(text, expected);
    }

    #[test]
    fn subvolumes_have_lines_of_their_own() {
        let mut disk = fixture::disk();
        let root = disk.partitions[3].filesystem.as_mut().unwrap();
        root.kind = FilesystemKind::Btrfs;
        root.mount = None;
        root.quota.clear();
        root.options = vec!["noatime".to_owned(), GROW_OPTION.to_owned()];
        let subvolume = |path: &str, mount: Option<&str>, options: &[&str]| crate::plan::SubvolumePlan {
            path: path.to_owned(),
            mount: mount.map(str::to_owned),
            options: options.iter().map(|&option| option.to_owned()).collect(),
        };
        root.subvolumes = vec![
            subvolume("@", Some("/"), &[]),
            subvolume("@home", Some("/home"), &["nodev"]),
            subvolume("@old", None, &[]),
        ];
        let text = fstab(&disk);
        let uuid = "UUID=00000000-0000-0000-0000-000000000003";
        assert!(text.contains(&format!("{uuid} / btrfs subvol=@,noatime,x-systemd.growfs 0 0\n")), "{text}");
        assert!(text.contains(&format!("{uuid} /home btrfs subvol=@home,noatime,nodev 0 0\n")), "{text}");
        assert!(!text.contains("@old"), "{text}");
    }
}
