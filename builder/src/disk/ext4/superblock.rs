//! The superblock, and its copies.
//!
//! After the kernel's `Documentation/filesystems/ext4` (superblock).

use super::checksum::Checksums;
use super::features::Features;
use super::folder::HALF_MD4;
use super::geometry::{DESCRIPTOR, FLEX_LOG, Geometry};
use super::groups::Usage;
use super::inode::{Inode, MORE_FIELDS};
use super::own::{FIRST_INODE, JOURNAL_INODE};
use super::{BLOCK, INODE_SIZE, Job, RESERVED_PERCENT, hash_seed, size};
use crate::disk::block::{crc32c_from, little, put};

/// Bytes of it, and where the first is; its copies begin with their blocks.
const BYTES: usize = 1024;
pub(super) const OFFSET: u64 = 1024;
const CHECKSUM: usize = BYTES - 4;

/// Mounted by default with access lists and users' attributes.
const MOUNT_OPTIONS: u32 = 0x4 | 0x8;
/// log2 of how many KiB are in a block.
const BLOCK_LOG: u32 = (BLOCK / 1024).trailing_zeros();

/// What a superblock tells beside dimensions.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) job: &'a Job<'a>,
    pub(super) features: &'a Features,
    pub(super) checksums: Checksums,
    pub(super) usage: &'a Usage,
    pub(super) journal: &'a Inode,
    /// Number of the orphan file; zero for none.
    pub(super) orphan_file: u32,
}

/// Returns the superblock in a group.
pub(super) fn superblock(geometry: &Geometry, facts: &Facts<'_>, group: u64) -> Vec<u8> {
    let mut block = vec![0; BYTES];
    put_counts(&mut block, geometry, facts.usage);
    put_identity(&mut block, facts);
    put_journal(&mut block, facts.journal);
    little::u16(&mut block, 90, group as u16);
    little::u16(&mut block, 206, geometry.reserved as u16);
    little::u32(
        &mut block,
        584,
        (geometry.own_blocks() + size::journal(facts.job.extent.length) / BLOCK) as u32,
    );
    little::u32(&mut block, 640, facts.orphan_file);
    let checksum = crc32c_from(!0, &block[..CHECKSUM]);
    little::u32(&mut block, CHECKSUM, checksum);
    block
}

fn put_counts(block: &mut [u8], geometry: &Geometry, usage: &Usage) {
    let free = usage.free_blocks();
    let reserved = geometry.blocks * RESERVED_PERCENT / 100;
    little::u32(block, 0, geometry.inodes() as u32);
    for (low, high, blocks) in [(4, 336, geometry.blocks), (8, 340, reserved), (12, 344, free)] {
        little::u32(block, low, blocks as u32);
        little::u32(block, high, (blocks >> 32) as u32);
    }
    little::u32(block, 16, (geometry.inodes() - usage.inodes) as u32);
    // Blocks and clusters are the same; so are their numbers in a group.
    for (at, value) in [(24, BLOCK_LOG), (28, BLOCK_LOG)] {
        little::u32(block, at, value);
    }
    for at in [32, 36] {
        little::u32(block, at, geometry.group_blocks as u32);
    }
    little::u32(block, 40, geometry.group_inodes as u32);
    block[372] = FLEX_LOG;
    // KiB ever written.
    little::u64(block, 376, (geometry.blocks - free) * (BLOCK / 1024));
}

fn put_identity(block: &mut [u8], facts: &Facts<'_>) {
    let Facts { job, features, .. } = facts;
    let epoch = job.epoch;
    // Last written, last checked, made: the low 32 bits here, eight more elsewhere.
    for (low, high) in [(48, 628), (64, 631), (264, 630)] {
        little::u32(block, low, epoch as u32);
        block[high] = (epoch >> 32) as u8;
    }
    // It is never checked for the number of its mounts.
    little::u16(block, 54, u16::MAX);
    little::u16(block, 56, 0xef53);
    // Clean; go on after errors; revision 1, which has what follows.
    little::u16(block, 58, 1);
    little::u16(block, 60, 1);
    little::u32(block, 76, 1);
    little::u32(block, 84, FIRST_INODE);
    little::u16(block, 88, INODE_SIZE as u16);
    for (at, word) in [92, 96, 100].into_iter().zip(features.words()) {
        little::u32(block, at, word);
    }
    put(block, 104, job.filesystem.uuid.as_bytes());
    put(block, 120, &job.filesystem.label);
    put(block, 236, hash_seed(job).as_bytes());
    block[252] = HALF_MD4;
    little::u16(block, 254, DESCRIPTOR as u16);
    little::u32(block, 256, MOUNT_OPTIONS);
    // Fields that each inode must have, and that new ones should have.
    little::u16(block, 348, MORE_FIELDS as u16);
    little::u16(block, 350, MORE_FIELDS as u16);
    // Names are hashed with signed bytes.
    little::u32(block, 352, 1);
    // Checksums are CRC-32C.
    block[373] = 1;
    if features.has("metadata_csum_seed") {
        little::u32(block, 624, facts.checksums.seed());
    }
}

/// Puts the journal's inode number, and what the inode says, in case that its table is damaged.
fn put_journal(block: &mut [u8], journal: &Inode) {
    const COPIED: u8 = 1;
    little::u32(block, 224, JOURNAL_INODE);
    block[253] = COPIED;
    put(block, 268, journal.map);
    little::u32(block, 328, (journal.size >> 32) as u32);
    little::u32(block, 332, journal.size as u32);
}
