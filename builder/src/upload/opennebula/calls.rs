//! The calls of an upload to OpenNebula, before anybody is asked.

use serde_json::{Value, json};

use super::template::Attribute;
use super::{NAME, PLAN, Settings, Source, UPLOAD};
use crate::upload::glance::Replace;
use crate::upload::{ImageFacts, PlannedCall, SourceImage};

/// Returns the attributes of the image; `path` and `sha1` are known when it is allocated.
pub(super) fn image(
    settings: &Settings,
    facts: &ImageFacts,
    name: &str,
    plan: &str,
    id: &str,
    [path, sha1, sha256]: [&str; 3],
) -> Vec<Attribute> {
    let text = |name, value: &str| Attribute::Text(name, value.to_owned());
    let mut found = vec![
        text("NAME", name),
        text("TYPE", "OS"),
        text("PERSISTENT", "NO"),
        // The server's default is `sd`, which is IDE or SCSI emulated.
        text("DEV_PREFIX", "vd"),
        text("PATH", path),
        text("SHA1", sha1),
        text("SHA256", sha256),
        text(PLAN, plan),
        text(UPLOAD, id),
        text(NAME, &settings.name),
    ];
    found.extend(settings.description.as_deref().map(|description| text("DESCRIPTION", description)));
    found.extend(Settings::architecture(facts).map(|architecture| text("ARCHITECTURE", architecture)));
    if !settings.labels.is_empty() {
        found.push(text("LABELS", &settings.labels.join(",")));
    }
    found
}

/// Returns the attributes of a template of machines of the image.
pub(super) fn machine(
    settings: &Settings,
    facts: &ImageFacts,
    name: &str,
    id: &str,
    image: &str,
) -> Vec<Attribute> {
    let text = |name, value: &str| Attribute::Text(name, value.to_owned());
    let mut system = vec![text("ARCH", facts.architecture.unwrap_or("x86_64"))];
    if facts.uefi && !facts.bios {
        system.extend([text("FIRMWARE", "UEFI"), text("MACHINE", "q35")]);
    }
    vec![
        text("NAME", name),
        text("CPU", "1"),
        text("VCPU", "1"),
        text("MEMORY", &settings.memory.to_string()),
        Attribute::Group(
            "DISK",
            vec![text("IMAGE_ID", image), text("DEV_PREFIX", "vd"), text("DISCARD", "unmap")],
        ),
        Attribute::Group("NIC_DEFAULT", vec![text("MODEL", "virtio")]),
        Attribute::Group("OS", system),
        // What firstboot reads: addresses, and the key of who makes the machine.
        Attribute::Group(
            "CONTEXT",
            vec![text("NETWORK", "YES"), text("SSH_PUBLIC_KEY", "$USER[SSH_PUBLIC_KEY]")],
        ),
        Attribute::Group("GRAPHICS", vec![text("TYPE", "vnc"), text("LISTEN", "0.0.0.0")]),
        Attribute::Group("FEATURES", vec![text("ACPI", "yes")]),
        text(UPLOAD, id),
    ]
}

fn shown(attributes: &[Attribute]) -> Value {
    let pair = |attribute: &Attribute| match attribute {
        Attribute::Text(name, value) => ((*name).to_owned(), Value::from(value.as_str())),
        Attribute::Group(name, inner) => ((*name).to_owned(), shown(inner)),
    };
    Value::Object(attributes.iter().map(pair).collect())
}

/// Returns the calls in order.
pub(super) fn calls(facts: &ImageFacts, settings: &Settings, source: &SourceImage) -> Vec<PlannedCall> {
    let call =
        |path: &str, body, purpose| PlannedCall { method: "POST", path: path.to_owned(), body, purpose };
    let path = match &settings.source {
        Source::Path(path) => path.as_str(),
        Source::Server { .. } => "{this machine, under a random path, while it is fetched}",
    };
    let first = settings.first_name("{plan}");
    let attributes = image(settings, facts, &first, "{plan}", "{id}", [path, "{sha1}", &source.sha256]);
    let allocate = json!({ "datastore": settings.datastore, "template": shown(&attributes) });
    let mut calls = vec![
        call("one.imagepool.info", json!([-3, -1, -1]), "is it there already?"),
        call("one.datastorepool.info", Value::Null, "which datastore; is there room?"),
        call("one.image.allocate", allocate, "have it fetched; unless it is there"),
        call("one.image.info", json!(["{image}"]), "until it is READY, its SHA-1 compared"),
    ];
    if settings.public {
        calls.push(call("one.image.chmod", json!(["{image}", { "other_use": 1 }]), "let everybody use it"));
    }
    if settings.replace != Replace::Keep {
        calls.push(call(
            "one.image.rename",
            json!(["{old}", "{name}.old-{old}"]),
            "each older one of this name that is ours",
        ));
        calls.push(call("one.image.rename", json!(["{image}", settings.name]), "it takes the name"));
    }
    match settings.replace {
        Replace::Keep => {}
        Replace::Hide => {
            calls.push(call("one.image.enable", json!(["{old}", false]), "and cannot be used any more"))
        }
        Replace::Delete => calls.push(call("one.image.delete", json!(["{old}"]), "and is deleted")),
    }
    if let Some(name) = &settings.template {
        let attributes = machine(settings, facts, name, "{id}", "{image}");
        calls.push(call(
            "one.template.allocate",
            shown(&attributes),
            "a template of machines; unless it is there",
        ));
    }
    calls
}
