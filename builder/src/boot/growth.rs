//! The record of the partitions that a clone grows, for `firstboot`.

use contract::grow::{GrowRecord, GrowingPartition, PATH};

use super::{BootError, place};
use crate::plan::DiskPlan;
use crate::rootfs::Tree;

/// Writes the record; none where nothing grows.
pub(super) fn install(tree: &Tree, disk: &DiskPlan) -> Result<(), BootError> {
    let record = record(disk);
    if record.partitions.is_empty() {
        return Ok(());
    }
    let invalid = |error| std::io::Error::new(std::io::ErrorKind::InvalidData, error);
    let text = record.to_text().map_err(invalid).map_err(BootError::io("writing", PATH))?;
    place::file(tree, PATH, text.as_bytes(), place::PLAIN)
}

/// Returns what the plan says of growing.
fn record(disk: &DiskPlan) -> GrowRecord {
    let growing = (1..).zip(&disk.partitions).filter_map(|(number, partition)| {
        let filesystem = partition.filesystem.as_ref().filter(|_| partition.grow)?;
        Some(GrowingPartition {
            number,
            partuuid: disk.partition_identifier(number as usize),
            filesystem: filesystem.kind.name().to_owned(),
            mount: filesystem.mounts().next().map(|mount| mount.point.to_owned()),
        })
    });
    GrowRecord::new(growing.collect())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{self, Scratch};
    use super::*;
    use crate::plan::TableKind;

    #[test]
    fn what_grows_is_recorded() {
        let folder = Scratch::new("growth");
        let mut disk = fixture::disk();
        install(&folder.tree(), &disk).unwrap();
        assert!(!folder.0.join(PATH.trim_start_matches('/')).exists(), "nothing grows");
        disk.partitions[4].grow = true;
        install(&folder.tree(), &disk).unwrap();
        let record = GrowRecord::from_text(&folder.text(PATH.trim_start_matches('/'))).unwrap();
        let expected = GrowingPartition {
            number: 5,
            partuuid: "00000000-0000-0000-0000-000000000005".to_owned(),
            filesystem: "ext4".to_owned(),
            mount: Some("/srv/big data".to_owned()),
        };
        assert_eq!(record.partitions, [expected]);
        disk.table = TableKind::Msdos;
        assert_eq!(record_of(&disk), "00000001-05", "a signature of zero would be none");
    }

    fn record_of(disk: &DiskPlan) -> String {
        record(disk).partitions[0].partuuid.clone()
    }
}
