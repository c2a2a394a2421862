//! Keys of `overlays`, `files` and `residue`.

use super::kinds::{ACCOUNT, ANY_TEXT, HOST_PATH, IMAGE_PATH, Kind, LINE, MODE};
use super::{Key, Section};

/// One of `overlays`.
pub(in crate::recipe) static OVERLAY: Section = Section {
    what: "an overlay",
    about: "",
    one_of: &[],
    cases: &[],
    keys: &[
        Key::new(
            "from",
            Kind::Text(&HOST_PATH),
            "../overlays/common",
            "The folder, relative to the recipe file.",
        )
        .required(),
        Key::new("owner", Kind::Text(&ACCOUNT), "root", "Owner of what is copied.").default("`root`"),
        Key::new(
            "map",
            Kind::Table(r"^(?!\.{1,2}(/|$))[^/]+(/(?!\.{1,2}(/|$))[^/]+)*$", &Kind::Text(&ACCOUNT)),
            "{ \"srv/www\": www-data }",
            "Owners of paths below the overlay and of all that is below them.",
        ),
    ],
};

/// One of `files`.
pub(in crate::recipe) static FILE: Section = Section {
    what: "a file",
    about: "",
    one_of: &["content", "from", "link"],
    cases: &[],
    keys: &[
        Key::new("path", Kind::Text(&IMAGE_PATH), "/etc/motd", "Where it is written; folders are made.")
            .required(),
        Key::new("content", Kind::Text(&ANY_TEXT), "\"hello\\n\"", "Its text."),
        Key::new(
            "from",
            Kind::Text(&HOST_PATH),
            "files/motd",
            "The file to copy, relative to the recipe file.",
        ),
        Key::new("link", Kind::Text(&LINE), "../run/motd", "Target of a symbolic link."),
        Key::new("mode", Kind::Text(&MODE), "\"0600\"", "Permission bits; a link has none.")
            .default("`\"0644\"`"),
        Key::new("owner", Kind::Text(&ACCOUNT), "www-data", "Its user.").default("`root`"),
        Key::new("group", Kind::Text(&ACCOUNT), "adm", "Its group.").default("`root`"),
    ],
};

/// One of `residue`.
pub(in crate::recipe) static RESIDUE: Section = Section {
    what: "a `residue` entry",
    about: "",
    one_of: &[],
    cases: &[],
    keys: &[
        Key::new(
            "path",
            Kind::Text(&IMAGE_PATH),
            "/etc/ssl/private/demo.key",
            "The file, or a folder of such files.",
        )
        .required(),
        Key::new(
            "reason",
            Kind::Text(&LINE),
            "a key for demonstrations, which everybody has",
            "Why it may be there.",
        )
        .required(),
    ],
};
