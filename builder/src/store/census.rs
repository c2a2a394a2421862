//! What the store holds: listed, replaced, pruned, verified.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;

use super::record::read;
use super::{Key, Sha256Digest, Store, StoreError, at};

/// A result, or an object that belongs to none: a package or a list as it was fetched.
#[derive(Debug, Clone)]
pub struct Holding {
    /// The stage whose result it is; `fetched` for what belongs to none.
    pub stage: String,
    /// The recipe, or what else the result is of.
    pub subject: String,
    /// When it was used last.
    pub used: SystemTime,
    /// The objects that belong to it.
    pub objects: BTreeSet<Sha256Digest>,
    record: Option<PathBuf>,
}

/// Everything that the store holds.
#[derive(Debug, Default)]
pub struct Census {
    /// Results and single objects, the one used last at the end.
    pub holdings: Vec<Holding>,
    /// Bytes that each object takes on disk.
    pub sizes: BTreeMap<Sha256Digest, u64>,
}

/// What pruning removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Objects.
    pub objects: usize,
    /// Bytes that they took.
    pub bytes: u64,
    /// Bytes that are left.
    pub kept: u64,
}

/// What verifying found.
#[derive(Debug, Default)]
pub struct Verified {
    /// Objects that are what their names say.
    pub good: usize,
    /// Objects that were not, and are removed now.
    pub bad: Vec<PathBuf>,
}

impl Census {
    /// Returns the bytes that all objects take on disk.
    pub fn bytes(&self) -> u64 {
        self.sizes.values().sum()
    }

    /// Returns the bytes that the objects of `holding` take on disk.
    pub fn bytes_of(&self, holding: &Holding) -> u64 {
        holding.objects.iter().filter_map(|object| self.sizes.get(object)).sum()
    }
}

impl Store {
    /// Counts what the store holds.
    ///
    /// # Errors
    /// [`StoreError::Io`] when a folder cannot be read.
    pub fn census(&self) -> Result<Census, StoreError> {
        let mut loose = BTreeMap::new();
        let mut census = Census::default();
        for (path, metadata) in files_below(&self.objects)? {
            if let Some(digest) = digest_of(&path) {
                census.sizes.insert(digest, metadata.blocks() * 512);
                loose.insert(digest, metadata.modified().map_err(at("examining", &path))?);
            }
        }
        for (path, metadata) in files_below(&self.records)? {
            let Some(record) = read(&path) else { continue };
            let objects = objects_of(&record["result"]);
            loose.retain(|object, _| !objects.contains(object));
            let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
            let used = metadata.modified().map_err(at("examining", &path))?;
            let (stage, subject) = (text("stage"), text("subject"));
            census.holdings.push(Holding { stage, subject, used, objects, record: Some(path) });
        }
        let fetched = loose.into_iter().map(|(digest, used)| Holding {
            stage: "fetched".to_owned(),
            subject: String::new(),
            used,
            objects: BTreeSet::from([digest]),
            record: None,
        });
        census.holdings.extend(fetched);
        census.holdings.sort_by_key(|holding| holding.used);
        Ok(census)
    }

    /// Removes what was used longest ago until at most `keep` bytes are left, and what interrupted runs have left.
    /// The caller makes sure that nobody uses the store meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Io`] when something cannot be removed.
    pub fn prune(&self, keep: u64) -> Result<Pruned, StoreError> {
        for (path, _) in [files_below(&self.partial)?, files_below(&self.locks)?].concat() {
            remove(&path)?;
        }
        let census = self.census()?;
        let mut pruned = Pruned { kept: census.bytes(), ..Pruned::default() };
        let mut users: BTreeMap<Sha256Digest, usize> = BTreeMap::new();
        census
            .holdings
            .iter()
            .flat_map(|one| &one.objects)
            .for_each(|one| *users.entry(*one).or_default() += 1);
        for holding in &census.holdings {
            if pruned.kept <= keep {
                break;
            }
            // The record goes first: a record never names what is not there.
            holding.record.as_deref().map_or(Ok(()), remove)?;
            for object in &holding.objects {
                let left = users.entry(*object).or_default();
                *left = left.saturating_sub(1);
                if *left == 0
                    && let Some(bytes) = census.sizes.get(object)
                {
                    remove(&self.path(object))?;
                    pruned.objects += 1;
                    pruned.bytes += bytes;
                    pruned.kept -= bytes;
                }
            }
        }
        Ok(pruned)
    }

    /// Remembers the result of `key` in place of an earlier one, whose objects go unless another result of the stage names
    /// them: a tree that is made anew need not have the same bytes. Who reads the earlier one has its file open, or finds
    /// nothing and makes the result.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the record cannot be written.
    pub fn replace(&self, key: &Key, result: &Value) -> Result<(), StoreError> {
        let before = read(&self.record(key)).map(|record| objects_of(&record["result"]));
        self.remember(key, result)?;
        let now = objects_of(result);
        let gone: BTreeSet<_> = before.unwrap_or_default().difference(&now).copied().collect();
        if let Err(error) = self.remove_unnamed(gone, key.stage) {
            tracing::debug!("leaving what '{}' had before to pruning: {error}", key.subject);
        }
        Ok(())
    }

    /// Removes those of `objects` that no result of `stage` names.
    fn remove_unnamed(&self, mut objects: BTreeSet<Sha256Digest>, stage: &str) -> Result<(), StoreError> {
        if objects.is_empty() {
            return Ok(());
        }
        for (path, _) in files_below(&self.records.join(stage))? {
            let named = read(&path).map(|record| objects_of(&record["result"])).unwrap_or_default();
            objects.retain(|object| !named.contains(object));
        }
        objects.iter().try_for_each(|object| remove(&self.path(object)))
    }

    /// Reads every object and removes those that are not what their names say; `done` is told of each.
    ///
    /// # Errors
    /// [`StoreError::Io`] when an object cannot be read, or a bad one not be removed.
    pub fn verify(&self, mut done: impl FnMut(u64)) -> Result<Verified, StoreError> {
        let mut verified = Verified::default();
        for (path, metadata) in files_below(&self.objects)? {
            let file = File::open(&path).map_err(at("opening", &path))?;
            let found = Sha256Digest::read(file).map_err(at("reading", &path))?;
            if digest_of(&path) == Some(found) {
                verified.good += 1;
            } else {
                remove(&path)?;
                verified.bad.push(path);
            }
            done(metadata.len());
        }
        Ok(verified)
    }
}

/// Returns the digests that a result names, wherever they stand in it.
fn objects_of(result: &Value) -> BTreeSet<Sha256Digest> {
    match result {
        Value::String(text) => Sha256Digest::parse(text).into_iter().collect(),
        Value::Array(items) => items.iter().flat_map(objects_of).collect(),
        Value::Object(fields) => fields.values().flat_map(objects_of).collect(),
        _ => BTreeSet::new(),
    }
}

/// Returns the digest that an object's path stands for.
fn digest_of(path: &Path) -> Option<Sha256Digest> {
    let folder = path.parent()?.file_name()?.to_str()?;
    Sha256Digest::parse(&format!("{folder}{}", path.file_name()?.to_str()?))
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at("removing", path)(error)),
        _ => Ok(()),
    }
}

/// Returns every file below `folder`, in the order of their names.
fn files_below(folder: &Path) -> Result<Vec<(PathBuf, fs::Metadata)>, StoreError> {
    let mut found = Vec::new();
    let listed = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut entries = listed.map_err(at("reading", folder))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let metadata = entry.metadata().map_err(at("examining", &entry.path()))?;
        if metadata.is_dir() {
            found.extend(files_below(&entry.path())?);
        } else {
            found.push((entry.path(), metadata));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::store::tests::Cache;

    fn object(store: &Store, text: &str, age: u64) -> Sha256Digest {
        let mut object = store.fresh().unwrap();
        object.write_all(text.as_bytes()).unwrap();
        let stored = object.commit().unwrap();
        let used = SystemTime::now() - Duration::from_secs(age);
        File::open(store.get(&stored.sha256).unwrap()).unwrap().set_modified(used).unwrap();
        stored.sha256
    }

    fn result(store: &Store, subject: &str, objects: &[Sha256Digest], age: u64) -> Key {
        let key = Key::new("tree", subject, json!({ "subject": subject }));
        let objects: Vec<String> = objects.iter().map(ToString::to_string).collect();
        store.remember(&key, &json!({ "objects": objects })).unwrap();
        let used = SystemTime::now() - Duration::from_secs(age);
        File::open(store.record(&key)).unwrap().set_modified(used).unwrap();
        key
    }

    #[test]
    fn what_was_used_longest_ago_goes_first_and_shared_objects_last() {
        let cache = Cache::new();
        let store = cache.store();
        let (package, shared, own) =
            (object(&store, "package", 500), object(&store, "shared", 900), object(&store, "own", 900));
        let old = result(&store, "old", &[shared, own], 400);
        let new = result(&store, "new", &[shared], 10);
        let census = store.census().unwrap();
        let order: Vec<&str> = census.holdings.iter().map(|holding| holding.stage.as_str()).collect();
        assert_eq!(order, ["fetched", "tree", "tree"]);
        assert_eq!(census.sizes.len(), 3);
        let one = census.bytes() / 3;
        assert_eq!(store.prune(one * 3).unwrap().objects, 0);
        let pruned = store.prune(one).unwrap();
        assert_eq!((pruned.objects, pruned.bytes, pruned.kept), (2, 2 * one, one));
        assert!(store.get(&package).is_none() && store.get(&own).is_none());
        assert!(store.recall(&old).is_none() && store.recall(&new).is_some());
        assert!(store.get(&shared).is_some());
        assert_eq!(store.prune(0).unwrap().kept, 0);
        assert!(store.recall(&new).is_none() && store.get(&shared).is_none());
    }

    #[test]
    fn a_result_that_is_made_anew_takes_the_place_of_the_earlier_one() {
        let cache = Cache::new();
        let store = cache.store().without_results();
        let (shared, own, new) =
            (object(&store, "shared", 1), object(&store, "own", 1), object(&store, "new", 1));
        let key = result(&store, "anew", &[shared, own], 1);
        result(&store, "other", &[shared], 1);
        store.replace(&key, &json!({ "object": new.to_string(), "kept": shared.to_string() })).unwrap();
        assert!(store.get(&own).is_none() && store.get(&new).is_some());
        store.replace(&key, &json!({ "object": new.to_string() })).unwrap();
        assert!(store.get(&shared).is_some(), "another result names it");
        let cached = cache.store();
        assert_eq!(cached.recall(&key).unwrap()["object"], new.to_string());
        assert!(cached.read(&own).unwrap().is_none());
    }

    #[test]
    fn damage_is_found_and_removed() {
        let cache = Cache::new();
        let store = cache.store();
        let (good, bad) = (object(&store, "good", 1), object(&store, "bad", 1));
        fs::write(store.get(&bad).unwrap(), "worse").unwrap();
        let mut bytes = 0;
        let verified = store.verify(|read| bytes += read).unwrap();
        assert_eq!((verified.good, verified.bad.len(), bytes), (1, 1, 9));
        assert!(store.get(&good).is_some() && store.get(&bad).is_none());
    }
}
