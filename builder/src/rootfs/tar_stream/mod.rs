//! A tree on disk as a tar stream that this program writes: the way from a folder to a filesystem.
//!
//! [`TreeScan::read`] looks at every inode once; the scan tells sizes (the disk layout is made from it) and writes
//! the stream. Nothing of the host shows in the stream: order is by name, owners are numbers, times end at the
//! epoch. In a user namespace the owners are right as they are seen from inside.
//!
//! The format is ustar with pax records where a field is too small, attributes as `SCHILY.xattr.*`.

mod header;
mod scan;
mod write;

#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

pub use scan::{Entry, EntryKind, TreeScan};
pub use write::StreamOptions;

/// Why a tree could not be read or streamed.
#[derive(Debug, thiserror::Error)]
pub enum TreeStreamError {
    /// An inode could not be read.
    #[error("reading '{}' of the tree", path.display())]
    Read {
        /// The path on this machine.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what it was when the tree was scanned.
    #[error("'{}' changed while the image was being made; nothing may write to the tree at this stage", path.display())]
    Changed {
        /// The path on this machine.
        path: PathBuf,
    },
    /// The reader of the stream went away or failed.
    #[error("writing the tar stream")]
    Write {
        /// Why.
        #[from]
        source: io::Error,
    },
}
