//! Existing disk images, read without a mount: their bytes, partition tables, filesystems and files.
//!
//! ```text
//! Image (raw, qcow2) ── table ──▶ partitions ── filesystem ──▶ what is in each ── files ──▶ trees ── system ──▶ the whole
//! ```
//!
//! Nothing of the image is run or followed (a backing file is named, not opened). An image may be hostile: every
//! offset is checked against the image, every count has a limit, and what cannot be read is an error or a gap in the
//! report, never a panic. A new format is one module in its folder: [`table`], [`filesystem`] (its superblock) and,
//! when its files can be read here, [`files`]. [`kernel`] mounts what only the kernel reads, and [`root`] a whole image
//! for programs to run in; both need root and a mount namespace of the caller's own.

pub(crate) mod bytes;
mod error;
pub mod files;
pub mod filesystem;
pub mod kernel;
mod open;
mod qcow2;
pub mod root;
mod subvolumes;
pub mod system;
pub mod table;

pub use error::ImageError;
pub use open::{Image, Sizes};

/// Bytes of a sector, the unit of partition tables.
pub const SECTOR: u64 = 512;
