//! Disks with an msdos table, and ext3 and ext2, against other people's programs; no packages are needed for them.

use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use bootwright::disk::{BootCode, DiskError, Parts, RawDisk, assemble_parts};
use bootwright::plan::{FilesystemKind, FilesystemPlan, PartitionKind, SizeRule, TableKind};
use bootwright::progress::{Silent, Stage};
use bootwright::resolve::Locked;
use integration_tests::cut::{Cut, text};
use integration_tests::sample;
use integration_tests::scratch::Scratch;
use integration_tests::tools_tree::{LoaderToolbox, tools_tree};
use integration_tests::witness::witness;

const MIB: u64 = 1 << 20;

/// Stands in for GRUB: sectors that say who they are.
#[derive(Debug)]
struct MarkedSectors {
    core_length: usize,
}

impl BootCode for MarkedSectors {
    fn boot_sector(&self, table: &[u8; 512], core_first_sector: u64) -> [u8; 512] {
        let mut sector = *table;
        sector[0x5c..0x64].copy_from_slice(&core_first_sector.to_le_bytes());
        sector
    }

    fn core_at(&self, first_sector: u64) -> Vec<u8> {
        [first_sector.to_le_bytes().to_vec(), vec![7; self.core_length - 8]].concat()
    }
}

/// The sample plan with an msdos table: swap, /boot (ext2, xbootldr), a FAT, and the root (ext3) last.
fn msdos() -> Locked {
    let mut locked = sample::locked("bookworm", SizeRule::Auto);
    let disk = locked.plan.disk.as_mut().expect("a disk");
    disk.table = TableKind::Msdos;
    let [_, mut fat, mut root, mut boot, swap] =
        <[_; 5]>::try_from(std::mem::take(&mut disk.partitions)).expect("five partitions");
    let change = |filesystem: &mut Option<FilesystemPlan>, kind, mount: &str| {
        let filesystem = filesystem.as_mut().expect("a filesystem");
        (filesystem.kind, filesystem.mount) = (kind, Some(mount.to_owned()));
        filesystem.quota.clear();
    };
    boot.kind = PartitionKind::Xbootldr;
    change(&mut boot.filesystem, FilesystemKind::Ext2, "/boot");
    fat.kind = PartitionKind::Linux;
    change(&mut fat.filesystem, FilesystemKind::Vfat, "/boot/efi");
    change(&mut root.filesystem, FilesystemKind::Ext3, "/");
    disk.partitions = vec![swap, boot, fat, root];
    locked
}

fn build(locked: Locked, tree: &Path, core_length: usize, folder: &Path) -> Result<RawDisk, DiskError> {
    let toolbox = LoaderToolbox::new(tools_tree());
    let code = MarkedSectors { core_length };
    let parts = Parts { locked, root: tree, boot_code: Some(&code), toolbox: &toolbox, folder };
    assemble_parts(parts, &Stage::start(&Silent, "disk"))
}

fn sample_tree(scratch: &Scratch) -> PathBuf {
    let tree = scratch.path().join("tree");
    sample::tree(&tree).expect("a tree");
    tree
}

#[test]
fn an_msdos_disk_is_what_sfdisk_says() {
    let scratch = Scratch::new("msdos");
    let tree = sample_tree(&scratch);
    // A mount point's own mode is that of the filesystem on it.
    std::fs::set_permissions(tree.join("boot"), std::fs::Permissions::from_mode(0o1770)).expect("set");
    let disk = build(msdos(), &tree, 100_000, scratch.path()).expect("a disk");
    let path = scratch.path().join("disk.raw");
    host::sparse::link(&disk.file, &path).expect("a name");
    witness("sfdisk", &["--verify", text(&path)]);
    let cut = Cut::open(&path);
    assert_eq!((&cut.table["label"], &cut.table["id"]), (&"dos".into(), &"0x6e1f1d5a".into()));
    let partitions = cut.table["partitions"].as_array().expect("a list");
    let mut row = Vec::new();
    for (one, extent) in partitions.iter().zip(&disk.layout.extents) {
        let number = |key: &str| one[key].as_u64().expect("a number") * 512;
        assert_eq!((number("start"), number("size")), (extent.start, extent.length));
        row.push((one["type"].as_str().expect("text"), one["bootable"] == true));
    }
    // The partition with GRUB's files is the one that boots.
    assert_eq!(row, [("82", false), ("ea", true), ("c", false), ("83", false)]);
    let end = disk.layout.extents[3];
    assert_eq!(disk.size, end.start + end.length, "nothing lies behind the last partition");
    for (number, kind) in [(1, "swap"), (2, "ext2"), (3, "vfat"), (4, "ext3")] {
        let part = cut.part(number);
        let said = witness("blkid", &["-p", "-o", "export", text(&part)]);
        assert!(said.lines().any(|line| line == format!("TYPE={kind}")), "{said}");
        if kind.starts_with("ext") {
            witness("e2fsck", &["-fn", text(&part)]);
            let said = witness("dumpe2fs", &["-h", text(&part)]);
            assert_eq!(said.contains("has_journal"), kind == "ext3", "{said}");
            assert!(!said.contains("extent") && !said.contains("metadata_csum"), "{said}");
        }
    }
    let top = |number: usize, path: &str| {
        witness("debugfs", &["-R", &format!("stat {path}"), text(&cut.part(number))])
    };
    assert!(top(2, "/").contains("Mode:  01770"), "{}", top(2, "/"));
    assert!(top(4, "/").contains("Mode:  0755"), "{}", top(4, "/"));
    let tool = witness("debugfs", &["-R", "stat /usr/bin/tool", text(&cut.part(4))]);
    assert!(tool.contains("Mode:  04755") && tool.contains("Size: 300000"), "{tool}");
    assert!(tool.contains("(IND)"), "block numbers, no extents: {tool}");
}

#[test]
fn the_core_image_lies_in_the_gap_and_the_table_stays() {
    let scratch = Scratch::new("gap");
    let tree = sample_tree(&scratch);
    let disk = build(msdos(), &tree, 100_000, scratch.path()).expect("a disk");
    let read = |at: u64| {
        let mut bytes = [0; 512];
        disk.file.read_exact_at(&mut bytes, at).expect("on the disk");
        bytes
    };
    let sector = read(0);
    assert_eq!(sector[0x5c..0x64], 1_u64.to_le_bytes());
    assert_eq!(sector[440..446], [0x5a, 0x1d, 0x1f, 0x6e, 0, 0], "the signature");
    assert_eq!(sector[510..], [0x55, 0xaa]);
    assert_eq!(read(512)[..8], 1_u64.to_le_bytes(), "the core knows its place");
    // 2047 sectors are there, and not one more.
    build(msdos(), &tree, 2047 * 512, scratch.path()).expect("it fits");
    let error = build(msdos(), &tree, 2047 * 512 + 1, scratch.path()).expect_err("too long").to_string();
    assert!(error.contains("the gap before the first partition"), "{error}");
}

#[test]
fn the_least_size_of_ext3_and_ext2_is_enough_and_not_much_more() {
    let scratch = Scratch::new("least-ext");
    let tree = sample_tree(&scratch);
    for number in 0..3000 {
        std::fs::write(tree.join(format!("var/deep/er/{number}")), "small").expect("written");
    }
    // Large enough for a block of blocks of block numbers.
    std::fs::write(tree.join("var/large"), vec![1; 60 << 20]).expect("written");
    for kind in [FilesystemKind::Ext3, FilesystemKind::Ext2] {
        let sized = |size: u64| {
            let mut locked = msdos();
            let root = &mut locked.plan.disk.as_mut().expect("a disk").partitions[3];
            root.size = SizeRule::Bytes(size);
            root.filesystem.as_mut().expect("a filesystem").kind = kind;
            build(locked, &tree, 1000, scratch.path())
        };
        let Err(DiskError::TooSmall { needed, .. }) = sized(MIB) else { panic!("1 MiB is too small") };
        let disk = sized(needed).expect("what is said to be needed is enough");
        let path = scratch.path().join(format!("{}.raw", kind.name()));
        host::sparse::link(&disk.file, &path).expect("a name");
        let cut = Cut::open(&path);
        let part = cut.part(4);
        witness("e2fsck", &["-fn", text(&part)]);
        let said = witness("dumpe2fs", &["-h", text(&part)]);
        let free = said.lines().find_map(|line| line.strip_prefix("Free blocks:")).expect("a count");
        let free: u64 = free.trim().parse().expect("a number");
        assert!(free * 4096 < 8 * MIB, "{free} blocks are free of {} MiB in {}", needed >> 20, kind.name());
    }
}

#[test]
fn the_same_msdos_disk_comes_twice() {
    let digest = |name: &str| {
        let scratch = Scratch::new(name);
        let tree = sample_tree(&scratch);
        let disk = build(msdos(), &tree, 100_000, scratch.path()).expect("a disk");
        let path = scratch.path().join("disk.raw");
        host::sparse::link(&disk.file, &path).expect("a name");
        witness("sha256sum", &[text(&path)])[..64].to_owned()
    };
    assert_eq!(digest("once"), digest("twice"));
}
