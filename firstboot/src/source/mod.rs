//! Where a clone's configuration comes from.
//!
//! [`gather`] asks each source in turn and gives layers, the strongest first: credentials, then user data, then what
//! the cloud says of the machine, then vendor data, then the image's own documents. A source that is not there gives
//! nothing; one that is there but broken gives a layer with findings and no state, so that the others still count.
//! Sources over the network are asked only where the firmware says that the cloud is there, and only when no source on
//! this machine has spoken. To add a source, write a module with a function like the others' and call it here.

mod config_drive;
mod credential;
mod ec2;
mod firmware;
mod http;
mod image;
mod no_cloud;
mod open_nebula;
mod open_stack;
mod seed_disk;
mod tls;

use std::net::SocketAddr;

use contract::cloud_config::Reading;
use contract::finding::Findings;
use contract::merge::Layer;

use crate::machine::Machine;
pub use firmware::Firmware;
pub use http::{post_form, resolve};

/// Longest document that is read from any source.
const DOCUMENT_LIMIT: usize = 4 << 20;

/// How strong a layer is; smaller is stronger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Credential,
    UserData,
    Metadata,
    VendorData,
    Image,
}

/// What all sources gave.
#[derive(Debug, Default)]
pub struct Gathered {
    /// The strongest first.
    pub layers: Vec<Layer>,
    /// The sources that were found, for example `NoCloud '/dev/vdb'`.
    pub sources: Vec<String>,
    /// Documents that lie on the machine's own disk.
    pub own_documents: Vec<String>,
    /// The cloud whose metadata service the firmware proves, where it still has to be asked.
    pub awaits_network: Option<&'static str>,
}

/// Collects layers with their ranks.
#[derive(Debug, Default)]
struct Collector {
    ranked: Vec<(Rank, Layer)>,
    sources: Vec<String>,
    own_documents: Vec<String>,
}

/// Whether sources over the network may be asked.
#[derive(Debug, Clone, Copy)]
pub enum NetworkUse {
    /// They may not: the network is not up yet.
    Never,
    /// They may, at this address instead of the usual one if there is one.
    Allowed(Option<SocketAddr>),
}

/// Asks all sources.
pub fn gather(machine: &Machine, network: NetworkUse) -> Gathered {
    let firmware = Firmware::read(machine);
    let mut collector = Collector::default();
    credential::collect(machine, &mut collector);
    no_cloud::collect(machine, &firmware, network, &mut collector);
    let disks = seed_disk::find(machine, &mut collector);
    no_cloud::collect_disk(&disks, &mut collector);
    config_drive::collect(machine, &disks, &mut collector);
    open_nebula::collect(machine, &disks, &mut collector);
    let mut awaits_network = None;
    if collector.sources.iter().all(|source| source.starts_with(credential::NAME)) {
        match (firmware.cloud(), network) {
            (Some(cloud), NetworkUse::Never) => awaits_network = Some(cloud.name()),
            (Some(firmware::Cloud::Ec2), NetworkUse::Allowed(address)) => {
                ec2::collect(address, &mut collector)
            }
            (Some(firmware::Cloud::OpenStack), NetworkUse::Allowed(address)) => {
                open_stack::collect(address, &mut collector);
            }
            (None, _) => {}
        }
    }
    if matches!(network, NetworkUse::Never) && no_cloud::needs_network(&firmware) {
        awaits_network = Some("NoCloud");
    }
    image::collect(machine, &mut collector);
    let mut ranked = std::mem::take(&mut collector.ranked);
    ranked.sort_by_key(|(rank, _)| *rank);
    let layers = ranked.into_iter().map(|(_, layer)| layer).collect();
    let Collector { sources, own_documents, .. } = collector;
    Gathered { layers, sources, own_documents, awaits_network }
}

impl Collector {
    /// Notes a document of the machine's own disk, if it is there.
    fn add_own(&mut self, machine: &Machine, path: String) {
        if machine.exists(&path) && !self.own_documents.contains(&path) {
            self.own_documents.push(path);
        }
    }

    fn add(&mut self, rank: Rank, origin: impl Into<String>, mut reading: Reading) {
        contract::network::document::judge(&mut reading);
        if reading != Reading::default() {
            self.ranked.push((rank, Layer { origin: origin.into(), reading }));
        }
    }

    /// Adds a document, or that it cannot be read.
    fn add_parsed<E: std::fmt::Display>(
        &mut self,
        rank: Rank,
        origin: impl Into<String>,
        parsed: Result<Reading, E>,
    ) {
        match parsed {
            Ok(reading) => self.add(rank, origin, reading),
            Err(error) => self.add_broken(rank, origin, error),
        }
    }

    /// Adds that a source is there but cannot be used.
    fn add_broken(&mut self, rank: Rank, origin: impl Into<String>, reason: impl std::fmt::Display) {
        let mut findings = Findings::default();
        findings.invalid(None, reason.to_string());
        self.add(rank, origin, Reading { findings: findings.0, ..Reading::default() });
    }

    /// Adds user data; of several documents in one, a later one is stronger.
    fn add_user_data(&mut self, rank: Rank, origin: &str, bytes: &[u8]) {
        for reading in contract::user_data::read(bytes).into_iter().rev() {
            self.add(rank, origin, reading);
        }
    }
}

/// Text of a document, which must be UTF-8.
fn text_of(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|_| "this is no text in UTF-8".to_owned())
}
