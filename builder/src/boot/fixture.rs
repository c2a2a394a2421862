//! Plans and trees for the tests of this stage.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use uuid::Uuid;

use crate::plan::*;
use crate::resolve::Locked;
use crate::rootfs::Tree;

/// A folder in the system's temporary folder that goes when the test ends.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("bootwright-boot-{name}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn write(&self, path: &str, content: &[u8]) {
        let path = self.0.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(super) fn tree(&self) -> Tree {
        self.tree_of(plan())
    }

    pub(super) fn tree_of(&self, plan: Plan) -> Tree {
        let locked = Locked {
            plan,
            packages: Vec::new(),
            tools: Vec::new(),
            releases: Vec::new(),
            tools_release: None,
            epoch: 1_700_000_000,
        };
        Tree::new(locked, self.0.clone())
    }

    pub(super) fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.0.join(path)).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// Returns a disk with every kind of partition.
pub(super) fn disk() -> DiskPlan {
    use FilesystemKind::{Ext4, Swap, Vfat};
    let partition = |number: u128, kind, filesystem| PartitionPlan {
        kind,
        name: String::new(),
        guid: Uuid::from_u128(number),
        size: SizeRule::Auto,
        filesystem,
        grow: false,
        origin: String::new(),
    };
    let filesystem = |number: u128, kind, mount: Option<&str>, options: &[&str], quota: &[QuotaKind]| {
        Some(FilesystemPlan {
            kind,
            uuid: Uuid::from_u128(number),
            label: String::new(),
            mount: mount.map(str::to_owned),
            options: options.iter().map(|&option| option.to_owned()).collect(),
            quota: quota.to_vec(),
            subvolumes: Vec::new(),
        })
    };
    DiskPlan {
        table: TableKind::Gpt,
        guid: Uuid::from_u128(9),
        size: SizeRule::Auto,
        partitions: vec![
            partition(1, PartitionKind::BiosBoot, None),
            partition(2, PartitionKind::Esp, filesystem(2, Vfat, Some("/boot/efi"), &[], &[])),
            partition(4, PartitionKind::Swap, filesystem(4, Swap, None, &[], &[])),
            partition(
                3,
                PartitionKind::Root,
                filesystem(3, Ext4, Some("/"), &[], &[QuotaKind::User, QuotaKind::Project]),
            ),
            partition(
                5,
                PartitionKind::Linux,
                filesystem(5, Ext4, Some("/srv/big data"), &["noatime", "nodev"], &[]),
            ),
        ],
    }
}

/// Returns a plan that boots in every way.
pub(super) fn plan() -> Plan {
    Plan {
        name: "test".to_owned(),
        recipe_digest: String::new(),
        recipe: serde_json::Value::Null,
        seed: Uuid::from_u128(0),
        architecture: Architecture::Amd64,
        repositories: Vec::new(),
        mirrors: Vec::new(),
        credentials: Vec::new(),
        local: Vec::new(),
        suite: "bookworm".to_owned(),
        packages: PackageRequest { variant: Variant::Minbase, terms: Vec::new(), recommends: false },
        tools: ToolsRequest {
            repository: Repository {
                name: "trixie".to_owned(),
                origin: Origin::Debian,
                suite: "trixie".to_owned(),
                components: Vec::new(),
                signed_by: SignedBy::DebianArchive,
                pin: None,
                in_image: None,
            },
            packages: Vec::new(),
        },
        debconf: Vec::new(),
        customise: Customise::default(),
        disk: Some(disk()),
        boot: Some(BootPlan {
            bios: true,
            uefi: true,
            secure: true,
            kernel_command_line: vec!["console=ttyS0".to_owned()],
        }),
        outputs: vec![OutputKind::Raw],
        tests: Vec::new(),
        uploads: Vec::new(),
    }
}
