//! Trees that are made once: kept in the store as they are made, and put back from it.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::progress::Stage;
use crate::rootfs::snapshot::{self, Frame};
use crate::rootfs::tar_stream::TreeScan;
use crate::store::{Key, KeyLock, Sha256Digest, Store};

/// A tree as the store has it; the result of its key.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    object: String,
    size: u64,
    frames: Vec<Frame>,
}

/// Where a tree comes from.
#[derive(Debug)]
pub(super) enum Origin {
    /// It is in its folder.
    Store,
    /// It must be made, which others wait for until this is dropped.
    Made(#[expect(dead_code, reason = "it counts as long as it is held")] KeyLock),
}

impl Origin {
    /// Tells whether the tree is still to be made.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Made(_))
    }
}

/// Puts the tree of `key` into the empty folder `root`, or takes the right to make it.
pub(super) fn restore(store: &Store, key: &Key, root: &Path, stage: &Stage<'_>) -> Result<Origin> {
    if restored(store, key, root)? {
        return Ok(Origin::Store);
    }
    let waiting = || stage.note(format!("another build makes the same ({}); waiting for it", key.stage()));
    let lock = store.claim(key, waiting)?;
    // Whoever was waited for has made it.
    if restored(store, key, root)? { Ok(Origin::Store) } else { Ok(Origin::Made(lock)) }
}

/// Keeps the tree at `root` as the result of `key`, and meanwhile calls `beside`, which may add to the tree. The tree's
/// times are from then on what they will be when it is put back.
pub(super) fn keep<R>(
    store: &Store,
    key: &Key,
    root: &Path,
    epoch: i64,
    beside: impl FnOnce() -> Result<R>,
) -> Result<R> {
    let scan = TreeScan::read(root, &[])?;
    let (frames, done) = std::thread::scope(|scope| {
        let kept = scope.spawn(|| -> Result<_> {
            let mut object = store.fresh()?;
            let frames = snapshot::keep(&scan, epoch, &mut object)?;
            Ok((frames, object.commit()?))
        });
        let done = beside();
        (kept.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), done)
    });
    let full = || {
        let cache = store.folder().display();
        format!(
            "keeping the tree in the cache '{cache}'; make room there, or `bootwright cache prune --keep 2GiB`"
        )
    };
    let (done, (frames, stored)) = (done?, frames.with_context(full)?);
    snapshot::settle_times(&scan, epoch)?;
    let kept = Kept { object: stored.sha256.to_string(), size: stored.size, frames };
    store.replace(key, &serde_json::to_value(kept)?)?;
    Ok(done)
}

fn restored(store: &Store, key: &Key, root: &Path) -> Result<bool> {
    let Some(kept) = store.recall(key).and_then(|result| serde_json::from_value::<Kept>(result).ok()) else {
        return Ok(false);
    };
    let Some(path) = Sha256Digest::parse(&kept.object).and_then(|digest| store.get(&digest)) else {
        store.forget(key)?;
        return Ok(false);
    };
    let file = match File::open(&path) {
        // Another build has replaced it since.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        other => other.with_context(|| format!("opening '{}'", path.display()))?,
    };
    let Err(error) = snapshot::restore(&file, &kept.frames, root) else { return Ok(true) };
    // A full disk or memory would fail again; damage is cured by making the tree anew.
    tracing::warn!("'{}' is not put back: {error}", path.display());
    store.forget(key)?;
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("removing '{}'", path.display()));
        }
        _ => {}
    }
    empty(root).with_context(|| format!("emptying '{}'", root.display()))?;
    Ok(false)
}

fn empty(folder: &Path) -> std::io::Result<()> {
    std::fs::remove_dir_all(folder)?;
    std::fs::create_dir(folder)
}
