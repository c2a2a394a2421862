//! The manifest: what an image was made from and what it is, and the checksums.

use serde_json::{Value, json};

use crate::disk::{Extent, RawDisk};
use crate::plan::{DiskPlan, FilesystemPlan, PartitionPlan};
use crate::resolve::{Locked, LockedPackage, ReleaseFacts, Sha256Digest};

use super::documents::Document;
use super::{Content, Unnamed};

/// Version of the manifest's format; raised when a key changes its meaning or goes away.
const FORMAT: u32 = 1;

pub(super) fn manifest_name(name: &str) -> String {
    format!("{name}.manifest.json")
}

pub(super) fn checksums_name(name: &str) -> String {
    format!("{name}.SHA256SUMS")
}

/// Returns the manifest's text. It holds no time, path or user of this machine.
pub(super) fn text(
    locked: &Locked,
    disk: Option<&RawDisk>,
    images: &[Unnamed],
    documents: &[Document],
) -> String {
    let Locked { plan, packages, tools, releases, tools_release, epoch } = locked;
    let images: Vec<Value> = images.iter().map(image).collect();
    let manifest = json!({
        "format": FORMAT,
        "name": plan.name,
        "recipe_sha256": plan.recipe_digest,
        "seed": plan.seed.to_string(),
        "architecture": plan.architecture.debian(),
        "suite": plan.suite,
        "epoch": epoch,
        "versions": { "bootwright": env!("CARGO_PKG_VERSION") },
        "images": images,
        "documents": documents.iter().map(document).collect::<Vec<_>>(),
        "disk": disk.map(layout),
        "releases": releases.iter().map(release).collect::<Vec<_>>(),
        "tools_release": tools_release.as_ref().map(release),
        "packages": packages.iter().map(package).collect::<Vec<_>>(),
        "tools": tools.iter().map(package).collect::<Vec<_>>(),
    });
    format!("{manifest:#}\n")
}

/// Returns the checksums of images, documents and manifest in the form of `sha256sum`, which knows no folders.
pub(super) fn checksums(name: &str, manifest: &str, images: &[Unnamed], documents: &[Document]) -> String {
    let of_manifest = (Sha256Digest::of(manifest.as_bytes()), manifest_name(name));
    let files = images.iter().filter(|image| matches!(image.content, Content::File(_)));
    let images = files.map(|image| (image.sha256, image.name.clone()));
    let documents = documents.iter().map(|document| (document.sha256(), document.name.clone()));
    images.chain(documents).chain([of_manifest]).map(|(sha256, name)| format!("{sha256}  {name}\n")).collect()
}

fn image(image: &Unnamed) -> Value {
    let mut value = json!({
        "file": image.name,
        "format": image.kind.name(),
        "size": image.size,
        "sha256": image.sha256.to_string(),
    });
    if let Some((key, option)) = image.kind.option() {
        value[key] = option.into();
    }
    value
}

fn document(document: &Document) -> Value {
    json!({
        "file": document.name,
        "format": document.format,
        "size": document.text.len(),
        "sha256": document.sha256().to_string(),
    })
}

fn layout(disk: &RawDisk) -> Value {
    let plan = &disk.layout.plan;
    let partitions = plan.partitions.iter().zip(&disk.layout.extents).enumerate();
    let partitions: Vec<Value> =
        partitions.map(|(index, (one, extent))| partition(index + 1, plan, one, *extent)).collect();
    json!({ "size": disk.size, "table": plan.table.name(), "guid": plan.identifier(), "partitions": partitions })
}

fn partition(number: usize, disk: &DiskPlan, plan: &PartitionPlan, extent: Extent) -> Value {
    json!({
        "number": number,
        "name": plan.name,
        "type": plan.kind.name(),
        "guid": disk.partition_identifier(number),
        "start": extent.start,
        "length": extent.length,
        "grow": plan.grow,
        "filesystem": plan.filesystem.as_ref().map(filesystem),
    })
}

fn filesystem(plan: &FilesystemPlan) -> Value {
    json!({
        "type": plan.kind.name(),
        "uuid": plan.uuid_text(),
        "label": plan.label,
        "mount": plan.mount,
        "quota": plan.quota.iter().map(|quota| quota.name()).collect::<Vec<_>>(),
    })
}

fn release(facts: &ReleaseFacts) -> Value {
    let (name, base) = facts.public();
    json!({
        "name": name,
        "base": base,
        "suite": facts.suite,
        "codename": facts.codename,
        "date": facts.date,
        "signed_by": facts.signed_by,
        "sha256": facts.sha256.to_string(),
    })
}

fn package(package: &LockedPackage) -> Value {
    json!({
        "name": package.name,
        "version": package.version,
        "architecture": package.architecture,
        "filename": package.filename,
        "size": package.size,
        "sha256": package.sha256.to_string(),
        "automatic": package.automatic,
    })
}
