//! The disk, its table, and what is in its partitions.

use serde::Serialize;

use super::change::{Change, Changes};
use crate::image::filesystem::Filesystem;
use crate::image::table::Entry;
use crate::inspect::{PartitionReport, Report, size};

/// On which side something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Only the second image has it.
    Added,
    /// Only the first image has it.
    Removed,
    /// Both have it, and it differs.
    Changed,
}

/// A partition that differs; partitions are told apart by their numbers.
#[derive(Debug, Clone, Serialize)]
pub struct PartitionChange {
    /// Its number; none for a filesystem that fills the disk.
    pub number: Option<u32>,
    /// Its name, or its type.
    pub name: String,
    /// On which side it is.
    pub state: State,
    /// What differs.
    pub changes: Vec<Change>,
}

pub(super) fn disk(a: &Report, b: &Report) -> Vec<Change> {
    let mut changes = Changes::default();
    changes.value("size of the disk", exact(a.virtual_size), exact(b.virtual_size));
    changes.optional("backing file", a.backing_file.as_deref(), b.backing_file.as_deref());
    let (table_a, table_b) = (a.table.as_ref(), b.table.as_ref());
    changes.optional("partition table", table_a.map(|table| table.kind), table_b.map(|table| table.kind));
    changes.optional("id of the table", table_a.map(|table| &table.id), table_b.map(|table| &table.id));
    changes.0
}

pub(super) fn partitions(a: &Report, b: &Report) -> Vec<PartitionChange> {
    let number = |partition: &PartitionReport| partition.entry.as_ref().map(|entry| entry.number);
    let find = |report: &'_ Report, wanted| {
        report.partitions.iter().position(|partition| number(partition) == wanted)
    };
    let mut numbers: Vec<Option<u32>> = a.partitions.iter().chain(&b.partitions).map(number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut found = Vec::new();
    for wanted in numbers {
        let of_a = find(a, wanted).map(|index| &a.partitions[index]);
        let of_b = find(b, wanted).map(|index| &b.partitions[index]);
        let (state, shown) = match (of_a, of_b) {
            (Some(shown), None) => (State::Removed, shown),
            (None, Some(shown)) => (State::Added, shown),
            (Some(_), Some(shown)) => (State::Changed, shown),
            (None, None) => continue,
        };
        let changes = partition(of_a, of_b);
        if state != State::Changed || !changes.is_empty() {
            found.push(PartitionChange { number: wanted, name: name(shown), state, changes });
        }
    }
    found
}

fn name(partition: &PartitionReport) -> String {
    match &partition.entry {
        Some(entry) if entry.name.is_empty() => entry.kind.clone(),
        Some(entry) => entry.name.clone(),
        None => "the whole disk".to_owned(),
    }
}

fn partition(a: Option<&PartitionReport>, b: Option<&PartitionReport>) -> Vec<Change> {
    let mut changes = Changes::default();
    let mut entry = |what: &str, value: fn(&Entry) -> String| {
        let of = |side: Option<&PartitionReport>| side.and_then(|side| side.entry.as_ref()).map(value);
        changes.optional(what, of(a), of(b));
    };
    entry("name", |entry| entry.name.clone());
    entry("type", |entry| entry.kind.clone());
    entry("id", |entry| entry.id.clone());
    entry("start", |entry| exact(entry.start));
    entry("length", |entry| exact(entry.length));
    entry("attributes", |entry| format!("{:#x}", entry.attributes));
    let mount = |side: Option<&PartitionReport>| side.and_then(|side| side.mount.clone());
    changes.optional("mounted on", mount(a), mount(b));
    let mut filesystem = |what: &str, value: fn(&Filesystem) -> Option<String>| {
        let of = |side: Option<&PartitionReport>| side.and_then(|side| value(&side.filesystem));
        changes.optional(what, of(a), of(b));
    };
    filesystem("filesystem", |filesystem| {
        let variant = filesystem.variant.as_ref().map_or_else(String::new, |variant| format!(" ({variant})"));
        Some(format!("{}{variant}", filesystem.kind.name()))
    });
    filesystem("filesystem's UUID", |filesystem| filesystem.uuid.clone());
    filesystem("filesystem's label", |filesystem| {
        Some(filesystem.label.clone()).filter(|label| !label.is_empty())
    });
    filesystem("filesystem's size", |filesystem| filesystem.size.map(exact));
    filesystem("block size", |filesystem| filesystem.block_size.map(exact));
    filesystem("inodes", |filesystem| filesystem.inodes.map(|inodes| inodes.to_string()));
    filesystem("left clean", |filesystem| filesystem.clean.map(|clean| clean.to_string()));
    let features = |side: Option<&PartitionReport>| {
        side.map(|side| side.filesystem.features.clone()).unwrap_or_default()
    };
    changes.words("filesystem's features", &features(a), &features(b));
    changes.0
}

pub(super) fn system(a: &Report, b: &Report) -> Vec<Change> {
    let mut changes = Changes::default();
    let (of_a, of_b) = (a.system.as_ref(), b.system.as_ref());
    changes.optional(
        "system",
        of_a.map(|system| system.name.as_deref().unwrap_or("unknown")),
        of_b.map(|system| system.name.as_deref().unwrap_or("unknown")),
    );
    changes.optional(
        "host name",
        of_a.and_then(|system| system.hostname.as_deref()),
        of_b.and_then(|system| system.hostname.as_deref()),
    );
    changes.optional("firstboot", of_a.map(|system| system.firstboot), of_b.map(|system| system.firstboot));
    changes.0
}

/// What follows from other differences.
pub(super) fn sizes(a: &Report, b: &Report) -> Vec<Change> {
    let mut changes = Changes::default();
    let content = |report: &Report| report.system.as_ref().map(|system| size(system.content));
    changes.optional("files", content(a), content(b));
    let packages = |report: &Report| report.packages.as_ref().map(|packages| size(packages.installed_size));
    changes.optional("packages", packages(a), packages(b));
    let used = |partition: &PartitionReport| {
        let filesystem = &partition.filesystem;
        filesystem.size.zip(filesystem.free).map(|(size, free)| size.saturating_sub(free))
    };
    for of_a in &a.partitions {
        let number = of_a.entry.as_ref().map(|entry| entry.number);
        let same = |other: &&PartitionReport| other.entry.as_ref().map(|entry| entry.number) == number;
        if let Some(of_b) = b.partitions.iter().find(same) {
            changes.optional(
                &format!("used in '{}'", name(of_b)),
                used(of_a).map(exact),
                used(of_b).map(exact),
            );
        }
    }
    changes.0
}

/// A size that is read at a glance, and exact.
fn exact(bytes: u64) -> String {
    let short = size(bytes);
    if short.contains('.') { format!("{short} ({bytes} bytes)") } else { short }
}
