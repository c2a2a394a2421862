//! GRUB's configuration, as text: what it reads at boot, and what `update-grub` reads in the running machine.

use super::BootError;
use crate::plan::{DiskPlan, FilesystemKind, FilesystemPlan, TableKind};

/// Seconds the menu is shown.
const TIMEOUT: u32 = 1;

/// Where GRUB finds its files and the kernel its root.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Places {
    /// UUID of the filesystem that holds `/boot`.
    boot_uuid: String,
    /// `/boot` as seen inside that filesystem: `/boot`, or empty when it has a partition of its own.
    boot_path: String,
    /// Its partition as GRUB names it (`gpt3`, `msdos1`), a hint that saves GRUB a search.
    boot_partition: String,
    /// The module with which GRUB reads the partition table.
    table_module: &'static str,
    /// The module with which GRUB reads the filesystem of `/boot`.
    filesystem_module: &'static str,
    /// What the kernel is told of the root filesystem: `root=…`, and mount options that count from the start.
    root_arguments: Vec<String>,
    /// Those of them that update-grub does not find out by itself.
    lasting_arguments: Vec<String>,
}

impl Places {
    /// Reads the places out of the disk's plan.
    pub(super) fn of(disk: &DiskPlan) -> Result<Self, BootError> {
        let (root_number, root) = disk.mounted("/").ok_or_else(|| BootError::Layout {
            reason: "no partition is mounted at '/'".to_owned(),
            hint: "add a partition `{ type: root, filesystem: ext4, mount: / }`",
        })?;
        let separate = disk.mounted("/boot/grub").is_some();
        let (number, boot) = disk.boot_filesystem().ok_or(BootError::NoKernel)?;
        let Some(filesystem_module) = boot.kind.grub_module().filter(|_| !separate) else {
            return Err(BootError::Layout {
                reason: "GRUB and the kernel would lie on different filesystems, or on one that GRUB's core image does not read"
                    .to_owned(),
                hint: "keep /boot and /boot/grub on one ext4 filesystem",
            });
        };
        Ok(Self {
            boot_uuid: boot.uuid_text(),
            boot_path: boot_path(boot),
            boot_partition: format!("{}{number}", disk.table.name()),
            table_module: match disk.table {
                TableKind::Gpt => "part_gpt",
                TableKind::Msdos => "part_msdos",
            },
            filesystem_module,
            root_arguments: root_arguments(root, &disk.partition_identifier(root_number)),
            lasting_arguments: quota_flags(root),
        })
    }

    /// Returns the module with which GRUB's core image reads the filesystem of its files.
    pub(super) fn filesystem_module(&self) -> &'static str {
        self.filesystem_module
    }

    /// Returns the kernel's arguments that update-grub must be told beside the recipe's.
    pub(super) fn lasting_arguments(&self) -> &[String] {
        &self.lasting_arguments
    }

    /// Returns the module with which GRUB's core image reads the partition table.
    pub(super) fn table_module(&self) -> &'static str {
        self.table_module
    }

    /// Returns the folder of GRUB's files inside its filesystem.
    pub(super) fn prefix(&self) -> String {
        format!("{}/grub", self.boot_path)
    }

    /// Returns what GRUB's core runs first: it finds the filesystem and goes on from there.
    pub(super) fn core_config(&self) -> String {
        let Self { boot_uuid, boot_partition, .. } = self;
        let prefix = self.prefix();
        format!("search.fs_uuid {boot_uuid} root hd0,{boot_partition}\nset prefix=($root)'{prefix}'\n")
    }

    /// Returns the configuration on the ESP, which hands over to the one in `/boot/grub`.
    pub(super) fn esp_stub(&self) -> String {
        let Self { boot_uuid, boot_partition, .. } = self;
        let prefix = self.prefix();
        format!(
            "search.fs_uuid {boot_uuid} root hd0,{boot_partition}\n\
             set prefix=($root)'{prefix}'\n\
             configfile $prefix/grub.cfg\n"
        )
    }
}

/// Returns `/boot` as seen inside the filesystem that holds it.
fn boot_path(boot: &FilesystemPlan) -> String {
    let holding = boot.mounts().find(|mount| mount.point == "/boot");
    let own = holding.is_some();
    let mount = holding.or_else(|| boot.mounts().find(|mount| mount.point == "/"));
    let subvolume = mount.and_then(|mount| mount.subvolume);
    let top = subvolume.map_or_else(String::new, |subvolume| format!("/{}", subvolume.path));
    if own { top } else { format!("{top}/boot") }
}

/// Returns what the kernel is told of the root filesystem; `partition` is what the table knows it by.
fn root_arguments(root: &FilesystemPlan, partition: &str) -> Vec<String> {
    if root.kind.is_read_only() {
        // squashfs has no UUID, so the partition's tells which it is.
        return vec![
            format!("root=PARTUUID={partition}"),
            "ro".to_owned(),
            format!("rootfstype={}", root.kind.name()),
        ];
    }
    let mut arguments = vec![format!("root=UUID={}", root.uuid_text()), "ro".to_owned()];
    let mounted = root.mounts().find(|mount| mount.point == "/");
    if let Some(subvolume) = mounted.and_then(|mount| mount.subvolume) {
        arguments.push(format!("rootflags=subvol={}", subvolume.path));
    }
    arguments.extend(quota_flags(root));
    arguments
}

/// Returns the option for quotas on a root of XFS, which starts counting only when it is first mounted.
fn quota_flags(root: &FilesystemPlan) -> Vec<String> {
    if root.kind != FilesystemKind::Xfs || root.quota.is_empty() {
        return Vec::new();
    }
    let options: Vec<&str> = root.quota.iter().map(|quota| quota.mount_option()).collect();
    vec![format!("rootflags={}", options.join(","))]
}

/// Returns `grub.cfg` for the given kernels, newest first.
pub(super) fn grub_cfg(places: &Places, releases: &[String], arguments: &[String]) -> String {
    let mut text = String::from(
        "# Written when the image was built; update-grub replaces it.\n\
         if [ -s $prefix/grubenv ]; then\n  load_env\nfi\n\
         if [ \"${next_entry}\" ]; then\n  set default=\"${next_entry}\"\n  set next_entry=\n  save_env next_entry\n\
         else\n  set default=0\nfi\n",
    );
    text += &format!("set timeout={TIMEOUT}\n");
    if let Some(serial) = serial_command(arguments) {
        text += &format!("{serial}\nterminal_input console serial\nterminal_output console serial\n");
    }
    let Places { boot_uuid, boot_partition, .. } = places;
    text += &format!("search --no-floppy --fs-uuid --set=root --hint=hd0,{boot_partition} {boot_uuid}\n");
    if let Some(newest) = releases.first() {
        text += &entry(places, "Debian GNU/Linux", newest, &quoted(arguments));
    }
    for release in releases {
        let title = format!("Debian GNU/Linux, with Linux {release}");
        text += &entry(places, &title, release, &quoted(arguments));
        let single = [quoted(arguments), "single".to_owned()].join(" ");
        text += &entry(places, &format!("{title} (recovery mode)"), release, single.trim_start());
    }
    text
}

/// Returns one entry of the menu.
fn entry(places: &Places, title: &str, release: &str, arguments: &str) -> String {
    let Places { boot_path, root_arguments, .. } = places;
    let command_line = format!("{} {arguments}", root_arguments.join(" "));
    format!(
        "menuentry '{title}' --class debian --class gnu-linux {{\n\
         \tlinux {boot_path}/vmlinuz-{release} {}\n\
         \tinitrd {boot_path}/initrd.img-{release}\n}}\n",
        command_line.trim_end()
    )
}

/// Returns GRUB's command for the first serial console of the kernel's arguments.
fn serial_command(arguments: &[String]) -> Option<String> {
    let console = arguments.iter().find_map(|argument| argument.strip_prefix("console=ttyS"))?;
    let (unit, mode) = console.split_once(',').unwrap_or((console, ""));
    let unit: u8 = unit.parse().ok()?;
    let speed: String = mode.chars().take_while(char::is_ascii_digit).collect();
    let speed = if speed.is_empty() { "115200" } else { &speed };
    Some(format!("serial --unit={unit} --speed={speed}"))
}

/// Returns the arguments as they stand on a `linux` line of GRUB's language.
fn quoted(arguments: &[String]) -> String {
    let quote = |argument: &String| match argument.bytes().all(is_plain) {
        true => argument.clone(),
        false => format!("'{}'", argument.replace('\'', r"'\''")),
    };
    arguments.iter().map(quote).collect::<Vec<_>>().join(" ")
}

/// Returns whether GRUB takes this byte as it is.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.,:=/+@%!".contains(&byte) || byte >= 0x80
}

/// Returns the settings with which `update-grub` comes to the same arguments and terminals.
pub(super) fn update_grub_settings(arguments: &[String]) -> String {
    let mut text = format!(
        "# Written by bootwright from the recipe's `boot:`; read by update-grub.\n\
         GRUB_DISTRIBUTOR=Debian\n\
         GRUB_TIMEOUT={TIMEOUT}\n\
         GRUB_CMDLINE_LINUX={}\n\
         GRUB_CMDLINE_LINUX_DEFAULT=\"\"\n\
         GRUB_DISABLE_OS_PROBER=true\n",
        shell_quoted(&quoted(arguments))
    );
    if let Some(serial) = serial_command(arguments) {
        text += &format!("GRUB_TERMINAL=\"console serial\"\nGRUB_SERIAL_COMMAND=\"{serial}\"\n");
    }
    text
}

/// Returns `text` as one word of the shell.
fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Returns an empty environment block, which `grub-reboot` and `grub-set-default` write to.
pub(super) fn environment_block() -> Vec<u8> {
    let mut block = b"# GRUB Environment Block\n".to_vec();
    block.resize(1024, b'#');
    block
}

#[cfg(test)]
mod tests;
