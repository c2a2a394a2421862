use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::*;

/// A cache folder that goes away with the value.
pub(crate) struct Cache(PathBuf);

impl Cache {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("bootwright-store-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn store(&self) -> Store {
        Store::open(&self.0).unwrap()
    }

    /// Returns every file below the cache, objects first.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.0.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() {
                    folders.push(entry);
                } else if !entry.ends_with("in-use") {
                    found.push(entry);
                }
            }
        }
        found.sort();
        found
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn writer<'a>(store: &'a Store, bytes: &[u8]) -> ObjectWriter<'a> {
    match store.writer(Sha256Digest::of(bytes), bytes.len() as u64).unwrap() {
        Claim::Writer(writer) => writer,
        Claim::Present(path) => panic!("'{}' is there already", path.display()),
    }
}

#[test]
fn digests_are_parsed_and_shown() {
    let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(Sha256Digest::of(b"").to_string(), text);
    assert_eq!(Sha256Digest::parse(&text.to_uppercase()), Some(Sha256Digest::of(b"")));
    assert_eq!(Sha256Digest::parse(&text[1..]), None);
    assert_eq!(Sha256Digest::parse(&text.replace('e', "g")), None);
}

#[test]
fn an_object_appears_when_it_is_complete() {
    let cache = Cache::new();
    let store = cache.store();
    let digest = Sha256Digest::of(b"hello world");
    let mut writer = writer(&store, b"hello world");
    writer.append(b"hello ").unwrap();
    assert_eq!(store.get(&digest), None);
    writer.append(b"world").unwrap();
    let path = writer.commit().unwrap();
    drop(writer);
    assert_eq!(store.get(&digest), Some(path.clone()));
    assert_eq!(fs::read(&path).unwrap(), b"hello world");
    assert_eq!(cache.files(), std::slice::from_ref(&path));
    assert!(matches!(store.writer(digest, 11).unwrap(), Claim::Present(there) if there == path));
    assert_eq!(cache.files(), [path]);
}

#[test]
fn wrong_bytes_leave_nothing() {
    let cache = Cache::new();
    let store = cache.store();
    let mut wrong = writer(&store, b"hello world");
    wrong.append(b"HELLO WORLD").unwrap();
    assert!(matches!(wrong.commit(), Err(StoreError::Mismatch(Mismatch::Digest { .. }))));
    // It can be written again.
    wrong.append(b"hello").unwrap();
    let long = wrong.append(b" world!").unwrap_err();
    assert!(matches!(long, StoreError::Mismatch(Mismatch::Size { expected: 11, found: 12 })));
    assert!(matches!(wrong.commit(), Err(StoreError::Mismatch(Mismatch::Size { expected: 11, found: 5 }))));
    drop(wrong);
    assert_eq!(cache.files(), [] as [PathBuf; 0]);
}

#[test]
fn an_interrupted_object_is_taken_up() {
    let cache = Cache::new();
    writer(&cache.store(), b"hello world").append(b"hello ").unwrap();
    let store = cache.store();
    let mut second = writer(&store, b"hello world");
    assert_eq!((second.length(), second.resumed()), (6, true));
    second.append(b"world").unwrap();
    second.commit().unwrap();
}

#[test]
fn a_leftover_that_is_too_long_is_forgotten() {
    let cache = Cache::new();
    let store = cache.store();
    let digest = Sha256Digest::of(b"abc");
    fs::write(cache.path().join("partial").join(digest.to_string()), b"abcdef").unwrap();
    let fresh = writer(&store, b"abc");
    assert_eq!((fresh.length(), fresh.resumed()), (0, false));
}

#[test]
fn a_corrupt_object_is_found_once_and_removed() {
    let cache = Cache::new();
    let digest = Sha256Digest::of(b"hello");
    let path = cache.store().put(digest, b"hello").unwrap();
    assert_eq!(cache.store().checked(&digest).unwrap(), Some(path.clone()));
    assert_eq!(cache.store().read(&digest).unwrap().unwrap(), b"hello");
    fs::write(&path, b"hallo").unwrap();
    let store = cache.store();
    assert_eq!(store.checked(&digest).unwrap(), None);
    assert_eq!(store.get(&digest), None);
    store.put(digest, b"hello").unwrap();
    fs::write(&path, b"hallo").unwrap();
    assert_eq!(cache.store().read(&digest).unwrap(), None);
    assert!(matches!(cache.store().writer(digest, 5).unwrap(), Claim::Writer(_)));
}

#[test]
fn many_writers_make_one_object() {
    let cache = Cache::new();
    let bytes = vec![7; 1_000_000];
    let digest = Sha256Digest::of(&bytes);
    let written = AtomicUsize::new(0);
    // Each has its own store, as processes have.
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let store = cache.store();
                match store.writer(digest, bytes.len() as u64).unwrap() {
                    Claim::Present(_) => {}
                    Claim::Writer(mut writer) => {
                        written.fetch_add(1, Ordering::Relaxed);
                        bytes.chunks(10_000).for_each(|chunk| writer.append(chunk).unwrap());
                        writer.commit().unwrap();
                    }
                }
                assert_eq!(store.read(&digest).unwrap().unwrap(), bytes);
            });
        }
    });
    assert_eq!(written.into_inner(), 1);
    assert_eq!(cache.files().len(), 1);
}

#[test]
fn writers_that_give_up_hand_on_to_those_who_wait() {
    let cache = Cache::new();
    let store = cache.store();
    let digest = Sha256Digest::of(b"hello");
    let first = writer(&store, b"hello");
    thread::scope(|scope| {
        let others: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let store = cache.store();
                    drop(store.writer(digest, 5).unwrap());
                })
            })
            .collect();
        drop(first);
        others.into_iter().for_each(|other| other.join().unwrap());
    });
    assert_eq!(cache.files(), [] as [PathBuf; 0]);
}

#[test]
fn an_unusable_cache_is_explained() {
    let error = Store::open(Path::new("/proc/nowhere")).unwrap_err().to_string();
    assert!(error.contains("/proc/nowhere") && error.contains("permissions"), "{error}");
}
