//! `cored`: the service on core nodes, through which everybody else reaches the cluster's store.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use contract::roles::{Catalogue, PRIMARY};
use contract::state::Secret;
use etcd_client::{Compare, TxnOp};
use rcgen::SubjectPublicKeyInfo;
use tokio::sync::watch;

use crate::authority::{Authority, Subject};
use crate::certificate;
use crate::clock::Clock;
use crate::message::{Admitted, Code, Refusal, SERVER_NAME, SignedEndpoints};
use crate::record;

pub mod admission;
mod beat;
mod connection;
mod duty;
mod founding;
pub mod keys;
mod membership;
mod places;
mod readmission;
pub mod server;
pub mod store;
mod tokens;
mod view;
pub mod voters;

use keys::NodeRecord;
use store::Store;

/// What every connection needs.
#[derive(Debug)]
pub struct Core {
    /// etcd.
    pub store: Store,
    /// Signs certificates of nodes.
    pub authority: Authority,
    /// What this node knows of the cluster.
    pub record: record::Core,
    /// The roles of this image.
    pub catalogue: Catalogue,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The revision at which nodes or core addresses changed last.
    pub changed: watch::Sender<i64>,
    /// Private keys that the next core node is given.
    pub keys: CoreKeys,
    /// Whether the store answered a moment ago.
    pub is_ready: AtomicBool,
}

/// What makes a core node one, beside its place in etcd.
#[derive(Debug)]
pub struct CoreKeys {
    /// The private key of the authority of nodes (PEM).
    pub authority: Secret,
    /// The authority of etcd (PEM).
    pub store_certificate: String,
    /// Its private key (PEM).
    pub store_authority: Secret,
}

impl Core {
    /// What an admitted machine is given.
    async fn welcome(&self, node: &NodeRecord) -> Result<Admitted, Refusal> {
        Ok(Admitted {
            certificate: self.certify(node)?,
            authority: self.authority.certificate.clone(),
            roles: node.roles.clone(),
            address: node.address.clone(),
            lease: self.record.join_seconds,
            endpoints: self.endpoints().await?,
        })
    }

    /// Where core nodes are.
    async fn endpoints(&self) -> Result<SignedEndpoints, Refusal> {
        let held = self.store.get(keys::ENDPOINTS).await?;
        let none = || Refusal::new(Code::Unavailable, "the cluster does not know its core nodes yet");
        Ok(held.ok_or_else(none)?.value)
    }

    /// Certifies a node's key. What the certificate says is what the store says, never what the node asks for.
    fn certify(&self, node: &NodeRecord) -> Result<String, Refusal> {
        let wrong = |error: anyhow::Error| Refusal::new(Code::Malformed, format!("{error:#}"));
        let der = contract::encoding::decode_base64(&node.public_key).unwrap_or_default();
        let key = SubjectPublicKeyInfo::from_der(&der).map_err(|error| wrong(error.into()))?;
        let is_core = node.roles.iter().any(|role| role == contract::roles::CONTROLLER);
        let mut names = vec![node.name.clone(), node.address.clone()];
        if is_core {
            names.extend([SERVER_NAME.to_owned(), self.record.endpoint.clone()]);
            names.dedup();
        }
        let common_name = format!("node:{}", node.uuid);
        let seconds = self.record.certificate_seconds;
        let subject = Subject { common_name: &common_name, names, is_server: true, seconds };
        self.authority.issue(&subject, &key, self.clock.now()).map_err(wrong)
    }

    /// Writes all that a node has, with a lease unless that is 0.
    fn puts(&self, node: &NodeRecord, lease: i64) -> Result<Vec<TxnOp>, Refusal> {
        let mut puts = vec![
            store::put(format!("{}{}", keys::NODES, node.uuid), node, lease)?,
            store::put(format!("{}{}", keys::NAMES, node.name), &node.uuid, lease)?,
            store::put(format!("{}{}", keys::ADDRESSES, node.address), &node.uuid, lease)?,
        ];
        for role in &node.roles {
            puts.push(store::put(format!("{}{role}/{}", keys::ROLES, node.uuid), &node.name, lease)?);
        }
        if let Some(key) = &node.token_use {
            puts.push(store::put(key.as_str(), &admission::use_record(node), lease)?);
        }
        Ok(puts)
    }

    /// Writes down who did what.
    fn audit(&self, node: &str, what: &str) -> Result<TxnOp, Refusal> {
        let now = self.clock.now();
        store::put(format!("{}{now:010}-{node}-{what}", keys::AUDIT), &now, 0)
    }

    /// Rules between nodes, as conditions of the transaction that lets `node` have its roles.
    fn rules(&self, node: &NodeRecord) -> Result<Vec<Compare>, Refusal> {
        let mut when = Vec::new();
        for role in self.catalogue.roles().filter(|role| role.single_node) {
            if node.roles.contains(&role.name) {
                let reason = format!("the role '{}' works only in a cluster of one node", role.name);
                return Err(Refusal::new(Code::Roles, reason));
            }
            when.push(store::is_absent_below(format!("{}{}/", keys::ROLES, role.name)));
        }
        if node.roles.iter().any(|role| role == PRIMARY) {
            when.push(store::is_absent_below(format!("{}{PRIMARY}/", keys::ROLES)));
        }
        Ok(when)
    }

    /// Says which rule between nodes does not hold.
    async fn check_rules(&self, node: &NodeRecord) -> Result<(), Refusal> {
        self.rules(node)?;
        for role in self.catalogue.roles().filter(|role| role.single_node) {
            let (holders, _) = self.store.list::<String>(&format!("{}{}/", keys::ROLES, role.name)).await?;
            if let Some((_, holder)) = holders.first() {
                let reason = format!(
                    "the role '{}' of the node '{}' works only in a cluster of one node: remove it there first",
                    role.name, holder.value
                );
                return Err(Refusal::new(Code::Roles, reason));
            }
        }
        self.check_cores(node).await
    }

    /// At most five core nodes, and one of them the first.
    async fn check_cores(&self, node: &NodeRecord) -> Result<(), Refusal> {
        if places::is_core(node) {
            places::check_room(&duty::controllers(self).await?, node)?;
        }
        if node.roles.iter().any(|role| role == PRIMARY) {
            let (holders, _) = self.store.list::<String>(&format!("{}{PRIMARY}/", keys::ROLES)).await?;
            if let Some((_, holder)) = holders.iter().find(|(uuid, _)| *uuid != node.uuid) {
                let reason = format!("one node has the role '{PRIMARY}', and that is '{}'", holder.value);
                return Err(Refusal::new(Code::Roles, reason));
            }
        }
        Ok(())
    }
}

/// Keys that are one node's alone.
fn node_keys(node: &NodeRecord) -> Vec<String> {
    let mut found = vec![
        format!("{}{}", keys::NODES, node.uuid),
        format!("{}{}", keys::NAMES, node.name),
        format!("{}{}", keys::ADDRESSES, node.address),
    ];
    found.extend(node.roles.iter().map(|role| format!("{}{role}/{}", keys::ROLES, node.uuid)));
    found
}

/// The UUID in a certificate's name.
fn uuid_of(facts: &certificate::Facts) -> Option<&str> {
    facts.common_name.strip_prefix("node:").filter(|uuid| crate::random::is_uuid(uuid))
}
