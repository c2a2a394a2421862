//! Keys of `distribution` and `apt_sources`.

use super::kinds::{AUTO_WORD, COMPONENT, HOST_PATH, IMAGE_PATH, Kind, Length, SUITE, SUITE_OR_PATH, URI};
use super::{Case, Key, Section, Then};
use crate::recipe::decode::distribution::VARIANTS;

static MIRROR: Kind = Kind::Either(&Kind::Text(&AUTO_WORD), &Kind::Text(&URI));

/// `distribution`.
pub(in crate::recipe) static DISTRIBUTION: Section = Section {
    what: "`distribution`",
    about: "Where packages come from. Every list and package is verified against pinned keys before it is used.",
    one_of: &[],
    cases: &[],
    keys: &[
        Key::new("debian", Kind::Map(&DEBIAN), "{ suite: bookworm }", "The Debian archive.").required(),
        Key::new(
            "mirror",
            Kind::Either(&MIRROR, &Kind::List(&MIRROR, Length::NotEmpty)),
            "auto",
            "The archive that is used while building: the folder that holds `dists/`. A list is tried in its order. \
             `auto` takes a Debian host's own apt sources, else the public address. `--mirror` and \
             `BOOTWRIGHT_MIRROR` come first.",
        )
        .default("`auto`"),
        Key::new(
            "auth",
            Kind::Text(&HOST_PATH),
            "keys/mirror.auth",
            "File of names and passwords for the mirrors, in the form of apt_auth.conf(5), relative to the recipe \
             file. It does not get into the image.",
        ),
        Key::new(
            "repositories",
            Kind::List(&Kind::Map(&REPOSITORY), Length::Any),
            "[{ uri: \"https://example.com/debian\", suite: stable, components: [main] }]",
            "More archives, for the build and, unless `apt_sources` says otherwise, for the image.",
        ),
    ],
};

/// `distribution.debian`.
pub(in crate::recipe) static DEBIAN: Section = Section {
    what: "`debian`",
    about: "",
    one_of: &[],
    cases: &[],
    keys: &[
        Key::new("suite", Kind::Text(&SUITE), "bookworm", "Codename or suite.").required(),
        Key::new(
            "variant",
            Kind::Choice(&VARIANTS),
            "minbase",
            "The base set by `Essential` and `Priority`: `essential`, then apt and required packages (`minbase`), \
             then `important`, then `standard`.",
        )
        .default("`minbase`"),
        Key::new(
            "components",
            Kind::List(&Kind::Text(&COMPONENT), Length::NotEmpty),
            "[main, contrib]",
            "Components of the archive.",
        )
        .default("`[main]`"),
        Key::new("security", Kind::Boolean, "true", "Whether security updates are used.")
            .default("`true` where the suite has them"),
        Key::new("updates", Kind::Boolean, "true", "Whether stable updates are used.")
            .default("`true` where the suite has them"),
    ],
};

/// One of `distribution.repositories`.
pub(in crate::recipe) static REPOSITORY: Section = Section {
    what: "a repository",
    about: "",
    one_of: &[],
    cases: &[
        Case { key: "suite", pattern: "/$", option: "components", then: Then::Absent },
        Case { key: "suite", pattern: "[^/]$", option: "components", then: Then::Needed },
    ],
    keys: &[
        Key::new(
            "uri",
            Kind::Text(&URI),
            "https://example.com/debian",
            "Address of the folder that holds `dists/`, or that the path of a flat repository is below.",
        )
        .required(),
        Key::new(
            "suite",
            Kind::Text(&SUITE_OR_PATH),
            "stable",
            "Its suite; for a flat repository `./` or a folder with `/` at its end.",
        )
        .required(),
        Key::new(
            "components",
            Kind::List(&Kind::Text(&COMPONENT), Length::NotEmpty),
            "[main]",
            "Its components; a flat repository has none.",
        )
        .default("an error, but for flat repositories"),
        Key::new(
            "signed_by",
            Kind::Text(&HOST_PATH),
            "keys/example.gpg",
            "File of OpenPGP keys, relative to the recipe file.",
        )
        .default("Debian's archive keys"),
        Key::new(
            "pin",
            Kind::Either(&Kind::Integer(-32768, -1), &Kind::Integer(1, 32767)),
            "600",
            "Priority, as apt_preferences(5) has it.",
        ),
        Key::new(
            "auth",
            Kind::Text(&HOST_PATH),
            "keys/example.auth",
            "File of names and passwords, in the form of apt_auth.conf(5), relative to the recipe file. It does not \
             get into the image.",
        ),
        Key::new("in_image", Kind::Boolean, "false", "Whether the image's own apt sources have it.")
            .default("`true` where a clone can reach it: not a file address, and without `auth`"),
    ],
};

/// One of `apt_sources`.
pub(in crate::recipe) static APT_SOURCE: Section = Section {
    what: "an apt source",
    about: "",
    one_of: &[],
    cases: &[],
    keys: &[
        Key::new("uri", Kind::Text(&URI), "http://example.com/debian", "Its address.").required(),
        Key::new("suites", Kind::List(&Kind::Text(&SUITE), Length::NotEmpty), "[bookworm]", "Its suites.")
            .required(),
        Key::new(
            "components",
            Kind::List(&Kind::Text(&COMPONENT), Length::NotEmpty),
            "[main]",
            "Its components.",
        )
        .required(),
        Key::new(
            "signed_by",
            Kind::Text(&IMAGE_PATH),
            "/usr/share/keyrings/example.gpg",
            "Its keys, a file of the image.",
        ),
    ],
};
