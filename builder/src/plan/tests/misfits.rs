use super::{HEAD, PARTITIONS, check_table};

#[test]
fn wrong_partitions() {
    let table = [
        (
            "- { type: esp }\n- { type: root }",
            "7:1: GRUB for BIOS on GPT needs a bios-boot partition [6:23: GRUB for BIOS is asked for here] (add `- { type: bios-boot }`, or set `bios: false`)",
        ),
        (
            "- { type: bios-boot }\n- { type: root }",
            "7:1: GRUB for UEFI needs an esp partition [6:35: GRUB for UEFI is asked for here] (add `- { type: esp, filesystem: vfat, mount: /boot/efi, size: 64MiB }`, or set `uefi: false`)",
        ),
        (
            "- { type: bios-boot }\n- { type: esp }",
            "7:1: the disk has no root partition (add `- { type: root, filesystem: ext4, mount: / }`)",
        ),
        (
            "- { type: bios-boot }\n- { type: esp }\n- { type: root }\n- { type: root }",
            "13:7: a disk has one root partition [12:7: this is the first]",
        ),
        (
            "- { type: bios-boot }\n- { type: bios-boot }\n- { type: esp }\n- { type: root }",
            "11:7: a disk has one bios-boot partition [10:7: this is the first]",
        ),
        (
            "- { type: bios-boot, size: auto }\n- { type: esp, size: auto }\n- { type: root }",
            "10:32: `size: auto` is for Linux filesystems, not for bios-boot (give a size such as 64MiB)\n11:26: `size: auto` is for Linux filesystems, not for esp (give a size such as 64MiB)",
        ),
        (
            "- { type: bios-boot, filesystem: ext4, mount: /x }\n- { type: esp }\n- { type: root }",
            "10:38: a bios-boot partition has no filesystem, so no `filesystem` (remove the key)\n10:51: a bios-boot partition has no filesystem, so no `mount` (remove the key)",
        ),
        (
            "- { type: bios-boot }\n- { type: esp, size: 8MiB }\n- { type: root, size: 33000KiB }",
            "11:26: 8MiB is too small for esp; the least is 16MiB\n12:27: sizes on a disk are whole MiB (write `33MiB`)",
        ),
        (
            "- { type: bios-boot }\n- { type: esp, mount: /efi }\n- { type: root, mount: /root }",
            "11:27: the esp partition is mounted at /boot/efi (write `mount: /boot/efi`)\n12:28: the root partition is mounted at / (write `mount: /`)",
        ),
        (
            "- { type: bios-boot }\n- { type: esp, filesystem: ext4 }\n- { type: root, filesystem: vfat }",
            "11:32: esp partitions cannot hold ext4 (write `filesystem: vfat`)\n12:33: root partitions cannot hold vfat (write `filesystem: ext4` or `ext3` or `ext2` or `xfs` or `btrfs` or `squashfs` or `erofs`)",
        ),
        (
            "- { type: bios-boot }\n- { type: esp, label: efi }\n- { type: root, label: a-very-long-label }",
            "11:27: `efi` cannot be a label of vfat (it must be at most 11 of A-Z, 0-9, `-` and `_`)\n12:28: `a-very-long-label` cannot be a label of ext4 (it must be at most 16 bytes)",
        ),
        (
            "- { type: bios-boot }\n- { type: esp, quota: [user] }\n- { type: root, quota: [user, user] }",
            "11:28: quota on vfat is not supported (quota needs `filesystem: ext4` or `filesystem: xfs`)\n12:35: this quota is given twice [12:29: it is given here first]",
        ),
        (
            "- { type: bios-boot }\n- { type: esp }\n- { type: root, filesystem: ext3, quota: [group] }",
            "12:47: quota on ext3 is not supported (quota needs `filesystem: ext4` or `filesystem: xfs`)",
        ),
        (
            "- { type: bios-boot, grow: true }\n- { type: esp }\n- { type: root }",
            "10:32: bios-boot partitions cannot grow (`grow` is for a filesystem that Linux makes larger while it is mounted, such as ext4)\n10:32: only the last partition can grow [12:7: this is the last] (move it to the end)",
        ),
        (
            "- { type: bios-boot }\n- { type: esp, grow: true }\n- { type: root }",
            "11:26: esp partitions cannot grow (`grow` is for a filesystem that Linux makes larger while it is mounted, such as ext4)\n11:26: only the last partition can grow [12:7: this is the last] (move it to the end)",
        ),
        (
            "- { type: bios-boot }\n- { type: esp }\n- { type: root, grow: true }\n- { type: swap, size: 1GiB }",
            "12:27: only the last partition can grow [13:7: this is the last] (move it to the end)",
        ),
        (
            "- { type: bios-boot }\n- { type: esp }\n- { type: swap }\n- { type: root }",
            "12:7: a swap partition needs a size (for example `size: 512MiB`)",
        ),
        (
            "- { type: bios-boot }\n- { type: esp }\n- { type: swap, size: 1GiB, mount: /swap }\n- { type: root }",
            "12:40: swap is not mounted (remove `mount`)",
        ),
        (
            "- { type: bios-boot }\n- { type: esp }\n- { type: swap, size: 1GiB, options: [noatime] }\n- { type: root }",
            "12:42: `noatime` is not an option of swap (known: pri, discard, nofail, noauto, sw)",
        ),
        (
            "- { type: bios-boot }\n- { type: esp }\n- { type: linux, mount: / }\n- { type: root }",
            "12:29: what is mounted at / is the root partition (write `type: root`)",
        ),
        (
            "- { type: bios-boot }\n- { type: esp }\n- { type: linux, mount: /srv }\n- { type: linux, mount: /srv }\n- { type: root }",
            "13:29: the mount point `/srv` is given twice [12:29: it is given here first]",
        ),
        (
            "- { type: bios-boot }\n- { type: esp }\n- { type: linux, mount: /proc/x }\n- { type: root }",
            "12:29: /proc is the kernel's or systemd's; no partition can be mounted there",
        ),
        (
            "- { type: bios-boot }\n- { type: esp }\n- { type: linux, mount: /etc }\n- { type: root }",
            "12:29: /etc is needed before partitions are mounted; it must be on the root partition",
        ),
        (
            "- { type: bios-boot }\n- { type: esp }\n- { type: linux, mount: /boot, filesystem: vfat }\n- { type: root }",
            "12:48: /boot must be on a filesystem with owners and links that GRUB reads (write `filesystem: ext4`)",
        ),
        (
            "- { type: bios-boot }\n- { type: esp }\n- { type: linux, mount: /boot/grub }\n- { type: root }",
            "12:29: a partition of its own for /boot/grub is not supported yet",
        ),
    ];
    let indent = |lines: &str| lines.lines().map(|line| format!("    {line}\n")).collect::<String>();
    let table: Vec<_> =
        table.iter().map(|(lines, expected)| (format!("{HEAD}{}", indent(lines)), *expected)).collect();
    check_table(&table);
}

#[test]
fn wrong_disks_and_boots() {
    let with = |from: &str, to: &str| {
        let text = format!("{HEAD}{PARTITIONS}");
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    };
    check_table(&[
        (with("size: auto", "size: 64MiB"), "8:9: 64MiB is too small for the partitions (they take 99MiB at least; `auto` fits the disk to its content)"),
        (with("size: auto", "size: 1025KiB"), "8:9: sizes on a disk are whole MiB (write `2MiB`)\n8:9: 1025KiB is too small for the partitions (they take 99MiB at least; `auto` fits the disk to its content)"),
        (with("bios: true, uefi: true", "bios: false, uefi: false"), "6:1: nothing would boot: both `bios` and `uefi` are false (set one of them to true)"),
        (with("bios: true, uefi: true", "bios: true, uefi: false, secure: true"), "6:50: Secure Boot needs UEFI [6:35: and UEFI is off] (set `uefi: true` or `secure: auto`)"),
        (with("kernel: linux-image-cloud-amd64\n", ""), "5:1: the recipe boots and names no kernel (add `kernel: linux-image-cloud-amd64`)"),
        (with("boot: { grub: { bios: true, uefi: true } }\n", ""), "6:1: the recipe has `disk` and no `boot` (add `boot: { grub: { bios: true, uefi: true, secure: auto } }`)"),
        ("version: 1\nname: x\ndistribution: { debian: { suite: bookworm } }\noutputs: [raw]\n".to_owned(), "4:11: this output is a disk, and the recipe has no `disk` (add `disk:` and `boot:`)"),
        (
            "version: 1\nname: x\ndistribution: { debian: { suite: bookworm } }\noutputs: [raw]\nboot: { grub: {} }\n"
                .to_owned(),
            "4:11: this output is a disk, and the recipe has no `disk` (add `disk:` and `boot:`)\n5:1: the recipe has `boot` and no `disk` to boot from (add `disk:` or remove `boot`)",
        ),
    ]);
}

#[test]
fn wrong_outputs() {
    let tree = |outputs: &str, more: &str| {
        format!(
            "version: 1\nname: x\ndistribution: {{ debian: {{ suite: bookworm }} }}\noutputs: {outputs}\n{more}"
        )
    };
    let disk = |outputs: &str| {
        format!("{HEAD}{PARTITIONS}").replace("outputs: [qcow2]", &format!("outputs: {outputs}"))
    };
    check_table(&[
        (tree("[tar, tree, { type: tar, compression: xz }, tar]", ""), ""),
        (
            disk("[raw, tar]"),
            "4:16: a tar is of a recipe without a disk [7:1: this recipe makes a disk] (make it in a recipe of its own, with the common part in an `include`)",
        ),
        (
            disk("[tree]"),
            "4:11: a tree is of a recipe without a disk [7:1: this recipe makes a disk] (make it in a recipe of its own, with the common part in an `include`)",
        ),
        (
            tree("[tree, qcow2]", ""),
            "4:17: this output is a disk, and the recipe has no `disk` (add `disk:` and `boot:`)",
        ),
        (
            tree("[tar]", "kernel: linux-image-amd64\n"),
            "5:9: the recipe names a kernel and has no `disk` to boot from (remove `kernel`; a kernel that is only to be in the tree is one of `packages`)",
        ),
        (
            tree("[tar]", "tests: [{ name: a, port: 22 }]\n"),
            "5:17: tests run in the booted image, and nothing here boots (add `disk:` and `boot:`, or remove `tests`)",
        ),
    ]);
}

#[test]
fn wrong_contents() {
    let table = [
        (
            "packages: [curl, curl-]",
            "13:18: the package `curl` is wanted in two ways [13:12: this is the other] (keep one)",
        ),
        (
            "packages: [curl=1, curl=2]",
            "13:20: the package `curl` is wanted in two ways [13:12: this is the other] (keep one)",
        ),
        (
            "packages: [shim-signed-, systemd-sysv-]",
            "13:12: the package `shim-signed` is refused here and needed by `boot.grub.secure` [6:15: it is needed by this]\n13:26: the package `systemd-sysv` is refused here and needed by `boot` [6:1: it is needed by this]",
        ),
        (
            "packages: [linux-image-cloud-amd64-]",
            "13:12: the kernel `linux-image-cloud-amd64` is wanted in another way [5:9: this is the kernel]",
        ),
        (
            "users: [{ name: a }, { name: a }]",
            "13:30: the user `a` is given twice [13:17: it is given here first]",
        ),
        (
            "files: [{ path: /a, content: x }, { path: /a, content: y }]",
            "13:43: the file `/a` is given twice [13:17: it is given here first]",
        ),
        (
            "files: [{ path: /a, content: x }, { path: /a/b, content: y }]",
            "13:43: `/a/b` is below another file [13:17: this is the other]",
        ),
        (
            "files: [{ path: /etc/fstab, content: x }, { path: /etc/machine-id, content: y }]",
            "13:17: `/etc/fstab` is written by bootwright from other keys (see `disk.partitions`)\n13:51: `/etc/machine-id` is written by bootwright from other keys (it is filled in by the clone at its first boot)",
        ),
        (
            "files: [{ path: /a, link: b, owner: www-data }]",
            "13:17: the link to `b` must be root's (remove `owner` and `group`)",
        ),
        (
            "services: { enable: [ssh], disable: [ssh.service], mask: [ssh] }",
            "13:22: the unit `ssh.service` is enabled here and disabled elsewhere [13:38: this is the other]\n13:22: the unit `ssh.service` is enabled here and masked elsewhere [13:59: this is the other]\n13:38: the unit `ssh.service` is disabled here and masked elsewhere [13:59: this is the other]",
        ),
        (
            "locale: de_DE.UTF-8\npackages: [locales-]",
            "14:12: the package `locales` is refused here and needed by `locale` [13:9: it is needed by this]",
        ),
        (
            "tests: [{ name: a, port: 22 }, { name: a, port: 23 }]",
            "13:40: the test `a` is given twice [13:17: it is given here first]",
        ),
        (
            "distribution: { debian: { suite: bokworm } }",
            "13:34: unknown suite of Debian `bokworm` (did you mean `bookworm`?)",
        ),
        (
            "distribution: { debian: { suite: sid, security: true } }",
            "13:49: sid has no suite of its own for `security` [13:34: this is the suite] (remove the key)",
        ),
    ];
    let table: Vec<_> = table
        .iter()
        .map(|(text, expected)| {
            let head = if text.starts_with("distribution") {
                HEAD.replace("distribution: { debian: { suite: bookworm } }", "")
            } else {
                HEAD.to_owned()
            };
            (format!("{head}{PARTITIONS}{text}\n"), *expected)
        })
        .collect();
    check_table(&table);
}
