//! ConfigDrive: a disk labelled `config-2`, or the folder `/config-drive`, with the documents of OpenStack.

use contract::metadata::open_stack::VERSIONS;

use super::open_stack::{ReadDocument, collect_documents};
use super::seed_disk::{SeedDisk, SeedKind};
use super::{Collector, DOCUMENT_LIMIT, Rank};
use crate::machine::Machine;

const FOLDER: &str = "/config-drive";
const DOCUMENTS: [&str; 4] = ["meta_data.json", "user_data", "vendor_data.json", "network_data.json"];

/// Reads the last disk with the label, else the folder.
pub(super) fn collect(machine: &Machine, disks: &[SeedDisk], collector: &mut Collector) {
    if let Some(disk) = disks.iter().rfind(|disk| disk.kind == SeedKind::ConfigDrive) {
        let read =
            |path: &str| disk.volume.read_file(path, DOCUMENT_LIMIT).map_err(|error| error.to_string());
        return collect_versions(&format!("ConfigDrive '{}'", disk.path), &read, collector);
    }
    if machine.exists(&format!("{FOLDER}/openstack")) {
        for version in machine.root.list_folder(&format!("{FOLDER}/openstack")).unwrap_or_default() {
            for name in DOCUMENTS {
                collector.add_own(machine, format!("{FOLDER}/openstack/{version}/{name}"));
            }
        }
        let read = |path: &str| {
            let path = format!("{FOLDER}/{path}");
            machine.root.read_bounded(&path, DOCUMENT_LIMIT as u64).map_err(|error| error.to_string())
        };
        collect_versions(&format!("ConfigDrive '{FOLDER}'"), &read, collector);
    }
}

/// Takes the newest version that is there.
fn collect_versions(source: &str, read: &ReadDocument<'_>, collector: &mut Collector) {
    for version in VERSIONS {
        match read(&format!("openstack/{version}/meta_data.json")) {
            Ok(None) => {}
            Ok(Some(_)) => {
                let read_in = |name: &str| match name.strip_prefix('/') {
                    Some(path) => read(&format!("openstack/{path}")),
                    None => read(&format!("openstack/{version}/{name}")),
                };
                return collect_documents(source, &read_in, collector);
            }
            Err(reason) => return collector.add_broken(Rank::Metadata, source, reason),
        }
    }
    collector.sources.push(source.to_owned());
    collector.add_broken(Rank::Metadata, source, "there is no 'openstack/latest/meta_data.json'");
}
