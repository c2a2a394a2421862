//! The package lists of all repositories at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Context;

use crate::parallel;
use crate::progress::{Stage, Unit};
use crate::store::{Sha256Digest, Store};

use super::client::Client;
use super::decode::{Compression, decode};
use super::error::{Cause, FetchError, redacted};

use super::release::{SignedRelease, Source, release, remember};
use super::transfer::Wanted;

/// Repositories worked on at once.
const REPOSITORIES: usize = 8;
/// Indexes of one repository fetched at once.
const CONNECTIONS: usize = 4;
/// Largest index when the Release file does not say; Debian's biggest has 60 MB.
const LIMIT_BYTES: u64 = 1024 * 1024 * 1024;
/// Wait before a mirror in the middle of an update is looked at again.
const UPDATE_WAIT: Duration = Duration::from_secs(1);

/// An index that a Release file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexFile {
    /// Component it belongs to.
    pub component: String,
    /// Path below the folder of the suite.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// Digest.
    pub sha256: Sha256Digest,
    /// How it is compressed.
    pub compression: Compression,
    /// Whether the mirror serves it under its digest as well.
    pub by_hash: bool,
    /// Size and digest of the text, where the Release file gives them.
    pub text: Option<(u64, Sha256Digest)>,
}

/// The text of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedIndex {
    /// Component it belongs to.
    pub component: String,
    /// Address, for messages.
    pub url: String,
    /// The text, decompressed.
    pub text: Vec<u8>,
}

/// What a repository holds.
#[derive(Debug, Clone)]
pub struct Listed<R> {
    /// What the check made of its Release file.
    pub release: R,
    /// Its indexes, in the order in which the check named them.
    pub indexes: Vec<FetchedIndex>,
}

/// A repository whose Release file is known and whose indexes are still to be fetched.
#[derive(Debug, Clone)]
pub struct Announced<R> {
    /// What the check made of its Release file.
    pub release: R,
    /// The place that the file is from, counted from 0.
    place: usize,
    files: Vec<IndexFile>,
}

/// Fetches the Release files and then the indexes of repositories, each by its own thread.
///
/// Each of the repositories is a list of places that serve the same, in the order in which they are tried. The next one
/// is tried when the one before it cannot be reached or lacks a file; a place that sends what is not signed for is an
/// error. `check` judges a Release file and names the indexes to fetch. If an index is not what the Release file says,
/// the mirror may have been updated in between: the Release file is fetched once more.
pub struct Archives<'a, C> {
    client: &'a Client,
    store: &'a Store,
    repositories: &'a [Vec<Source>],
    check: C,
    stage: &'a Stage<'a>,
    total: AtomicU64,
}

impl<C> std::fmt::Debug for Archives<'_, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archives").field("repositories", &self.repositories).finish_non_exhaustive()
    }
}

impl<'a, R, C> Archives<'a, C>
where
    R: Send,
    C: Fn(&Source, &SignedRelease) -> anyhow::Result<(R, Vec<IndexFile>)> + Sync,
{
    /// Names what is to be fetched; nothing is yet.
    pub fn new(
        client: &'a Client,
        store: &'a Store,
        repositories: &'a [Vec<Source>],
        check: C,
        stage: &'a Stage<'a>,
    ) -> Self {
        Self { client, store, repositories, check, stage, total: AtomicU64::new(0) }
    }

    /// Fetches the Release files; of those that are as they were, nothing but that is asked.
    ///
    /// # Errors
    /// What failed first, in the order of the repositories: a [`FetchError`], or whatever the check returns.
    pub fn releases(&self) -> anyhow::Result<Vec<Announced<R>>> {
        let known =
            parallel::map(self.repositories, REPOSITORIES, |_| false, |places| self.announce_from(places, 0));
        known.into_iter().flatten().collect()
    }

    /// Fetches the indexes that the Release files named.
    ///
    /// # Errors
    /// As [`Archives::releases`].
    pub fn indexes(&self, announced: Vec<Announced<R>>) -> anyhow::Result<Vec<Listed<R>>> {
        let waiting: Vec<_> =
            self.repositories.iter().zip(announced).map(|pair| Mutex::new(Some(pair))).collect();
        let listed = parallel::map(
            &waiting,
            REPOSITORIES,
            |_| false,
            |pair| {
                let pair = pair.lock().unwrap_or_else(PoisonError::into_inner).take();
                let (places, announced) = pair.context("a repository is listed twice")?;
                self.list(places, announced)
            },
        );
        listed.into_iter().flatten().collect()
    }

    /// Asks the places from number `first` on for the Release file, until one has it.
    fn announce_from(&self, places: &[Source], first: usize) -> anyhow::Result<Announced<R>> {
        for at in first..places.len() {
            match (self.announce_at(places, at, true), places.get(at + 1)) {
                (Err(error), Some(next)) if is_of_this_place(&error) => self.tell_of_next(&error, next),
                (result, _) => return result,
            }
        }
        anyhow::bail!("a repository without an address")
    }

    /// Asks one place; with `known`, whether what is known of it still holds.
    fn announce_at(&self, places: &[Source], place: usize, known: bool) -> anyhow::Result<Announced<R>> {
        let source = &places[place];
        self.stage.working(&source.name);
        let patient = place + 1 == places.len();
        let signed = release(self.client, known.then_some(self.store), source, patient)?;
        let (release, files) = (self.check)(source, &signed)?;
        remember(self.store, &signed)?;
        Ok(Announced { release, place, files })
    }

    fn tell_of_next(&self, error: &anyhow::Error, next: &Source) {
        self.stage.note(format!("{error}; going on with {}", redacted(&next.base)));
    }

    /// Lists a repository from the first of its places that has it.
    fn list(&self, places: &[Source], mut announced: Announced<R>) -> anyhow::Result<Listed<R>> {
        loop {
            let place = announced.place;
            match (self.list_from(places, announced), places.get(place + 1)) {
                (Err(error), Some(next)) if is_of_this_place(&error) => {
                    self.tell_of_next(&error, next);
                    announced = self.announce_from(places, place + 1)?;
                }
                (result, _) => return result,
            }
        }
    }

    /// Lists a place; a second look may cure what is wrong with the first.
    fn list_from(&self, places: &[Source], announced: Announced<R>) -> anyhow::Result<Listed<R>> {
        let Announced { release, place, files } = announced;
        let error = match self.files(&places[place..], &files)? {
            Ok(indexes) => return Ok(Listed { release, indexes }),
            Err(error) => error,
        };
        self.stage.note(format!("{error}; looking at {} again", places[place].name));
        thread::sleep(UPDATE_WAIT);
        let Announced { release, files, .. } = self.announce_at(places, place, false)?;
        Ok(Listed { release, indexes: self.files(&places[place..], &files)?? })
    }

    /// Fetches `files` from the first of `places`, or from the others that have them too; the inner error is one that a
    /// second look may cure.
    fn files(
        &self,
        places: &[Source],
        files: &[IndexFile],
    ) -> anyhow::Result<Result<Vec<FetchedIndex>, FetchError>> {
        self.announce(files);
        let folders: Vec<String> = places.iter().map(Source::dists).collect();
        let fetched = parallel::map(files, CONNECTIONS, Result::is_err, |file| self.index(&folders, file));
        match fetched.into_iter().flatten().collect::<Result<Vec<_>, _>>() {
            Err(error) if !error.cause.is_of_this_moment() => Err(error.into()),
            fetched => Ok(fetched),
        }
    }

    fn announce(&self, files: &[IndexFile]) {
        let more: u64 = files.iter().map(|file| file.size).sum();
        let total = self.total.fetch_add(more, Ordering::Relaxed) + more;
        self.stage.total(total, Unit::Bytes);
    }

    fn index(&self, folders: &[String], file: &IndexFile) -> Result<FetchedIndex, FetchError> {
        let url = format!("{}/{}", folders[0], file.path);
        let failed = |cause| FetchError { url: redacted(&url), cause, attempts: 1 };
        let text = match self.cached_text(file).map_err(failed)? {
            Some(text) => {
                self.stage.advance(file.size);
                text
            }
            None => {
                let urls = folders.iter().flat_map(|folder| addresses(folder, file)).collect();
                let wanted = Wanted { urls, size: file.size, sha256: file.sha256 };
                self.client.object(self.store, &wanted, self.stage)?;
                self.text(file).map_err(failed)?
            }
        };
        Ok(FetchedIndex { component: file.component.clone(), url: redacted(&url), text })
    }

    /// Returns the text that an earlier run stored.
    fn cached_text(&self, file: &IndexFile) -> Result<Option<Vec<u8>>, Cause> {
        match file.text {
            Some((_, digest)) if file.compression != Compression::Plain => Ok(self.store.read(&digest)?),
            _ => Ok(None),
        }
    }

    /// Decompresses the stored index and stores its text, which saves the next run the work.
    fn text(&self, file: &IndexFile) -> Result<Vec<u8>, Cause> {
        let gone = || Cause::Decode("it vanished from the cache".into());
        let bytes = self.store.read(&file.sha256)?.ok_or_else(gone)?;
        if file.compression == Compression::Plain {
            return Ok(bytes);
        }
        let limit = file.text.map_or(LIMIT_BYTES, |(size, _)| size);
        let hint = file.text.map_or(0, |(size, _)| usize::try_from(size).unwrap_or(0));
        let text = decode(file.compression, &bytes, hint, limit).map_err(|e| Cause::Decode(e.to_string()))?;
        if let Some((_, digest)) = file.text {
            self.store.put(digest, &text).map_err(|error| match Cause::from(error) {
                Cause::Mismatch(mismatch) => Cause::Decode(format!("the text has {mismatch}")),
                other => other,
            })?;
        }
        Ok(text)
    }
}

/// Returns whether another place of the same repository is worth a try.
fn is_of_this_place(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<FetchError>();
    error.is_some_and(|error| matches!(error.cause, Cause::NotFound) || error.cause.is_of_the_network())
}

/// Returns where an index is: under its digest, which an update of the mirror does not change, then by its name.
fn addresses(dists: &str, file: &IndexFile) -> Vec<String> {
    let named = format!("{dists}/{}", file.path);
    if !file.by_hash {
        return vec![named];
    }
    let folder = file.path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    vec![format!("{dists}/{folder}by-hash/SHA256/{}", file.sha256), named]
}
