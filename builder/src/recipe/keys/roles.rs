//! Keys of `roles`.

use super::kinds::{ANY_TEXT, IMAGE_PATH, Kind, LINE, Length, MODE, PACKAGE, ROLE, SCRIPT, UNIT};
use super::{Key, Section};
use crate::recipe::decode::roles::{ANYBODY, PROTOCOLS};

/// A role.
pub(in crate::recipe) static ROLE_KEYS: Section = Section {
    what: "a role",
    about: "What a node of a cluster may be, by name; [cluster.md](cluster.md) says how a clone takes one. Packages of all \
            roles are in the image, their units are disabled, and the image holds `firstboot`. The roles `controller` and \
            `primary` are there without being named; an image whose recipe names `controller` has etcd, masked. \
            [microcloud.yaml](../recipes/microcloud.yaml) has roles to copy: a load balancer, databases, shared files.",
    one_of: &[],
    cases: &[],
    keys: &[
        Key::new("description", Kind::Text(&LINE), "sends requests on", "What it is for."),
        Key::new(
            "packages",
            Kind::List(&Kind::Text(&PACKAGE), Length::Any),
            "[nginx-light]",
            "Packages that every clone has for it, as in `packages`.",
        ),
        Key::new(
            "units",
            Kind::List(&Kind::Text(&UNIT), Length::Any),
            "[nginx.service]",
            "Units that run while a node has the role, and are disabled in the image.",
        ),
        Key::new(
            "ports",
            Kind::List(&Kind::Map(&ROLE_PORT), Length::Any),
            "[{ port: 443, from: any }]",
            "Where it is reached, and by whom.",
        ),
        Key::new(
            "files",
            Kind::List(&Kind::Map(&ROLE_FILE), Length::Any),
            "[{ path: /etc/pool.conf, content: \"{{ cluster.endpoint }}\" }]",
            "Files that follow the cluster.",
        ),
        Key::new(
            "prepare",
            Kind::List(&Kind::Text(&SCRIPT), Length::Any),
            "[make-ssl-cert generate-default-snakeoil]",
            "Shell text that makes this very clone's keys and databases, once, before the units start.",
        ),
        Key::new(
            "health",
            Kind::Map(&ROLE_HEALTH),
            "{ port: 80 }",
            "How it is known to work, beside its units running.",
        ),
        Key::new(
            "conflicts",
            Kind::List(&Kind::Text(&ROLE), Length::Any),
            "[load_balancer]",
            "Roles that cannot be on the same node.",
        ),
        Key::new(
            "requires",
            Kind::List(&Kind::Text(&ROLE), Length::Any),
            "[filesystem]",
            "Roles that are on the same node as well, and start before.",
        ),
        Key::new(
            "groups",
            Kind::List(&Kind::Text(&ROLE), Length::Any),
            "[data-services]",
            "Names under which several roles are meant at once.",
        ),
        Key::new(
            "certificate",
            Kind::Boolean,
            "true",
            "Whether it shows the certificate of the cluster's endpoint, whose path is `{{ certificate }}` in its files.",
        )
        .default("`false`"),
        Key::new("exclusive", Kind::Boolean, "true", "Whether its node has no other role.")
            .default("`false`"),
        Key::new(
            "single_node",
            Kind::Boolean,
            "true",
            "Whether it works only while the cluster has one node.",
        )
        .default("`false`"),
    ],
};

/// One of a role's `ports`.
pub(in crate::recipe) static ROLE_PORT: Section = Section {
    what: "a port",
    about: "",
    one_of: &[],
    cases: &[],
    keys: &[
        Key::new("port", Kind::Integer(1, 65535), "443", "Its number.").required(),
        Key::new("protocol", Kind::Choice(&PROTOCOLS), "tcp", "The protocol.").default("`tcp`"),
        Key::new(
            "from",
            Kind::Either(&Kind::Choice(&ANYBODY), &Kind::List(&Kind::Text(&ROLE), Length::NotEmpty)),
            "any",
            "Who may reach it: `any`, nodes of the `cluster`, or nodes with one of these roles.",
        )
        .default("`cluster`"),
    ],
};

/// One of a role's `files`.
pub(in crate::recipe) static ROLE_FILE: Section = Section {
    what: "a file of a role",
    about: "",
    one_of: &[],
    cases: &[],
    keys: &[
        Key::new("path", Kind::Text(&IMAGE_PATH), "/etc/nginx/conf.d/pool.conf", "Where it is.").required(),
        Key::new(
            "content",
            Kind::Text(&ANY_TEXT),
            "\"{% for one in roles.router %}server {{ one.address }};{% endfor %}\"",
            "A template in the language of Jinja over `node`, `cluster`, `nodes`, `roles` and `certificate`.",
        )
        .required(),
        Key::new("mode", Kind::Text(&MODE), "\"0640\"", "Permission bits.").default("`\"0644\"`"),
        Key::new(
            "validate",
            Kind::Text(&SCRIPT),
            "nginx -t",
            "Shell text that ends with 0 if the file can be used; else the one before comes back.",
        ),
    ],
};

/// A role's `health`.
pub(in crate::recipe) static ROLE_HEALTH: Section = Section {
    what: "`health`",
    about: "",
    one_of: &[],
    cases: &[],
    keys: &[
        Key::new("port", Kind::Integer(1, 65535), "80", "A TCP port of the node that takes connections."),
        Key::new("run", Kind::Text(&SCRIPT), "pg_isready", "Shell text that ends with 0."),
        Key::new("within", Kind::Duration, "90s", "How long after its start it may take.").default("`1min`"),
    ],
};
