//! Features by release, and sizes that hold together.

use super::geometry::Geometry;
use super::size::{inode_count, journal};
use super::*;
use crate::plan::QuotaKind;

const MIB: u64 = 1 << 20;

#[test]
fn features_are_those_of_the_target() {
    let list = |kind, release, quota: &[QuotaKind]| Features::of(kind, release, quota).list();
    let old = list(FilesystemKind::Ext4, Release::Conservative, &[QuotaKind::User]);
    assert!(old.starts_with("none,ext_attr,") && old.ends_with(",extra_isize,metadata_csum"), "{old}");
    // As the superblock of a filesystem that mke2fs made with that list has them.
    let words = Features::of(FilesystemKind::Ext4, Release::Trixie, &[QuotaKind::Project]).words();
    assert_eq!(words, [0x103c, 0x22c2, 0x246b]);
    let new = list(FilesystemKind::Ext4, Release::Trixie, &[QuotaKind::Project]);
    assert!(new.ends_with(",metadata_csum,metadata_csum_seed,orphan_file,project"), "{new}");
    let ext3 = list(FilesystemKind::Ext3, Release::Trixie, &[]);
    assert_eq!(ext3, "none,ext_attr,resize_inode,dir_index,filetype,sparse_super,large_file,has_journal");
    assert!(!list(FilesystemKind::Ext2, Release::Trixie, &[]).contains("has_journal"));
}

#[test]
fn tables_grow_with_size_and_content() {
    assert_eq!(inode_count(1 << 30, 10), 65536);
    assert!(inode_count(16 * MIB, 100_000) > 125_000, "room for more than the content has");
    assert_eq!([64, 500, 4000].map(|size| journal(size * MIB) / MIB), [4, 16, 64]);
}

#[test]
fn an_empty_filesystem_has_a_size_and_a_margin() {
    let need = need(FilesystemKind::Ext4, None);
    assert_eq!(need.least, 16 * MIB);
    let auto = need.auto.expect("a size");
    assert!(auto > 512 * MIB && auto < 600 * MIB && auto.is_multiple_of(MIB), "{auto}");
}

/// Lengths in MiB and inodes, among them what has little room for its tables or a short last group.
const SHAPES: [(u64, u64); 9] = [
    (16, 1024),
    (40, 125_016),
    (128, 8192),
    (129, 8256),
    (300, 400_000),
    (1045, 66_880),
    (2049, 131_136),
    (10_000, 640_000),
    (300_000, 19_200_000),
];

#[test]
fn structures_do_not_overlap() {
    for (length, inodes) in SHAPES {
        let geometry = Geometry::new(length * MIB, inodes).expect("dimensions");
        assert!(geometry.inodes() >= inodes && geometry.blocks <= length * MIB / BLOCK, "{length}");
        let free: u64 = geometry.free().iter().map(|run| run.blocks).sum();
        assert_eq!(geometry.own_blocks() + free, geometry.blocks, "{length}: no block is taken twice");
        let last = geometry.groups - 1;
        assert!(geometry.length_of(last) > geometry.head(last), "{length}");
    }
    assert!(Geometry::new(MIB, 10_000).is_none(), "no room for tables");
    assert!(Geometry::new(17 << 40, 1 << 20).is_none(), "more blocks than 32 bits count");
}

#[test]
fn dimensions_are_those_of_mke2fs() {
    // `mke2fs -b 4096 -I 256 -N INODES -O …` of e2fsprogs 1.47.2 and dumpe2fs: blocks, inodes, blocks per group,
    // reserved blocks of descriptors.
    let told = |length: u64, inodes| {
        let geometry = Geometry::new(length * MIB, inodes).expect("dimensions");
        [geometry.blocks, geometry.inodes(), geometry.group_blocks, geometry.reserved]
    };
    let known = [
        ((16, 1024), [4096, 1024, 32768, 1]),
        ((40, 125_016), [10_240, 125_056, 2720, 60]),
        ((129, 8256), [32768, 8256, 32768, 15]),
        ((131, 8256), [33536, 8256, 32768, 16]),
        ((300, 400_000), [76_800, 400_192, 6232, 197]),
        ((385, 24_640), [98_304, 24_672, 32768, 47]),
        ((387, 24_640), [99_072, 24_640, 32768, 48]),
        ((1045, 66_880), [267_520, 66_960, 32768, 130]),
        ((2049, 131_136), [524_288, 131_328, 32768, 255]),
        ((10_000, 640_000), [2_560_000, 640_848, 32768, 1024]),
        ((300_000, 19_200_000), [76_800_000, 19_202_048, 32768, 1024]),
    ];
    for ((length, inodes), dimensions) in known {
        assert_eq!(told(length, inodes), dimensions, "{length} MiB");
    }
}
