//! The partitions: what the recipe leaves out is filled in, what does not fit is told. What concerns several of
//! them, or the table, is checked by [`super::mixes`].

use super::filesystem::plan_filesystem;
use super::identifiers::Identifiers;
use super::mixes;
use super::model::{DiskPlan, FilesystemKind, FilesystemPlan, PartitionKind, PartitionPlan, SizeRule};
use crate::recipe::{Diagnostic, Diagnostics, Partition, Recipe, Span};

pub(super) const MIB: u64 = 1 << 20;
/// Partitions begin and end at multiples of this.
pub(super) const ALIGNMENT: u64 = MIB;
/// Size of the ESP unless given: shim and GRUB take 7 MiB, an update holds them twice.
const ESP_SIZE: u64 = 64 * MIB;

/// Plans `disk`.
pub(super) fn disk(
    recipe: &Recipe,
    identifiers: &Identifiers,
    problems: &mut Diagnostics,
) -> Option<DiskPlan> {
    let disk = recipe.disk.as_ref()?;
    let mut partitions = Vec::new();
    let mut swaps = 0;
    for (index, partition) in disk.partitions.iter().enumerate() {
        let role = role(partition, index, &mut swaps);
        partitions.push(plan_partition(partition, &role, identifiers, problems));
    }
    mixes::check(disk, &partitions, problems);
    Some(DiskPlan { table: disk.table, guid: identifiers.of("disk"), size: disk.size.value, partitions })
}

/// Names what a partition is for, apart from its place on the disk, so that its UUID stays when others move.
fn role(partition: &Partition, index: usize, swaps: &mut usize) -> String {
    match partition.kind {
        PartitionKind::Swap => {
            *swaps += 1;
            format!("swap {swaps}")
        }
        PartitionKind::Linux => match &partition.mount {
            Some(mount) => format!("linux {}", mount.value),
            None => format!("linux number {}", index + 1),
        },
        kind => kind.name().to_owned(),
    }
}

/// What the schema says of a type: its filesystems (the first is the default), its mount point, its size.
pub(super) struct Rules {
    pub(super) filesystems: &'static [FilesystemKind],
    pub(super) mount: Option<&'static str>,
    pub(super) size: Option<SizeRule>,
    pub(super) smallest: u64,
}

/// Formats for what Linux keeps there, the default first.
const LINUX: &[FilesystemKind] = &[
    FilesystemKind::Ext4,
    FilesystemKind::Ext3,
    FilesystemKind::Ext2,
    FilesystemKind::Xfs,
    FilesystemKind::Btrfs,
];

/// Formats for the root, which may be one that is never written to.
const ROOT: &[FilesystemKind] = &[
    FilesystemKind::Ext4,
    FilesystemKind::Ext3,
    FilesystemKind::Ext2,
    FilesystemKind::Xfs,
    FilesystemKind::Btrfs,
    FilesystemKind::Squashfs,
    FilesystemKind::Erofs,
];

pub(super) fn rules(kind: PartitionKind) -> Rules {
    use FilesystemKind::{Btrfs, Ext2, Ext3, Ext4, Swap, Vfat, Xfs};
    let holds = |mount, smallest| Rules {
        filesystems: LINUX,
        mount: Some(mount),
        size: Some(SizeRule::Auto),
        smallest,
    };
    match kind {
        PartitionKind::BiosBoot => {
            Rules { filesystems: &[], mount: None, size: Some(SizeRule::Bytes(MIB)), smallest: MIB }
        }
        PartitionKind::Esp => Rules {
            filesystems: &[Vfat],
            mount: Some("/boot/efi"),
            size: Some(SizeRule::Bytes(ESP_SIZE)),
            smallest: 16 * MIB,
        },
        // A kernel, its initramfs and GRUB's modules take 60 MiB, an update a second kernel.
        PartitionKind::Xbootldr => holds("/boot", 128 * MIB),
        PartitionKind::Root => Rules { filesystems: ROOT, ..holds("/", 32 * MIB) },
        PartitionKind::Home => holds("/home", 8 * MIB),
        PartitionKind::Srv => holds("/srv", 8 * MIB),
        PartitionKind::Var => holds("/var", 32 * MIB),
        PartitionKind::Linux => Rules {
            filesystems: &[Ext4, Ext3, Ext2, Xfs, Btrfs, Vfat],
            mount: None,
            size: Some(SizeRule::Auto),
            smallest: 8 * MIB,
        },
        PartitionKind::Swap => Rules { filesystems: &[Swap], mount: None, size: None, smallest: MIB },
    }
}

fn plan_partition(
    partition: &Partition,
    role: &str,
    identifiers: &Identifiers,
    problems: &mut Diagnostics,
) -> PartitionPlan {
    let rules = rules(partition.kind);
    let size = plan_size(partition, &rules, problems);
    let filesystem = plan_filesystem(partition, &rules, role, identifiers, problems);
    check_smallest(partition, &rules, filesystem.as_ref(), problems);
    check_grow(partition, filesystem.as_ref(), problems);
    check_boot_partition(partition, filesystem.as_ref(), problems);
    let label = partition.label.as_ref().map(|label| label.value.clone());
    PartitionPlan {
        kind: partition.kind,
        name: label.unwrap_or_else(|| partition.kind.name().to_owned()),
        guid: identifiers.of(&format!("partition {role}")),
        size,
        filesystem,
        grow: partition.grow.is_some(),
        origin: partition.at.to_string(),
    }
}

fn plan_size(partition: &Partition, rules: &Rules, problems: &mut Diagnostics) -> SizeRule {
    let name = partition.kind.name();
    let Some(size) = &partition.size else {
        return rules.size.unwrap_or_else(|| {
            let problem = Diagnostic::new(&partition.at, format!("a {name} partition needs a size"));
            problems.push(problem.hint("for example `size: 512MiB`"));
            SizeRule::Bytes(rules.smallest)
        });
    };
    match size.value {
        SizeRule::Auto if !matches!(rules.size, Some(SizeRule::Auto)) => {
            let message = format!("`size: auto` is for Linux filesystems, not for {name}");
            problems.push(Diagnostic::new(&size.at, message).hint("give a size such as 64MiB"));
        }
        SizeRule::Bytes(bytes) => check_bytes(&size.at, bytes, rules.smallest, name, problems),
        SizeRule::Auto => {}
    }
    size.value
}

pub(super) fn check_bytes(at: &Span, bytes: u64, smallest: u64, name: &str, problems: &mut Diagnostics) {
    if bytes < smallest {
        let (size, least) = (SizeRule::Bytes(bytes), SizeRule::Bytes(smallest));
        problems.push(Diagnostic::new(at, format!("{size} is too small for {name}; the least is {least}")));
    } else if !bytes.is_multiple_of(ALIGNMENT) {
        let up = SizeRule::Bytes(bytes.next_multiple_of(ALIGNMENT));
        let problem = Diagnostic::new(at, "sizes on a disk are whole MiB");
        problems.push(problem.hint(format!("write `{up}`")));
    }
}

/// Checks a size against what the format can be made in.
fn check_smallest(
    partition: &Partition,
    rules: &Rules,
    filesystem: Option<&FilesystemPlan>,
    problems: &mut Diagnostics,
) {
    let (Some(size), Some(filesystem)) = (&partition.size, filesystem) else { return };
    let smallest = filesystem.kind.smallest();
    if let SizeRule::Bytes(bytes) = size.value
        && (rules.smallest..smallest).contains(&bytes)
    {
        check_bytes(&size.at, bytes, smallest, filesystem.kind.name(), problems);
    }
}

fn check_grow(partition: &Partition, filesystem: Option<&FilesystemPlan>, problems: &mut Diagnostics) {
    let Some(at) = &partition.grow else { return };
    if !filesystem.is_some_and(|filesystem| filesystem.kind.can_grow()) {
        let message = format!("{} partitions cannot grow", partition.kind.name());
        let hint = "`grow` is for a filesystem that Linux makes larger while it is mounted, such as ext4";
        problems.push(Diagnostic::new(at, message).hint(hint));
    }
}

/// GRUB's core and the kernel packages need a filesystem with links and owners below /boot.
fn check_boot_partition(
    partition: &Partition,
    filesystem: Option<&FilesystemPlan>,
    problems: &mut Diagnostics,
) {
    let Some(filesystem) =
        filesystem.filter(|filesystem| filesystem.mounts().any(|mount| mount.point == "/boot"))
    else {
        return;
    };
    if filesystem.kind.grub_module().is_none() {
        let at = partition.filesystem.as_ref().map_or(&partition.at, |given| &given.at);
        problems.push(
            Diagnostic::new(at, "/boot must be on a filesystem with owners and links that GRUB reads")
                .hint("write `filesystem: ext4`"),
        );
    }
}
