//! OpenNebula: `context.sh` on a disk labelled `CONTEXT`, or in the folder `/context`.

use contract::context;

use super::seed_disk::{SeedDisk, SeedKind};
use super::{Collector, DOCUMENT_LIMIT, Rank, text_of};
use crate::machine::Machine;

const FILE: &str = "context.sh";
const FOLDER: &str = "/context";

/// Reads the first disk with the label, else the folder.
pub(super) fn collect(machine: &Machine, disks: &[SeedDisk], collector: &mut Collector) {
    let disk = disks.iter().find(|disk| disk.kind == SeedKind::OpenNebula);
    let (source, read) = match disk {
        Some(disk) => (format!("OpenNebula '{}'", disk.path), disk.volume.read_file(FILE, DOCUMENT_LIMIT)),
        None => {
            let path = format!("{FOLDER}/{FILE}");
            collector.add_own(machine, path.clone());
            (format!("OpenNebula '{FOLDER}'"), machine.root.read_bounded(&path, DOCUMENT_LIMIT as u64))
        }
    };
    let bytes = match read {
        Ok(Some(bytes)) => bytes,
        Ok(None) if disk.is_none() => return,
        Ok(None) => return collector.add_broken(Rank::Metadata, source, format!("there is no '{FILE}'")),
        Err(error) => return collector.add_broken(Rank::Metadata, format!("{source}: {FILE}"), error),
    };
    collector.sources.push(source.clone());
    let origin = format!("{source}: {FILE}");
    match text_of(bytes).and_then(|text| context::parse(&text).map_err(|error| error.to_string())) {
        Ok(read) => {
            collector.add(Rank::Metadata, origin, read.reading);
            if let Some(bytes) = read.user_data {
                collector.add_user_data(Rank::UserData, &format!("{source}: USER_DATA"), &bytes);
            }
        }
        Err(reason) => collector.add_broken(Rank::Metadata, origin, reason),
    }
}
