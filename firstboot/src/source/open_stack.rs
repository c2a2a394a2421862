//! The documents of OpenStack, from a config drive or from its metadata service.

use std::net::SocketAddr;

use contract::cloud_config::Reading;
use contract::metadata::open_stack::{self, InjectedFile};
use contract::state::{Content, FileEntry, NetworkDocument, NetworkFormat};

use super::{Collector, Rank, http, text_of};

/// Most files that a drive may carry.
const FILE_LIMIT: usize = 64;

/// Reads a document by its path below the version's folder, or with a leading `/` below `openstack`.
pub(super) type ReadDocument<'r> = dyn Fn(&str) -> Result<Option<Vec<u8>>, String> + 'r;

/// Asks the metadata service for the version `latest`.
pub(super) fn collect(address: Option<SocketAddr>, collector: &mut Collector) {
    let target = http::Server::from(address.unwrap_or(http::LINK_LOCAL));
    let read = |name: &str| {
        let path = name.strip_prefix('/').map_or_else(|| format!("latest/{name}"), str::to_owned);
        http::get_patiently(&target, &format!("http://169.254.169.254/openstack/{path}"), &[])
            .map_err(|error| error.to_string())
    };
    collect_documents("OpenStack http://169.254.169.254", &read, collector);
}

/// Reads all documents of one version.
pub(super) fn collect_documents(source: &str, read: &ReadDocument<'_>, collector: &mut Collector) {
    collector.sources.push(source.to_owned());
    let at = |name: &str| format!("{source}: {name}");
    match read("meta_data.json").and_then(|bytes| text_of(bytes.ok_or("there is no 'meta_data.json'")?)) {
        Ok(text) => match open_stack::parse_meta_data(&text) {
            Ok((mut reading, files)) => {
                add_files(&files, read, &mut reading);
                collector.add(Rank::Metadata, at("meta_data.json"), reading);
            }
            Err(reason) => collector.add_broken(Rank::Metadata, at("meta_data.json"), reason),
        },
        Err(reason) => return collector.add_broken(Rank::Metadata, at("meta_data.json"), reason),
    }
    match read("user_data") {
        Ok(Some(bytes)) => collector.add_user_data(Rank::UserData, &at("user_data"), &bytes),
        Ok(None) => {}
        Err(reason) => collector.add_broken(Rank::UserData, at("user_data"), reason),
    }
    match read("network_data.json").and_then(|bytes| bytes.map(text_of).transpose()) {
        Ok(Some(text)) => {
            let mut reading = Reading::default();
            reading.state.network = Some(NetworkDocument { format: NetworkFormat::NetworkData, text });
            collector.add(Rank::Metadata, at("network_data.json"), reading);
        }
        Ok(None) => {}
        Err(reason) => collector.add_broken(Rank::Metadata, at("network_data.json"), reason),
    }
    collect_vendor_data(&at("vendor_data.json"), read("vendor_data.json"), collector);
}

/// `vendor_data.json` is a text, or an object whose `cloud-init` is one.
fn collect_vendor_data(origin: &str, read: Result<Option<Vec<u8>>, String>, collector: &mut Collector) {
    let bytes = match read {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return,
        Err(reason) => return collector.add_broken(Rank::VendorData, origin, reason),
    };
    let text = match serde_json::from_slice::<serde_json::Value>(&bytes) {
        Ok(serde_json::Value::String(text)) => Some(text),
        Ok(value) => value.get("cloud-init").and_then(serde_json::Value::as_str).map(str::to_owned),
        Err(error) => {
            return collector.add_broken(Rank::VendorData, origin, format!("this is not JSON: {error}"));
        }
    };
    if let Some(text) = text {
        collector.add_user_data(Rank::VendorData, origin, text.as_bytes());
    }
}

fn add_files(files: &[InjectedFile], read: &ReadDocument<'_>, reading: &mut Reading) {
    for file in files.iter().take(FILE_LIMIT) {
        let path = format!("/{}", file.content_path.trim_start_matches('/'));
        let content =
            if path.contains("..") { Err("the path leads elsewhere".to_owned()) } else { read(&path) };
        match content.and_then(|bytes| bytes.ok_or_else(|| "there is no such file".to_owned())) {
            Ok(bytes) => reading.state.files.push(FileEntry {
                path: file.path.clone(),
                content: Content(bytes),
                mode: 0o644,
                owner: "root:root".into(),
                append: false,
                late: false,
            }),
            Err(reason) => {
                let mut findings = contract::finding::Findings::default();
                findings.invalid(None, format!("'{}' for '{}': {reason}", path.escape_debug(), file.path));
                reading.findings.extend(findings.0);
            }
        }
    }
}
