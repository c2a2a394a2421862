//! A certificate for a node that was off for so long that its last one does not hold any more.
//!
//! The core still knows the node and its public key, so the key alone says who asks: it signs keying material of the
//! connection, which is made without a certificate.

use anyhow::{Context, Result, ensure};
use contract::encoding::encode_base64;
use rcgen::{KeyPair, PublicKeyData, SigningKey};

use crate::address::CoreAddress;
use crate::channel::{Channel, Trust};
use crate::message::{Request, readmission};
use crate::place::Place;
use crate::record::Member;
use crate::{certificate, paths};

/// Gets a new certificate for this node from one of `cores`.
///
/// # Errors
///
/// When no core answers, or it does not know the node and this key.
pub fn run(place: &Place, member: &Member, cores: &[CoreAddress], trust: Trust) -> Result<()> {
    let mut channel = Channel::open(cores, &Trust { identity: None, ..trust })?;
    let key = KeyPair::from_pem(&place.require(paths::NODE_KEY)?).context("reading the node's key")?;
    let bytes = readmission(&channel.exporter(&member.cluster)?, &member.node);
    let by_node = encode_base64(&key.sign(&bytes).context("signing by the node's key")?);
    let text: String = channel.ask(&Request::Readmit { node: member.node.clone(), by_node })?;
    let facts = certificate::facts_of_pem(&text).context("taking the new certificate")?;
    ensure!(facts.public_key == key.subject_public_key_info(), "the core sent a certificate of another key");
    place.write(paths::NODE_CERTIFICATE, &text, 0o644)
}
