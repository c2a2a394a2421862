//! Subvolumes of btrfs: what each is called, where it is mounted, with which options.

use super::filesystem::refuse_linux_mount;
use super::model::{FilesystemKind, PartitionKind, SubvolumePlan};
use crate::recipe::{Diagnostic, Diagnostics, Partition, Subvolume};

/// Plans a partition's subvolumes; none for a filesystem without.
pub(super) fn plan_subvolumes(
    partition: &Partition,
    kind: FilesystemKind,
    problems: &mut Diagnostics,
) -> Vec<SubvolumePlan> {
    let Some(given) = &partition.subvolumes else { return Vec::new() };
    if kind != FilesystemKind::Btrfs {
        let problem = Diagnostic::new(&given.at, format!("{} has no subvolumes", kind.name()));
        problems.push(problem.hint("write `filesystem: btrfs`, or remove the key"));
        return Vec::new();
    }
    if !matches!(partition.kind, PartitionKind::Root | PartitionKind::Linux) {
        let name = partition.kind.name();
        let problem = Diagnostic::new(&given.at, format!("a {name} partition is mounted as a whole"));
        problems.push(problem.hint("`subvolumes` is for root and linux partitions"));
    }
    if let Some(mount) = &partition.mount {
        let problem = Diagnostic::new(&mount.at, "the partition itself is not mounted: its subvolumes are");
        problems.push(problem.note(&given.at, "they are given here").hint("give each subvolume its `mount`"));
    }
    let root = given.value.iter().any(|one| one.mount.as_ref().is_some_and(|mount| mount.value == "/"));
    if partition.kind == PartitionKind::Root && !root {
        let problem = Diagnostic::new(&given.at, "no subvolume of the root partition is mounted at /");
        problems.push(problem.hint("add `{ path: \"@\", mount: / }`"));
    }
    super::refuse_twice(
        problems,
        "the subvolume",
        given.value.iter().map(|one| (&one.path.value, &one.path.at)),
    );
    given.value.iter().map(|one| plan_one(one, partition, problems)).collect()
}

fn plan_one(subvolume: &Subvolume, partition: &Partition, problems: &mut Diagnostics) -> SubvolumePlan {
    if let Some(mount) = &subvolume.mount
        && !(partition.kind == PartitionKind::Root && mount.value == "/")
    {
        let problem = |message: String| Diagnostic::new(&mount.at, message);
        refuse_linux_mount(&mount.value, &problem).into_iter().for_each(|problem| problems.push(problem));
    }
    SubvolumePlan {
        path: subvolume.path.value.clone(),
        mount: subvolume.mount.as_ref().map(|mount| mount.value.clone()),
        options: subvolume.options.clone(),
    }
}
