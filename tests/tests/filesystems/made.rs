//! What is written, against the formats' own checkers and the kernel.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bootwright::disk::{DiskError, Parts, RawDisk, assemble_parts};
use bootwright::plan::{FilesystemKind, SizeRule, SubvolumePlan};
use bootwright::progress::{Silent, Stage};
use integration_tests::cut::text;
use integration_tests::sample;
use integration_tests::scratch::Scratch;
use integration_tests::tools_tree::{LoaderToolbox, tools_tree};
use integration_tests::tree_compare::{differences, read_folder};
use integration_tests::witness::witness;
use sha2::{Digest, Sha256};

/// A mount that ends with the value.
struct Mounted(PathBuf);

impl Mounted {
    fn new(part: &Path, options: &str) -> Self {
        let point = part.with_extension(format!("mounted-{}", options.replace(['=', ',', '@'], "-")));
        fs::create_dir(&point).expect("a mount point");
        witness("mount", &["-o", options, text(part), text(&point)]);
        Self(point)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}

/// Adds what the sample tree lacks: devices, a pipe, folders of every size, large and many attributes.
fn full_tree(root: &Path) {
    sample::tree(root).expect("a tree");
    let at = |path: &str| root.join(path);
    witness("mknod", &["-m", "0666", text(&at("var/null")), "c", "1", "3"]);
    witness("mknod", &["-m", "0660", text(&at("var/loop")), "b", "7", "300"]);
    witness("mkfifo", &[text(&at("var/pipe"))]);
    witness("chmod", &["1777", text(&at("empty"))]);
    for (folder, count) in [("few", 3), ("some", 150), ("more", 501), ("many", 4000)] {
        fs::create_dir(at(&format!("var/{folder}"))).expect("a folder");
        for number in 0..count {
            fs::write(at(&format!("var/{folder}/name-{number:05}.list")), "x").expect("written");
        }
    }
    for name in ["a b", "tab\tand\nline", "$", ":colon", "\u{3b1}"] {
        fs::write(at(&format!("var/{name}")), name).expect("written");
    }
    fs::hard_link(at("usr/bin/tool"), at("etc/tool")).expect("linked");
    std::os::unix::fs::symlink(format!("/{}", "very-long/".repeat(70)), at("etc/longer-link"))
        .expect("linked");
    fs::write(at("var/large"), (0..9_000_000_u32).map(|i| (i / 4096) as u8).collect::<Vec<u8>>())
        .expect("written");
    fs::write(at("etc/attributes"), "").expect("written");
    for number in 0..20_usize {
        let name = std::ffi::CString::new(format!("user.number-{number}")).expect("a name");
        host::xattr::set(&at("etc/attributes"), &name, &vec![b'v'; number * 7]).expect("set");
    }
    host::xattr::set(&at("var/large"), c"user.large", &[7; 2500]).expect("set");
}

/// Makes a disk whose root is of `kind`; its UUID is of this test only, so that the kernel mounts two at a time.
fn assemble(tree: &Path, kind: FilesystemKind, id: u128, folder: &Path) -> RawDisk {
    try_assemble(tree, kind, id, folder).expect("a disk")
}

fn try_assemble(tree: &Path, kind: FilesystemKind, id: u128, folder: &Path) -> Result<RawDisk, DiskError> {
    assemble_for("bookworm", tree, kind, id, folder)
}

fn assemble_for(
    codename: &str,
    tree: &Path,
    kind: FilesystemKind,
    id: u128,
    folder: &Path,
) -> Result<RawDisk, DiskError> {
    let mut locked = sample::locked(codename, SizeRule::Auto);
    locked.plan.boot = None;
    let disk = locked.plan.disk.as_mut().expect("a disk");
    let root = disk.partitions[2].filesystem.as_mut().expect("the root");
    root.kind = kind;
    root.uuid = bootwright_uuid(root.uuid, id);
    root.quota.clear();
    if kind == FilesystemKind::Btrfs {
        root.mount = None;
        let subvolume = |path: &str, mount: Option<&str>| SubvolumePlan {
            path: path.into(),
            mount: mount.map(Into::into),
            options: Vec::new(),
        };
        root.subvolumes =
            vec![subvolume("@", Some("/")), subvolume("@var", Some("/var")), subvolume("@old", None)];
    }
    let toolbox = LoaderToolbox::new(tools_tree());
    let parts = Parts { locked, root: tree, boot_code: None, toolbox: &toolbox, folder };
    assemble_parts(parts, &Stage::start(&Silent, "disk"))
}

fn bootwright_uuid<U: std::str::FromStr + ToString>(uuid: U, id: u128) -> U {
    let text = uuid.to_string();
    format!("{}{id:04x}", &text[..text.len() - 4]).parse().ok().expect("a UUID")
}

fn cut_root(disk: &RawDisk, folder: &Path) -> PathBuf {
    let extent = disk.layout.extents[2];
    let path = folder.join("root.img");
    let file = fs::File::create(&path).expect("a file");
    file.set_len(extent.length).expect("sized");
    host::sparse::copy_range(&disk.file, extent.start, &file, 0, extent.length).expect("copied");
    path
}

/// Every path's modification time (no later than the sample's epoch) and, of files, size and number of links.
fn times(root: &Path, folder: &Path, found: &mut BTreeMap<PathBuf, (i64, u64, u64)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let metadata = fs::symlink_metadata(&path).expect("there");
        let numbers = if metadata.is_dir() { (0, 0) } else { (metadata.len(), metadata.nlink()) };
        let inside = path.strip_prefix(root).expect("inside").to_owned();
        found.insert(inside, (metadata.mtime().min(sample::EPOCH), numbers.0, numbers.1));
        if metadata.is_dir() {
            times(root, &path, found);
        }
    }
}

/// Compares what the kernel sees with the tree; `without` are folders whose content is on other partitions.
fn assert_same(tree: &Path, mounted: &Path, without: &[&str]) {
    for folder in without {
        fs::remove_dir_all(tree.join(folder)).expect("removed");
        fs::create_dir(tree.join(folder)).expect("made");
    }
    let (mut ours, mut theirs) = (BTreeMap::new(), BTreeMap::new());
    times(mounted, mounted, &mut ours);
    times(tree, tree, &mut theirs);
    for folder in without {
        // It was made anew just now.
        let folder = Path::new(folder);
        for map in [&mut ours, &mut theirs] {
            map.retain(|path, _| path != folder && Some(path.as_path()) != folder.parent());
        }
    }
    assert_eq!(ours, theirs, "times, sizes and numbers of links");
    let (mut ours, theirs) = (read_folder(mounted).expect("readable"), read_folder(tree).expect("readable"));
    // XFS shows an access list a second time, as it is stored.
    ours.values_mut().for_each(|node| node.attributes.retain(|name, _| !name.starts_with("trusted.SGI_ACL")));
    assert_eq!(differences(&ours, &theirs, &[]), Vec::<String>::new());
}

fn made(kind: FilesystemKind, id: u128) -> (Scratch, PathBuf, PathBuf) {
    let scratch = Scratch::new(kind.name());
    let tree = scratch.path().join("tree");
    full_tree(&tree);
    let part = cut_root(&assemble(&tree, kind, id, scratch.path()), scratch.path());
    (scratch, tree, part)
}

#[test]
fn xfs_holds_the_tree() {
    let (_scratch, tree, part) = made(FilesystemKind::Xfs, 1);
    witness("xfs_repair", &["-n", text(&part)]);
    let said = witness("xfs_info", &[text(&part)]);
    for feature in ["finobt=1", "reflink=1", "bigtime=1", "inobtcount=1", "rmapbt=0", "ftype=1"] {
        assert!(said.contains(feature), "{said}");
    }
    let said = witness("blkid", &["-p", "-o", "export", text(&part)]);
    assert!(said.contains("TYPE=xfs\n") && said.contains("LABEL=root\n"), "{said}");
    let mounted = Mounted::new(&part, "loop,ro");
    assert_same(&tree, &mounted.0, &["srv", "boot/efi"]);
}

/// Adds what only large trees need: a folder whose index has two levels, a file whose extents have two more levels below
/// the inode, and attributes that are in the inode and in a block.
fn deep_tree(root: &Path) {
    full_tree(root);
    let at = |path: &str| root.join(path);
    fs::create_dir(at("var/long")).expect("a folder");
    for number in 0..9000 {
        fs::write(at(&format!("var/long/{}{number:05}", "n".repeat(245))), "").expect("written");
    }
    let every_other: Vec<u8> = (0..4000 * 4096_u32).map(|i| (i / 4096 % 2) as u8).collect();
    fs::write(at("var/every-other"), every_other).expect("written");
    fs::write(at("var/zeroes"), vec![0; 5_000_000]).expect("written");
    fs::write(at("var/both"), "").expect("written");
    for (name, length) in [(c"user.one", 50), (c"user.two", 3900)] {
        host::xattr::set(&at("var/both"), name, &vec![b'v'; length]).expect("set");
    }
    witness("mknod", &["-m", "0660", text(&at("var/last")), "b", "4095", "1048575"]);
    for target in [59, 60, 4095] {
        std::os::unix::fs::symlink("t".repeat(target), at(&format!("var/link-{target}"))).expect("linked");
    }
}

/// Runs a program of the tools tree, whose e2fsprogs are newer than this machine's.
fn of_tools(program: &str, args: &[&str]) {
    let args = args.iter().map(|arg| (*arg).to_owned()).collect();
    let call = bootwright::disk::toolbox::Call { program, args, env: Vec::new(), inherit: Vec::new() };
    let toolbox = LoaderToolbox::new(tools_tree());
    bootwright::disk::Toolbox::run(&toolbox, call, &mut |_| Ok(())).expect("it is content");
}

fn deep_ext4(id: u128) -> (Scratch, PathBuf, PathBuf) {
    let scratch = Scratch::new("ext4");
    let tree = scratch.path().join("tree");
    deep_tree(&tree);
    let part = cut_root(&assemble(&tree, FilesystemKind::Ext4, id, scratch.path()), scratch.path());
    (scratch, tree, part)
}

#[test]
fn ext4_holds_the_tree() {
    let (_scratch, tree, part) = deep_ext4(9);
    witness("e2fsck", &["-fn", text(&part)]);
    of_tools("/usr/sbin/e2fsck", &["-fn", text(&part)]);
    let ask = |request: &str| witness("debugfs", &["-R", request, text(&part)]);
    let index = ask("htree_dump /var/long");
    assert!(index.contains("Indirect levels: 1") && index.contains("Hash Version: 1"), "{index:.2000}");
    assert!(ask("htree_dump /var/more").contains("Indirect levels: 0"));
    let stat = ask("stat /var/every-other");
    assert!(stat.contains("Size: 16384000") && stat.contains("Blockcount: 16056"), "{stat:.2000}");
    assert!(ask("stat /var/zeroes").contains("Blockcount: 0"), "zeroes take no room");
    let mounted = Mounted::new(&part, "loop,ro");
    fs::create_dir(tree.join("lost+found")).expect("a folder like that of the filesystem");
    witness("chmod", &["700", text(&tree.join("lost+found"))]);
    assert_same(&tree, &mounted.0, &["srv", "boot/efi"]);
}

#[test]
fn ext4_grows_and_shrinks() {
    let (_scratch, tree, part) = deep_ext4(10);
    witness("e2fsck", &["-fy", text(&part)]);
    let file = fs::OpenOptions::new().write(true).open(&part).expect("it is ours");
    for size in [3_u64 << 30, 40 << 30] {
        file.set_len(size).expect("sized");
        witness("resize2fs", &[text(&part)]);
        witness("e2fsck", &["-fn", text(&part)]);
    }
    of_tools("/usr/sbin/resize2fs", &["-M", text(&part)]);
    witness("e2fsck", &["-fn", text(&part)]);
    witness("tune2fs", &["-O", "quota", "-Q", "usrquota,grpquota", text(&part)]);
    witness("e2fsck", &["-fn", text(&part)]);
    let mounted = Mounted::new(&part, "loop,ro");
    fs::create_dir(tree.join("lost+found")).expect("a folder like that of the filesystem");
    witness("chmod", &["700", text(&tree.join("lost+found"))]);
    assert_same(&tree, &mounted.0, &["srv", "boot/efi"]);
}

#[test]
fn ext4_has_room_for_more_inodes_than_blocks() {
    let scratch = Scratch::new("ext4-inodes");
    let tree = scratch.path().join("tree");
    sample::tree(&tree).expect("a tree");
    for folder in 0..10 {
        let folder = tree.join(format!("var/folder-{folder}"));
        fs::create_dir(&folder).expect("a folder");
        for number in 0..4000 {
            fs::write(folder.join(number.to_string()), "").expect("written");
        }
    }
    let toolbox = LoaderToolbox::new(tools_tree());
    let build = |size: u64| {
        let mut locked = sample::locked("trixie", SizeRule::Auto);
        locked.plan.boot = None;
        locked.plan.disk.as_mut().expect("a disk").partitions[2].size = SizeRule::Bytes(size);
        let parts = Parts { locked, root: &tree, boot_code: None, toolbox: &toolbox, folder: scratch.path() };
        assemble_parts(parts, &Stage::start(&Silent, "disk"))
    };
    let Err(DiskError::TooSmall { needed, .. }) = build(1 << 20) else { panic!("1 MiB is too small") };
    let part = cut_root(&build(needed).expect("what is said to be needed is enough"), scratch.path());
    witness("e2fsck", &["-fn", text(&part)]);
    let mounted = Mounted::new(&part, "loop,ro");
    assert_eq!(fs::read_dir(mounted.0.join("var/folder-7")).expect("a folder").count(), 4000);
}

#[test]
fn ext4_is_like_that_of_mke2fs() {
    for codename in ["bookworm", "trixie"] {
        let scratch = Scratch::new("ext4-like");
        let tree = scratch.path().join("tree");
        sample::tree(&tree).expect("a tree");
        let disk = assemble_for(codename, &tree, FilesystemKind::Ext4, 11, scratch.path()).expect("a disk");
        let ours = cut_root(&disk, scratch.path());
        let told = |part: &Path| -> BTreeMap<String, String> {
            let said = witness("dumpe2fs", &["-h", text(part)]);
            let lines = said.lines().filter_map(|line| line.split_once(':'));
            lines.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect()
        };
        let mut own = told(&ours);
        let theirs = scratch.path().join("theirs.img");
        fs::File::create(&theirs)
            .and_then(|file| file.set_len(disk.layout.extents[2].length))
            .expect("a file");
        let newer = if codename == "trixie" { ",metadata_csum_seed,orphan_file" } else { "" };
        let features = format!(
            "none,ext_attr,resize_inode,dir_index,filetype,sparse_super,large_file,has_journal,extent,64bit,flex_bg,\
             huge_file,dir_nlink,extra_isize,metadata_csum{newer}"
        );
        let seed = format!("hash_seed={},nodiscard", own["Directory Hash Seed"]);
        let (count, uuid) = (own["Inode count"].clone(), own["Filesystem UUID"].clone());
        of_tools(
            "/usr/sbin/mke2fs",
            &[
                "-qF",
                "-b",
                "4096",
                "-I",
                "256",
                "-m",
                "5",
                "-J",
                "size=64",
                "-L",
                "root",
                "-O",
                &features,
                "-E",
                &seed,
                "-N",
                &count,
                "-U",
                &uuid,
                text(&theirs),
            ],
        );
        let mut others = told(&theirs);
        // Times, and what depends on how much is in it.
        for changing in [
            "Filesystem created",
            "Last write time",
            "Last checked",
            "Lifetime writes",
            "Checksum",
            "Free blocks",
            "Free inodes",
        ] {
            own.remove(changing);
            others.remove(changing);
        }
        assert_eq!(own, others);
    }
}

#[test]
fn btrfs_holds_the_tree_in_its_subvolumes() {
    let (_scratch, tree, part) = made(FilesystemKind::Btrfs, 2);
    let said = witness("btrfs", &["check", "--check-data-csum", text(&part)]);
    assert!(said.contains("no error found"), "{said}");
    let said = witness("blkid", &["-p", "-o", "export", text(&part)]);
    assert!(said.contains("TYPE=btrfs\n") && said.contains("LABEL=root\n"), "{said}");
    let top = Mounted::new(&part, "loop,ro");
    let names: Vec<String> = fs::read_dir(&top.0)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(names, ["@", "@var", "@old"]);
    assert_same(&tree.join("var"), &top.0.join("@var"), &[]);
    assert_same(&tree, &top.0.join("@"), &["srv", "boot/efi", "var"]);
    assert_eq!(fs::read_dir(top.0.join("@old")).expect("a folder").count(), 0);
}

#[test]
fn squashfs_refuses_what_it_would_drop() {
    let scratch = Scratch::new("squashfs-acl");
    let tree = scratch.path().join("tree");
    sample::tree(&tree).expect("a tree");
    let list = host::xattr::get(&tree.join("srv/www"), c"system.posix_acl_access").expect("a list");
    host::xattr::set(&tree.join("etc/hostname"), c"system.posix_acl_access", &list).expect("set");
    let error =
        try_assemble(&tree, FilesystemKind::Squashfs, 8, scratch.path()).expect_err("no place for it");
    let said = error.to_string();
    assert!(said.contains("'/etc/hostname'") && said.contains("filesystem: erofs"), "{said}");
}

#[test]
fn what_is_written_can_be_changed() {
    let kinds = [(FilesystemKind::Xfs, 3), (FilesystemKind::Btrfs, 4), (FilesystemKind::Ext4, 12)];
    for (kind, id) in kinds {
        let (_scratch, tree, part) = made(kind, id);
        let mounted = Mounted::new(&part, "loop");
        let top = if kind == FilesystemKind::Btrfs { mounted.0.join("@var") } else { mounted.0.join("var") };
        witness("cp", &["-a", text(&tree.join("var")), text(&top.join("again"))]);
        witness("rm", &["-r", text(&top.join("many")), text(&top.join("large"))]);
        drop(mounted);
        match kind {
            FilesystemKind::Xfs => witness("xfs_repair", &["-n", text(&part)]),
            FilesystemKind::Ext4 => witness("e2fsck", &["-fn", text(&part)]),
            _ => witness("btrfs", &["check", "--check-data-csum", text(&part)]),
        };
    }
}

#[test]
fn the_same_tree_gives_the_same_bytes() {
    use FilesystemKind::{Btrfs, Ext4, Squashfs, Xfs};
    for kind in [Xfs, Btrfs, Ext4, Squashfs] {
        let digests: Vec<_> = (0..2)
            .map(|_| {
                let (_scratch, _tree, part) = made(kind, 5);
                Sha256::digest(fs::read(&part).expect("readable"))
            })
            .collect();
        assert_eq!(digests[0], digests[1], "{}", kind.name());
    }
}
