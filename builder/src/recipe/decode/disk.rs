//! `disk` and `boot`.

use super::Decoder;
use super::distribution::transpose;
use crate::recipe::diagnostic::{Diagnostic, Quoted};
use crate::recipe::keys;
use crate::recipe::node::{Node, Value};
use crate::recipe::schema::{Boot, Disk, Partition, Subvolume};
use crate::recipe::source::{Located, Span};
use crate::recipe::words::{FilesystemKind, PartitionKind, QuotaKind, SizeRule, TableKind};

pub(in crate::recipe) const TYPES: [(&str, Option<PartitionKind>); 11] = [
    ("bios-boot", Some(PartitionKind::BiosBoot)),
    ("esp", Some(PartitionKind::Esp)),
    ("xbootldr", Some(PartitionKind::Xbootldr)),
    ("root", Some(PartitionKind::Root)),
    ("home", Some(PartitionKind::Home)),
    ("srv", Some(PartitionKind::Srv)),
    ("var", Some(PartitionKind::Var)),
    ("linux", Some(PartitionKind::Linux)),
    ("swap", Some(PartitionKind::Swap)),
    ("raid", None),
    ("lvm", None),
];

pub(in crate::recipe) const FILESYSTEMS: [(&str, Option<FilesystemKind>); 10] = [
    ("ext4", Some(FilesystemKind::Ext4)),
    ("vfat", Some(FilesystemKind::Vfat)),
    ("swap", Some(FilesystemKind::Swap)),
    ("ext2", Some(FilesystemKind::Ext2)),
    ("ext3", Some(FilesystemKind::Ext3)),
    ("xfs", Some(FilesystemKind::Xfs)),
    ("btrfs", Some(FilesystemKind::Btrfs)),
    ("squashfs", Some(FilesystemKind::Squashfs)),
    ("erofs", Some(FilesystemKind::Erofs)),
    ("f2fs", None),
];

pub(in crate::recipe) const TABLES: [(&str, Option<TableKind>); 2] =
    [("gpt", Some(TableKind::Gpt)), ("msdos", Some(TableKind::Msdos))];

pub(in crate::recipe) const QUOTAS: [(&str, Option<QuotaKind>); 3] = [
    (QuotaKind::User.name(), Some(QuotaKind::User)),
    (QuotaKind::Group.name(), Some(QuotaKind::Group)),
    (QuotaKind::Project.name(), Some(QuotaKind::Project)),
];

impl Decoder {
    /// Reads `disk`.
    pub(super) fn disk(&self, node: &Node, at: &Span) -> Option<Disk> {
        let mut fields = self.fields(node, &keys::DISK)?;
        let table = fields.take("table").map(|node| self.choice(node, "table", &TABLES));
        let size = fields.take("size").map(|node| self.size(node, "size"));
        let partitions = fields.need("partitions").map(|node| {
            self.refuse_empty(node, "partitions");
            let wanted = self.items(node, "partitions").len();
            let read: Vec<_> =
                self.items_quietly(node).iter().filter_map(|item| self.partition(item)).collect();
            (read.len() == wanted).then_some(read)
        });
        fields.finish();
        Some(Disk {
            at: at.clone(),
            table: table.unwrap_or_else(|| Some(Located { value: TableKind::Gpt, at: at.clone() }))?.value,
            size: size.unwrap_or_else(|| Some(Located { value: SizeRule::Auto, at: at.clone() }))?,
            partitions: partitions??,
        })
    }

    /// Returns the items of a list that was looked at before.
    fn items_quietly<'a>(&self, node: &'a Node) -> &'a [Node] {
        if let Value::List(items) = &node.value { items } else { &[] }
    }

    fn partition(&self, node: &Node) -> Option<Partition> {
        let mut fields = self.fields(node, &keys::PARTITION)?;
        let kind = fields.need("type").and_then(|node| self.choice(node, "type", &TYPES));
        let filesystem = fields.take("filesystem").map(|node| self.choice(node, "filesystem", &FILESYSTEMS));
        let mount = fields.take("mount").map(|node| self.mount_point(node));
        let size = fields.take("size").map(|node| self.size(node, "size"));
        let label = fields.take("label").map(|node| self.text(node, "label"));
        let grow = fields.take("grow").map(|node| self.boolean(node, "grow"));
        let quota = self.list(fields.take("quota"), "quota", |item| self.choice(item, "quota", &QUOTAS));
        let options = fields.take("options").map(|node| Located {
            value: self.list(Some(node), "options", |item| self.mount_option(item)),
            at: node.at.clone(),
        });
        let subvolumes = fields.take("subvolumes").map(|node| self.subvolumes(node));
        fields.finish();
        Some(Partition {
            at: node.at.clone(),
            kind: kind?.value,
            filesystem: transpose(filesystem)?,
            mount: transpose(mount)?,
            size: transpose(size)?,
            label: transpose(label)?,
            grow: transpose(grow)?.filter(|grow| grow.value).map(|grow| grow.at),
            quota,
            options,
            subvolumes: transpose(subvolumes)?,
        })
    }

    fn subvolumes(&self, node: &Node) -> Option<Located<Vec<Subvolume>>> {
        self.refuse_empty(node, "subvolumes");
        let wanted = self.items(node, "subvolumes").len();
        let read: Vec<_> = self.items_quietly(node).iter().filter_map(|item| self.subvolume(item)).collect();
        (read.len() == wanted).then_some(Located { value: read, at: node.at.clone() })
    }

    fn subvolume(&self, node: &Node) -> Option<Subvolume> {
        let mut fields = self.fields(node, &keys::SUBVOLUME)?;
        let good = |text: &str| {
            text.len() < 256
                && !matches!(text, "." | "..")
                && text.bytes().all(|b| b.is_ascii_graphic() && !b"/,#\\\"'".contains(&b))
        };
        let wanted = "one name such as \"@\" or \"@home\", without slashes, commas or spaces";
        let path = fields.need("path").and_then(|node| self.checked(node, "path", wanted, good));
        let mount = fields.take("mount").map(|node| self.mount_point(node));
        let options = self.list(fields.take("options"), "options", |item| self.mount_option(item));
        fields.finish();
        Some(Subvolume { path: path?, mount: transpose(mount)?, options })
    }

    fn mount_point(&self, node: &Node) -> Option<Located<String>> {
        if matches!(&node.value, Value::Scalar(scalar) if scalar.text == "/") {
            return Some(Located { value: "/".to_owned(), at: node.at.clone() });
        }
        let path = self.image_path(node, "mount")?;
        if path.value.contains(char::is_whitespace) {
            self.problem(Diagnostic::new(&path.at, "a mount point cannot contain spaces"));
            return None;
        }
        Some(path)
    }

    fn mount_option(&self, node: &Node) -> Option<String> {
        let good = |text: &str| text.bytes().all(|b| b.is_ascii_graphic() && !b",#\\\"'".contains(&b));
        let wanted = "one mount option such as noatime, without commas or spaces";
        self.checked(node, "options", wanted, good).map(|option| option.value)
    }

    /// Reads `boot`.
    pub(super) fn boot(&self, node: &Node, at: &Span) -> Option<Boot> {
        let mut fields = self.fields(node, &keys::BOOT)?;
        let grub = fields.need("grub").and_then(|node| self.grub(node, at));
        let arguments = self.list(fields.take("kernel_command_line"), "kernel_command_line", |item| {
            self.kernel_argument(item)
        });
        fields.finish();
        let mut boot = grub?;
        boot.kernel_command_line = arguments;
        Some(boot)
    }

    fn grub(&self, node: &Node, at: &Span) -> Option<Boot> {
        let mut fields = self.fields(node, &keys::GRUB)?;
        let yes = || Some(Located { value: true, at: node.at.clone() });
        let bios = fields.take("bios").map_or_else(yes, |node| self.boolean(node, "bios"));
        let uefi = fields.take("uefi").map_or_else(yes, |node| self.boolean(node, "uefi"));
        let secure = fields.take("secure").map(|node| match &node.value {
            Value::Scalar(scalar) if scalar.text == "auto" => {
                Some(Located { value: None, at: node.at.clone() })
            }
            _ => self.boolean(node, "secure").map(|secure| secure.map(Some)),
        });
        fields.finish();
        Some(Boot {
            at: at.clone(),
            bios: bios?,
            uefi: uefi?,
            secure: secure.unwrap_or_else(|| Some(Located { value: None, at: node.at.clone() }))?,
            kernel_command_line: Vec::new(),
        })
    }

    fn kernel_argument(&self, node: &Node) -> Option<String> {
        let text = self.text(node, "kernel_command_line")?;
        let key = text.value.split('=').next().unwrap_or_default();
        let problem = if key == "root" || key == "ro" || key == "rw" || key == "BOOT_IMAGE" {
            let problem = Diagnostic::new(
                &text.at,
                format!("the argument {} is set by bootwright", Quoted(&text.value)),
            );
            problem.hint("remove it")
        } else if text.value.contains(char::is_whitespace) {
            let problem = Diagnostic::new(&text.at, "one entry holds one argument of the kernel");
            let split: Vec<&str> = text.value.split_whitespace().collect();
            problem.hint(format!("write [{}]", split.join(", ")))
        } else if let Some(bad) =
            text.value.chars().find(|c| !c.is_ascii_graphic() || "\"'\\`$;&|<>{}#".contains(*c))
        {
            let message = format!(
                "the character {} does not pass through GRUB's configuration",
                Quoted(&bad.to_string())
            );
            Diagnostic::new(&text.at, message)
        } else {
            return Some(text.value);
        };
        self.problem(problem);
        None
    }
}
