//! Keys of `users`, `services` and `run`.

use super::kinds::{ACCOUNT, IMAGE_PATH, Kind, LINE, Length, SCRIPT, SSH_KEY, UNIT};
use super::{Key, Section};

/// One of `users`.
pub(in crate::recipe) static USER: Section = Section {
    what: "a user",
    about: "",
    one_of: &[],
    cases: &[],
    keys: &[
        Key::new("name", Kind::Text(&ACCOUNT), "admin", "The account's name.").required(),
        Key::new(
            "groups",
            Kind::List(&Kind::Text(&ACCOUNT), Length::Any),
            "[sudo, adm]",
            "More groups to be in.",
        ),
        Key::new(
            "ssh_keys",
            Kind::List(&Kind::Text(&SSH_KEY), Length::Any),
            "[ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAbcdefghijklmnopqrstuvwxyz0123456789ABCDEF me@home]",
            "Public keys that may log in, each a line of a `.pub` file.",
        ),
        Key::new("shell", Kind::Text(&IMAGE_PATH), "/bin/sh", "Login shell."),
        Key::new("system", Kind::Boolean, "true", "Whether it is a system account.").default("`false`"),
        Key::new("home", Kind::Text(&IMAGE_PATH), "/var/lib/worker", "Home folder."),
    ],
};

/// `services`.
pub(in crate::recipe) static SERVICES: Section = Section {
    what: "`services`",
    about: "A unit without a suffix is a service.",
    one_of: &[],
    cases: &[],
    keys: &[
        Key::new(
            "enable",
            Kind::List(&Kind::Text(&UNIT), Length::Any),
            "[ssh]",
            "Units that start with the system.",
        ),
        Key::new(
            "disable",
            Kind::List(&Kind::Text(&UNIT), Length::Any),
            "[apt-daily.timer]",
            "Units that do not start by themselves.",
        ),
        Key::new(
            "mask",
            Kind::List(&Kind::Text(&UNIT), Length::Any),
            "[systemd-timesyncd]",
            "Units that cannot be started at all.",
        ),
    ],
};

/// One of `run`.
pub(in crate::recipe) static RUN: Section = Section {
    what: "a `run` step",
    about: "",
    one_of: &[],
    cases: &[],
    keys: &[
        Key::new("name", Kind::Text(&LINE), "trust our CA", "Its name in progress and errors.").required(),
        Key::new(
            "command",
            Kind::Text(&SCRIPT),
            "update-ca-certificates",
            "Shell text, run as root in the tree.",
        )
        .required(),
        Key::new("network", Kind::Boolean, "false", "Whether it may use the network.").default("`false`"),
    ],
};
