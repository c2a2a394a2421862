//! [`RawDisk`] or [`Tree`] → [`Artifact`]: files with names, digests and a manifest.
//!
//! - In: a complete disk in an unnamed file, or a finished tree; the formats wanted.
//! - Out: `NAME.raw`, `NAME.qcow2`, `NAME.vmdk`, `NAME.vhd`, `NAME.tar`, `NAME.tree`…, `NAME.spdx.json`, `NAME.provenance.json`,
//!   `NAME.manifest.json`, `NAME.SHA256SUMS` in the output folder, each naming those before it by their digests.
//! - Cache key: the disk's bytes or the tree, and the formats; the same input gives the same files.
//! - Undo: none needed for files. Every file is made without a name, synced, and only then linked or renamed to its
//!   place, the checksums last; an older set loses its checksums first. A folder: see [`tree`].
//!
//! A new format is one module with a function that fills an unnamed file and tells its digest.

pub mod blocks;
pub mod convert;
mod digest;
mod disk_image;
mod documents;
mod error;
mod hashed;
mod manifest;
mod publish;
pub mod qcow2;
mod tar;
pub mod tree;
mod vhd;
mod vmdk;

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub use documents::Origins;
pub use error::OutputError;
pub use publish::{Copy, publish_copies, publish_signature, signature_name};

use blocks::RawBlocks;
use documents::Document;

use crate::disk::RawDisk;
use crate::plan::{OutputKind, Plan};
use crate::progress::{Stage, Unit};
use crate::resolve::{Locked, Sha256Digest};
use crate::rootfs::Tree;
use crate::rootfs::tar_stream::{EntryKind, TreeScan};

/// What a build gives.
#[derive(Debug)]
pub struct Artifact {
    /// What it was made from.
    pub locked: Locked,
    /// The images, in the order in which they were asked for.
    pub images: Vec<Image>,
    /// The bill of materials and the provenance.
    pub documents: Vec<PathBuf>,
    /// The manifest, which names images and documents.
    pub manifest: PathBuf,
    /// Checksums of images, documents and manifest, as `sha256sum -c` takes them.
    pub checksums: PathBuf,
}

impl Artifact {
    /// Names the files of an artifact that are in place; of `texts`, the documents come first, then the manifest, and the
    /// checksums last.
    pub fn found(locked: Locked, images: Vec<Image>, mut texts: Vec<PathBuf>) -> Self {
        let checksums = texts.pop().unwrap_or_default();
        let manifest = texts.pop().unwrap_or_default();
        Self { locked, images, documents: texts, manifest, checksums }
    }

    /// Returns the files beside the images, in the order that [`Artifact::found`] takes them.
    pub fn texts(&self) -> impl Iterator<Item = &Path> {
        self.documents.iter().chain([&self.manifest, &self.checksums]).map(PathBuf::as_path)
    }
}

/// One image file.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its format.
    pub kind: OutputKind,
    /// Where it is.
    pub path: PathBuf,
    /// Length of the file; of the files together for a tree.
    pub size: u64,
    /// Bytes that the filesystem set aside for it.
    pub allocated: u64,
    /// Digest of the whole file; for a tree, of its tar archive.
    pub sha256: Sha256Digest,
}

/// A complete image that has no name yet.
struct Unnamed {
    kind: OutputKind,
    name: String,
    content: Content,
    size: u64,
    sha256: Sha256Digest,
}

enum Content {
    File(File),
    Folder(tree::StagedTree),
}

/// Writes `disk` in the formats `outputs` to `folder`, which is made if need be; the documents tell of `origins`.
///
/// # Errors
/// When something cannot be written; nothing new has a name then, unless the very last renames failed.
pub fn write(
    disk: RawDisk,
    origins: &Origins,
    outputs: &[OutputKind],
    folder: &Path,
    stage: &Stage<'_>,
) -> Result<Artifact, OutputError> {
    make_folder(folder)?;
    let images = make_images(&disk, outputs, folder, stage)?;
    let told = disk.locked.published();
    let documents = documents::documents(&told, origins, &images);
    let manifest = manifest::text(&told, Some(&disk), &images, &documents);
    publish(disk.locked, images, &documents, &manifest, folder)
}

/// Writes `tree` in the formats `outputs` to `folder`, which is made if need be.
///
/// # Errors
/// As `write`.
pub fn write_tree(
    tree: Tree,
    origins: &Origins,
    outputs: &[OutputKind],
    folder: &Path,
    stage: &Stage<'_>,
) -> Result<Artifact, OutputError> {
    make_folder(folder)?;
    let scan = TreeScan::read(tree.root(), &[])?;
    stage.total(outputs.len() as u64, Unit::Items);
    let make = |kind: &OutputKind| make_of_tree(&tree, &scan, *kind, folder).inspect(|_| stage.advance(1));
    let images = outputs.iter().map(make).collect::<Result<Vec<_>, _>>()?;
    let told = tree.locked.published();
    let documents = documents::documents(&told, origins, &images);
    let manifest = manifest::text(&told, None, &images, &documents);
    publish(tree.locked, images, &documents, &manifest, folder)
}

/// Returns the names of the folders that `plan` makes in the output folder.
pub fn tree_names(plan: &Plan) -> Vec<String> {
    let trees = plan.outputs.iter().filter(|kind| **kind == OutputKind::Tree);
    trees.map(|kind| file_name(&plan.name, *kind)).collect()
}

fn make_folder(folder: &Path) -> Result<(), OutputError> {
    std::fs::create_dir_all(folder).map_err(|source| OutputError::io("making the folder", folder, source))
}

/// Gives everything its name, the checksums last.
fn publish(
    locked: Locked,
    images: Vec<Unnamed>,
    documents: &[Document],
    manifest: &str,
    folder: &Path,
) -> Result<Artifact, OutputError> {
    let name = locked.plan.name.as_str();
    let checksums = manifest::checksums(name, manifest, &images, documents);
    let publisher = publish::Publisher::open(folder, name)?;
    let images = images
        .into_iter()
        .map(|image| {
            let (path, allocated) = match image.content {
                Content::File(file) => {
                    let path = publisher.publish(&file, &image.name)?;
                    let allocated = path.metadata().map_or(0, |metadata| metadata.blocks() * 512);
                    (path, allocated)
                }
                Content::Folder(tree) => (publisher.publish_tree(tree, &image.name)?, image.size),
            };
            Ok(Image { kind: image.kind, path, size: image.size, allocated, sha256: image.sha256 })
        })
        .collect::<Result<_, OutputError>>()?;
    let publish_document = |one: &Document| publisher.publish_text(&one.text, &one.name);
    let documents = documents.iter().map(publish_document).collect::<Result<_, _>>()?;
    let manifest = publisher.publish_text(manifest, &manifest::manifest_name(name))?;
    let checksums = publisher.publish_text(&checksums, &manifest::checksums_name(name))?;
    publisher.finish()?;
    Ok(Artifact { locked, images, documents, manifest, checksums })
}

/// Makes all images at the same time: each is bound by the digest of its bytes, which is taken on one processor.
fn make_images(
    disk: &RawDisk,
    outputs: &[OutputKind],
    folder: &Path,
    stage: &Stage<'_>,
) -> Result<Vec<Unnamed>, OutputError> {
    let map = qcow2::ClusterMap::read(&RawBlocks::new(&disk.file, disk.size))
        .map_err(|source| OutputError::io("reading the disk for", folder, source))?;
    stage.total(map.data_bytes() * outputs.len() as u64, Unit::Bytes);
    std::thread::scope(|scope| {
        let workers: Vec<_> = outputs
            .iter()
            .map(|kind| scope.spawn(|| make_image(disk, &map, *kind, folder, &|bytes| stage.advance(bytes))))
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

fn make_image(
    disk: &RawDisk,
    map: &qcow2::ClusterMap,
    kind: OutputKind,
    folder: &Path,
    advance: &dyn Fn(u64),
) -> Result<Unnamed, OutputError> {
    let name = file_name(&disk.locked.plan.name, kind);
    let failed = |source| OutputError::io("writing", &folder.join(&name), source);
    let (file, size, sha256) = match kind {
        OutputKind::Raw => {
            let file = disk.file.try_clone().map_err(failed)?;
            let sha256 = digest::of_disk_while_syncing(&file, disk.size, map).map_err(failed)?;
            advance(map.data_bytes());
            (file, disk.size, sha256)
        }
        OutputKind::Qcow2(_) | OutputKind::Vmdk | OutputKind::Vhd(_) => {
            let file = host::sparse::create_unnamed(folder).map_err(failed)?;
            let blocks = RawBlocks::new(&disk.file, disk.size);
            let (size, sha256) =
                disk_image::write(&blocks, map, kind, &name, disk.locked.epoch, &file, advance)
                    .map_err(failed)?;
            (file, size, sha256)
        }
        OutputKind::Tar(_) | OutputKind::Tree => return Err(misfit(&folder.join(name), "a tree")),
    };
    Ok(Unnamed { kind, name, content: Content::File(file), size, sha256 })
}

fn make_of_tree(
    tree: &Tree,
    scan: &TreeScan,
    kind: OutputKind,
    folder: &Path,
) -> Result<Unnamed, OutputError> {
    let (name, epoch) = (file_name(&tree.locked.plan.name, kind), tree.locked.epoch);
    let (content, size, sha256) = match kind {
        OutputKind::Tar(compression) => {
            let file = host::sparse::create_unnamed(folder)
                .map_err(|source| OutputError::io("writing", &folder.join(&name), source))?;
            let (size, sha256) = tar::write(scan, epoch, compression, &file)?;
            (Content::File(file), size, sha256)
        }
        OutputKind::Tree => {
            let (digest, staged) = std::thread::scope(|scope| {
                let digest = scope.spawn(|| tar::digest(scan, epoch));
                let staged = tree::StagedTree::make(scan, epoch, folder, &name);
                (digest.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), staged)
            });
            (Content::Folder(staged?), tree_size(scan), digest?.1)
        }
        OutputKind::Raw | OutputKind::Qcow2(_) | OutputKind::Vmdk | OutputKind::Vhd(_) => {
            return Err(misfit(&folder.join(name), "a disk"));
        }
    };
    Ok(Unnamed { kind, name, content, size, sha256 })
}

/// Returns the lengths of all files together.
fn tree_size(scan: &TreeScan) -> u64 {
    let sizes = scan.entries().iter().map(|entry| match entry.kind {
        EntryKind::File(size) => size,
        _ => 0,
    });
    sizes.sum()
}

/// What `plan` lets nobody ask for.
fn misfit(path: &Path, needed: &str) -> OutputError {
    OutputError::image(path, format!("it is made from {needed}, and there is none"))
}

/// Returns the name of the file, or folder, that an image of this kind appears as.
pub fn file_name(name: &str, kind: OutputKind) -> String {
    format!("{name}.{}", kind.suffix())
}
