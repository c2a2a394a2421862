//! What is in a partition: its filesystem, label, mount point and options.

use super::identifiers::Identifiers;
use super::layout::Rules;
use super::model::{FilesystemKind, FilesystemPlan, PartitionKind};
use super::subvolumes::plan_subvolumes;
use crate::recipe::{Diagnostic, Diagnostics, Located, Partition, Quoted};

/// Has systemd grow the filesystem to its partition each time it is mounted.
const GROW_OPTION: &str = "x-systemd.growfs";

/// Plans what is in a partition; none for one that holds no filesystem.
pub(super) fn plan_filesystem(
    partition: &Partition,
    rules: &Rules,
    role: &str,
    identifiers: &Identifiers,
    problems: &mut Diagnostics,
) -> Option<FilesystemPlan> {
    let name = partition.kind.name();
    let Some(default) = rules.filesystems.first() else {
        refuse_filesystem_keys(partition, name, problems);
        return None;
    };
    let kind = partition.filesystem.as_ref().map_or(*default, |given| given.value);
    if let Some(given) = &partition.filesystem
        && !rules.filesystems.contains(&kind)
    {
        let fitting: Vec<&str> = rules.filesystems.iter().map(|kind| kind.name()).collect();
        let message = format!("{name} partitions cannot hold {}", kind.name());
        problems.push(
            Diagnostic::new(&given.at, message)
                .hint(format!("write `filesystem: {}`", fitting.join("` or `"))),
        );
    }
    let label = plan_label(partition, kind, problems);
    check_quota(partition, kind, problems);
    let subvolumes = plan_subvolumes(partition, kind, problems);
    let mount = if subvolumes.is_empty() { plan_mount(partition, rules, problems) } else { None };
    Some(FilesystemPlan {
        kind,
        uuid: identifiers.of(&format!("filesystem {role}")),
        label,
        mount,
        options: mount_options(partition, kind, problems),
        quota: partition.quota.iter().map(|quota| quota.value).collect(),
        subvolumes,
    })
}

fn refuse_filesystem_keys(partition: &Partition, name: &str, problems: &mut Diagnostics) {
    let keys = [
        ("subvolumes", partition.subvolumes.as_ref().map(|given| &given.at)),
        ("filesystem", partition.filesystem.as_ref().map(|given| &given.at)),
        ("mount", partition.mount.as_ref().map(|given| &given.at)),
        ("options", partition.options.as_ref().map(|given| &given.at)),
        ("quota", partition.quota.first().map(|given| &given.at)),
    ];
    for (key, at) in keys {
        if let Some(at) = at {
            let problem = Diagnostic::new(at, format!("a {name} partition has no filesystem, so no `{key}`"));
            problems.push(problem.hint("remove the key"));
        }
    }
}

fn plan_label(partition: &Partition, kind: FilesystemKind, problems: &mut Diagnostics) -> String {
    let Some(label) = &partition.label else { return String::new() };
    let text = &label.value;
    let wanted = match kind {
        // ext4 and its elders have 16 bytes, swap 16 with a zero at the end.
        _ if kind.is_ext() && text.len() > 16 => Some("at most 16 bytes"),
        FilesystemKind::Swap if text.len() > 15 => Some("at most 15 bytes"),
        FilesystemKind::Xfs if text.len() > 12 => Some("at most 12 bytes"),
        FilesystemKind::Erofs if text.len() > 15 => Some("at most 15 bytes"),
        // squashfs has no label; the partition's name is another matter.
        FilesystemKind::Squashfs if text.len() > 36 => Some("at most 36 bytes"),
        FilesystemKind::Btrfs if text.len() > 255 => Some("at most 255 bytes"),
        FilesystemKind::Vfat
            if text.len() > 11
                || !text
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b"-_".contains(&b)) =>
        {
            Some("at most 11 of A-Z, 0-9, `-` and `_`")
        }
        _ if !text.bytes().all(|b| b.is_ascii_graphic() && !b"\"'\\/".contains(&b)) => {
            Some("ASCII letters and digits, without spaces, slashes or quotes")
        }
        _ => None,
    };
    if let Some(wanted) = wanted {
        let name = kind.name();
        let message = format!("{} cannot be a label of {name}", Quoted(text));
        problems.push(Diagnostic::new(&label.at, message).hint(format!("it must be {wanted}")));
    }
    text.clone()
}

fn check_quota(partition: &Partition, kind: FilesystemKind, problems: &mut Diagnostics) {
    let counts = matches!(kind, FilesystemKind::Ext4 | FilesystemKind::Xfs);
    if let (Some(quota), false) = (partition.quota.first(), counts) {
        let message = match kind {
            FilesystemKind::Btrfs => {
                "btrfs counts by subvolume (`btrfs quota`), not by user, group or project".to_owned()
            }
            // ext3 and ext2 can count in files of their own, which need quotacheck at every boot.
            _ => format!("quota on {} is not supported", kind.name()),
        };
        let problem = Diagnostic::new(&quota.at, message);
        problems.push(problem.hint("quota needs `filesystem: ext4` or `filesystem: xfs`"));
    }
    for (index, quota) in partition.quota.iter().enumerate() {
        if let Some(first) = partition.quota[..index].iter().find(|other| other.value == quota.value) {
            let problem = Diagnostic::new(&quota.at, "this quota is given twice");
            problems.push(problem.note(&first.at, "it is given here first"));
        }
    }
}

fn plan_mount(partition: &Partition, rules: &Rules, problems: &mut Diagnostics) -> Option<String> {
    let name = partition.kind.name();
    let Some(mount) = &partition.mount else { return rules.mount.map(str::to_owned) };
    let path = mount.value.as_str();
    let problem = |message: String| Diagnostic::new(&mount.at, message);
    let refused = match (partition.kind, rules.mount) {
        (PartitionKind::Swap, _) => Some(problem("swap is not mounted".to_owned()).hint("remove `mount`")),
        (_, Some(fixed)) if fixed != path => Some(
            problem(format!("the {name} partition is mounted at {fixed}"))
                .hint(format!("write `mount: {fixed}`")),
        ),
        (PartitionKind::Linux, _) => refuse_linux_mount(path, &problem),
        _ => None,
    };
    refused.into_iter().for_each(|problem| problems.push(problem));
    Some(path.to_owned())
}

pub(super) fn refuse_linux_mount(path: &str, problem: &dyn Fn(String) -> Diagnostic) -> Option<Diagnostic> {
    let top = path.split('/').nth(1).unwrap_or_default();
    if path == "/" {
        return Some(
            problem("what is mounted at / is the root partition".to_owned()).hint("write `type: root`"),
        );
    }
    if path == "/boot/efi" {
        return Some(problem("what is mounted at /boot/efi is the ESP".to_owned()).hint("write `type: esp`"));
    }
    if matches!(top, "proc" | "sys" | "dev" | "run") {
        return Some(problem(format!(
            "/{top} is the kernel's or systemd's; no partition can be mounted there"
        )));
    }
    if top == "boot" && path != "/boot" {
        return Some(problem(format!("a partition of its own for {path} is not supported yet")));
    }
    let needed = matches!(
        path,
        "/etc"
            | "/bin"
            | "/sbin"
            | "/lib"
            | "/lib64"
            | "/var/lib"
            | "/var/lib/dpkg"
            | "/usr/bin"
            | "/usr/lib"
    );
    needed.then(|| {
        problem(format!("{path} is needed before partitions are mounted; it must be on the root partition"))
    })
}

fn mount_options(partition: &Partition, kind: FilesystemKind, problems: &mut Diagnostics) -> Vec<String> {
    let mut options: Vec<String> = match (&partition.options, partition.kind, kind) {
        (Some(given), ..) => given.value.clone(),
        (None, PartitionKind::Root, kind) if kind.is_ext() => vec!["errors=remount-ro".to_owned()],
        // Only root may read the keys that some put there.
        (None, PartitionKind::Esp, _) => vec!["umask=0077".to_owned()],
        (None, ..) => Vec::new(),
    };
    if let (Some(given), true) = (&partition.options, kind.is_read_only()) {
        let message =
            format!("a root of {} is mounted by the initramfs, with options of its own", kind.name());
        problems.push(Diagnostic::new(&given.at, message).hint("remove `options`"));
    }
    if let (Some(given), PartitionKind::Swap) = (&partition.options, partition.kind) {
        refuse_unknown_swap_options(given, problems);
    }
    // The kernel accounts as soon as the filesystem has the feature; it enforces only what is mounted so.
    for quota in &partition.quota {
        let option = quota.value.mount_option();
        if !options.iter().any(|known| known == option) {
            options.push(option.to_owned());
        }
    }
    // A partition may be larger than the filesystem in it: made so by firstboot, or by hand.
    if partition.grow.is_some() && kind.can_grow() && !options.iter().any(|known| known == GROW_OPTION) {
        options.push(GROW_OPTION.to_owned());
    }
    options
}

fn refuse_unknown_swap_options(given: &Located<Vec<String>>, problems: &mut Diagnostics) {
    for option in &given.value {
        let known = ["pri", "discard", "nofail", "noauto", "sw"];
        if !known.contains(&option.split('=').next().unwrap_or_default()) {
            let message = format!("{} is not an option of swap", Quoted(option));
            problems.push(Diagnostic::new(&given.at, message).hint(format!("known: {}", known.join(", "))));
        }
    }
}
