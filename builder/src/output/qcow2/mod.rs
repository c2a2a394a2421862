//! Writing qcow2, version 3 (qemu's `docs/interop/qcow2.txt`): holes left out, the same bytes for the same disk.
//!
//! The map of what is not zero is made first ([`ClusterMap`]). Plain clusters (`write`): every offset is known before
//! the first byte goes out, so everything goes in one forward pass, the kernel copies (or shares) extents, and the
//! digest is taken of the same ranges at the same time. Compressed clusters: see [`compressed`].

pub mod compressed;
mod file_layout;
mod header;
mod l2;
mod map;
mod plain;
mod refcounts;

pub use header::{CompressionType, MAGIC};
pub use map::{ClusterMap, Run};
pub use plain::write;

/// log2 of the cluster size.
pub const CLUSTER_BITS: u32 = 16;

/// Cluster size: qemu's default, a good fit for ext4's runs.
pub const CLUSTER: u64 = 1 << CLUSTER_BITS;
