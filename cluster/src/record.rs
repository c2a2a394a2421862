//! What a node keeps on its disk about its cluster.

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::address::{CoreAddress, PORT};
use crate::certificate;
use crate::channel::{Channel, Trust};
use crate::message::{Endpoints, SignedEndpoints};
use crate::names::Names;
use crate::paths;
use crate::place::Place;

/// Who this node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The cluster's UUID.
    pub cluster: String,
    /// The node's UUID.
    pub node: String,
    /// Its name.
    pub name: String,
    /// Its address, as core nodes see it.
    pub address: String,
    /// Its roles, in the order in which they start.
    pub roles: Vec<String>,
    /// Where core nodes are.
    pub endpoints: SignedEndpoints,
    /// Where core nodes were before, and where the token said that they are: asked when no other answers.
    #[serde(default)]
    pub known: Vec<CoreAddress>,
    /// Which machine this was when it joined: a disk that wakes up as another machine is no member.
    pub seal: String,
}

/// Most earlier places of core nodes that are kept.
const KNOWN: usize = 16;

/// What only a core node keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Core {
    /// The cluster's UUID.
    pub cluster: String,
    /// The node's UUID.
    pub node: String,
    /// The node's name when the cluster was made.
    pub name: String,
    /// Its address.
    pub address: String,
    /// The port of `cored`.
    pub port: u16,
    /// The cluster's own name.
    pub endpoint: String,
    /// Roles that this node has from the start.
    pub roles: Vec<String>,
    /// How long a node's certificate holds, seconds.
    pub certificate_seconds: u64,
    /// How long a place is held for a join, seconds.
    pub join_seconds: u64,
    /// Whether it came to a cluster that was there, so that it never makes the first records.
    #[serde(default)]
    pub joined: bool,
    /// Which machine this was when it became a core.
    pub seal: String,
}

/// Which member of etcd the data on this disk is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// Its number.
    pub member: u64,
    /// All members when it was started first, as etcd's `initial-cluster` wants them; none on the node that began.
    pub peers: Option<String>,
}

impl Member {
    /// Reads the record; none if this machine is no member of a cluster.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn load(place: &Place) -> Result<Option<Self>> {
        place.load(paths::MEMBER)
    }

    /// Reads the record of a machine that has to be a member.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn require(place: &Place) -> Result<Self> {
        Self::load(place)?.context(
            "this machine is in no cluster: begin one by `firstboot node setup core NAME`, or join one by `firstboot node attach`",
        )
    }

    /// Changes the record while nobody else does; gives what it is then.
    ///
    /// # Errors
    ///
    /// When there is none, or the disk refuses.
    pub fn update(place: &Place, change: impl FnOnce(&mut Self)) -> Result<Self> {
        let _lock = place.lock(paths::MEMBER_LOCK)?;
        let before = Self::require(place)?;
        let mut member = before.clone();
        change(&mut member);
        if member != before {
            place.save(paths::MEMBER, &member)?;
        }
        Ok(member)
    }

    /// Takes a newer list of core nodes, and remembers where they were.
    ///
    /// # Errors
    ///
    /// When one of the lists is not signed by `authority` (PEM), or is of another cluster.
    pub fn learn(&mut self, endpoints: &SignedEndpoints, authority: &str) -> Result<()> {
        let (next, last) = (endpoints.open(authority)?, self.endpoints.open(authority)?);
        ensure!(next.cluster == self.cluster, "the list of core nodes is that of another cluster");
        if next.epoch <= last.epoch {
            return Ok(());
        }
        self.known.extend(last.cores);
        let mut seen = std::collections::BTreeSet::new();
        self.known = self.known.drain(..).rev().filter(|one| seen.insert(one.clone())).take(KNOWN).collect();
        self.known.reverse();
        self.endpoints = endpoints.clone();
        Ok(())
    }

    /// Where to ask, in turn: this machine if it is a core node, those of the list, the cluster's own name, those of before.
    fn cores(&self, place: &Place) -> Result<Vec<CoreAddress>> {
        let endpoints = self.endpoints.open(&place.require(paths::AUTHORITY)?)?;
        let own = place.load::<Core>(paths::CORE)?;
        let own = own.map(|core| CoreAddress { host: core.address, port: core.port });
        let port = endpoints.cores.first().map_or(PORT, |core| core.port);
        let named = CoreAddress { host: endpoints.endpoint, port };
        let all =
            own.into_iter().chain(endpoints.cores).chain([named]).chain(self.known.iter().rev().cloned());
        let mut seen = std::collections::BTreeSet::new();
        Ok(all.filter(|one| seen.insert(one.clone())).collect())
    }

    /// Connects to a core node as this node.
    ///
    /// # Errors
    ///
    /// When the files of the node are not whole, or no core node answers.
    pub fn connect(&self, place: &Place) -> Result<Channel> {
        self.connect_to(place, &self.cores(place)?)
    }

    /// Connects to another core node than this machine is, which may take this one out of the store.
    ///
    /// # Errors
    ///
    /// As [`Self::connect`].
    pub fn connect_elsewhere(&self, place: &Place) -> Result<Channel> {
        let own = place.load::<Core>(paths::CORE)?.map(|core| core.address);
        let is_other = |core: &CoreAddress| Some(&core.host) != own.as_ref() && core.host != self.address;
        let listed = self.endpoints.open(&place.require(paths::AUTHORITY)?)?.cores;
        ensure!(
            listed.iter().any(is_other),
            "this node alone holds the cluster's store, so it cannot be taken out of it; `firstboot node reset` forgets the cluster"
        );
        let mut cores = self.cores(place)?;
        cores.retain(is_other);
        self.connect_to(place, &cores)
    }

    /// Connects to one of `cores`. A certificate that does not hold any more is replaced before.
    ///
    /// # Errors
    ///
    /// As [`Self::connect`].
    pub fn connect_to(&self, place: &Place, cores: &[CoreAddress]) -> Result<Channel> {
        let trust = trust(place)?;
        let (certificate, _) = trust.identity.as_ref().context("a node has a certificate")?;
        if certificate::facts_of_pem(certificate)?.holds.end > place.clock.now() {
            return Channel::open(cores, &trust);
        }
        crate::readmission::run(place, self, cores, trust)?;
        Channel::open(cores, &self::trust(place)?)
    }
}

/// Whom this node trusts, and who it is.
///
/// # Errors
///
/// When the files of the node are not whole.
pub fn trust(place: &Place) -> Result<Trust> {
    let authority = certificate::facts_of_pem(&place.require(paths::AUTHORITY)?)?;
    let identity = (place.require(paths::NODE_CERTIFICATE)?, place.require(paths::NODE_KEY)?);
    Ok(Trust {
        pin: certificate::pin(&authority.public_key),
        identity: Some(identity),
        names: Names::of(place),
        clock: std::sync::Arc::clone(&place.clock),
    })
}

impl SignedEndpoints {
    /// Reads the document, if the authority (PEM) signed it.
    ///
    /// # Errors
    ///
    /// When it did not.
    pub fn open(&self, authority: &str) -> Result<Endpoints> {
        let key = certificate::facts_of_pem(authority)?.public_key;
        let signature = contract::encoding::decode_base64(&self.signature).unwrap_or_default();
        ensure!(
            certificate::is_signed(&key, self.text.as_bytes(), &signature),
            "the list of core nodes is not signed by the cluster's authority"
        );
        serde_json::from_str(&self.text).context("reading the list of core nodes")
    }
}

/// Which machine this is, by the rest of `firstboot`: changes when a disk wakes up as another machine.
///
/// # Errors
///
/// When `firstboot run` never ran here, so that nobody would notice.
pub fn seal(place: &Place) -> Result<String> {
    let identity: serde_json::Value = place
        .load(paths::IDENTITY)?
        .context("this machine does not know yet which machine it is: `firstboot run` has to run before")?;
    let key = identity.get("key").and_then(serde_json::Value::as_str);
    Ok(key.with_context(|| format!("'{}' has no key", paths::IDENTITY))?.to_owned())
}
