//! What a build looked for in the store, for `--explain`.

use std::sync::{Mutex, PoisonError};

use crate::store::{Key, Store};

/// What each stage found, in the order in which they asked.
#[derive(Debug, Default)]
pub struct Journal(Mutex<Vec<Looked>>);

/// What one stage found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// The stage.
    pub stage: &'static str,
    /// Why its result was not there: the first input that differs from the last time; none if it was.
    pub missed: Option<String>,
}

impl Journal {
    /// Notes whether the result of `key` was there.
    pub(super) fn note(&self, key: &Key, hit: bool, store: &Store) {
        let missed = (!hit).then(|| store.explain_miss(key));
        self.push(Looked { stage: key.stage(), missed });
    }

    /// Notes that the result of `stage` is never looked for, and why.
    pub(super) fn note_unkept(&self, stage: &'static str, reason: &str) {
        self.push(Looked { stage, missed: Some(reason.to_owned()) });
    }

    /// Returns all notes.
    pub fn entries(&self) -> Vec<Looked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn push(&self, looked: Looked) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A stage that asks again has made its result meanwhile.
        if entries.iter().all(|entry| entry.stage != looked.stage) {
            entries.push(looked);
        }
    }
}

impl std::fmt::Display for Looked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.missed {
            None => write!(f, "{}: hit", self.stage),
            Some(reason) => write!(f, "{}: miss: {reason}", self.stage),
        }
    }
}
