//! Finished images: a build from what an earlier one was made from gives that one's files.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::output::{self, Artifact, Image};
use crate::resolve::Locked;
use crate::store::{Key, Sha256Digest, Store};

/// An artifact as the store has it; the result of its key.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    images: Vec<KeptImage>,
    /// Names of the small files beside the images and their text, the checksums last.
    texts: Vec<(String, String)>,
}

/// An image as the store has it. Where it can the store has a second name for the file that was put out, not a copy;
/// size and time tell whether it was written to since.
#[derive(Debug, Serialize, Deserialize)]
struct KeptImage {
    file: String,
    sha256: String,
    size: u64,
    /// Modification time: seconds since 1970 and nanoseconds.
    modified: (u64, u32),
}

/// Remembers `artifact` as the result of `key`.
pub(super) fn keep(store: &Store, key: &Key, artifact: &Artifact) -> Result<()> {
    let keep = |image: &Image| -> Result<KeptImage> {
        store.adopt(&image.path, &image.sha256)?;
        let metadata =
            fs::metadata(&image.path).with_context(|| format!("examining '{}'", image.path.display()))?;
        Ok(KeptImage {
            file: name(&image.path),
            sha256: image.sha256.to_string(),
            size: metadata.len(),
            modified: modified(&metadata),
        })
    };
    let images = artifact.images.iter().map(keep).collect::<Result<_>>()?;
    let text = |path: &Path| -> Result<(String, String)> {
        let text = fs::read_to_string(path).with_context(|| format!("reading '{}'", path.display()))?;
        Ok((name(path), text))
    };
    let texts = artifact.texts().map(text).collect::<Result<_>>()?;
    Ok(store.remember(key, &serde_json::to_value(Kept { images, texts })?)?)
}

/// Returns the artifact of an earlier build from the same inputs, all its files in `folder`.
pub(super) fn recall(store: &Store, key: &Key, locked: &Locked, folder: &Path) -> Result<Option<Artifact>> {
    let Some(result) = store.recall(key) else { return Ok(None) };
    let Some(kept) = serde_json::from_value::<Kept>(result).ok().filter(|kept| is_whole(store, kept)) else {
        store.forget(key)?;
        return Ok(None);
    };
    if !is_in_place(&kept, folder) {
        place(store, &kept, folder, &locked.plan.name)?;
    }
    let image = |(image, kind): (&KeptImage, _)| {
        let path = folder.join(&image.file);
        let allocated = fs::metadata(&path).map_or(0, |metadata| metadata.blocks() * 512);
        Some(Image { kind, path, size: image.size, allocated, sha256: Sha256Digest::parse(&image.sha256)? })
    };
    let images: Option<Vec<_>> =
        kept.images.iter().zip(locked.plan.outputs.iter().copied()).map(image).collect();
    let texts = kept.texts.iter().map(|(name, _)| folder.join(name)).collect();
    Ok(images.map(|images| Artifact::found(locked.clone(), images, texts)))
}

/// Tells whether the store still has every image as it was put out; one that was written to is thrown away.
fn is_whole(store: &Store, kept: &Kept) -> bool {
    kept.images.iter().all(|image| {
        let path = Sha256Digest::parse(&image.sha256).and_then(|digest| store.get(&digest));
        let whole = path.as_ref().is_some_and(|path| is_same(path, image));
        if let (false, Some(path)) = (whole, path) {
            tracing::info!("'{}' was written to, so the store lets it go", image.file);
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!("removing '{}': {error}", path.display());
            }
        }
        whole
    })
}

fn is_same(path: &Path, image: &KeptImage) -> bool {
    fs::metadata(path)
        .is_ok_and(|metadata| metadata.len() == image.size && modified(&metadata) == image.modified)
}

fn is_in_place(kept: &Kept, folder: &Path) -> bool {
    let text = |(name, text): &(String, String)| {
        fs::read(folder.join(name)).is_ok_and(|found| found == text.as_bytes())
    };
    kept.images.iter().all(|image| is_same(&folder.join(&image.file), image)) && kept.texts.iter().all(text)
}

/// Copies what the store has into `folder`. These files are the user's, who may write to them.
fn place(store: &Store, kept: &Kept, folder: &Path, name: &str) -> Result<()> {
    let open = |image: &KeptImage| -> Result<output::Copy> {
        let path = Sha256Digest::parse(&image.sha256).and_then(|digest| store.get(&digest));
        let path = path.context("the image went away from the store meanwhile; build again")?;
        let file = File::open(&path).with_context(|| format!("opening '{}'", path.display()))?;
        let (seconds, nanoseconds) = image.modified;
        let modified = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
        Ok(output::Copy { name: image.file.clone(), file, modified })
    };
    let images = kept.images.iter().map(open).collect::<Result<Vec<_>>>()?;
    Ok(output::publish_copies(folder, name, &images, &kept.texts)?)
}

fn modified(metadata: &fs::Metadata) -> (u64, u32) {
    let since = metadata.modified().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.map_or((0, 0), |since| (since.as_secs(), since.subsec_nanos()))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
