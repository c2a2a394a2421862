//! etcd on a core node: its authority, certificates and configuration.
//!
//! Clients reach it on loopback only, peers on the node's address; both show certificates of an authority that is made
//! for etcd alone and whose key stays on core nodes.

use anyhow::{Context, Result};
use rcgen::KeyPair;

use crate::authority::{self, Authority, Subject};
use crate::paths::{ENGINE_CONFIGURATION, ENGINE_DATA, STATE_FOLDER, STORE};
use crate::place::Place;
use crate::record::{Core, Store};

/// Where `cored` asks.
pub const CLIENT_PORT: u16 = 2379;
/// Where members of etcd talk to each other.
pub const PEER_PORT: u16 = 2380;
/// The authority of etcd (PEM).
pub const AUTHORITY: &str = "/var/lib/firstboot/cluster/etcd/authority.crt";
/// Its private key (PEM).
pub const AUTHORITY_KEY: &str = "/var/lib/firstboot/cluster/etcd-authority.key";
/// What `cored` shows.
pub const CLIENT_CERTIFICATE: &str = "/var/lib/firstboot/cluster/etcd-client.crt";
/// Its key.
pub const CLIENT_KEY: &str = "/var/lib/firstboot/cluster/etcd-client.key";
const MEMBER_CERTIFICATE: &str = "/var/lib/firstboot/cluster/etcd/member.crt";
const MEMBER_KEY: &str = "/var/lib/firstboot/cluster/etcd/member.key";
/// How long these certificates hold. They never leave core nodes, and etcd would have to be restarted for others.
const CERTIFICATE_SECONDS: u64 = 10 * 365 * 24 * 60 * 60;
/// The user that Debian's package makes.
const USER: &str = "etcd";

/// Makes all that etcd needs; what is there already stays.
///
/// # Errors
///
/// When the disk refuses.
pub fn prepare(place: &Place, core: &Core) -> Result<()> {
    let group = group_of_user(place)?;
    if group.is_some() {
        let_through(place)?;
    }
    let authority = authority(place, group)?;
    let now = place.clock.now();
    let issue =
        |certificate: &str, key_path: &str, group: Option<u32>, subject: &Subject<'_>| -> Result<()> {
            let mode = if group.is_some() { 0o640 } else { 0o600 };
            let key = match place.read(key_path)? {
                Some(key) => key,
                None => authority::make_key()?,
            };
            place.write_owned(key_path, &key, mode, group)?;
            if !place.exists(certificate) {
                let key = KeyPair::from_pem(&key).with_context(|| format!("reading '{key_path}'"))?;
                place.write_owned(certificate, &authority.issue(subject, &key, now)?, 0o644, group)?;
            }
            Ok(())
        };
    let mut names = ["localhost".to_owned(), "127.0.0.1".to_owned(), core.address.clone()].to_vec();
    // Other members look from which address this one comes, and take it only if the certificate names it.
    names.extend(own_addresses()?.into_iter().filter(|address| *address != core.address));
    let member = Subject { common_name: "etcd", names, is_server: true, seconds: CERTIFICATE_SECONDS };
    issue(MEMBER_CERTIFICATE, MEMBER_KEY, group, &member)?;
    let names = vec!["cored".to_owned()];
    let client = Subject { common_name: "cored", names, is_server: false, seconds: CERTIFICATE_SECONDS };
    issue(CLIENT_CERTIFICATE, CLIENT_KEY, None, &client)?;
    let store = place.load::<Store>(STORE)?;
    let peers = store.and_then(|store| store.peers);
    place.write_owned(ENGINE_CONFIGURATION, &configuration(place, core, peers.as_deref()), 0o640, group)
}

/// Lets etcd's user come through to its files. It cannot list the folder, and what it finds there by its name is closed.
fn let_through(place: &Place) -> Result<()> {
    let folder = place.outside(STATE_FOLDER);
    let passable = std::os::unix::fs::PermissionsExt::from_mode(0o711);
    std::fs::set_permissions(&folder, passable)
        .with_context(|| format!("letting etcd through '{}'", folder.display()))
}

/// Addresses of this machine from which other machines may see it.
fn own_addresses() -> Result<Vec<String>> {
    let all = host::addresses::load().context("looking at this machine's addresses")?;
    let mut found: Vec<String> = all
        .iter()
        .map(|one| one.address)
        .filter(|address| match address {
            std::net::IpAddr::V4(address) => !address.is_loopback() && !address.is_link_local(),
            std::net::IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
        })
        .map(|address| address.to_string())
        .collect();
    found.sort();
    found.dedup();
    Ok(found)
}

/// Makes what names the node's address anew.
///
/// # Errors
///
/// When the disk refuses.
pub fn readdress(place: &Place, core: &Core) -> Result<()> {
    place.remove(MEMBER_CERTIFICATE)?;
    prepare(place, core)
}

/// Where other members reach etcd on a node.
pub fn peer_url(address: &str) -> String {
    let is_v6 = address.parse::<std::net::Ipv6Addr>().is_ok();
    let host = if is_v6 { format!("[{address}]") } else { address.to_owned() };
    format!("https://{host}:{PEER_PORT}")
}

/// The address in what [`peer_url`] made.
pub fn host_of_peer(url: &str) -> Option<String> {
    let host = url.strip_prefix("https://")?.strip_suffix(&format!(":{PEER_PORT}"))?;
    Some(host.trim_matches(['[', ']']).to_owned())
}

/// Makes the folder of etcd's data, which is its user's alone.
///
/// # Errors
///
/// When the disk refuses.
pub fn create_data_folder(place: &Place) -> Result<()> {
    place.create_folders(ENGINE_DATA)?;
    let text = place.read("/etc/passwd")?.unwrap_or_default();
    let ids = text.lines().find(|line| line.starts_with("etcd:")).and_then(|line| {
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse::<u32>().ok()?, fields.next()?.parse::<u32>().ok()?))
    });
    let folder = place.outside(ENGINE_DATA);
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&folder, private).context("closing etcd's folder to others")?;
    if let Some((uid, gid)) = ids.filter(|_| host::account::is_root()) {
        std::os::unix::fs::chown(&folder, Some(uid), Some(gid)).context("giving etcd its folder")?;
    }
    Ok(())
}

/// Removes etcd's data, if there is any.
///
/// # Errors
///
/// When the disk refuses.
pub fn remove_data(place: &Place) -> Result<()> {
    match std::fs::remove_dir_all(place.outside(ENGINE_DATA)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context("removing etcd's data")
        }
        _ => Ok(()),
    }
}

/// Removes what opens the cluster's etcd; its certificates would hold for years.
///
/// # Errors
///
/// When the disk refuses.
pub fn remove_keys(place: &Place) -> Result<()> {
    let all = [AUTHORITY_KEY, CLIENT_KEY, CLIENT_CERTIFICATE, MEMBER_KEY, MEMBER_CERTIFICATE];
    all.iter().try_for_each(|path| place.remove(path))
}

/// Tells whether etcd has begun here, so that it goes by its data and not by its configuration.
pub fn has_data(place: &Place) -> bool {
    place.exists(&format!("{ENGINE_DATA}/member/wal"))
}

fn authority(place: &Place, group: Option<u32>) -> Result<Authority> {
    if let (Some(certificate), Some(key)) = (place.read(AUTHORITY)?, place.read(AUTHORITY_KEY)?) {
        return Authority::load(certificate, &key);
    }
    let (key, authority) = Authority::create("firstboot etcd authority", place.clock.now())?;
    place.write(AUTHORITY_KEY, &key, 0o600)?;
    place.write_owned(AUTHORITY, &authority.certificate, 0o644, group)?;
    Ok(authority)
}

/// The group of etcd's user; none where there is no such user, as in a machine made of files.
fn group_of_user(place: &Place) -> Result<Option<u32>> {
    let text = place.read("/etc/passwd")?.unwrap_or_default();
    let line = text.lines().find(|line| line.split(':').next() == Some(USER));
    Ok(line.and_then(|line| line.split(':').nth(3)?.parse().ok()).filter(|_| host::account::is_root()))
}

/// etcd's configuration. Paths and addresses of ours need no quoting in YAML beyond JSON's.
fn configuration(place: &Place, core: &Core, peers: Option<&str>) -> String {
    let path = |path: &str| format!("{:?}", place.outside(path).display().to_string());
    let (client, peer) = (format!("https://127.0.0.1:{CLIENT_PORT}"), peer_url(&core.address));
    let transport = format!(
        "  cert-file: {}\n  key-file: {}\n  trusted-ca-file: {}\n  client-cert-auth: true\n",
        path(MEMBER_CERTIFICATE),
        path(MEMBER_KEY),
        path(AUTHORITY)
    );
    let state = if peers.is_some() { "existing" } else { "new" };
    let alone = format!("{}={peer}", core.node);
    format!(
        "# Written by firstboot; etcd listens to core nodes only.\n\
        name: {node}\ndata-dir: {data}\nlogger: zap\nlog-level: warn\nenable-grpc-gateway: false\n\
        auto-compaction-mode: periodic\nauto-compaction-retention: 1h\n\
        listen-client-urls: {client}\nadvertise-client-urls: {client}\n\
        listen-peer-urls: {peer}\ninitial-advertise-peer-urls: {peer}\n\
        initial-cluster: {peers}\ninitial-cluster-state: {state}\ninitial-cluster-token: {cluster}\n\
        client-transport-security:\n{transport}peer-transport-security:\n{transport}",
        node = core.node,
        cluster = core.cluster,
        data = path(ENGINE_DATA),
        peers = peers.unwrap_or(&alone),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_peers_are_read_back() {
        for address in ["192.0.2.1", "2001:db8::1"] {
            assert_eq!(host_of_peer(&peer_url(address)).as_deref(), Some(address));
        }
        assert_eq!(host_of_peer("http://192.0.2.1:2380"), None);
    }
}
