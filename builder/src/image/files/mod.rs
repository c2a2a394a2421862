//! The files of a filesystem: names, ownership, modes, attributes and content, read without a mount.
//!
//! `ext4` and `fat` read the image's bytes themselves. [`Folder`] reads what the kernel has mounted, for the formats
//! that only the kernel knows.

mod ext4;
mod fat;
mod folder;

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::Image;
use super::filesystem::Kind;

pub use folder::Folder;

/// Most nodes of one filesystem; more is taken for damage.
const MOST_NODES: usize = 8_000_000;

/// The nodes of a filesystem by path. Paths are absolute, with `/` for the root, and of any bytes but zero.
pub type Listing = BTreeMap<Vec<u8>, Node>;

/// Extended attributes by full name, such as `security.capability`.
pub type Attributes = BTreeMap<String, Vec<u8>>;

/// Takes parts of a content: offset and bytes. What is not given is zero.
pub type Sink<'a> = dyn FnMut(u64, &[u8]) -> Result<(), String> + 'a;

/// A file, folder, link or other thing with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Permissions and set-id bits, `0o7777` at most.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Length of its content in bytes; zero for all but files.
    pub size: u64,
    /// When its content last changed, seconds since 1970.
    pub modified: i64,
    /// Its number in the filesystem; names with the same number are hard links of each other.
    pub inode: u64,
    /// How many names it has.
    pub links: u32,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Symlink {
        /// Where it points to, as written.
        target: Vec<u8>,
    },
    /// A character device.
    Character {
        /// Its number's first part.
        major: u32,
        /// Its number's second part.
        minor: u32,
    },
    /// A block device.
    Block {
        /// Its number's first part.
        major: u32,
        /// Its number's second part.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

impl NodeKind {
    /// Returns what it is called.
    pub fn name(&self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Folder => "folder",
            Self::Symlink { .. } => "symlink",
            Self::Character { .. } => "character device",
            Self::Block { .. } => "block device",
            Self::Fifo => "pipe",
            Self::Socket => "socket",
        }
    }
}

/// The files of one filesystem.
pub trait Files: Debug {
    /// Returns every node.
    ///
    /// # Errors
    /// When the filesystem is damaged or cannot be read.
    fn list(&self) -> Result<Listing, String>;

    /// Gives a file's content to `sink`, in order, holes left out.
    ///
    /// # Errors
    /// As [`Files::list`], and what `sink` returns.
    fn content(&self, path: &[u8], node: &Node, sink: &mut Sink<'_>) -> Result<(), String>;

    /// Returns a node's extended attributes.
    ///
    /// # Errors
    /// As [`Files::list`].
    fn attributes(&self, path: &[u8], node: &Node) -> Result<Attributes, String>;
}

/// Opens the files of a filesystem of this kind in a byte range; none if only the kernel can read that.
///
/// # Errors
/// When the filesystem is damaged.
pub fn open<'a>(
    image: &'a Image,
    kind: Kind,
    start: u64,
    length: u64,
) -> Result<Option<Box<dyn Files + 'a>>, String> {
    Ok(match kind {
        Kind::Ext2 | Kind::Ext3 | Kind::Ext4 => Some(Box::new(ext4::Ext4::open(image, start, length)?)),
        Kind::Vfat => Some(Box::new(fat::Fat::open(image, start, length)?)),
        _ => None,
    })
}

/// Returns the content of a file of at most `limit` bytes.
///
/// # Errors
/// When it is longer, or as [`Files::content`].
pub fn read(files: &dyn Files, path: &[u8], node: &Node, limit: u64) -> Result<Vec<u8>, String> {
    if node.size > limit {
        return Err(format!("'{}' is longer than expected", String::from_utf8_lossy(path)));
    }
    let mut bytes = vec![0; usize::try_from(node.size).map_err(|error| error.to_string())?];
    files.content(path, node, &mut |offset, part| {
        let start = usize::try_from(offset).map_err(|error| error.to_string())?;
        let place = bytes.get_mut(start..start + part.len()).ok_or("a content is longer than its size")?;
        place.copy_from_slice(part);
        Ok(())
    })?;
    Ok(bytes)
}

/// Returns the path of `name` in the folder `parent`.
fn join(parent: &[u8], name: &[u8]) -> Vec<u8> {
    let parent = if parent == b"/" { &[][..] } else { parent };
    [parent, b"/", name].concat()
}
