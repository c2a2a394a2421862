//! `/etc/firstboot/*.yaml`: native documents of the image. Of two, the one whose name sorts last is stronger.

use contract::native::{self, FOLDER};

use super::{Collector, DOCUMENT_LIMIT, Rank, text_of};
use crate::machine::Machine;

/// Reads all documents.
pub(super) fn collect(machine: &Machine, collector: &mut Collector) {
    let names = match machine.root.list_folder(FOLDER) {
        Ok(names) => names,
        Err(error) => return collector.add_broken(Rank::Image, format!("'{FOLDER}'"), error),
    };
    for name in names.iter().rev().filter(|name| name.ends_with(".yaml") && !name.starts_with('.')) {
        let origin = format!("'{FOLDER}/{name}'");
        collector.add_own(machine, format!("{FOLDER}/{name}"));
        let parsed = machine
            .root
            .read_bounded(&format!("{FOLDER}/{name}"), DOCUMENT_LIMIT as u64)
            .map_err(|error| error.to_string())
            .and_then(|bytes| text_of(bytes.unwrap_or_default()))
            .and_then(|text| native::parse(&text).map_err(|error| error.to_string()));
        collector.sources.push(origin.clone());
        collector.add_parsed(Rank::Image, origin, parsed);
    }
}
