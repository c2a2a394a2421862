//! etcd, as far as a cluster needs it: records by key, transactions, leases.

use std::time::Duration;

use anyhow::{Context, Result};
use etcd_client::{
    Certificate, Client, Compare, CompareOp, ConnectOptions, DeleteOptions, GetOptions, Identity, KeyValue,
    MemberAddOptions, PutOptions, TlsOptions, Txn, TxnOp, WatchOptions, WatchStream,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::{self, CLIENT_PORT};
use crate::message::{Code, Refusal};
use crate::place::Place;

/// How long etcd may take for one request.
const LIMIT: Duration = Duration::from_secs(5);

/// The store.
#[derive(Clone)]
pub struct Store(Client);

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

/// A record and what etcd knows of it.
#[derive(Debug, Clone)]
pub struct Held<T> {
    /// The record.
    pub value: T,
    /// At which revision it was written.
    pub revision: i64,
    /// With which lease it goes; 0 if with none.
    pub lease: i64,
}

/// A member of etcd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreMember {
    /// Its number, which no other member ever has.
    pub id: u64,
    /// Its name, which is its node's UUID; empty until it was started.
    pub name: String,
    /// Where others reach it.
    pub url: String,
    /// Whether it has no vote.
    pub is_learner: bool,
}

/// A change of etcd's members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberChange {
    /// One more, without a vote, at this URL.
    Add(String),
    /// A vote for one that has caught up.
    Promote(u64),
    /// One less.
    Remove(u64),
    /// One that is reached elsewhere.
    Readdress(u64, String),
}

impl Store {
    /// Connects to the etcd of this node. It is asked when it is needed, not before.
    ///
    /// # Errors
    ///
    /// When the files for it are not whole.
    pub async fn connect(place: &Place) -> Result<Self> {
        let tls = TlsOptions::new()
            .ca_certificate(Certificate::from_pem(place.require(engine::AUTHORITY)?))
            .identity(Identity::from_pem(
                place.require(engine::CLIENT_CERTIFICATE)?,
                place.require(engine::CLIENT_KEY)?,
            ))
            .domain_name("localhost");
        let options = ConnectOptions::new().with_tls(tls).with_timeout(LIMIT).with_connect_timeout(LIMIT);
        let address = format!("https://127.0.0.1:{CLIENT_PORT}");
        Ok(Self(Client::connect([address], Some(options)).await.context("connecting to etcd")?))
    }

    /// Which member of etcd this node's is, and which one leads.
    ///
    /// # Errors
    ///
    /// When etcd does not answer.
    pub async fn status(&self) -> Result<(u64, u64), Refusal> {
        let answer = self.0.maintenance_client().status().await?;
        Ok((answer.header().map_or(0, etcd_client::ResponseHeader::member_id), answer.leader()))
    }

    /// All members of etcd, as this node's knows them.
    ///
    /// # Errors
    ///
    /// When etcd does not answer.
    pub async fn members(&self) -> Result<Vec<StoreMember>, Refusal> {
        let answer = self.0.cluster_client().member_list().await?;
        let read = |one: &etcd_client::Member| StoreMember {
            id: one.id(),
            name: one.name().to_owned(),
            url: one.peer_urls().first().cloned().unwrap_or_default(),
            is_learner: one.is_learner(),
        };
        Ok(answer.members().iter().map(read).collect())
    }

    /// Changes the members of etcd.
    ///
    /// # Errors
    ///
    /// When etcd refuses, for example because too few members would be left, or does not answer.
    pub async fn change(&self, change: &MemberChange) -> Result<(), Refusal> {
        let mut client = self.0.cluster_client();
        match change {
            MemberChange::Add(url) => client
                .member_add([url.clone()], Some(MemberAddOptions::new().with_is_learner()))
                .await
                .map(drop),
            MemberChange::Promote(id) => client.member_promote(*id).await.map(drop),
            MemberChange::Remove(id) => client.member_remove(*id).await.map(drop),
            MemberChange::Readdress(id, url) => client.member_update(*id, [url.clone()]).await.map(drop),
        }
        .map_err(|error| match error.to_string() {
            told if told.contains("unhealthy cluster") => Refusal::new(
                Code::Unavailable,
                "etcd changes its members only while enough of them have been connected for five seconds: try again",
            ),
            _ => error.into(),
        })
    }

    /// Removes the first records below `prefix`, so that the last `kept` are left; tells how many went.
    ///
    /// # Errors
    ///
    /// When etcd does not answer.
    pub async fn prune(&self, prefix: &str, kept: i64) -> Result<i64, Refusal> {
        let mut client = self.0.kv_client();
        let counting = GetOptions::new().with_prefix().with_count_only();
        let surplus = client.get(prefix, Some(counting)).await?.count() - kept;
        if surplus <= 0 {
            return Ok(0);
        }
        // In the order of keys, which begin with the time.
        let oldest = GetOptions::new().with_prefix().with_keys_only().with_limit(surplus);
        let answer = client.get(prefix, Some(oldest)).await?;
        let Some(last) = answer.kvs().last() else { return Ok(0) };
        let end = [last.key(), b"\0"].concat();
        let removed = client.delete(prefix, Some(DeleteOptions::new().with_range(end))).await?;
        Ok(removed.deleted())
    }

    /// Reads one record; none if there is none.
    ///
    /// # Errors
    ///
    /// When etcd does not answer.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<Held<T>>, Refusal> {
        let answer = self.0.kv_client().get(key, None).await?;
        answer.kvs().first().map(read).transpose()
    }

    /// Reads all records whose key begins with `prefix`, each with the rest of its key; and the revision of all.
    ///
    /// # Errors
    ///
    /// When etcd does not answer.
    pub async fn list<T: DeserializeOwned>(
        &self,
        prefix: &str,
    ) -> Result<(Vec<(String, Held<T>)>, i64), Refusal> {
        let answer = self.0.kv_client().get(prefix, Some(GetOptions::new().with_prefix())).await?;
        let mut records = Vec::new();
        for one in answer.kvs() {
            let key = one.key_str()?.get(prefix.len()..).unwrap_or_default().to_owned();
            records.push((key, read(one)?));
        }
        Ok((records, answer.header().map_or(0, etcd_client::ResponseHeader::revision)))
    }

    /// Does `then` if `when` holds, all at once; gives the revision, or none if it does not hold.
    ///
    /// # Errors
    ///
    /// When etcd does not answer. It may have been done then.
    pub async fn commit(&self, when: Vec<Compare>, then: Vec<TxnOp>) -> Result<Option<i64>, Refusal> {
        let answer = self.0.kv_client().txn(Txn::new().when(when).and_then(then)).await?;
        let revision = answer.header().map_or(0, etcd_client::ResponseHeader::revision);
        Ok(answer.succeeded().then_some(revision))
    }

    /// Grants a lease.
    ///
    /// # Errors
    ///
    /// When etcd does not answer.
    pub async fn grant(&self, seconds: u64) -> Result<i64, Refusal> {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        Ok(self.0.lease_client().grant(seconds, None).await?.id())
    }

    /// Begins a lease's time anew; tells whether it was still there.
    ///
    /// # Errors
    ///
    /// When etcd does not answer.
    pub async fn keep(&self, lease: i64) -> Result<bool, Refusal> {
        let asking = async {
            let (mut keeper, mut answers) = self.0.lease_client().keep_alive(lease).await?;
            keeper.keep_alive().await?;
            Ok::<_, etcd_client::Error>(answers.message().await?.is_some_and(|answer| answer.ttl() > 0))
        };
        match tokio::time::timeout(LIMIT, asking).await {
            Ok(Ok(held)) => Ok(held),
            // The crate says so when the first answer has no time left.
            Ok(Err(etcd_client::Error::LeaseKeepAliveError(_))) => Ok(false),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(Refusal::new(Code::Unavailable, "etcd does not answer")),
        }
    }

    /// Ends a lease, and what hangs on it.
    ///
    /// # Errors
    ///
    /// When etcd does not answer.
    pub async fn revoke(&self, lease: i64) -> Result<(), Refusal> {
        self.0.lease_client().revoke(lease).await?;
        Ok(())
    }

    /// Follows everything that changes below `prefix` after `revision`.
    ///
    /// # Errors
    ///
    /// When etcd does not answer.
    pub async fn watch(&self, prefix: &str, revision: i64) -> Result<WatchStream, Refusal> {
        let options = WatchOptions::new().with_prefix().with_start_revision(revision + 1);
        Ok(self.0.watch_client().watch(prefix, Some(options)).await?)
    }
}

fn read<T: DeserializeOwned>(one: &KeyValue) -> Result<Held<T>, Refusal> {
    let value = serde_json::from_slice(one.value()).map_err(|error| {
        let key = String::from_utf8_lossy(one.key());
        Refusal::new(Code::Unavailable, format!("the store's '{key}' is not understood: {error}"))
    })?;
    Ok(Held { value, revision: one.mod_revision(), lease: one.lease() })
}

impl From<etcd_client::Error> for Refusal {
    fn from(error: etcd_client::Error) -> Self {
        Self::new(Code::Unavailable, format!("the cluster's store does not answer: {error}"))
    }
}

/// Holds if there is nothing at `key`.
pub fn is_absent(key: impl Into<Vec<u8>>) -> Compare {
    Compare::create_revision(key, CompareOp::Equal, 0)
}

/// Holds if `key` is as it was read.
pub fn is_unchanged<T>(key: impl Into<Vec<u8>>, held: &Held<T>) -> Compare {
    Compare::mod_revision(key, CompareOp::Equal, held.revision)
}

/// Writes a record, which goes with a lease unless that is 0.
///
/// # Errors
///
/// When the record cannot be JSON, which none of ours is.
pub fn put(key: impl Into<Vec<u8>>, record: &impl Serialize, lease: i64) -> Result<TxnOp, Refusal> {
    let text =
        serde_json::to_vec(record).map_err(|error| Refusal::new(Code::Malformed, error.to_string()))?;
    Ok(TxnOp::put(key, text, (lease != 0).then(|| PutOptions::new().with_lease(lease))))
}

/// Removes a record.
pub fn delete(key: impl Into<Vec<u8>>) -> TxnOp {
    TxnOp::delete(key, None)
}

/// Holds if there is nothing below `prefix`.
pub fn is_absent_below(prefix: impl Into<Vec<u8>>) -> Compare {
    // A range compares every key in it; what has a version is there.
    Compare::version(prefix, CompareOp::Less, 1).with_prefix()
}
