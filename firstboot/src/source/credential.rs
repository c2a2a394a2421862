//! Credentials of systemd: `bootwright.config`, a native document.
//!
//! A hypervisor passes it as SMBIOS string of type 11 or by `fw_cfg`; systemd puts it below `/run/credentials`.

use contract::native;

use super::{Collector, DOCUMENT_LIMIT, Rank, text_of};
use crate::machine::Machine;

/// What reports call this source.
pub(super) const NAME: &str = "credential";

const FOLDERS: [&str; 3] = [
    "/run/credentials/@system",
    "/run/credentials/firstboot-early.service",
    "/run/credentials/firstboot.service",
];

/// Reads the first of the credentials that is there.
pub(super) fn collect(machine: &Machine, collector: &mut Collector) {
    for folder in FOLDERS {
        let path = format!("{folder}/bootwright.config");
        let bytes = match machine.root.read_bounded(&path, DOCUMENT_LIMIT as u64) {
            Ok(None) => continue,
            Ok(Some(bytes)) => bytes,
            Err(error) => return collector.add_broken(Rank::Credential, format!("{NAME} '{path}'"), error),
        };
        let origin = format!("{NAME} 'bootwright.config'");
        collector.sources.push(origin.clone());
        let parsed = text_of(bytes).and_then(|text| native::parse(&text).map_err(|error| error.to_string()));
        return collector.add_parsed(Rank::Credential, origin, parsed);
    }
}
