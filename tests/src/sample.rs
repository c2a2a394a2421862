//! Plans and trees for tests of single stages.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use anyhow::Result;
use bootwright::plan::*;
use bootwright::resolve::{Locked, LockedPackage, ReleaseFacts, Sha256Digest};

/// A UUID that is this number, for plans that nobody derives from a seed.
pub const UUIDS: [&str; 10] = [
    "5a1d1f6e-0000-5000-8000-000000000000",
    "5a1d1f6e-0000-5000-8000-000000000001",
    "5a1d1f6e-0000-5000-8000-000000000002",
    "5a1d1f6e-0000-5000-8000-000000000003",
    "5a1d1f6e-0000-5000-8000-000000000004",
    "5a1d1f6e-0000-5000-8000-000000000005",
    "5a1d1f6e-0000-5000-8000-000000000006",
    "5a1d1f6e-0000-5000-8000-000000000007",
    "5a1d1f6e-0000-5000-8000-000000000008",
    "5a1d1f6e-0000-5000-8000-000000000009",
];

/// "Now" of the sample plans.
pub const EPOCH: i64 = 1_750_000_000;

const MIB: u64 = 1 << 20;

/// Returns a locked plan with bios-boot, ESP, root (all quotas), a second ext4 and swap.
pub fn locked(codename: &str, size: SizeRule) -> Locked {
    let uuid = |index: usize| UUIDS[index].parse().expect("a UUID");
    let repository = Repository {
        name: codename.into(),
        origin: Origin::Debian,
        suite: codename.into(),
        components: vec!["main".into()],
        signed_by: SignedBy::DebianArchive,
        pin: None,
        in_image: None,
    };
    let disk = DiskPlan { table: TableKind::Gpt, guid: uuid(0), size, partitions: partitions() };
    let package = |name: &str, digest: u8| LockedPackage {
        name: name.into(),
        version: "1.2-3".into(),
        architecture: "amd64".into(),
        base: "http://archive.invalid/debian".into(),
        filename: format!("pool/{name}.deb"),
        size: 1000,
        sha256: Sha256Digest([digest; 32]),
        base_set: true,
        automatic: false,
    };
    let plan = Plan {
        name: "sample".into(),
        recipe_digest: "00".repeat(32),
        recipe: serde_json::Value::Null,
        seed: uuid(9),
        mirrors: vec![MirrorChoice::Auto],
        credentials: Vec::new(),
        local: Vec::new(),
        architecture: Architecture::Amd64,
        repositories: vec![repository.clone()],
        suite: codename.into(),
        packages: PackageRequest { variant: Variant::Minbase, terms: Vec::new(), recommends: false },
        tools: ToolsRequest { repository, packages: vec!["e2fsprogs".into()] },
        debconf: Vec::new(),
        customise: Customise::default(),
        disk: Some(disk),
        boot: Some(BootPlan { bios: true, uefi: true, secure: true, kernel_command_line: Vec::new() }),
        outputs: vec![OutputKind::Raw, OutputKind::Qcow2(Qcow2Compression::None)],
        tests: Vec::new(),
        uploads: Vec::new(),
    };
    Locked {
        plan,
        packages: vec![package("base-files", 1), package("dash", 2)],
        tools: vec![package("e2fsprogs", 3)],
        releases: vec![ReleaseFacts {
            name: codename.into(),
            base: "http://archive.invalid/debian".into(),
            suite: codename.into(),
            codename: codename.into(),
            origin: "Debian".into(),
            label: "Debian".into(),
            archive: "oldstable".into(),
            date: EPOCH,
            signed_by: "0123456789ABCDEF".into(),
            sha256: Sha256Digest([4; 32]),
        }],
        tools_release: None,
        epoch: EPOCH,
    }
}

fn partitions() -> Vec<PartitionPlan> {
    let filesystem =
        |index: usize, kind, label: &str, mount: Option<&str>, quota: Vec<QuotaKind>| FilesystemPlan {
            kind,
            uuid: UUIDS[index].replacen("0000", &format!("00{index}{index}"), 1).parse().expect("a UUID"),
            label: label.into(),
            mount: mount.map(Into::into),
            options: Vec::new(),
            quota,
            subvolumes: Vec::new(),
        };
    let partition = |index: usize, kind, name: &str, size, filesystem| PartitionPlan {
        kind,
        name: name.into(),
        guid: UUIDS[index].parse().expect("a UUID"),
        size,
        filesystem,
        grow: kind == PartitionKind::Root,
        origin: format!("sample.yaml:{}:7", 10 + index),
    };
    let quota = vec![QuotaKind::User, QuotaKind::Group, QuotaKind::Project];
    let esp = filesystem(2, FilesystemKind::Vfat, "ESP", Some("/boot/efi"), Vec::new());
    let root = filesystem(3, FilesystemKind::Ext4, "root", Some("/"), quota);
    let data = filesystem(4, FilesystemKind::Ext4, "", Some("/srv"), vec![QuotaKind::User]);
    let swap = filesystem(5, FilesystemKind::Swap, "swap", None, Vec::new());
    vec![
        partition(1, PartitionKind::BiosBoot, "bios", SizeRule::Bytes(MIB), None),
        partition(2, PartitionKind::Esp, "esp", SizeRule::Bytes(64 * MIB), Some(esp)),
        partition(3, PartitionKind::Root, "root", SizeRule::Auto, Some(root)),
        partition(4, PartitionKind::Linux, "srv", SizeRule::Bytes(100 * MIB), Some(data)),
        partition(5, PartitionKind::Swap, "swap", SizeRule::Bytes(32 * MIB), Some(swap)),
    ]
}

/// Makes a small tree with one of everything. Owners other than one's own and capabilities need root.
pub fn tree(root: &Path) -> Result<()> {
    let at = |path: &str| root.join(path);
    for folder in
        ["etc", "usr/bin", "var/deep/er", "boot/efi/EFI/BOOT", "boot/efi/EFI/debian", "srv/www", "empty"]
    {
        fs::create_dir_all(at(folder))?;
    }
    fs::write(at("etc/hostname"), "sample\n")?;
    fs::write(at("usr/bin/tool"), (0..300_000_u32).map(|i| (i % 253) as u8).collect::<Vec<u8>>())?;
    fs::set_permissions(at("usr/bin/tool"), fs::Permissions::from_mode(0o4755))?;
    fs::hard_link(at("usr/bin/tool"), at("usr/bin/tool-again"))?;
    symlink("usr/bin", at("bin"))?;
    symlink(format!("/{}", "long/".repeat(30)), at("etc/long-link"))?;
    fs::write(at(&format!("var/{}", "n".repeat(200))), "long name")?;
    fs::write(at("var/größe"), "not ASCII")?;
    fs::write(at(&format!("var/{}é", "n".repeat(200))), "both")?;
    for number in 0..500 {
        fs::write(at(&format!("var/deep/file-{number:04}")), vec![b'.'; number * 7])?;
    }
    fs::write(at("boot/efi/EFI/BOOT/BOOTX64.EFI"), vec![0xea; 900_000])?;
    fs::write(at("boot/efi/EFI/debian/grub.cfg"), "configfile /boot/grub/grub.cfg\n")?;
    fs::write(at("boot/efi/EFI/debian/A long name with spaces.txt"), "x")?;
    fs::write(at("srv/www/index.html"), "<p>")?;
    host::xattr::set(&at("etc/hostname"), c"user.origin", b"re\0cipe \"quoted\"")?;
    let listed =
        [(1_u16, 7_u16, u32::MAX), (2, 5, 1000), (4, 5, u32::MAX), (16, 7, u32::MAX), (32, 5, u32::MAX)];
    let mut acl = 2_u32.to_le_bytes().to_vec();
    for (tag, permission, id) in listed {
        acl.extend([tag.to_le_bytes(), permission.to_le_bytes()].concat());
        acl.extend(id.to_le_bytes());
    }
    host::xattr::set(&at("srv/www"), c"system.posix_acl_access", &acl)?;
    if is_root()? {
        chown(at("srv/www/index.html"), Some(33), Some(33))?;
        chown(at("var/deep"), Some(70_000), Some(4_000_000))?;
        let capability = [&[1, 0, 0, 2, 0, 0x20, 0, 0][..], &[0; 12]].concat();
        host::xattr::set(&at("usr/bin/tool"), c"security.capability", &capability)?;
    }
    Ok(())
}

/// Tells whether the test may give files away.
pub fn is_root() -> Result<bool> {
    use std::os::unix::fs::MetadataExt;
    Ok(fs::metadata("/proc/self")?.uid() == 0)
}
