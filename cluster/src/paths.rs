//! Where a machine keeps what it knows of its cluster. `docs/cluster.md` lists them for operators.

/// All that `firstboot` keeps; root's alone, until etcd's user has to come through.
pub const STATE_FOLDER: &str = "/var/lib/firstboot";
/// All of it; only root may look inside.
pub const FOLDER: &str = "/var/lib/firstboot/cluster";
/// Who this node is, and which cluster it belongs to.
pub const MEMBER: &str = "/var/lib/firstboot/cluster/member.json";
/// What a core node knows beside that.
pub const CORE: &str = "/var/lib/firstboot/cluster/core.json";
/// Where a core node's etcd stands in the cluster's store.
pub const STORE: &str = "/var/lib/firstboot/cluster/store.json";
/// A join that is under way.
pub const JOIN: &str = "/var/lib/firstboot/cluster/join.json";
/// The node's private key (PKCS #8, PEM); made here, never sent.
pub const NODE_KEY: &str = "/var/lib/firstboot/cluster/node.key";
/// The node's certificate (PEM).
pub const NODE_CERTIFICATE: &str = "/var/lib/firstboot/cluster/node.crt";
/// The cluster's certificate authority (PEM).
pub const AUTHORITY: &str = "/var/lib/firstboot/cluster/authority.crt";
/// Its private key; on core nodes only.
pub const AUTHORITY_KEY: &str = "/var/lib/firstboot/cluster/authority.key";
/// What roles show under the cluster's name: the chain and its key (PEM).
pub const ENDPOINT_CERTIFICATE: &str = "/var/lib/firstboot/cluster/endpoint.pem";
/// The one before, while the next one is tried; empty if there was none.
pub const ENDPOINT_CERTIFICATE_BEFORE: &str = "/var/lib/firstboot/cluster/endpoint.pem.before";
/// Authorities that this machine knows, by the package ca-certificates.
pub const KNOWN_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// etcd's configuration.
pub const ENGINE_CONFIGURATION: &str = "/var/lib/firstboot/cluster/etcd/etcd.yaml";
/// etcd's data.
pub const ENGINE_DATA: &str = "/var/lib/etcd/firstboot";
/// Where a fenced machine's cluster state goes.
pub const QUARANTINE: &str = "/var/lib/firstboot/quarantine";
/// Says that this boot may start what belongs to the cluster; gone after a boot.
pub const FENCE_OPEN: &str = "/run/firstboot/fence-open";
/// Rules of nftables from the ports of roles.
pub const FIREWALL: &str = "/var/lib/firstboot/cluster/nftables.conf";
/// Held by whoever changes roles of this node.
pub const ROLES_LOCK: &str = "/run/firstboot/roles.lock";
/// Held by whoever changes [`MEMBER`].
pub const MEMBER_LOCK: &str = "/run/firstboot/member.lock";
/// Held by whoever brings this core node's etcd to its place.
pub const CORE_LOCK: &str = "/run/firstboot/core.lock";
/// The record of which machine this is, by the rest of `firstboot`.
pub const IDENTITY: &str = "/var/lib/firstboot/identity.json";
/// Units of the administrator and of this crate.
pub const UNITS: &str = "/etc/systemd/system";
