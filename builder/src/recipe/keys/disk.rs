//! Keys of `disk` and `boot`.

use super::kinds::{KERNEL_ARGUMENT, Kind, LINE, Length, MOUNT_OPTION, MOUNT_POINT, SUBVOLUME_NAME};
use super::{Key, Section};
use crate::recipe::decode::disk::{FILESYSTEMS, QUOTAS, TABLES, TYPES};

/// `disk`.
pub(in crate::recipe) static DISK: Section = Section {
    what: "`disk`",
    about: "",
    one_of: &[],
    cases: &[],
    keys: &[
        Key::new("table", Kind::Choice(&TABLES), "gpt", "Kind of partition table.").default("`gpt`"),
        Key::new(
            "size",
            Kind::Size,
            "4GiB",
            "Size of the whole disk, or `auto`: what the partitions need and a margin.",
        )
        .default("`auto`"),
        Key::new(
            "partitions",
            Kind::List(&Kind::Map(&PARTITION), Length::NotEmpty),
            "[{ type: root, filesystem: ext4, mount: / }]",
            "The partitions, in the order in which they lie on the disk.",
        )
        .required(),
    ],
};

/// One of `disk.partitions`.
pub(in crate::recipe) static PARTITION: Section = Section {
    what: "a partition",
    about: "",
    one_of: &[],
    cases: &[],
    keys: &[
        Key::new("type", Kind::Choice(&TYPES), "linux", "What it is for; decides the type in the table.")
            .required(),
        Key::new("filesystem", Kind::Choice(&FILESYSTEMS), "ext4", "What it is formatted with."),
        Key::new("mount", Kind::Text(&MOUNT_POINT), "/srv", "Where it is mounted."),
        Key::new("size", Kind::Size, "64MiB", "Its size, or `auto`: what its files need and a margin."),
        Key::new("label", Kind::Text(&LINE), "data", "The filesystem's label."),
        Key::new(
            "grow",
            Kind::Boolean,
            "true",
            "Whether it takes what is left of a larger disk; one partition may.",
        )
        .default("`false`"),
        Key::new(
            "quota",
            Kind::List(&Kind::Choice(&QUOTAS), Length::Any),
            "[user, group, project]",
            "Kinds of quota that the filesystem keeps count of.",
        ),
        Key::new(
            "options",
            Kind::List(&Kind::Text(&MOUNT_OPTION), Length::Any),
            "[noatime, nodev]",
            "Mount options, one an item.",
        ),
        Key::new(
            "subvolumes",
            Kind::List(&Kind::Map(&SUBVOLUME), Length::NotEmpty),
            "[{ path: \"@\", mount: / }, { path: \"@home\", mount: /home }]",
            "Subvolumes of a btrfs filesystem.",
        ),
    ],
};

/// One of a partition's `subvolumes`.
pub(in crate::recipe) static SUBVOLUME: Section = Section {
    what: "a subvolume",
    about: "",
    one_of: &[],
    cases: &[],
    keys: &[
        Key::new("path", Kind::Text(&SUBVOLUME_NAME), "\"@\"", "Its name at the top of the filesystem.")
            .required(),
        Key::new("mount", Kind::Text(&MOUNT_POINT), "/home", "Where it is mounted."),
        Key::new(
            "options",
            Kind::List(&Kind::Text(&MOUNT_OPTION), Length::Any),
            "[noatime]",
            "Mount options, one an item.",
        ),
    ],
};

/// `boot`.
pub(in crate::recipe) static BOOT: Section = Section {
    what: "`boot`",
    about: "",
    one_of: &[],
    cases: &[],
    keys: &[
        Key::new("grub", Kind::Map(&GRUB), "{ bios: true, uefi: true }", "GRUB, by firmware.").required(),
        Key::new(
            "kernel_command_line",
            Kind::List(&Kind::Text(&KERNEL_ARGUMENT), Length::Any),
            "[console=ttyS0]",
            "Arguments of the kernel, one an item. `root=` and `ro` are set by bootwright.",
        ),
    ],
};

/// `boot.grub`.
pub(in crate::recipe) static GRUB: Section = Section {
    what: "`grub`",
    about: "",
    one_of: &[],
    cases: &[],
    keys: &[
        Key::new("bios", Kind::Boolean, "true", "Whether the image boots by BIOS.").default("`true`"),
        Key::new("uefi", Kind::Boolean, "true", "Whether the image boots by UEFI.").default("`true`"),
        Key::new(
            "secure",
            Kind::BooleanOr("auto"),
            "auto",
            "Whether it boots with Secure Boot on, by Debian's signed programs. `auto` is yes where it boots by UEFI.",
        )
        .default("`auto`"),
    ],
};
