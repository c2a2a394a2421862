//! NoCloud: a line in the SMBIOS serial number or on the kernel command line, the folder
//! `/var/lib/cloud/seed/nocloud{,-net}`, and a disk labelled `cidata`.
//!
//! Documents are `meta-data`, `user-data`, `vendor-data` and `network-config`. Of a folder, both of the first two must
//! be there; a disk that lacks one of them is used and says so.

use std::cell::Cell;
use std::net::SocketAddr;

use contract::cloud_config::Reading;
use contract::metadata::no_cloud::{self, NoCloudLine};
use contract::state::{NetworkDocument, NetworkFormat};

use super::http::{self, HttpError};
use super::seed_disk::{SeedDisk, SeedKind};
use super::{Collector, DOCUMENT_LIMIT, Firmware, NetworkUse, Rank, text_of};
use crate::machine::Machine;

const DOCUMENTS: [&str; 4] = ["user-data", "meta-data", "network-config", "vendor-data"];
const FOLDERS: [&str; 2] = ["/var/lib/cloud/seed/nocloud", "/var/lib/cloud/seed/nocloud-net"];

/// Reads a document by name; none if there is none.
type ReadDocument<'r> = dyn Fn(&str) -> Result<Option<Vec<u8>>, String> + 'r;

/// The lines that the firmware and the boot loader carry; the firmware's is stronger.
fn lines(firmware: &Firmware) -> Vec<(&'static str, NoCloudLine)> {
    let serial = no_cloud::parse_line(&firmware.product_serial).map(|line| ("SMBIOS serial number", line));
    let words = no_cloud::line_of_command_line(&firmware.command_line).and_then(no_cloud::parse_line);
    serial.into_iter().chain(words.map(|line| ("kernel command line", line))).collect()
}

/// Tells whether a line names an address that only the network reaches.
pub(super) fn needs_network(firmware: &Firmware) -> bool {
    let is_remote =
        |line: &NoCloudLine| line.seed_from.as_ref().is_some_and(|seed| !seed.starts_with("file://"));
    lines(firmware).iter().any(|(_, line)| is_remote(line))
}

/// Reads the lines, what they point to, and the seed folders.
pub(super) fn collect(
    machine: &Machine,
    firmware: &Firmware,
    network: NetworkUse,
    collector: &mut Collector,
) {
    for (place, line) in lines(firmware) {
        let origin = format!("NoCloud {place}");
        collector.sources.push(origin.clone());
        let mut reading = Reading { findings: line.findings.0, ..Reading::default() };
        (reading.state.hostname, reading.state.instance_id) = (line.hostname, line.instance_id);
        collector.add(Rank::Metadata, origin, reading);
        match line.seed_from.as_deref().map(|seed| (seed, seed.strip_prefix("file://"))) {
            Some((_, Some(folder))) => collect_folder(machine, folder.trim_end_matches('/'), collector),
            Some((url, None)) => {
                if let NetworkUse::Allowed(address) = network {
                    collect_url(machine, url, address, collector);
                }
            }
            None => {}
        }
    }
    for folder in FOLDERS {
        let has = |name: &str| machine.exists(&format!("{folder}/{name}"));
        if has("user-data") && has("meta-data") {
            collect_folder(machine, folder, collector);
        }
    }
}

fn collect_folder(machine: &Machine, folder: &str, collector: &mut Collector) {
    for name in DOCUMENTS {
        collector.add_own(machine, format!("{folder}/{name}"));
    }
    let read = |name: &str| {
        let path = format!("{folder}/{name}");
        machine.root.read_bounded(&path, DOCUMENT_LIMIT as u64).map_err(|error| error.to_string())
    };
    collect_documents(&format!("NoCloud '{folder}'"), &read, collector);
}

fn collect_url(machine: &Machine, url: &str, address: Option<SocketAddr>, collector: &mut Collector) {
    let source = format!("NoCloud {url}");
    // All documents are from one server, so it is looked for once.
    let found = address.map_or_else(|| http::resolve_patiently(machine, url), |known| Ok(known.into()));
    let server = match found {
        Ok(server) => server,
        Err(reason) => {
            collector.sources.push(source.clone());
            return collector.add_broken(Rank::Metadata, source, reason);
        }
    };
    // One that does not answer is not waited for again with each document.
    let is_gone = Cell::new(false);
    let read = |name: &str| {
        if is_gone.get() {
            return Err("it was not asked for, as the server did not answer before".to_owned());
        }
        let answer = http::get_patiently(&server, &format!("{url}{name}"), &[]);
        is_gone.set(matches!(answer, Err(HttpError::Connection(..))));
        answer.map_err(|error| error.to_string())
    };
    collect_documents(&source, &read, collector);
}

/// Reads every disk with the label; with several, the first is the strongest.
pub(super) fn collect_disk(disks: &[SeedDisk], collector: &mut Collector) {
    for disk in disks.iter().filter(|disk| disk.kind == SeedKind::NoCloud) {
        let read =
            |name: &str| disk.volume.read_file(name, DOCUMENT_LIMIT).map_err(|error| error.to_string());
        collect_documents(&format!("NoCloud '{}'", disk.path), &read, collector);
    }
}

fn collect_documents(source: &str, read: &ReadDocument<'_>, collector: &mut Collector) {
    collector.sources.push(source.to_owned());
    let mut document = |rank: Rank, name: &str| match read(name) {
        Ok(bytes) => bytes,
        Err(reason) => {
            collector.add_broken(rank, format!("{source}: {name}"), reason);
            None
        }
    };
    let user_data = document(Rank::UserData, "user-data");
    let meta_data = document(Rank::Metadata, "meta-data");
    let network = document(Rank::Metadata, "network-config");
    let vendor_data = document(Rank::VendorData, "vendor-data");
    for (name, bytes) in [("user-data", &user_data), ("meta-data", &meta_data)] {
        if bytes.is_none() {
            collector.add_broken(Rank::Metadata, source, format!("there is no '{name}'"));
        }
    }
    if let Some(bytes) = user_data {
        collector.add_user_data(Rank::UserData, &format!("{source}: user-data"), &bytes);
    }
    if let Some(bytes) = meta_data {
        let parsed =
            text_of(bytes).and_then(|text| no_cloud::parse_meta_data(&text).map_err(|e| e.to_string()));
        collector.add_parsed(Rank::Metadata, format!("{source}: meta-data"), parsed);
    }
    if let Some(bytes) = network {
        let reading = text_of(bytes).map(|text| {
            let mut reading = Reading::default();
            reading.state.network = Some(NetworkDocument { format: NetworkFormat::NetworkConfig, text });
            reading
        });
        collector.add_parsed(Rank::Metadata, format!("{source}: network-config"), reading);
    }
    if let Some(bytes) = vendor_data {
        collector.add_user_data(Rank::VendorData, &format!("{source}: vendor-data"), &bytes);
    }
}
