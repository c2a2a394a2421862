//! The files of what the kernel has mounted.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::{Attributes, Files, Listing, MOST_NODES, Node, NodeKind, Sink, join};

const CHUNK: u64 = 1 << 20;

/// A mounted filesystem, what is mounted below its folder included. Nobody may change it meanwhile.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The filesystem that is mounted on `root`.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    fn path(&self, path: &[u8]) -> PathBuf {
        let relative = path.strip_prefix(b"/").unwrap_or(path);
        self.root.join(Path::new(std::ffi::OsStr::from_bytes(relative)))
    }
}

impl Files for Folder {
    fn list(&self) -> Result<Listing, String> {
        let mut listing = Listing::new();
        listing.insert(b"/".to_vec(), node(&self.root).map_err(|error| error.to_string())?);
        let mut open = vec![b"/".to_vec()];
        while let Some(path) = open.pop() {
            let failed = |error: io::Error| format!("'{}': {error}", String::from_utf8_lossy(&path));
            for entry in fs::read_dir(self.path(&path)).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let below = join(&path, &entry.file_name().into_vec());
                let node = node(&entry.path()).map_err(failed)?;
                if node.kind == NodeKind::Folder {
                    open.push(below.clone());
                }
                listing.insert(below, node);
                if listing.len() > MOST_NODES {
                    return Err("it has more files than are looked at".into());
                }
            }
        }
        Ok(listing)
    }

    fn content(&self, path: &[u8], node: &Node, sink: &mut Sink<'_>) -> Result<(), String> {
        let failed = |error: io::Error| format!("'{}': {error}", String::from_utf8_lossy(path));
        let file = host::beneath::open_plain(&self.path(path)).map_err(failed)?;
        let mut at = 0;
        while let Some(range) = host::sparse::next_data(&file, at, node.size).map_err(failed)? {
            stream(&file, range.start, range.end, sink)?;
            at = range.end;
        }
        Ok(())
    }

    fn attributes(&self, path: &[u8], _node: &Node) -> Result<Attributes, String> {
        let path = self.path(path);
        let failed = |error: io::Error| format!("'{}': {error}", path.display());
        let mut found = Attributes::new();
        for name in host::xattr::list(&path).map_err(failed)? {
            let value = host::xattr::get(&path, &name).map_err(failed)?;
            found.insert(name.to_string_lossy().into_owned(), value);
        }
        Ok(found)
    }
}

fn stream(file: &File, mut at: u64, end: u64, sink: &mut Sink<'_>) -> Result<(), String> {
    while at < end {
        let mut bytes = vec![0; usize::try_from(CHUNK.min(end - at)).map_err(|error| error.to_string())?];
        file.read_exact_at(&mut bytes, at).map_err(|error| error.to_string())?;
        sink(at, &bytes)?;
        at += bytes.len() as u64;
    }
    Ok(())
}

fn node(path: &Path) -> io::Result<Node> {
    let metadata = fs::symlink_metadata(path)?;
    let kind = kind(path, &metadata)?;
    Ok(Node {
        size: if kind == NodeKind::File { metadata.len() } else { 0 },
        kind,
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        modified: metadata.mtime(),
        inode: metadata.ino(),
        links: u32::try_from(metadata.nlink()).unwrap_or(u32::MAX),
    })
}

fn kind(path: &Path, metadata: &Metadata) -> io::Result<NodeKind> {
    let file_type = metadata.file_type();
    let device = metadata.rdev();
    // As glibc's gnu_dev_major(3) and gnu_dev_minor(3).
    let major = u32::try_from((device >> 8 & 0xfff) | (device >> 32 & 0xffff_f000)).unwrap_or(0);
    let minor = u32::try_from((device & 0xff) | (device >> 12 & 0xffff_ff00)).unwrap_or(0);
    Ok(if file_type.is_dir() {
        NodeKind::Folder
    } else if file_type.is_symlink() {
        NodeKind::Symlink { target: fs::read_link(path)?.into_os_string().into_vec() }
    } else if file_type.is_char_device() {
        NodeKind::Character { major, minor }
    } else if file_type.is_block_device() {
        NodeKind::Block { major, minor }
    } else if file_type.is_fifo() {
        NodeKind::Fifo
    } else if file_type.is_socket() {
        NodeKind::Socket
    } else {
        NodeKind::File
    })
}
