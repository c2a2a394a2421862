//! `/etc/resolv.conf`, where no service writes it.

use anyhow::{Context, Result};
use contract::network::{Dns, Network};
use host::beneath::Root;

use super::manager;
use super::networkd::name_service;
use super::rendered::{BANNER, Rendered};

const PATH: &str = "/etc/resolv.conf";
/// The C library reads no more.
const SERVERS_READ: usize = 3;

/// Returns the file, or none where it is a service's (a symlink, or systemd-resolved runs) or nothing is to say.
pub fn render(root: &Root, network: &Network) -> Result<Option<Rendered>> {
    let is_link = root.is_symlink(PATH).with_context(|| format!("looking at '{PATH}'"))?;
    // DHCP clients write it by themselves where they do.
    let dynamic = network.interfaces.iter().any(|interface| interface.dhcp4 || interface.dhcp6);
    if is_link || dynamic || manager::has_resolved(root)? {
        return Ok(None);
    }
    Ok(content(network).map(|content| Rendered { path: PATH.to_owned(), content }))
}

fn content(network: &Network) -> Option<String> {
    let mut dns = Dns::default();
    for interface in &network.interfaces {
        dns.extend(&name_service(network, interface));
    }
    if dns.servers.is_empty() {
        return None;
    }
    let mut text = BANNER.to_owned();
    for (index, server) in dns.servers.iter().enumerate() {
        let unread = if index < SERVERS_READ { "" } else { "# not read: " };
        text.push_str(&format!("{unread}nameserver {server}\n"));
    }
    if !dns.search.is_empty() {
        text.push_str(&format!("search {}\n", dns.search.join(" ")));
    }
    Some(text)
}
