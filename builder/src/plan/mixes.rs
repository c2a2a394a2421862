//! Partitions that do not go together, and what a kind of table cannot hold.

use super::layout::{ALIGNMENT, MIB, check_bytes, rules};
use super::model::{PartitionKind, PartitionPlan, SizeRule, TableKind};
use crate::recipe::{Diagnostic, Diagnostics, Disk, Partition, Span};

/// GPT has room for more; the kernel and people get by with these.
const GPT_PARTITIONS: usize = 32;
/// Primary partitions of an msdos table; logical ones, in an extended partition, are not made.
const MSDOS_PARTITIONS: usize = 4;
/// An msdos table counts sectors of 512 bytes with 32 bits.
const MSDOS_LIMIT: u64 = 512 << 32;

/// Kinds of which a disk has one.
const SINGLE: [PartitionKind; 7] = [
    PartitionKind::Root,
    PartitionKind::Esp,
    PartitionKind::BiosBoot,
    PartitionKind::Xbootldr,
    PartitionKind::Home,
    PartitionKind::Srv,
    PartitionKind::Var,
];

/// Checks what concerns several partitions, or the table; `partitions` are the disk's, filled in.
pub(super) fn check(disk: &Disk, partitions: &[PartitionPlan], problems: &mut Diagnostics) {
    check_kinds(disk, problems);
    check_mounts(disk, partitions, problems);
    check_growing(disk, problems);
    check_read_only_root(disk, partitions, problems);
    match disk.table {
        TableKind::Gpt => check_count(disk, GPT_PARTITIONS, problems),
        TableKind::Msdos => check_msdos(disk, partitions, problems),
    }
    check_space(disk, partitions, problems);
}

fn check_kinds(disk: &Disk, problems: &mut Diagnostics) {
    let of = |kind| disk.partitions.iter().filter(move |partition| partition.kind == kind);
    if of(PartitionKind::Root).next().is_none() {
        let problem = Diagnostic::new(&disk.at, "the disk has no root partition");
        problems.push(problem.hint("add `- { type: root, filesystem: ext4, mount: / }`"));
    }
    for kind in SINGLE {
        let first = of(kind).next();
        for second in of(kind).skip(1) {
            let message = format!("a disk has one {} partition", kind.name());
            let problem = Diagnostic::new(&second.at, message);
            problems.push(match first {
                Some(first) => problem.note(&first.at, "this is the first"),
                None => problem,
            });
        }
    }
}

/// Checks that each mount point is given once; those that a type implies count as given by the partition.
fn check_mounts(disk: &Disk, partitions: &[PartitionPlan], problems: &mut Diagnostics) {
    let place =
        |partition: &Partition| partition.mount.as_ref().map_or(&partition.at, |mount| &mount.at).clone();
    let mut seen: Vec<(&str, Span, PartitionKind)> = Vec::new();
    for (partition, planned) in disk.partitions.iter().zip(partitions) {
        let whole = planned.filesystem.as_ref().and_then(|filesystem| filesystem.mount.as_deref());
        let subvolumes = partition.subvolumes.iter().flat_map(|given| &given.value);
        for mount in subvolumes.filter_map(|one| one.mount.as_ref()) {
            match seen.iter().find(|(known, ..)| *known == mount.value) {
                Some((_, first, _)) => {
                    let message = format!("the mount point `{}` is given twice", mount.value);
                    problems.push(Diagnostic::new(&mount.at, message).note(first, "it is given here first"));
                }
                None => seen.push((&mount.value, mount.at.clone(), partition.kind)),
            }
        }
        let Some(mount) = whole else { continue };
        // It is told already that another type belongs there.
        if partition.kind == PartitionKind::Linux && matches!(mount, "/" | "/boot/efi") {
            continue;
        }
        let at = place(partition);
        match seen.iter().find(|(known, ..)| *known == mount) {
            // A second partition of such a kind is a mistake of its own.
            Some((_, _, kind)) if *kind == partition.kind && SINGLE.contains(kind) => {}
            Some((_, first, _)) => {
                let message = format!("the mount point `{mount}` is given twice");
                problems.push(Diagnostic::new(&at, message).note(first, "it is given here first"));
            }
            None => seen.push((mount, at, partition.kind)),
        }
    }
}

/// A root that is never written to needs a place for what is: the kernel and GRUB's files.
fn check_read_only_root(disk: &Disk, partitions: &[PartitionPlan], problems: &mut Diagnostics) {
    let boot = partitions.iter().filter_map(|partition| partition.filesystem.as_ref());
    if boot.flat_map(|filesystem| filesystem.mounts()).any(|mount| mount.point == "/boot") {
        return;
    }
    for given in disk.partitions.iter().filter_map(|partition| partition.filesystem.as_ref()) {
        if given.value.is_read_only() {
            let message = format!("a root of {} needs /boot on a partition of its own", given.value.name());
            let hint = "add `- { type: xbootldr, filesystem: ext4 }`: GRUB reads the kernel from it";
            problems.push(Diagnostic::new(&given.at, message).hint(hint));
        }
    }
}

fn check_growing(disk: &Disk, problems: &mut Diagnostics) {
    let Some((last, before)) = disk.partitions.split_last() else { return };
    for at in before.iter().filter_map(|partition| partition.grow.as_ref()) {
        let problem = Diagnostic::new(at, "only the last partition can grow");
        problems.push(problem.note(&last.at, "this is the last").hint("move it to the end"));
    }
}

fn check_count(disk: &Disk, limit: usize, problems: &mut Diagnostics) {
    if disk.partitions.len() > limit {
        problems.push(Diagnostic::new(&disk.at, format!("a disk has at most {limit} partitions here")));
    }
}

fn check_msdos(disk: &Disk, partitions: &[PartitionPlan], problems: &mut Diagnostics) {
    for partition in &disk.partitions {
        match partition.kind {
            PartitionKind::BiosBoot => {
                let message =
                    "an msdos table has no bios-boot partition: GRUB lies before the first partition";
                problems
                    .push(Diagnostic::new(&partition.at, message).hint("remove it, or write `table: gpt`"));
            }
            PartitionKind::Esp => {
                let message = "an esp partition is not supported on an msdos table";
                problems.push(Diagnostic::new(&partition.at, message).hint("write `table: gpt`"));
            }
            _ => {}
        }
    }
    if let Some(fifth) = disk.partitions.get(MSDOS_PARTITIONS) {
        let message = format!("an msdos table holds {MSDOS_PARTITIONS} partitions, and this is one more");
        problems.push(Diagnostic::new(&fifth.at, message).hint("write `table: gpt`"));
    }
    let sizes = disk.partitions.iter().filter_map(|partition| partition.size.as_ref());
    let mut beyond = false;
    for size in std::iter::once(&disk.size).chain(sizes) {
        if matches!(size.value, SizeRule::Bytes(bytes) if bytes > MSDOS_LIMIT) {
            beyond = true;
            let message = format!("{} is more than the 2TiB that an msdos table can hold", size.value);
            problems.push(Diagnostic::new(&size.at, message).hint("write `table: gpt`, or a smaller size"));
        }
    }
    let needed = needed(disk, partitions);
    if !beyond && disk.size.value == SizeRule::Auto && needed > MSDOS_LIMIT {
        let message =
            format!("the partitions take {}MiB, and an msdos table holds 2TiB", needed.div_ceil(MIB));
        problems.push(Diagnostic::new(&disk.size.at, message).hint("write `table: gpt`"));
    }
}

/// Returns the size below which no disk can hold the partitions, in bytes.
fn needed(disk: &Disk, partitions: &[PartitionPlan]) -> u64 {
    let needed = partitions.iter().map(|partition| match partition.size {
        SizeRule::Bytes(bytes) => bytes,
        SizeRule::Auto => {
            let format = partition.filesystem.as_ref().map_or(0, |filesystem| filesystem.kind.smallest());
            rules(partition.kind).smallest.max(format)
        }
    });
    needed.fold(table_space(disk.table), u64::saturating_add)
}

/// Checks that what is fixed fits on a disk of a fixed size.
fn check_space(disk: &Disk, partitions: &[PartitionPlan], problems: &mut Diagnostics) {
    let SizeRule::Bytes(size) = disk.size.value else { return };
    if !size.is_multiple_of(ALIGNMENT) {
        check_bytes(&disk.size.at, size, 0, "the disk", problems);
    }
    let needed = needed(disk, partitions);
    if size < needed {
        let (size, least) = (disk.size.value, needed.div_ceil(MIB));
        let problem = Diagnostic::new(&disk.size.at, format!("{size} is too small for the partitions"));
        problems.push(
            problem.hint(format!("they take {least}MiB at least; `auto` fits the disk to its content")),
        );
    }
}

/// Returns what lies before and after the partitions: the table, and a GPT's copy at the end.
fn table_space(table: TableKind) -> u64 {
    match table {
        TableKind::Gpt => 2 * MIB,
        TableKind::Msdos => MIB,
    }
}
