//! The network that is set, as `firstboot` keeps it between runs.

use anyhow::{Context, Result};
use contract::network::Network;
use host::beneath::Root;

/// What all of this lies in; only root writes there.
pub const FOLDER: &str = "/var/lib/firstboot/network";
/// The network that is set.
pub const PATH: &str = "/var/lib/firstboot/network/current.json";

/// Reads the network that is set; none before the first time.
pub fn load(root: &Root) -> Result<Option<Network>> {
    let text = root.read_to_string_if_exists(PATH).with_context(|| format!("reading '{PATH}'"))?;
    let parse = |text: String| {
        serde_json::from_str(&text)
            .with_context(|| format!("'{PATH}' is not what firstboot wrote; remove it to begin anew"))
    };
    text.map(parse).transpose()
}

/// Returns the text of the record.
pub fn render(network: &Network) -> Result<String> {
    Ok(serde_json::to_string_pretty(network).context("writing the record of the network")? + "\n")
}

/// Makes every folder of `path` that is missing.
pub fn create_folders(root: &Root, path: &str) -> Result<()> {
    let (uid, gid) = owner();
    let mut so_far = String::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        so_far.push('/');
        so_far.push_str(part);
        root.create_folder(&so_far, 0o755, uid, gid).with_context(|| format!("making '{so_far}'"))?;
    }
    Ok(())
}

/// Whom our files belong to: root, or in a test whoever runs it.
pub fn owner() -> (u32, u32) {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").map_or((0, 0), |metadata| (metadata.uid(), metadata.gid()))
}
