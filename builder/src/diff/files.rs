//! The files of two systems.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::change::{Change, Changes};
use super::owners::Owners;
use crate::image::ImageError;
use crate::image::bytes::printable;
use crate::image::files::{Attributes, Node, NodeKind};
use crate::image::system::System;
use crate::inspect::size;

/// Content is compared in pieces of this size; pieces of zeroes are left out, as holes are.
const PIECE: usize = 4096;

/// Files that differ, by path.
#[derive(Debug, Clone, Default, Serialize)]
pub struct FilesChange {
    /// Files that only the second image has.
    pub added: Vec<OneFile>,
    /// Files that only the first image has.
    pub removed: Vec<OneFile>,
    /// Files that both have, and that differ.
    pub changed: Vec<FileChange>,
}

/// A file that only one image has.
#[derive(Debug, Clone, Serialize)]
pub struct OneFile {
    /// Its path in the running system; `<N>` before it stands for partition N, if that is mounted nowhere.
    pub path: String,
    /// The package that it belongs to, or `dpkg database`.
    pub package: Option<String>,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Its mode, in octal.
    pub mode: String,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Length of its content.
    pub size: u64,
    /// Target of a symlink.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// A file that both images have, and what differs.
#[derive(Debug, Clone, Serialize)]
pub struct FileChange {
    /// Its path.
    pub path: String,
    /// The package that it belongs to, or `dpkg database`.
    pub package: Option<String>,
    /// What differs.
    pub changes: Vec<Change>,
}

impl FilesChange {
    pub(super) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// One side of the comparison.
struct Side<'a, 'b> {
    whole: &'a System<'b>,
    owners: Owners,
    /// Digests of files with several names, by filesystem and number.
    linked: HashMap<(usize, u64), [u8; 32]>,
}

impl<'a, 'b> Side<'a, 'b> {
    fn new(whole: &'a System<'b>) -> Self {
        Self { whole, owners: Owners::read(whole), linked: HashMap::new() }
    }

    fn failed(&self, path: &[u8], why: &str) -> ImageError {
        let path = String::from_utf8_lossy(path);
        ImageError::Image {
            path: self.whole.image.path().to_owned(),
            why: format!("'{}': {why}", printable(&path)),
        }
    }

    fn digest(&mut self, path: &[u8], node: &Node) -> Result<[u8; 32], ImageError> {
        let key = (self.whole.part_of(path).unwrap_or(usize::MAX), node.inode);
        if let Some(digest) = self.linked.get(&key).filter(|_| node.links > 1) {
            return Ok(*digest);
        }
        let mut hasher = Sha256::new();
        let mut sink = |offset: u64, bytes: &[u8]| {
            for (number, piece) in (0_u64..).zip(bytes.chunks(PIECE)) {
                if piece.iter().any(|byte| *byte != 0) {
                    hasher.update((offset + number * PIECE as u64).to_le_bytes());
                    hasher.update(piece);
                }
            }
            Ok(())
        };
        self.whole.content(path, node, &mut sink).map_err(|why| self.failed(path, &why))?;
        let digest: [u8; 32] = hasher.finalize().into();
        if node.links > 1 {
            self.linked.insert(key, digest);
        }
        Ok(digest)
    }

    fn attributes(&self, path: &[u8], node: &Node) -> Result<Attributes, ImageError> {
        self.whole.attributes(path, node).map_err(|why| self.failed(path, &why))
    }
}

/// Compares all files.
pub(super) fn compare(a: &System<'_>, b: &System<'_>) -> Result<FilesChange, ImageError> {
    let (mut side_a, mut side_b) = (Side::new(a), Side::new(b));
    let mut found = FilesChange::default();
    let paths: BTreeSet<&[u8]> = a.entries().chain(b.entries()).map(|(path, _)| path).collect();
    for path in paths {
        let shown = printable(&String::from_utf8_lossy(path));
        let package = side_b.owners.of(&shown).or_else(|| side_a.owners.of(&shown)).map(str::to_owned);
        match (a.node(path), b.node(path)) {
            (None, Some(node)) => found.added.push(one(shown, package, node)),
            (Some(node), None) => found.removed.push(one(shown, package, node)),
            (Some(node_a), Some(node_b)) => {
                let changes = changes(path, (&mut side_a, node_a), (&mut side_b, node_b))?;
                if !changes.is_empty() {
                    found.changed.push(FileChange { path: shown, package, changes });
                }
            }
            (None, None) => {}
        }
    }
    Ok(found)
}

fn one(path: String, package: Option<String>, node: &Node) -> OneFile {
    OneFile {
        path,
        package,
        kind: node.kind.name(),
        mode: format!("{:04o}", node.mode),
        uid: node.uid,
        gid: node.gid,
        size: node.size,
        target: target(&node.kind),
    }
}

fn target(kind: &NodeKind) -> Option<String> {
    match kind {
        NodeKind::Symlink { target } => Some(printable(&String::from_utf8_lossy(target))),
        _ => None,
    }
}

fn changes(
    path: &[u8],
    (side_a, a): (&mut Side<'_, '_>, &Node),
    (side_b, b): (&mut Side<'_, '_>, &Node),
) -> Result<Vec<Change>, ImageError> {
    let mut changes = Changes::default();
    changes.value("type", a.kind.name(), b.kind.name());
    if a.kind.name() == b.kind.name() {
        changes.optional("target", target(&a.kind), target(&b.kind));
        changes.optional("device", device(&a.kind), device(&b.kind));
    }
    // A symlink's mode means nothing.
    if !matches!((&a.kind, &b.kind), (NodeKind::Symlink { .. }, NodeKind::Symlink { .. })) {
        changes.value("mode", format!("{:04o}", a.mode), format!("{:04o}", b.mode));
    }
    changes.value("owner", a.uid, b.uid);
    changes.value("group", a.gid, b.gid);
    if a.kind == NodeKind::File && b.kind == NodeKind::File {
        if a.size != b.size {
            changes.value("content", format!("{} bytes", a.size), format!("{} bytes", b.size));
        } else if a.size > 0 {
            let (of_a, of_b) = (side_a.digest(path, a)?, side_b.digest(path, b)?);
            if of_a != of_b {
                let text = format!("{}, other bytes", size(a.size));
                changes.0.push(Change { what: "content".into(), a: Some(size(a.size)), b: Some(text) });
            }
        }
    }
    let (of_a, of_b) = (side_a.attributes(path, a)?, side_b.attributes(path, b)?);
    let names: BTreeSet<&String> = of_a.keys().chain(of_b.keys()).collect();
    for name in names {
        let shown = |attributes: &Attributes| attributes.get(name).map(|value| hexadecimal(value));
        changes.optional(&format!("attribute {}", printable(name)), shown(&of_a), shown(&of_b));
    }
    Ok(changes.0)
}

fn device(kind: &NodeKind) -> Option<String> {
    match kind {
        NodeKind::Character { major, minor } | NodeKind::Block { major, minor } => {
            Some(format!("{major}:{minor}"))
        }
        _ => None,
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
