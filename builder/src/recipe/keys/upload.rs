//! Keys of `upload`: those of a cloud are the flags of `bootwright upload`, with `_` for `-`, lists under their plural.

use super::kinds::{Kind, LINE, PAIR};
use super::{Key, Length, Section};

type Word = (&'static str, Option<&'static str>);

static VISIBILITIES: [Word; 4] = [
    ("private", Some("private")),
    ("shared", Some("shared")),
    ("community", Some("community")),
    ("public", Some("public")),
];
static DISK_BUSES: [Word; 2] = [("virtio", Some("virtio")), ("scsi", Some("scsi"))];
static REPLACES: [Word; 3] = [("keep", Some("keep")), ("hide", Some("hide")), ("delete", Some("delete"))];
static BOOT_MODES: [Word; 3] = [
    ("legacy-bios", Some("legacy-bios")),
    ("uefi", Some("uefi")),
    ("uefi-preferred", Some("uefi-preferred")),
];

const NAME: Key = Key::new("name", Kind::Text(&LINE), "web", "What the image is called there.")
    .default("the recipe's name");
const REPLACE: Key = Key::new(
    "replace",
    Kind::Choice(&REPLACES),
    "hide",
    "What becomes of older images of the name that were uploaded by this program.",
)
.default("`keep`");

/// `upload`.
pub(in crate::recipe) static UPLOAD: Section = Section {
    what: "`upload`",
    about: "Clouds that `bootwright build --upload` puts the image into: its qcow2 if there is one, else its raw disk. \
            Credentials are never in a recipe; [upload.md](upload.md) says where they come from, and more of each key.",
    one_of: &[],
    cases: &[],
    keys: &[
        Key::new(
            "glance",
            Kind::Map(&GLANCE),
            "{ cloud: mycloud, visibility: private }",
            "OpenStack's image service.",
        ),
        Key::new("aws", Kind::Map(&AWS), "{ region: eu-west-1 }", "A snapshot and a machine image in AWS."),
        Key::new("opennebula", Kind::Map(&OPENNEBULA), "{ datastore: default }", "An image of OpenNebula."),
    ],
};

/// `upload.glance`.
pub(in crate::recipe) static GLANCE: Section = Section {
    what: "`glance`",
    about: "",
    one_of: &[],
    cases: &[],
    keys: &[
        NAME,
        Key::new("cloud", Kind::Text(&LINE), "mycloud", "Name of the cloud in clouds.yaml."),
        Key::new("region", Kind::Text(&LINE), "RegionOne", "Its region."),
        Key::new("visibility", Kind::Choice(&VISIBILITIES), "private", "Who sees the image.")
            .default("`private`"),
        Key::new(
            "members",
            Kind::List(&Kind::Text(&LINE), Length::Any),
            "[5f2c]",
            "Ids of projects that it is shared with.",
        ),
        Key::new("protected", Kind::Boolean, "true", "Whether it is kept from being deleted.")
            .default("`false`"),
        Key::new("tags", Kind::List(&Kind::Text(&LINE), Length::Any), "[ci]", "Its tags."),
        Key::new(
            "properties",
            Kind::List(&Kind::Text(&PAIR), Length::Any),
            "[\"team=web\"]",
            "Properties, each `KEY=VALUE`.",
        ),
        Key::new(
            "import",
            Kind::Boolean,
            "true",
            "Whether it comes in by the cloud's import, which may convert it.",
        )
        .default("`false`"),
        Key::new(
            "stores",
            Kind::List(&Kind::Text(&LINE), Length::Any),
            "[ceph]",
            "Stores of the cloud that it is put into.",
        )
        .default("the cloud's default"),
        Key::new("min_disk", Kind::Integer(0, 1 << 20), "4", "Smallest disk of servers, GiB.")
            .default("the image's"),
        Key::new("min_ram", Kind::Integer(0, 1 << 30), "512", "Smallest memory of servers, MiB.")
            .default("0"),
        Key::new("disk_bus", Kind::Choice(&DISK_BUSES), "scsi", "How the disk is attached.")
            .default("`virtio`"),
        REPLACE,
    ],
};

/// `upload.aws`.
pub(in crate::recipe) static AWS: Section = Section {
    what: "`aws`",
    about: "",
    one_of: &[],
    cases: &[],
    keys: &[
        NAME,
        Key::new("profile", Kind::Text(&LINE), "ci", "Profile of AWS's shared configuration."),
        Key::new("region", Kind::Text(&LINE), "eu-west-1", "The region.")
            .default("that of the environment or the profile"),
        Key::new(
            "tags",
            Kind::List(&Kind::Text(&PAIR), Length::Any),
            "[\"team=web\"]",
            "Tags of image and snapshot, each `KEY=VALUE`.",
        ),
        Key::new("boot_mode", Kind::Choice(&BOOT_MODES), "uefi", "How machines start the image.")
            .default("every way that it has"),
        Key::new("tpm", Kind::Boolean, "true", "Whether machines have a TPM 2.0.").default("`false`"),
        Key::new(
            "copies",
            Kind::List(&Kind::Text(&LINE), Length::Any),
            "[us-east-2]",
            "Regions that it is copied to.",
        ),
        Key::new(
            "shares",
            Kind::List(&Kind::Text(&LINE), Length::Any),
            "[\"123456789012\"]",
            "Who may start machines of it: `all`, accounts, ARNs of organizations or units.",
        ),
        Key::new("deprecate_at", Kind::Text(&LINE), "2031-01-31T00:00:00Z", "When it is deprecated."),
        Key::new("encrypted", Kind::Boolean, "true", "Whether the snapshot is encrypted.").default("`false`"),
        Key::new(
            "kms_key",
            Kind::Text(&LINE),
            "\"arn:aws:kms:eu-west-1:123456789012:key/1\"",
            "By which key.",
        ),
        Key::new("root_device", Kind::Text(&LINE), "/dev/sda1", "What the root disk is called.")
            .default("`/dev/xvda`"),
        REPLACE,
    ],
};

/// `upload.opennebula`.
pub(in crate::recipe) static OPENNEBULA: Section = Section {
    what: "`opennebula`",
    about: "",
    one_of: &[],
    cases: &[],
    keys: &[
        NAME,
        Key::new("datastore", Kind::Text(&LINE), "images", "The datastore.").default("`default`"),
        Key::new("description", Kind::Text(&LINE), "a web server", "What the image is."),
        Key::new("labels", Kind::List(&Kind::Text(&LINE), Length::Any), "[ci]", "Its labels."),
        Key::new("public", Kind::Boolean, "true", "Whether everybody may use it.").default("`false`"),
        Key::new("listen", Kind::Text(&LINE), "\"0.0.0.0:8080\"", "Where to listen for the front-end.")
            .default("a free port"),
        Key::new(
            "advertise",
            Kind::Text(&LINE),
            "builder.example.org",
            "By what name it reaches this machine.",
        )
        .default("the address of the route to it"),
        Key::new(
            "vm_template",
            Kind::Text(&LINE),
            "web",
            "Name of a template of machines that is made with it.",
        ),
        Key::new("vm_memory", Kind::Integer(1, 1 << 30), "1024", "Memory of such machines, MiB.")
            .default("1024"),
        REPLACE,
    ],
};
