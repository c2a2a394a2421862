//! What this stage gives: a disk and where everything is on it.

use std::fmt::Debug;
use std::fs::File;

use crate::boot::GrubBios;
use crate::plan::DiskPlan;
use crate::resolve::Locked;

/// A complete raw disk in a sparse, unnamed file.
#[derive(Debug)]
pub struct RawDisk {
    /// What it was made from.
    pub locked: Locked,
    /// The disk; holes read as zeroes.
    pub file: File,
    /// Size in bytes, a multiple of 1 MiB.
    pub size: u64,
    /// The layout with every size settled.
    pub layout: Layout,
}

/// A partition table with every offset known.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The plan it completes.
    pub plan: DiskPlan,
    /// Whole disk, bytes.
    pub size: u64,
    /// Extent of each partition, in the order of the plan.
    pub extents: Vec<Extent>,
}

/// A byte range of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// First byte; a multiple of 1 MiB.
    pub start: u64,
    /// Length in bytes.
    pub length: u64,
}

/// A boot loader's sectors for the BIOS: what is in the first sector of the disk, and what it loads.
pub trait BootCode: Debug + Sync {
    /// Returns the disk's first sector: the boot code put around what `protective_mbr` must keep (its partition
    /// table), loading from `core_first_sector`.
    fn boot_sector(&self, protective_mbr: &[u8; 512], core_first_sector: u64) -> [u8; 512];

    /// Returns the core image as it must be when its first sector is `first_sector`.
    fn core_at(&self, first_sector: u64) -> Vec<u8>;
}

impl BootCode for GrubBios {
    fn boot_sector(&self, protective_mbr: &[u8; 512], core_first_sector: u64) -> [u8; 512] {
        self.boot_sector(protective_mbr, core_first_sector)
    }

    fn core_at(&self, first_sector: u64) -> Vec<u8> {
        self.core_at(first_sector)
    }
}
