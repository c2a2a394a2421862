//! The disk stage against other people's programs: sgdisk, e2fsck, fsck.fat, blkid, debugfs.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bootwright::disk::{BootCode, DiskError, Parts, RawDisk, assemble_parts};
use bootwright::plan::SizeRule;
use bootwright::progress::{Silent, Stage};
use integration_tests::sample;
use integration_tests::scratch::Scratch;
use integration_tests::tools_tree::{LoaderToolbox, tools_tree};
use integration_tests::witness::witness;
use sha2::{Digest, Sha256};

/// Stands in for GRUB: sectors that say who they are.
#[derive(Debug)]
struct MarkedSectors;

impl BootCode for MarkedSectors {
    fn boot_sector(&self, protective_mbr: &[u8; 512], core_first_sector: u64) -> [u8; 512] {
        let mut sector = *protective_mbr;
        sector[0x5c..0x64].copy_from_slice(&core_first_sector.to_le_bytes());
        sector[..4].copy_from_slice(b"BOOT");
        sector
    }

    fn core_at(&self, first_sector: u64) -> Vec<u8> {
        [b"CORE".to_vec(), first_sector.to_le_bytes().to_vec(), vec![7; 100_000]].concat()
    }
}

fn build(tree: &Path, codename: &str, size: SizeRule, folder: &Path) -> Result<RawDisk, DiskError> {
    let toolbox = LoaderToolbox::new(tools_tree());
    let parts = Parts {
        locked: sample::locked(codename, size),
        root: tree,
        boot_code: Some(&MarkedSectors),
        toolbox: &toolbox,
        folder,
    };
    assemble_parts(parts, &Stage::start(&Silent, "disk"))
}

fn build_named(codename: &str) -> (Scratch, PathBuf, RawDisk) {
    let scratch = Scratch::new("disk");
    let tree = scratch.path().join("tree");
    sample::tree(&tree).expect("a tree");
    let disk = build(&tree, codename, SizeRule::Auto, scratch.path()).expect("a disk");
    let path = scratch.path().join("disk.raw");
    host::sparse::link(&disk.file, &path).expect("a name");
    (scratch, path, disk)
}

fn part(disk: &RawDisk, index: usize, path: &Path, scratch: &Scratch) -> PathBuf {
    let extent = disk.layout.extents[index];
    let to = scratch.path().join(format!("part-{index}"));
    let target = File::create(&to).expect("a file");
    host::sparse::copy_range(&File::open(path).expect("the disk"), extent.start, &target, 0, extent.length)
        .expect("copied");
    to
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of UTF-8")
}

#[test]
fn the_table_is_clean_and_says_what_the_plan_says() {
    let (_scratch, path, disk) = build_named("bookworm");
    assert!(witness("sgdisk", &["-v", text(&path)]).contains("No problems found"));
    let said = witness("sgdisk", &["-p", text(&path)]);
    assert!(said.to_lowercase().contains(sample::UUIDS[0]), "{said}");
    let expected = [
        ("21686148-6449-6E6F-744E-656564454649", "bios"),
        ("C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "esp"),
        ("4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709", "root"),
        ("0FC63DAF-8483-4772-8E79-3D69D8477DE4", "srv"),
        ("0657FD6D-A4AB-43C4-84E5-0933C84B4F4F", "swap"),
    ];
    for (index, (kind, name)) in expected.iter().enumerate() {
        let said = witness("sgdisk", &["-i", &(index + 1).to_string(), text(&path)]);
        assert!(said.contains(kind) && said.contains(&format!("'{name}'")), "{said}");
        assert!(said.to_lowercase().contains(sample::UUIDS[index + 1]), "{said}");
        assert_eq!(disk.layout.extents[index].start % (1 << 20), 0);
    }
    assert!(witness("sgdisk", &["-i", "3", text(&path)]).contains("Attribute flags: 0800000000000000"));
}

#[test]
fn boot_sectors_are_where_the_bios_looks() {
    let (_scratch, _path, disk) = build_named("bookworm");
    let mut sector = [0; 512];
    disk.file.read_exact_at(&mut sector, 0).expect("the first sector");
    assert_eq!(&sector[..4], b"BOOT");
    assert_eq!(sector[0x5c..0x64], 2048_u64.to_le_bytes());
    assert_eq!((sector[446 + 4], &sector[510..]), (0xee, &[0x55, 0xaa][..]), "the protective entry stays");
    let mut core = [0; 12];
    disk.file.read_exact_at(&mut core, 1 << 20).expect("the core");
    assert_eq!((&core[..4], &core[4..]), (&b"CORE"[..], &2048_u64.to_le_bytes()[..]));
}

#[test]
fn ext4_holds_the_tree() {
    let (scratch, path, disk) = build_named("bookworm");
    let root = part(&disk, 2, &path, &scratch);
    let root = text(&root);
    witness("e2fsck", &["-fn", root]);
    let said = witness("dumpe2fs", &["-h", root]);
    for line in [
        "Filesystem volume name:   root",
        "Filesystem UUID:          5a1d1f6e-0033-5000-8000-000000000003",
        "Filesystem created:       Sun Jun 15",
        "Default mount options:    user_xattr acl",
        "Inode size:\t          256",
        "Project quota inode:",
    ] {
        assert!(said.contains(line), "no '{line}' in\n{said}");
    }
    assert!(!said.contains("orphan_file") && !said.contains("metadata_csum_seed"), "{said}");
    let ask = |request: &str| witness("debugfs", &["-R", request, root]);
    let tool = ask("stat /usr/bin/tool");
    assert!(
        tool.contains("Mode:  04755") && tool.contains("Links: 2") && tool.contains("Size: 300000"),
        "{tool}"
    );
    assert!(tool.contains(&format!("{:x}", sample::EPOCH)), "times end at the epoch: {tool}");
    assert!(!tool.contains("1970"), "no time is left out: {tool}");
    // What debugfs says of itself follows what it prints.
    assert!(ask("cat /var/größe").starts_with("not ASCII"));
    assert!(ask(&format!("cat /var/{}é", "n".repeat(200))).starts_with("both"));
    assert!(ask("ls /boot/efi").lines().all(|line| !line.contains("EFI")), "the ESP's content is elsewhere");
    assert!(ask("ls /srv").lines().all(|line| !line.contains("www")));
    let note = ask("ea_get /etc/hostname user.origin");
    assert!(note.contains("re\\000cipe \\\"quoted\\\"") || note.contains("72 65 00 63"), "{note}");
    if sample::is_root().expect("known") {
        assert!(ask("stat /var/deep").contains("User: 70000   Group: 4000000"));
        assert!(ask("ea_list /usr/bin/tool").contains("security.capability (20) = 01 00 00 02 00 20 00 00"));
    }
    let dump = scratch.path().join("dump");
    std::fs::create_dir(&dump).expect("a folder");
    ask(&format!("rdump /usr /var/deep {}", text(&dump)));
    for path in ["usr/bin/tool", "usr/bin/tool-again"] {
        assert!(
            std::fs::read(dump.join(path)).ok() == std::fs::read(scratch.path().join("tree").join(path)).ok()
        );
    }
}

#[test]
fn a_second_filesystem_is_clean_too() {
    let (scratch, path, disk) = build_named("trixie");
    let data = part(&disk, 3, &path, &scratch);
    let said = witness("dumpe2fs", &["-h", text(&data)]);
    assert!(said.contains("orphan_file") && said.contains("metadata_csum_seed"), "{said}");
    let toolbox = LoaderToolbox::new(tools_tree());
    let call = bootwright::disk::toolbox::Call {
        program: "/usr/sbin/e2fsck",
        args: vec!["-fn".into(), text(&data).into()],
        env: Vec::new(),
        inherit: Vec::new(),
    };
    bootwright::disk::Toolbox::run(&toolbox, call, &mut |_| Ok(())).expect("trixie's e2fsck is content");
    let acl = witness("debugfs", &["-R", "ea_list /www", text(&data)]);
    assert!(acl.contains("system.posix_acl_access (28)"), "{acl}");
}

#[test]
fn fat_and_swap_are_recognised() {
    let (scratch, path, disk) = build_named("bookworm");
    let esp = part(&disk, 1, &path, &scratch);
    witness("fsck.fat", &["-n", "-v", text(&esp)]);
    let said = witness("blkid", &["-p", "-o", "export", text(&esp)]);
    for line in ["TYPE=vfat", "LABEL=ESP", "UUID=5A1D-1F6E", "VERSION=FAT32"] {
        assert!(said.lines().any(|found| found == line), "no '{line}' in\n{said}");
    }
    let listing = witness("mdir", &["-/", "-b", "-i", text(&esp), "::/"]);
    assert!(listing.contains("EFI/BOOT/BOOTX64.EFI"), "{listing}");
    assert!(listing.contains("A long name with spaces.txt"), "{listing}");
    let dates = witness("mdir", &["-i", text(&esp), "::/EFI/debian"]);
    assert!(dates.contains("2025-06-15"), "{dates}");
    let back = witness("mtype", &["-i", text(&esp), "::/EFI/debian/grub.cfg"]);
    assert_eq!(back, "configfile /boot/grub/grub.cfg\n");
    let swap = part(&disk, 4, &path, &scratch);
    let said = witness("blkid", &["-p", "-o", "export", text(&swap)]);
    for line in ["TYPE=swap", "LABEL=swap", "UUID=5a1d1f6e-0055-5000-8000-000000000005"] {
        assert!(said.lines().any(|found| found == line), "no '{line}' in\n{said}");
    }
}

fn digest(disk: &RawDisk) -> Vec<u8> {
    let mut hasher = Sha256::new();
    let mut file = disk.file.try_clone().expect("a clone");
    std::io::Seek::rewind(&mut file).expect("rewound");
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).expect("reading") {
            0 => return hasher.finalize().to_vec(),
            length => hasher.update(&buffer[..length]),
        }
    }
}

#[test]
fn two_trees_of_the_same_content_give_the_same_disk() {
    let mut digests = Vec::new();
    for name in ["one", "another"] {
        let scratch = Scratch::new(name);
        let tree = scratch.path().join(name);
        sample::tree(&tree).expect("a tree");
        digests.push(digest(&build(&tree, "bookworm", SizeRule::Auto, scratch.path()).expect("a disk")));
        std::thread::sleep(std::time::Duration::from_millis(1100));
    }
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn what_is_not_written_takes_no_room() {
    let (_scratch, _path, disk) = build_named("bookworm");
    let allocated = host::sparse::allocated(&disk.file).expect("known");
    assert!(disk.size > 700 << 20 && allocated < 8 << 20, "{allocated} of {} bytes are allocated", disk.size);
}

#[test]
fn a_disk_too_small_names_the_line() {
    let scratch = Scratch::new("small");
    let tree = scratch.path().join("tree");
    sample::tree(&tree).expect("a tree");
    let error = build(&tree, "bookworm", SizeRule::Bytes(200 << 20), scratch.path()).expect_err("too small");
    let said = error.to_string();
    assert!(said.starts_with("sample.yaml:13:7: ") && said.contains("200 MiB given"), "{said}");
    let disk = build(&tree, "bookworm", SizeRule::Bytes(1 << 30), scratch.path()).expect("room enough");
    assert_eq!(disk.size, 1 << 30);
    assert_eq!(disk.layout.extents[4].start + disk.layout.extents[4].length, (1 << 30) - (1 << 20));
}

#[test]
fn the_sandbox_changes_nothing() {
    let scratch = Scratch::new("sandbox");
    let tree = scratch.path().join("tree");
    sample::tree(&tree).expect("a tree");
    let out = scratch.path().join("out");
    let program = env!("CARGO_BIN_EXE_make_disk");
    witness(program, &[text(&tree), text(tools_tree()), text(&out), "bookworm"]);
    let raw = out.join("sample.raw");
    let mut locked = sample::locked("bookworm", SizeRule::Auto);
    locked.plan.boot = None;
    let toolbox = LoaderToolbox::new(tools_tree());
    let parts = Parts { locked, root: &tree, boot_code: None, toolbox: &toolbox, folder: scratch.path() };
    let disk = assemble_parts(parts, &Stage::start(&Silent, "disk")).expect("a disk");
    assert!(
        witness("sha256sum", &[text(&raw)]).starts_with(&hex(&digest(&disk))),
        "same bytes with and without"
    );
    let start = disk.layout.extents[2].start;
    witness("e2fsck", &["-fn", &format!("{}?offset={start}", text(&raw))]);
    let said = witness("qemu-img", &["check", text(&out.join("sample.qcow2"))]);
    assert!(said.contains("No errors were found"), "{said}");
    let report = bootwright::inspect::inspect(&out.join("sample.qcow2")).expect("a report").to_string();
    for line in
        ["esp", "ext4 'root' 5a1d1f6e-0033-", "FAT32 'ESP' 5A1D-1F6E", "/EFI/BOOT/BOOTX64.EFI", "swap 'swap'"]
    {
        assert!(report.contains(line), "no '{line}' in\n{report}");
    }
}

#[test]
fn the_least_size_is_enough_and_not_much_more() {
    let scratch = Scratch::new("least");
    let tree = scratch.path().join("tree");
    sample::tree(&tree).expect("a tree");
    // Incompressible to any estimate: content that dwarfs the tables, and many small files.
    for number in 0..3000 {
        std::fs::write(tree.join(format!("var/deep/er/{number}")), "small").expect("written");
    }
    std::fs::write(tree.join("var/large"), vec![1; 60 << 20]).expect("written");
    let toolbox = LoaderToolbox::new(tools_tree());
    let build = |size: u64| {
        let mut locked = sample::locked("bookworm", SizeRule::Auto);
        let disk = locked.plan.disk.as_mut().expect("a disk");
        disk.partitions[2].size = SizeRule::Bytes(size);
        let parts = Parts {
            locked,
            root: &tree,
            boot_code: Some(&MarkedSectors),
            toolbox: &toolbox,
            folder: scratch.path(),
        };
        assemble_parts(parts, &Stage::start(&Silent, "disk"))
    };
    let Err(DiskError::TooSmall { needed, .. }) = build(1 << 20) else { panic!("1 MiB is too small") };
    let disk = build(needed).expect("what is said to be needed is enough");
    let start = disk.layout.extents[2].start;
    let path = scratch.path().join("least.raw");
    host::sparse::link(&disk.file, &path).expect("a name");
    let device = format!("{}?offset={start}", text(&path));
    witness("e2fsck", &["-fn", &device]);
    let said = witness("dumpe2fs", &["-h", &device]);
    let free = said.lines().find_map(|line| line.strip_prefix("Free blocks:")).expect("a count");
    let free: u64 = free.trim().parse().expect("a number");
    assert!(free * 4096 < 8 << 20, "{free} blocks are free of {} MiB", needed >> 20);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
