//! Partitions that do not go together, and what an msdos table cannot hold.

use super::{HEAD, check_table, plan_text};

/// [`HEAD`] with an msdos table and BIOS alone; what a test adds begins in line 11.
fn msdos() -> String {
    HEAD.replace("uefi: true", "uefi: false").replace("disk:\n", "disk:\n  table: msdos\n")
}

fn table(head: &str, rows: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
    let indent = |lines: &str| lines.lines().map(|line| format!("    {line}\n")).collect::<String>();
    rows.iter().map(|(lines, expected)| (format!("{head}{}", indent(lines)), *expected)).collect()
}

#[test]
fn an_msdos_table_holds_what_the_bios_knows() {
    let rows = [
        ("- { type: root }", ""),
        (
            "- { type: swap, size: 1GiB }\n- { type: xbootldr }\n- { type: var }\n- { type: root, grow: true }",
            "",
        ),
        (
            "- { type: bios-boot }\n- { type: root }",
            "11:7: an msdos table has no bios-boot partition: GRUB lies before the first partition (remove it, or write `table: gpt`)",
        ),
        (
            "- { type: esp }\n- { type: root }",
            "11:7: an esp partition is not supported on an msdos table (write `table: gpt`)",
        ),
        (
            "- { type: root }\n- { type: home }\n- { type: srv }\n- { type: var }\n- { type: swap, size: 1GiB }",
            "15:7: an msdos table holds 4 partitions, and this is one more (write `table: gpt`)",
        ),
        (
            "- { type: root, size: 3TiB }",
            "11:27: 3TiB is more than the 2TiB that an msdos table can hold (write `table: gpt`, or a smaller size)",
        ),
        (
            "- { type: home, size: 1536GiB }\n- { type: root, size: 1536GiB }",
            "9:9: the partitions take 3145729MiB, and an msdos table holds 2TiB (write `table: gpt`)",
        ),
    ];
    let mut rows = table(&msdos(), &rows);
    let one = |head: String| format!("{head}    - {{ type: root }}\n");
    rows.push((
        one(msdos().replace("size: auto", "size: 4TiB")),
        "9:9: 4TiB is more than the 2TiB that an msdos table can hold (write `table: gpt`, or a smaller size)",
    ));
    rows.push((one(msdos().replace("size: auto", "size: 2TiB")), ""));
    rows.push((
        one(msdos().replace("uefi: false", "uefi: true")),
        "6:35: GRUB for UEFI is not supported on an msdos table [7:1: the disk's table is msdos] (set `uefi: false`, or write `table: gpt`)",
    ));
    check_table(&rows);
}

#[test]
fn each_kind_and_each_place_is_given_once() {
    let rows = [
        ("- { type: xbootldr }\n- { type: home }\n- { type: srv }\n- { type: var }\n- { type: root }", ""),
        ("- { type: home }\n- { type: linux, mount: /home/shared }\n- { type: root }", ""),
        (
            "- { type: home }\n- { type: home, mount: /home }\n- { type: root }",
            "13:7: a disk has one home partition [12:7: this is the first]",
        ),
        (
            "- { type: xbootldr }\n- { type: linux, mount: /boot }\n- { type: root }",
            "13:29: the mount point `/boot` is given twice [12:7: it is given here first]",
        ),
        (
            "- { type: linux, mount: /var }\n- { type: var }\n- { type: root }",
            "13:7: the mount point `/var` is given twice [12:29: it is given here first]",
        ),
        (
            "- { type: srv, mount: /data }\n- { type: var, filesystem: vfat }\n- { type: root }",
            "12:27: the srv partition is mounted at /srv (write `mount: /srv`)\n13:32: var partitions cannot hold vfat (write `filesystem: ext4` or `ext3` or `ext2` or `xfs` or `btrfs`)",
        ),
        (
            "- { type: home, label: a-very-long-label, size: 4MiB }\n- { type: xbootldr, filesystem: ext3, quota: [user] }\n- { type: root }",
            "12:28: `a-very-long-label` cannot be a label of ext4 (it must be at most 16 bytes)\n12:53: 4MiB is too small for home; the least is 8MiB\n13:51: quota on ext3 is not supported (quota needs `filesystem: ext4` or `filesystem: xfs`)",
        ),
        (
            "- { type: var, grow: true }\n- { type: root, grow: true }",
            "12:26: only the last partition can grow [13:7: this is the last] (move it to the end)",
        ),
    ];
    let head = format!("{HEAD}    - {{ type: bios-boot }}\n    - {{ type: esp }}\n");
    check_table(&table(&head, &rows));
}

#[test]
fn an_msdos_table_is_named_by_its_signature() {
    let plan = plan_text(&format!("{}    - {{ type: root, filesystem: ext3, grow: true }}\n", msdos()))
        .expect("right");
    let disk = plan.disk.as_ref().expect("it has a disk");
    // These are in images that exist: they must never change.
    assert_eq!(disk.identifier(), SIGNATURE);
    assert_eq!(disk.partition_identifier(1), format!("{SIGNATURE}-01"));
    let shown = crate::plan::explain(&plan);
    for line in [
        &format!("\n  msdos {SIGNATURE}, size auto\n"),
        " ext3 / ",
        "errors=remount-ro,x-systemd.growfs (grows)",
        "BIOS: GRUB in the gap before the first partition",
        "disk.partitions: ext3",
    ] {
        assert!(
            shown.split_whitespace().collect::<Vec<_>>().join(" ").contains(line.trim()),
            "{line}\n{shown}"
        );
    }
    let json = crate::plan::explain_json(&plan);
    assert_eq!(json["disk"]["table"], "msdos");
    assert_eq!(json["disk"]["partitions"][0]["guid"], format!("{SIGNATURE}-01"));
}

/// The signature of the recipe `x` of bookworm.
const SIGNATURE: &str = "9a3f772c";
