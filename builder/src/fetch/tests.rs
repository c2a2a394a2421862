//! Transfers against a misbehaving server; mirrors; whole repositories, invented and real.

mod live;
mod mirrors;
mod repositories;
mod transfers;

use std::sync::Mutex;
use std::time::Duration;

use crate::progress::{Event, Reporter, Stage};
use crate::store::Store;

use super::client::{Client, ClientOptions};
use super::proxy::ProxyRules;
use super::{Archives, IndexFile, Listed, SignedRelease, Source};

/// A client that loses patience quickly.
fn client() -> Client {
    client_behind(ProxyRules::default())
}

fn client_behind(rules: ProxyRules) -> Client {
    let options = ClientOptions {
        connect: Duration::from_secs(5),
        idle: Duration::from_secs(2),
        attempts: 3,
        wait: Duration::from_millis(20),
    };
    Client::with_rules(options, rules).unwrap()
}

/// Lists `places`: Release files first, then indexes.
fn listed<R: Send>(
    client: &Client,
    store: &Store,
    places: &[Vec<Source>],
    check: impl Fn(&Source, &SignedRelease) -> anyhow::Result<(R, Vec<IndexFile>)> + Sync,
    stage: &Stage<'_>,
) -> anyhow::Result<Vec<Listed<R>>> {
    let archives = Archives::new(client, store, places, check, stage);
    archives.indexes(archives.releases()?)
}

/// Counts what is told.
#[derive(Default)]
struct Counter {
    advanced: Mutex<u64>,
    notes: Mutex<Vec<String>>,
}

impl Counter {
    fn advanced(&self) -> u64 {
        *self.advanced.lock().unwrap()
    }
}

impl Reporter for Counter {
    fn event(&self, event: Event) {
        match event {
            Event::Advanced { amount, .. } => *self.advanced.lock().unwrap() += amount,
            Event::Note { message } => self.notes.lock().unwrap().push(message),
            _ => {}
        }
    }
}
