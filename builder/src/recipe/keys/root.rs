//! The recipe's own keys.

use super::kinds::{DEBCONF, HOST_PATH, KERNEL, Kind, LOCALE, Length, NAME, PACKAGE, TIMEZONE};
use super::{
    APT_SOURCE, BOOT, DISK, DISTRIBUTION, FILE, Key, OUTPUT, OVERLAY, RESIDUE, ROLE_KEYS, RUN, SERVICES,
    Section, TEST, UPLOAD, USER,
};
use crate::recipe::decode::output::OUTPUTS;
use crate::recipe::decode::root::ARCHITECTURES;

/// The whole recipe.
pub(in crate::recipe) static RECIPE: Section = Section {
    what: "the recipe",
    about: "One YAML file, strict: unknown keys, duplicate keys and values of a wrong kind are errors with their \
            place. Included files come first and are merged key by key: lists append, single values are replaced, \
            and `key!:` replaces whatever was included.",
    one_of: &[],
    cases: &[],
    keys: &[
        Key::new("version", Kind::Version, "1", "Version of this schema.").required(),
        Key::new(
            "include",
            Kind::List(&Kind::Text(&HOST_PATH), Length::Any),
            "[base/debian.yaml]",
            "Files to merge this one over, relative to this file. A file that is reached twice counts once; a circle \
             is an error. Variables cannot be used here.",
        ),
        Key::new(
            "variables",
            Kind::Table("^[A-Za-z][A-Za-z0-9_]*!?$", &Kind::Scalar),
            "{ suite: bookworm }",
            "Names and values for `${name}` in any value of the recipe, replaced when the recipe is read; \
             `--set name=value` changes one. `$${` stands for a plain `${`.",
        ),
        Key::new("name", Kind::Text(&NAME), "debian-minimal", "Name of the image and of the files built.")
            .required(),
        Key::new("architecture", Kind::Choice(&ARCHITECTURES), "amd64", "Debian's name of the processor.")
            .default("`amd64`"),
        Key::new(
            "distribution",
            Kind::Map(&DISTRIBUTION),
            "{ debian: { suite: bookworm } }",
            "What the image is made from.",
        )
        .required(),
        Key::new(
            "packages",
            Kind::List(&Kind::Text(&PACKAGE), Length::Any),
            "[openssh-server, curl=7.88.1-10, sudo/bookworm-security, exim4-]",
            "Packages to install, in apt's forms: `name`, `name=version`, `name/suite`, `name-` for one that must \
             not be installed, and `./file.deb` for a file, relative to this one.",
        ),
        Key::new("recommends", Kind::Boolean, "false", "Whether recommended packages are installed too.")
            .default("`false`"),
        Key::new("kernel", Kind::Text(&KERNEL), "linux-image-cloud-amd64", "The kernel's package."),
        Key::new(
            "debconf",
            Kind::List(&Kind::Text(&DEBCONF), Length::Any),
            "[tzdata tzdata/Areas select Etc]",
            "Answers to questions of packages, each a line as debconf-set-selections reads it.",
        ),
        Key::new(
            "disk",
            Kind::Map(&DISK),
            "{ partitions: [{ type: root, filesystem: ext4, mount: / }] }",
            "The disk; outputs that are disks need it.",
        ),
        Key::new("boot", Kind::Map(&BOOT), "{ grub: { bios: true, uefi: true } }", "How the image boots."),
        Key::new(
            "overlays",
            Kind::List(&Kind::Map(&OVERLAY), Length::Any),
            "[{ from: ../overlays/common }]",
            "Folders that are copied over the tree, after all packages are configured.",
        ),
        Key::new(
            "files",
            Kind::List(&Kind::Map(&FILE), Length::Any),
            "[{ path: /etc/motd, content: hello }]",
            "Single files and symbolic links, written after the overlays.",
        ),
        Key::new(
            "users",
            Kind::List(&Kind::Map(&USER), Length::Any),
            "[{ name: admin, groups: [sudo] }]",
            "Accounts. Passwords are always locked; there is no default password.",
        ),
        Key::new("locale", Kind::Text(&LOCALE), "C.UTF-8", "The system's `LANG`."),
        Key::new("timezone", Kind::Text(&TIMEZONE), "Etc/UTC", "The system's time zone."),
        Key::new(
            "services",
            Kind::Map(&SERVICES),
            "{ enable: [ssh], mask: [apt-daily.timer] }",
            "Which units of systemd start. It holds after the first boot too.",
        ),
        Key::new(
            "run",
            Kind::List(&Kind::Map(&RUN), Length::Any),
            "[{ name: trust our CA, command: update-ca-certificates }]",
            "Commands that run in the tree, in order, when everything else is in place.",
        ),
        Key::new(
            "residue",
            Kind::List(&Kind::Map(&RESIDUE), Length::Any),
            "[{ path: /etc/ssl/private/demo.key, reason: everybody has it }]",
            "Private keys, tokens, histories, identities and seeds that the image is to hold, each with a reason. Any other that \
             is found in the finished tree fails the build.",
        ),
        Key::new(
            "apt_sources",
            Kind::List(&Kind::Map(&APT_SOURCE), Length::Any),
            "[{ uri: \"http://ftp.debian.org/debian\", suites: [bookworm], components: [main] }]",
            "The sources of packages that the image itself has.",
        )
        .default("the repositories that the image is built from"),
        Key::new(
            "outputs",
            Kind::List(&Kind::Either(&Kind::Choice(&OUTPUTS), &Kind::Map(&OUTPUT)), Length::NotEmpty),
            "[qcow2]",
            "What is written, each a word or a map with options.",
        )
        .required(),
        Key::new(
            "tests",
            Kind::List(&Kind::Map(&TEST), Length::Any),
            "[{ name: ssh is up, port: 22 }]",
            "What `bootwright test` tries in the booted image. An image with tests holds `firstboot`, which runs \
             them only from a disk that the host attaches.",
        ),
        Key::new(
            "roles",
            Kind::Table("^[a-z][a-z0-9_-]{0,39}$", &Kind::Map(&ROLE_KEYS)),
            "{ router: { packages: [nginx-light], units: [nginx.service], ports: [{ port: 80, from: any }] } }",
            "What a clone may be in a cluster.",
        ),
        Key::new(
            "firstboot",
            Kind::Document(contract::native::KEYS),
            "{ hostname: \"node-{{instance_id}}\", timezone: Etc/UTC }",
            "What a clone does when it first boots, beside what its cloud says. With this key, also when it is empty, the \
             image holds `firstboot` and its units; the keys are those of the native document in \
             [firstboot.md](firstboot.md).",
        ),
        Key::new(
            "upload",
            Kind::Map(&UPLOAD),
            "{ glance: { cloud: mycloud, visibility: private }, aws: { region: eu-west-1 } }",
            "Clouds that `bootwright build --upload` puts the image into.",
        ),
    ],
};
