//! Keys of `outputs` and `tests`.

use super::kinds::{Kind, LINE, SCRIPT};
use super::{Case, Key, Section, Then};
use crate::recipe::decode::output::{OUTPUTS, QCOW2_COMPRESSIONS, TAR_COMPRESSIONS, VHD_SUBFORMATS};

/// One of `outputs`, with options.
pub(in crate::recipe) static OUTPUT: Section = Section {
    what: "an output",
    about: "",
    one_of: &[],
    keys: &[
        Key::new("type", Kind::Choice(&OUTPUTS), "qcow2", "Its format.").required(),
        Key::new("compression", Kind::Either(&Kind::Choice(&QCOW2_COMPRESSIONS), &Kind::Choice(&TAR_COMPRESSIONS)), "zstd", "How it is compressed: `none`, `zstd` or `zlib` for qcow2; `none`, `gz`, `xz` or `zstd` for tar; the others have none.").default("`none`"),
        Key::new("subformat", Kind::Choice(&VHD_SUBFORMATS), "dynamic", "Which kind of VHD: `fixed` or `dynamic`.")
            .default("`fixed`"),
    ],
    cases: &[
        Case { key: "type", pattern: "^qcow2$", option: "compression", then: Then::OneOf(&QCOW2_COMPRESSIONS) },
        Case { key: "type", pattern: "^tar$", option: "compression", then: Then::OneOf(&TAR_COMPRESSIONS) },
        Case { key: "type", pattern: "^(raw|vmdk|vhd|tree)$", option: "compression", then: Then::Absent },
        Case { key: "type", pattern: "^(qcow2|raw|vmdk|tar|tree)$", option: "subformat", then: Then::Absent },
    ],
};

/// One of `tests`.
pub(in crate::recipe) static TEST: Section = Section {
    what: "a test",
    about: "",
    one_of: &["port", "run"],
    cases: &[],
    keys: &[
        Key::new("name", Kind::Text(&LINE), "ssh is up", "Its name in the report.").required(),
        Key::new(
            "port",
            Kind::Integer(1, 65535),
            "22",
            "A TCP port of the guest that must accept a connection.",
        ),
        Key::new(
            "run",
            Kind::Text(&SCRIPT),
            "systemctl is-system-running --wait",
            "Shell text that must end with 0 in the guest, run as root by `/bin/sh -e`.",
        ),
        Key::new("timeout", Kind::Duration, "90s", "How long it may take.").default("`5min`"),
    ],
};
