//! The signed file that says what a suite holds.

use serde_json::json;

use crate::store::{Key, Sha256Digest, Store, StoreError};

use super::client::{Client, Validators};
use super::error::{Cause, FetchError, redacted};
use super::transfer::Answer;

/// Largest Release file that is read; Debian's are below 200 KiB.
const LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// Where one repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Short name for messages.
    pub name: String,
    /// Base address, without a trailing slash.
    pub base: String,
    /// The suite as written below `dists/`, or the path of a flat repository, which ends in a slash.
    pub suite: String,
}

impl Source {
    /// Returns the address of the folder of the suite.
    pub fn dists(&self) -> String {
        match self.suite.strip_suffix('/') {
            None => format!("{}/dists/{}", self.base, self.suite),
            Some("." | "") => self.base.clone(),
            Some(path) => format!("{}/{path}", self.base),
        }
    }
}

/// A Release file as it came: nothing in it is to be believed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRelease {
    /// Address of the file that was read.
    pub url: String,
    /// Its bytes and its signature's.
    pub content: SignedContent,
    /// How to ask its server whether it is still the same.
    pub validators: Validators,
}

/// The two forms in which archives sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedContent {
    /// `InRelease`: text and signature in one.
    Inline(Vec<u8>),
    /// `Release` and `Release.gpg`.
    Detached {
        /// The text.
        release: Vec<u8>,
        /// The signature, armoured or not.
        signature: Vec<u8>,
    },
}

/// Fetches `InRelease`, or `Release` and `Release.gpg` where there is none; not `patient` where another place is left.
/// What `known` has of an earlier run serves again if the server says that nothing has changed.
pub(super) fn release(
    client: &Client,
    known: Option<&Store>,
    source: &Source,
    patient: bool,
) -> Result<SignedRelease, FetchError> {
    let dists = source.dists();
    let inline = format!("{dists}/InRelease");
    let before = known.and_then(|store| recall(store, &inline));
    let validators = before.as_ref().map(|(validators, _)| validators);
    match client.bytes_unless(&inline, LIMIT_BYTES, patient, validators) {
        Ok(Answer::Unchanged) => {
            let (validators, bytes) = before.unwrap_or_default();
            return Ok(SignedRelease { url: inline, content: SignedContent::Inline(bytes), validators });
        }
        Ok(Answer::Bytes(bytes, validators)) => {
            return Ok(SignedRelease { url: inline, content: SignedContent::Inline(bytes), validators });
        }
        Err(FetchError { cause: Cause::NotFound, .. }) => {}
        Err(error) => return Err(error),
    }
    let url = format!("{dists}/Release");
    let release = client.bytes(&url, LIMIT_BYTES, patient)?;
    let signature = client.bytes(&format!("{dists}/Release.gpg"), LIMIT_BYTES, patient)?;
    let content = SignedContent::Detached { release, signature };
    Ok(SignedRelease { url, content, validators: Validators::default() })
}

/// Remembers an `InRelease` for the next run, if its server said how to ask whether it has changed.
pub(super) fn remember(store: &Store, signed: &SignedRelease) -> Result<(), StoreError> {
    let SignedContent::Inline(bytes) = &signed.content else { return Ok(()) };
    let Some(key) = key(&signed.url).filter(|_| signed.validators != Validators::default()) else {
        return Ok(());
    };
    let object = Sha256Digest::of(bytes);
    let result = json!({
        "etag": signed.validators.etag,
        "last_modified": signed.validators.last_modified,
        "object": object.to_string(),
    });
    if store.recall(&key).is_some_and(|known| known == result) {
        return Ok(());
    }
    store.put(object, bytes)?;
    store.remember(&key, &result)
}

fn recall(store: &Store, url: &str) -> Option<(Validators, Vec<u8>)> {
    let known = store.recall(&key(url)?)?;
    let text = |name: &str| known[name].as_str().map(str::to_owned);
    let validators = Validators { etag: text("etag"), last_modified: text("last_modified") };
    let object = Sha256Digest::parse(known["object"].as_str()?)?;
    Some((validators, store.read(&object).ok()??))
}

/// Returns what the file at `url` is remembered by; nothing is remembered of addresses that hold a secret.
fn key(url: &str) -> Option<Key> {
    (redacted(url) == url).then(|| Key::new("release", url, json!({ "url": url })))
}
