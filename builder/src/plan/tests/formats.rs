//! What formats can hold, be and be mounted as.

use super::{HEAD, check_table, plan_text};
use crate::plan::{FilesystemPlan, explain};

fn recipe(lines: &str) -> String {
    let partitions = format!("- {{ type: bios-boot }}\n- {{ type: esp }}\n{lines}");
    let indented = partitions.lines().map(|line| format!("    {line}\n"));
    format!("{HEAD}{}", indented.collect::<String>())
}

#[test]
fn misfits_are_told_with_their_place() {
    let table = [
        (
            "- { type: root, filesystem: xfs, size: 200MiB, label: thirteen-long }",
            "12:44: 200MiB is too small for xfs; the least is 300MiB\n12:59: `thirteen-long` cannot be a label of xfs (it must be at most 12 bytes)",
        ),
        (
            "- { type: root, filesystem: btrfs, quota: [user] }",
            "12:48: btrfs counts by subvolume (`btrfs quota`), not by user, group or project (quota needs `filesystem: ext4` or `filesystem: xfs`)",
        ),
        (
            "- { type: root, filesystem: xfs, subvolumes: [{ path: \"@\", mount: / }] }",
            "12:50: xfs has no subvolumes (write `filesystem: btrfs`, or remove the key)",
        ),
        (
            "- { type: root, filesystem: btrfs, mount: /, subvolumes: [{ path: \"@\", mount: / }] }",
            "12:47: the partition itself is not mounted: its subvolumes are [12:62: they are given here] (give each subvolume its `mount`)",
        ),
        (
            "- { type: root, filesystem: btrfs, subvolumes: [{ path: \"@home\", mount: /home }] }",
            "12:52: no subvolume of the root partition is mounted at / (add `{ path: \"@\", mount: / }`)",
        ),
        (
            "- { type: root, filesystem: btrfs, subvolumes: [{ path: \"@\", mount: / }, { path: \"@\", mount: /etc }] }",
            "12:86: the subvolume `@` is given twice [12:61: it is given here first]\n12:98: /etc is needed before partitions are mounted; it must be on the root partition",
        ),
        (
            "- { type: root, filesystem: btrfs, subvolumes: [{ path: \"@\", mount: / }, { path: \"@home\", mount: /home }] }\n- { type: home }",
            "13:7: the mount point `/home` is given twice [12:102: it is given here first]",
        ),
        (
            "- { type: root, filesystem: squashfs }",
            "12:33: a root of squashfs needs /boot on a partition of its own (add `- { type: xbootldr, filesystem: ext4 }`: GRUB reads the kernel from it)",
        ),
        (
            "- { type: xbootldr, filesystem: erofs }\n- { type: root, filesystem: erofs, options: [noatime] }",
            "12:37: xbootldr partitions cannot hold erofs (write `filesystem: ext4` or `ext3` or `ext2` or `xfs` or `btrfs`)\n12:37: /boot must be on a filesystem with owners and links that GRUB reads (write `filesystem: ext4`)\n13:49: a root of erofs is mounted by the initramfs, with options of its own (remove `options`)",
        ),
        (
            "- { type: xbootldr }\n- { type: root, filesystem: erofs, grow: true, quota: [user] }",
            "13:46: root partitions cannot grow (`grow` is for a filesystem that Linux makes larger while it is mounted, such as ext4)\n13:60: quota on erofs is not supported (quota needs `filesystem: ext4` or `filesystem: xfs`)",
        ),
    ];
    let table: Vec<_> = table.iter().map(|(lines, expected)| (recipe(lines), *expected)).collect();
    check_table(&table);
}

#[test]
fn subvolumes_and_writers_are_planned() {
    let lines = "- type: root\n  filesystem: btrfs\n  options: [noatime]\n  subvolumes:\n    - { path: \"@\", mount: / }\n    - { path: \"@home\", mount: /home, options: [nodev] }\n    - { path: \"@old\" }";
    let plan = plan_text(&recipe(lines)).expect("it fits");
    let root: &FilesystemPlan =
        plan.disk.as_ref().expect("a disk").partitions[2].filesystem.as_ref().expect("a filesystem");
    let points: Vec<&str> = root.mounts().map(|mount| mount.point).collect();
    assert_eq!((root.mount.as_deref(), points), (None, vec!["/", "/home"]));
    assert!(plan.packages.terms.iter().any(|term| term.name == "btrfs-progs"));
    assert!(explain(&plan).contains("subvolume @home      /home nodev"), "{}", explain(&plan));
    assert_eq!(plan.tools.packages, ["e2fsprogs", "libarchive13t64"]);
    let lines = "- { type: xbootldr }\n- { type: root, filesystem: erofs }";
    let plan = plan_text(&recipe(lines)).expect("it fits");
    assert_eq!(plan.tools.packages, ["e2fsprogs", "libarchive13t64", "erofs-utils"]);
}
